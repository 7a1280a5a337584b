"""Users' unit tests of managers mock aiohttp with aioresponses; that goes on working."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from networkpype import (
    ConnectFailedError,
    HTTPStatusError,
    RequestTimeoutError,
    RESTMethod,
)
from tests.support.aioresponses_shim import mocked_responses
from tests.support.signing import LIMIT_ID, HeaderHmac, rest_manager

__all__ = ["mocked_responses"]

URL_ = "https://api.example.com/v1/order"


@pytest.mark.xfail(
    raises=TypeError,
    strict=True,
    reason="aioresponses 0.7.9 passes no stream_writer; once this passes, drop the shim",
)
async def test_aioresponses_works_with_this_aiohttp_by_itself() -> None:
    with aioresponses() as mocked:
        mocked.get(URL_, payload={})
        async with aiohttp.ClientSession() as session, session.get(URL_) as response:
            assert response.status == 200


async def test_a_manager_is_answered(mocked_responses: aioresponses) -> None:
    mocked_responses.get(f"{URL_}?symbol=BTC", payload={"orderId": "1"}, headers={"X-Used": "7"})
    async with rest_manager() as manager:
        response = await manager.execute_request_and_get_response(
            URL_, LIMIT_ID, params={"symbol": "BTC"}
        )
    assert response.parse() == await response.json() == {"orderId": "1"}
    assert response.headers["X-Used"] == "7"


async def test_what_was_signed_is_what_the_mock_is_handed(mocked_responses: aioresponses) -> None:
    handed: list[dict[str, Any]] = []

    def accept(url: URL, **sent: Any) -> CallbackResult:
        handed.append(sent)
        return CallbackResult(status=204)

    mocked_responses.post(URL_, callback=accept)
    async with rest_manager(HeaderHmac("the-key", "secret")) as manager:
        answered = await manager.execute_request(
            URL_, LIMIT_ID, data={"a": 1}, method=RESTMethod.POST, is_auth_required=True
        )
    assert answered is None
    (sent,) = handed
    assert sent["data"] == b'{"a":1}'
    assert sent["headers"]["X-API-KEY"] == "the-key"
    assert sent["headers"]["Content-Type"] == "application/json"


async def test_errors_and_exceptions_come_typed(mocked_responses: aioresponses) -> None:
    mocked_responses.get(URL_, status=400, payload={"code": -1})
    mocked_responses.get(URL_, exception=aiohttp.ClientConnectionError("mocked"))
    mocked_responses.get(URL_, timeout=True)
    async with rest_manager() as manager:
        for kind in (HTTPStatusError, ConnectFailedError, RequestTimeoutError):
            with pytest.raises(kind):
                await manager.execute_request(URL_, LIMIT_ID)
