"""A listen key: taken on every dial, prolonged in time, replaced when it is no more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from networkpype import Credentials, RESTMethod, TimeSynchronizer, WebSocketResponse
from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    HTTPStatusError,
    RequestTimeoutError,
)
from tests.support.vectors import Clock

KEY_URL = "https://a.example/listenKey"
KEY = "LK/1+2 =?&"
ENCODED = "LK%2F1%2B2%20%3D%3F%26"

Call = tuple[str, Any, dict[str, Any]]


class Exchange:
    """Gives the answers one after the other, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.calls: list[Call] = []
        self._answers = list(answers)

    async def execute_request(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Any = None,
        data: Any = None,
        method: RESTMethod = RESTMethod.GET,
        is_auth_required: bool = False,
    ) -> Any:
        assert url == KEY_URL
        assert params is None
        assert is_auth_required
        self.calls.append((str(method), data, {"limit": throttler_limit_id}))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def pattern(**fields: Any) -> ListenKey:
    own = ListenKey(
        **{
            "url": "wss://s.example/ws?listenKey={listen_key}",
            "key_url": KEY_URL,
            "throttler_limit_id": "keys",
            "gone": ("-1125",),
            **fields,
        }
    )
    clock = cast("TimeSynchronizer", Clock(0))
    return own.bound_to(Identity(Credentials(key="k", secret="test_api_secret"), clock))


def refusal(body: str) -> HTTPStatusError:
    return HTTPStatusError("400", status=400, body=body)


UNKNOWN_KEY = '{"code":-1125,"msg":"This listenKey does not exist."}'


@pytest.mark.parametrize("answer", [{"listenKey": KEY}, {"code": 0, "data": {"listenKey": KEY}}])
async def test_the_key_goes_into_the_url_percent_encoded(answer: Any) -> None:
    exchange = Exchange(answer)
    got = await pattern().pre_auth(exchange)
    assert got.url == f"wss://s.example/ws?listenKey={ENCODED}"
    assert got.lifetime_s == 3600
    assert exchange.calls == [("POST", None, {"limit": "keys"})]


async def test_every_dial_takes_a_key() -> None:
    exchange = Exchange({"listenKey": "one"}, {"listenKey": "two"})
    own = pattern(url="wss://s.example/ws/{listen_key}")
    assert (await own.pre_auth(exchange)).url == "wss://s.example/ws/one"
    assert (await own.pre_auth(exchange)).url == "wss://s.example/ws/two"


@pytest.mark.parametrize("names_key", [False, True])
@pytest.mark.parametrize("answer", [None, {}, {"listenKey": KEY}, {"code": 0, "msg": "success"}])
async def test_put_prolongs_the_key_of_the_same_url(names_key: bool, answer: Any) -> None:
    exchange = Exchange({"listenKey": KEY}, answer)
    own = pattern(names_key=names_key)
    first = await own.pre_auth(exchange)
    assert await own.renew(exchange) == first
    data = {"listenKey": KEY} if names_key else None
    assert exchange.calls[1] == ("PUT", data, {"limit": "keys"})


@pytest.mark.parametrize("answer", [refusal(UNKNOWN_KEY), {"code": 100400, "msg": "not exist"}])
async def test_a_key_that_is_no_more_is_replaced_under_another_url(answer: Any) -> None:
    exchange = Exchange({"listenKey": "one"}, answer, {"listenKey": "two"}, None)
    own = pattern(names_key=True)
    await own.pre_auth(exchange)
    renewed = await own.renew(exchange)
    assert renewed.url.endswith("listenKey=two")
    assert [method for method, *_ in exchange.calls] == ["POST", "PUT", "POST"]
    assert await own.renew(exchange) == renewed
    assert exchange.calls[-1][1] == {"listenKey": "two"}


@pytest.mark.parametrize("error", [refusal('{"code":-1021}'), RequestTimeoutError("late")])
async def test_another_failure_of_the_renewal_leaves_the_key(error: Exception) -> None:
    exchange = Exchange({"listenKey": "one"}, error, {})
    own = pattern()
    first = await own.pre_auth(exchange)
    with pytest.raises(type(error)):
        await own.renew(exchange)
    assert await own.renew(exchange) == first


async def test_a_renewal_without_a_key_takes_one() -> None:
    exchange = Exchange({"listenKey": "one"})
    assert (await pattern().renew(exchange)).url.endswith("=one")


@pytest.mark.parametrize(
    "answer", [{"code": 7, "msg": "no\npermission"}, None, [], {"listenKey": 5}]
)
async def test_an_answer_without_a_key_is_a_refusal(answer: Any) -> None:
    with pytest.raises(AuthenticationError, match="gave no listenKey") as caught:
        await pattern().pre_auth(Exchange(answer))
    assert "\n" not in str(caught.value)


async def test_it_asks_for_a_rest_manager() -> None:
    with pytest.raises(ConfigurationError, match="pass a RESTManager"):
        await pattern().pre_auth(None)


EXPIRED = {"e": "listenKeyExpired", "E": 1699596037418, "listenKey": "one"}


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (EXPIRED, AuthStatus.EXPIRED),
        ({"stream": "one", "data": EXPIRED}, AuthStatus.EXPIRED),
        ({"e": "listenKeyExpired"}, AuthStatus.EXPIRED),
        ({**EXPIRED, "listenKey": "another"}, AuthStatus.NOT_MINE),
        ({"e": "ACCOUNT_UPDATE", "listenKey": "one"}, AuthStatus.NOT_MINE),
        ({"result": None, "id": 1}, AuthStatus.NOT_MINE),
        ({"data": "listenKeyExpired"}, AuthStatus.NOT_MINE),
        ("Ping", AuthStatus.NOT_MINE),
        (b"\x0a\x01", AuthStatus.NOT_MINE),
        ([EXPIRED], AuthStatus.NOT_MINE),
    ],
)
async def test_what_a_frame_means(frame: Any, status: AuthStatus) -> None:
    own = pattern()
    await own.pre_auth(Exchange({"listenKey": "one"}))
    assert own.build_auth_message(0.0) is None
    assert own.handle_auth_response(WebSocketResponse(frame)).status is status


async def test_nothing_shows_the_key() -> None:
    own = pattern()
    secret = "a-listen-key-that-is-not-to-be-seen-0123456789"
    got = await own.pre_auth(Exchange({"listenKey": secret}))
    assert secret not in f"{own!r} {vars(own)!r} {got!r}"


async def test_a_fresh_one_knows_no_key() -> None:
    own = pattern()
    await own.pre_auth(Exchange({"listenKey": "one"}))
    exchange = Exchange({"listenKey": "two"})
    assert (await own.fresh().renew(exchange)).url.endswith("=two")
