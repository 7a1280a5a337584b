"""An error status becomes a typed error that says what happened and what to assume."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from freezegun import freeze_time

from networkpype import (
    AuthenticationError,
    AuthenticationFailure,
    HTTPAuthenticationError,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimitedError,
    RESTManager,
    RESTMethod,
    RESTRequest,
)
from networkpype.status import retry_after_s
from networkpype.testing import Access, Answer, MockExchange
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, HeaderHmac, QueryHmac, rest_manager

NO_SUCH_DAY = "Wed, 99999999999999999999 Oct 2026 07:28:00 GMT"  # datetime's own is OverflowError


async def failed(raw: bytes, *, private: bool = False, **call: Any) -> HTTPStatusError:
    auth = HeaderHmac("the-key-of-this-test", "the-secret-of-this-test")
    async with RawServer(answering(raw)) as server, rest_manager(auth) as manager:
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(
                f"{server.url}/v1/order", LIMIT_ID, is_auth_required=private, **call
            )
    return caught.value


async def test_the_text_of_the_error_tells_method_url_status_and_body(
    manager: RESTManager, exchange: MockExchange
) -> None:
    url = f"{exchange.url}/v1/nothing?symbol=BTC"
    with pytest.raises(OSError, match="no endpoint") as caught:
        await manager.execute_request(url, LIMIT_ID, {"side": "BUY"}, method=RESTMethod.DELETE)
    error = caught.value
    assert isinstance(error, HTTPStatusError)
    assert str(error).startswith(f'DELETE {url}&side=BUY: HTTP 404: {{"code":-1,"msg":"no endpoint')
    assert (error.status, error.method, error.url) == (404, "DELETE", f"{url}&side=BUY")
    assert error.body.startswith('{"code":-1')
    assert error.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.REJECTED),
        (401, Outcome.REJECTED),
        (403, Outcome.REJECTED),
        (404, Outcome.REJECTED),
        (408, Outcome.UNKNOWN),
        (409, Outcome.UNKNOWN),
        (418, Outcome.REJECTED),
        (422, Outcome.REJECTED),
        (429, Outcome.REJECTED),
        (451, Outcome.REJECTED),
        (499, Outcome.REJECTED),
        (500, Outcome.UNKNOWN),
        (502, Outcome.UNKNOWN),
        (503, Outcome.UNKNOWN),
        (504, Outcome.UNKNOWN),
        (520, Outcome.UNKNOWN),
        (599, Outcome.UNKNOWN),
    ],
)
async def test_4xx_was_refused_and_5xx_may_have_executed(status: int, outcome: Outcome) -> None:
    for private in (False, True):
        error = await failed(answer(b"<html>", f"{status} No"), private=private)
        assert (error.status, error.outcome) == (status, outcome)
        assert f"HTTP {status}: <html>" in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [
        (429, ["Retry-After: 7"], 7.0),
        (429, ["Retry-After:  0.25 "], 0.25),
        (418, ["Retry-After: 259200"], 259200.0),
        (503, ["Retry-After: 30"], 30.0),
        (429, [], None),
        (418, [], None),
        (429, ["Retry-After: 0"], 0.0),
        (429, ["Retry-After: -5"], 0.0),
        (
            429,
            ["Date: Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2026 07:28:45 GMT"],
            45.0,
        ),
        (
            429,
            ["Date: Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2026 07:27:00 GMT"],
            0.0,
        ),
        (429, ["Retry-After: Wed, 21 Oct 2015 07:28:45 GMT"], 0.0),  # long past by any clock
        (429, ["Date: now", "Retry-After: Wed, 21 Oct 2026 07:28:45 GMT"], None),
        (429, ["Retry-After: soon"], None),
        (429, ["Retry-After: nan"], None),
        (429, ["Retry-After: inf"], None),
        (429, ["Retry-After: 1e999"], None),
        (
            429,
            ["Date: Wed, 21 Oct 2026 07:28:00 GMT", f"Retry-After: {NO_SUCH_DAY}"],
            None,
        ),
    ],
)
async def test_how_long_to_wait_is_read_where_it_makes_sense(
    status: int, headers: list[str], retry_after: float | None
) -> None:
    error = await failed(answer(b"slow down", f"{status} Slow", *headers))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == retry_after
    assert ("retry after" in str(error)) is (retry_after is not None)


async def test_a_503_without_a_wait_is_no_rate_limit() -> None:
    assert type(await failed(answer(b"", "503 Down"))) is HTTPStatusError


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, AuthenticationFailure.REJECTED), (403, AuthenticationFailure.PERMISSION)],
)
async def test_401_and_403_to_a_private_request_are_about_who_we_are(
    status: int, reason: AuthenticationFailure
) -> None:
    error = await failed(answer(b"no", f"{status} No"), private=True)
    assert isinstance(error, HTTPAuthenticationError)
    assert isinstance(error, AuthenticationError)
    assert error.reason is reason
    assert not isinstance(await failed(answer(b"no", f"{status} No")), AuthenticationError)


async def test_a_wrong_secret_is_an_authentication_error(exchange: MockExchange) -> None:
    async with rest_manager(QueryHmac(exchange.api_key, "wrong secret")) as manager:
        with pytest.raises(HTTPAuthenticationError, match="signature does not match") as caught:
            await manager.execute_request(
                f"{exchange.url}/v1/account", LIMIT_ID, is_auth_required=True
            )
    assert "signature=***" in caught.value.url
    assert "timestamp=1" in caught.value.url


@pytest.mark.parametrize(
    ("body", "returned"),
    [
        (b'{"code": -1}', {"code": -1}),
        (b"[]", []),
        (b"", None),
        (b"<html>Bad Gateway", "<html>Bad Gateway"),
    ],
)
async def test_return_err_returns_the_body_instead(body: bytes, returned: Any) -> None:
    for status in (400, 401, 429, 500):
        raw = answer(body, f"{status} No")
        async with RawServer(answering(raw)) as server, rest_manager() as manager:
            found = await manager.execute_request(server.url, LIMIT_ID, return_err=True)
            assert found == returned
            response = await manager.execute_request_and_get_response(
                server.url, LIMIT_ID, return_err=True
            )
            assert (response.status, response.body) == (status, body)
            with pytest.raises(HTTPStatusError):
                await manager.execute_request_and_get_response(server.url, LIMIT_ID)


async def test_call_returns_any_status(manager: RESTManager, exchange: MockExchange) -> None:
    response = await manager.call(RESTRequest(RESTMethod.GET, f"{exchange.url}/v1/nothing"))
    assert response.status == 404


async def test_a_body_that_is_no_text_or_very_long_or_wild_is_still_shown_safely() -> None:
    assert "\ufffd" in (await failed(answer(b"bad \xff\xfe", "400 No"))).body
    error = await failed(answer(b"x" * 1_000_000, "500 No"))
    assert len(str(error)) < 2200
    assert error.body.endswith("... (1000000 characters)")
    error = await failed(answer(b"a\r\n2026-01-01 INFO forged\x1b[2J\x00", "400 No"))
    assert error.body == "a\\x0d\\x0a2026-01-01 INFO forged\\x1b[2J\\x00"
    error = await failed(answer(b"bad", "400 No", "Content-Type: text/plain; charset=undefined"))
    assert error.body == "bad"


async def test_cookies_are_not_among_the_headers_of_an_error() -> None:
    error = await failed(
        answer(b"", "400 No", "Set-Cookie: session=abc", "set-cookie2: b", "X-Used: 1", "X-Used: 2")
    )
    assert {name.lower() for name in error.headers} == {"x-used", "content-length"}
    assert b"session" not in pickle.dumps(error)


@pytest.mark.parametrize("auth_class", [HeaderHmac, QueryHmac])
async def test_what_the_server_echoes_of_a_signature_is_masked(
    exchange: MockExchange, auth_class: type[HeaderHmac]
) -> None:
    seen: list[str] = []

    def echo(request: Any) -> Answer:
        signature = request.headers.get("X-SIGNATURE") or request.raw_query.rpartition("=")[2]
        seen.extend([request.headers["X-API-KEY"], signature])
        return Answer(
            {"msg": f"key {seen[0]} signature {signature}", "path": request.raw_path},
            400,
            {"X-Echo": f"{seen[0]} {signature}"},
        )

    exchange.add_endpoint("POST", "/v1/fail", echo, Access.SIGNED)
    async with rest_manager(auth_class(exchange.api_key, exchange.api_secret)) as manager:
        with pytest.raises(HTTPStatusError, match=r"key \*\*\* signature \*\*\*") as caught:
            await manager.execute_request(
                f"{exchange.url}/v1/fail", LIMIT_ID, method=RESTMethod.POST, is_auth_required=True
            )
    shown = f"{caught.value!r} {caught.value.headers!r} {vars(caught.value)!r}"
    assert len(seen) == 2
    for secret in seen:
        assert len(secret) >= 32
        assert secret not in shown
    assert caught.value.headers["x-echo"] == "*** ***"
    assert pickle.dumps(caught.value).count(seen[0].encode()) == 0


async def test_one_except_catches_them_all() -> None:
    for status in (400, 401, 429, 500):
        error = await failed(answer(b"", f"{status} No"), private=True)
        assert isinstance(error, (NetworkpypeError, OSError))
        assert "empty body" in str(error)


def test_a_date_is_compared_with_the_local_clock_where_the_answer_has_none() -> None:
    with freeze_time("2026-10-21 07:28:00", real_asyncio=True):
        assert retry_after_s({"Retry-After": "Wed, 21 Oct 2026 07:28:45 GMT"}) == 45.0
