"""Binance's WebSocket API: what is signed, who is in session, and what each answer means."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from typing import Any, cast

import pytest

from networkpype import Credentials, RESTMethod, TimeSynchronizer
from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.ws_api import ListenToken, WebSocketAPI
from networkpype.errors import AuthenticationError, AuthenticationFailure, ConfigurationError
from tests.support.logins import frame_of, outcome_of
from tests.support.vectors import Clock

URL = "wss://ws.example/v3"
TOKEN_URL = "https://a.example/userListenToken"
SECRET = "test_api_secret"
MS = 1700000000123
NOW = MS / 1000


def bound(pattern: Any, **options: Any) -> Any:
    clock = cast("TimeSynchronizer", Clock(MS))
    return pattern.bound_to(Identity(Credentials(key="the-key", secret=SECRET), clock, **options))


def api(**fields: Any) -> Any:
    return bound(WebSocketAPI(url=URL, **fields))


def session() -> Any:
    """Return a pattern that is logged on."""
    own = api(login="session.logon")
    frame = frame_of(own, MS)
    assert outcome_of(own, ack(frame, {"apiKey": "the-key"})).status is AuthStatus.ACCEPTED
    return own


def ack(frame: Any, result: Any) -> dict[str, Any]:
    return {"id": frame["id"], "status": 200, "result": result}


def error(frame: Any, status: int, code: int, msg: str, **more: Any) -> dict[str, Any]:
    return {"id": frame["id"], "status": status, "error": {"code": code, "msg": msg, **more}}


def mac(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_the_login_is_signed_by_name_and_carries_its_signature_last() -> None:
    frame = frame_of(api(recv_window=10000), MS)
    message = f"apiKey=the-key&recvWindow=10000&timestamp={MS}"
    assert frame == {
        "id": "1",
        "method": "userDataStream.subscribe.signature",
        "params": {
            "apiKey": "the-key",
            "recvWindow": 10000,
            "timestamp": MS,
            "signature": mac(message),
        },
    }
    assert list(frame["params"])[-1] == "signature"


def test_a_session_logon_has_no_recv_window() -> None:
    frame = frame_of(api(login="session.logon", recv_window=10000), MS)
    assert frame["method"] == "session.logon"
    assert list(frame["params"]) == ["apiKey", "timestamp", "signature"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"symbol": "é 中&=%", "side": "BUY", "b": False, "n": 3},
            f"apiKey=the-key&b=false&n=3&side=BUY&symbol=é 中&=%&timestamp={MS}",
        ),
        ({"Z": "1", "a": ["x", 1]}, f'Z=1&a=["x",1]&apiKey=the-key&timestamp={MS}'),
        ({"timestamp": 5, "recvWindow": 7}, "apiKey=the-key&recvWindow=7&timestamp=5"),
        ({"signature": "old", "apiKey": "other"}, f"apiKey=the-key&timestamp={MS}"),
        ({"gone": None}, f"apiKey=the-key&timestamp={MS}"),
        (None, f"apiKey=the-key&timestamp={MS}"),
    ],
)
def test_a_private_request_is_signed_as_it_is_and_not_encoded(params: Any, message: str) -> None:
    payload = {"id": 7, "method": "order.place", "params": params}
    signed = api().sign_message(payload)
    assert signed["params"]["signature"] == mac(message)
    assert signed["params"]["apiKey"] == "the-key"
    assert "gone" not in signed["params"]
    assert (signed["id"], signed["method"]) == (7, "order.place")
    assert payload["params"] is params


def test_a_fraction_is_sent_as_the_text_that_was_signed() -> None:
    params = {"price": 1.2e-07, "quantity": Decimal("1E-8")}
    signed = api().sign_message({"method": "order.place", "params": params})["params"]
    assert (signed["price"], signed["quantity"]) == ("0.00000012", "0.00000001")
    message = f"apiKey=the-key&price=0.00000012&quantity=0.00000001&timestamp={MS}"
    assert signed["signature"] == mac(message)


def test_in_a_session_requests_have_a_timestamp_and_no_signature() -> None:
    own = session()
    signed = own.sign_message({"id": 2, "method": "order.place", "params": {"symbol": "X"}})
    assert signed["params"] == {"symbol": "X", "timestamp": MS}
    stream = {"id": 3, "method": "userDataStream.subscribe"}
    assert own.sign_message(stream) == stream


def test_a_session_ends_with_its_connection_and_begins_with_its_ack() -> None:
    request = {"id": 2, "method": "order.place", "params": {}}
    own = session()
    assert "signature" not in own.sign_message(request)["params"]
    own.reset()
    assert "signature" in own.sign_message(request)["params"]

    own = api(login="session.logon")
    frame = frame_of(own, MS)
    outcome_of(own, error(frame, 401, -2015, "Invalid API-key"))
    assert "signature" in own.sign_message(request)["params"]


def test_a_second_logon_is_signed() -> None:
    params = session().sign_message({"id": 2, "method": "session.logon"})["params"]
    assert params["signature"] == mac(f"apiKey=the-key&timestamp={MS}")


def test_a_private_message_is_a_mapping() -> None:
    with pytest.raises(ConfigurationError, match="pass a WebSocketJSONRequest with a dict"):
        api().sign_message(["order.place"])


REASON = "Signature for this request is not valid."


@pytest.mark.parametrize(
    ("status", "code", "failure", "definite"),
    [
        (400, -1022, AuthenticationFailure.REJECTED, True),
        (401, -2015, AuthenticationFailure.REJECTED, True),
        (400, -1021, AuthenticationFailure.TIMESTAMP, False),
        (400, -1209, AuthenticationFailure.EXPIRED, False),
        (429, -1003, AuthenticationFailure.REJECTED, False),
        (418, -1003, AuthenticationFailure.REJECTED, False),
        (500, -1000, AuthenticationFailure.REJECTED, False),
    ],
)
def test_a_refusal_tells_why_and_whether_it_may_pass(
    status: int, code: int, failure: AuthenticationFailure, definite: bool
) -> None:
    own = api()
    outcome = outcome_of(own, error(frame_of(own, MS), status, code, REASON))
    assert outcome.status is AuthStatus.REJECTED
    assert (outcome.reason, outcome.failure, outcome.definite) == (REASON, failure, definite)


def test_a_refusal_for_the_rate_tells_when_to_come_back() -> None:
    own = api()
    busy = error(frame_of(own, MS), 429, -1003, "Too many", data={"retryAfter": MS + 5000})
    assert outcome_of(own, busy).retry_after_s == pytest.approx(5)


@pytest.mark.parametrize("ms", [10**400, -(10**400), float("inf"), float("nan"), True, "5000"])
def test_a_time_that_no_clock_knows_is_none(ms: Any) -> None:
    own = api()
    busy = error(frame_of(own, MS), 429, -1003, "Too many", data={"retryAfter": ms})
    assert outcome_of(own, busy).retry_after_s is None
    outcome = outcome_of(own, ack(frame_of(own, MS), {"expirationTime": ms}))
    assert (outcome.status, outcome.lifetime_s) == (AuthStatus.ACCEPTED, None)


def test_a_refusal_without_words_is_one() -> None:
    own = api()
    outcome = outcome_of(own, {"id": frame_of(own, MS)["id"], "status": 400})
    assert (outcome.status, outcome.reason) == (AuthStatus.REJECTED, "refused without a reason")


TERMINATED = {"e": "eventStreamTerminated", "E": MS}


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        ({"subscriptionId": 4, "event": TERMINATED}, AuthStatus.EXPIRED),
        ({"event": TERMINATED}, AuthStatus.EXPIRED),
        ({"subscriptionId": 3, "event": TERMINATED}, AuthStatus.NOT_MINE),
        ({"subscriptionId": 4, "event": {"e": "executionReport"}}, AuthStatus.NOT_MINE),
        ({"event": {"e": "serverShutdown", "E": MS}}, AuthStatus.NOT_MINE),
        ({"id": "1", "status": 400, "error": {"code": -2010, "msg": "x"}}, AuthStatus.NOT_MINE),
        ({"id": 9, "status": 200, "result": {}}, AuthStatus.NOT_MINE),
        ({"id": None, "status": 400}, AuthStatus.NOT_MINE),
        ("pong", AuthStatus.NOT_MINE),
        ([], AuthStatus.NOT_MINE),
    ],
)
def test_what_a_frame_means_after_the_ack(frame: Any, status: AuthStatus) -> None:
    own = api()
    outcome_of(own, ack(frame_of(own, MS), {"subscriptionId": 4}))
    assert outcome_of(own, frame).status is status


def test_other_frames_before_the_ack_are_not_mine() -> None:
    own = api()
    login = frame_of(own, MS)
    for frame in ({"id": "other", "status": 200, "result": {}}, {"status": 200}, {"ping": 1}):
        assert outcome_of(own, frame).status is AuthStatus.NOT_MINE
    outcome = outcome_of(own, ack(login, {"subscriptionId": 0}))
    assert (outcome.status, outcome.lifetime_s) == (AuthStatus.ACCEPTED, None)


def test_the_caller_s_ids_name_the_login() -> None:
    own = bound(WebSocketAPI(url=URL), new_id=lambda: 41)
    assert frame_of(own, MS)["id"] == "41"
    assert outcome_of(own, {"id": 41, "status": 200, "result": {}}).status is AuthStatus.ACCEPTED


class Exchange:
    """Gives listen tokens, each an hour longer good than the one before."""

    def __init__(self, *answers: Any) -> None:
        self.data: list[Any] = []
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
        assert (url, method, is_auth_required) == (TOKEN_URL, RESTMethod.POST, True)
        self.data.append(data)
        return self._answers.pop(0)


def token(name: str, hours: int) -> dict[str, Any]:
    return {"token": name, "expirationTime": MS + hours * 3_600_000}


def margin(**fields: Any) -> Any:
    return bound(ListenToken(url=URL, token_url=TOKEN_URL, **fields))


async def test_a_listen_token_comes_by_rest_and_goes_into_the_subscription() -> None:
    own, exchange = margin(), Exchange(token("one", 24))
    got = await own.pre_auth(exchange)
    assert (got.url, got.lifetime_s) == (URL, pytest.approx(86_400))
    assert exchange.data == [None]
    assert frame_of(own, MS) == {
        "id": "1",
        "method": "userDataStream.subscribe.listenToken",
        "params": {"listenToken": "one"},
    }


async def test_the_answer_tells_how_long_the_token_is_good() -> None:
    own = margin()
    await own.pre_auth(Exchange(token("one", 24)))
    answer = {"subscriptionId": 1, "expirationTime": MS + 7000}
    outcome = outcome_of(own, ack(frame_of(own, MS), answer))
    assert outcome.status is AuthStatus.ACCEPTED
    assert outcome.lifetime_s == pytest.approx(7)


async def test_a_renewal_subscribes_again_on_the_same_connection() -> None:
    own, exchange = margin(data={"symbol": "X"}), Exchange(token("one", 1), token("two", 2))
    first = await own.pre_auth(exchange)
    outcome_of(own, ack(frame_of(own, MS), {"subscriptionId": 1}))
    second = await own.renew(exchange)
    assert (first.url, second.lifetime_s) == (second.url, pytest.approx(7200))
    assert exchange.data == [{"symbol": "X"}] * 2

    frame = frame_of(own, MS)
    assert frame["params"] == {"listenToken": "two"}
    assert not frame["id"].isdecimal(), "the caller's own requests count from 1 as often as not"
    outcome_of(own, ack(frame, {"subscriptionId": 2}))
    ended = {"subscriptionId": 1, "event": TERMINATED}
    assert outcome_of(own, ended).status is AuthStatus.NOT_MINE
    ended["subscriptionId"] = 2
    assert outcome_of(own, ended).status is AuthStatus.EXPIRED


@pytest.mark.parametrize("answer", [{"code": -2015, "msg": "Invalid"}, None, {"token": ""}])
async def test_an_answer_without_a_token_is_a_refusal(answer: Any) -> None:
    with pytest.raises(AuthenticationError, match="gave no token"):
        await margin().pre_auth(Exchange(answer))


async def test_it_asks_for_a_rest_manager_and_for_a_token() -> None:
    with pytest.raises(ConfigurationError, match="pass a RESTManager"):
        await margin().pre_auth(None)
    with pytest.raises(ConfigurationError, match="await pre_auth"):
        margin().build_auth_message(NOW)


async def test_nothing_shows_the_token() -> None:
    own = margin()
    await own.pre_auth(Exchange(token("a-listen-token-0123456789", 1)))
    assert "a-listen-token" not in f"{own!r} {vars(own)!r}"
