"""The two methods that a connector writes, and what its base class does for it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import networkpype.auth
from networkpype import Auth, RESTMethod, RESTRequest, TimeSynchronizer, WebSocketRequest
from networkpype.testing import MockExchange
from tests.support.signing import LIMIT_ID, HeaderHmac, QueryHmac, rest_manager


class HalfAuth(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request


def test_auth_is_abstract_with_exactly_two_methods() -> None:
    assert networkpype.auth.Auth is Auth
    assert Auth.__abstractmethods__ == {"rest_authenticate", "ws_authenticate"}
    with pytest.raises(TypeError, match="abstract"):
        Auth()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="ws_authenticate"):
        HalfAuth()  # type: ignore[abstract]


def test_without_a_clock_it_has_one_of_its_own() -> None:
    one, other = HeaderHmac("k", "s"), HeaderHmac("k", "s")
    assert isinstance(one.time_provider, TimeSynchronizer)
    assert one.time_provider is not other.time_provider
    assert one.time_provider.time_offset_ms == 0


def test_a_clock_that_was_given_is_never_replaced() -> None:
    given, another = TimeSynchronizer(), TimeSynchronizer()
    auth = HeaderHmac("k", "s")
    Auth.__init__(auth, time_provider=given)
    auth.adopt_time_provider(another)
    assert auth.time_provider is given


def test_an_auth_shows_its_name_alone_and_does_not_travel() -> None:
    auth = HeaderHmac("the-key", "the-secret")
    assert repr(auth) == "HeaderHmac()"
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="it holds secrets; build it anew"):
            travel(auth)


def test_a_request_does_not_pickle_for_it_may_hold_a_signature() -> None:
    request = RESTRequest(RESTMethod.GET, "https://h/", headers={"X-Sign": "the-signature"})
    with pytest.raises(TypeError, match="RESTRequest does not pickle") as caught:
        pickle.dumps(request)
    assert "the-signature" not in str(caught.value)


@pytest.mark.parametrize("auth_class", [HeaderHmac, QueryHmac])
@pytest.mark.parametrize(
    "call",
    [
        {"params": {"a": "1"}},
        {"params": [("a", "1"), ("a", "2")]},
        {"params": "a=%41&b=c d"},
        {"params": None},
        {"data": {"a": [1, {"b": "ü"}]}},
        {"data": "a=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"params": {"a": "1"}, "data": b"\xff\x00"},
    ],
    ids=repr,
)
async def test_a_signature_over_the_wire_form_is_accepted(
    auth_class: type[HeaderHmac], call: dict[str, Any]
) -> None:
    async with (
        MockExchange(limits=()) as exchange,
        rest_manager(auth_class(exchange.api_key, exchange.api_secret)) as manager,
    ):
        for method in RESTMethod:
            response = await manager.execute_request_and_get_response(
                f"{exchange.url}/v1/echo/a?own=%2C", LIMIT_ID, method=method,
                is_auth_required=True, **call,
            )  # fmt: skip
            assert response.status == 200
        assert [each.refusal for each in exchange.received] == [None] * len(RESTMethod)


async def test_an_auth_may_return_a_request_of_its_own_making() -> None:
    class Rebuilding(HeaderHmac):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            anew = RESTRequest(
                method=RESTMethod.POST,
                url=request.url,
                endpoint_url=request.endpoint_url,
                params=[("from", "auth")],
                data=[1],
            )
            return await super().rest_authenticate(anew)

    async with (
        MockExchange(limits=()) as exchange,
        rest_manager(Rebuilding(exchange.api_key, exchange.api_secret)) as manager,
    ):
        arrived = await manager.execute_request(
            f"{exchange.url}/v1/echo/a", LIMIT_ID, is_auth_required=True
        )
    assert (arrived["method"], arrived["raw_path"]) == ("POST", "/v1/echo/a?from=auth")
    assert arrived["body_text"] == "[1]"


async def test_an_auth_may_ask_the_exchange_through_its_own_factory() -> None:
    """Such as for a session token: it must not wait for itself."""
    asked: list[Any] = []

    class TokenAuth(HeaderHmac):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            asked.append(await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID))
            return await super().rest_authenticate(request)

        async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
            return request

    async with (
        MockExchange(limits=()) as exchange,
        rest_manager(TokenAuth(exchange.api_key, exchange.api_secret)) as manager,
    ):
        await manager.execute_request(
            f"{exchange.url}/v1/account", LIMIT_ID, is_auth_required=True, timeout=2
        )
    assert asked[0]["serverTime"] > 0
    assert [each.path for each in exchange.received] == ["/v1/time", "/v1/account"]
