"""Gate: its two ways over a WebSocket, its queries, and what its frames mean."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest

from networkpype import (
    Credentials,
    RESTRequest,
    SchemeAuth,
    TimeSynchronizer,
    WebSocketJSONRequest,
    WebSocketResponse,
)
from networkpype.auth.outcome import AuthOutcome, AuthStatus
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges import exchange, exchange_auth
from tests.support.vectors import Clock, load

NOT_MINE, ACCEPTED, REJECTED = AuthStatus.NOT_MINE, AuthStatus.ACCEPTED, AuthStatus.REJECTED
SECRET = "a secret"
SPOT = "https://api.gateio.ws/api/v4/spot/orders"
FUTURES = "https://api.gateio.ws/api/v4/futures/usdt/orders"


def auth(name: str = "gate", ms: int = 1_700_000_000_123, **options: Any) -> SchemeAuth:
    credentials = options.pop("credentials", Credentials(key="k", secret=SECRET))
    clock = cast("TimeSynchronizer", Clock(ms))
    return exchange_auth(name, credentials, time_provider=clock, **options)


async def signed(method: str, url: str, params: Any = None, data: Any = None) -> RESTRequest:
    request = RESTRequest(method, url, params=params, data=data)  # type: ignore[arg-type]
    return await auth().rest_authenticate(request)


def sign(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


def signature_of(request: RESTRequest, raw_query: str) -> str:
    hashed = hashlib.sha512(request.body_bytes).hexdigest()
    return sign("\n".join([str(request.method), request.path, raw_query, hashed, "1700000000"]))


@pytest.mark.parametrize("id", ["gate-rest-get", "gate-rest-post"])
async def test_the_signatures_of_the_manual(id: str) -> None:
    [vector] = [each for each in load("published")["vectors"] if each["id"] == id]
    method, path, query, _, time = vector["payload"].split("\n")
    request = RESTRequest(
        method,
        f"https://api.gateio.ws{path}",
        params=dict(parse_qsl(query)) or None,
        data=vector.get("body"),
    )
    credentials = Credentials(key=vector["api_key"], secret=vector["secret"])
    request = await auth(ms=int(time) * 1000, credentials=credentials).rest_authenticate(request)
    assert (request.headers or {})["SIGN"] == vector["expected"]


@pytest.mark.parametrize("id", ["gate-spot.login-emptyobject", "gate-subscribe-auth"])
async def test_the_frames_of_the_published_vectors(id: str) -> None:
    [vector] = [v for v in load("published")["derived_ws_login_frames"] if v["id"] == id]
    credentials = Credentials(key=vector["api_key"], secret=vector["secret"])
    is_login = "login" in id
    found = auth(
        "gate-ws-api" if is_login else "gate",
        vector["clock_ms"],
        credentials=credentials,
        new_id=lambda: "req-1",
    )
    assert found.ws_pattern is not None
    if is_login:
        request = found.ws_pattern.build_auth_message(vector["clock_ms"] / 1000)
    else:
        bare = {k: v for k, v in vector["frame"].items() if k not in ("auth", "time")}
        request = await found.ws_authenticate(WebSocketJSONRequest(bare))
    assert request is not None
    assert request.payload == vector["frame"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("place", ["params", "data"])
async def test_get_and_delete_read_the_query_only(method: str, place: str) -> None:
    given: dict[str, Any] = {place: {"currency_pair": "A_B", "text": "t-a b/é"}}
    request = await signed(method, SPOT, **given)
    assert request.query_string == "currency_pair=A_B&text=t-a%20b%2F%C3%A9"
    assert request.body_bytes == b""
    raw = "currency_pair=A_B&text=t-a b/é"
    assert dict(request.headers or {}) == {
        "KEY": "k",
        "Timestamp": "1700000000",
        "SIGN": signature_of(request, raw),
        "Content-Type": "application/json",
    }


async def test_delete_without_arguments_stays_without() -> None:
    request = await signed("DELETE", SPOT, {}, {})
    assert (request.path_qs, request.body_bytes) == ("/api/v4/spot/orders", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_others_take_both_places_as_given(method: str) -> None:
    request = await signed(method, SPOT, {"account": "spot"}, {"amount": "1"})
    assert request.query_string == "account=spot"
    assert request.body_bytes == b'{"amount":"1"}'
    assert (request.headers or {})["SIGN"] == signature_of(request, "account=spot")


async def test_a_batch_is_a_list() -> None:
    request = await signed("POST", SPOT, data=[{"text": "t-é"}])
    assert request.body_bytes == '[{"text":"t-é"}]'.encode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(("params", "body"), [(None, b"{}"), ({}, b"{}"), ({"leverage": "5"}, b"")])
async def test_no_argument_at_all_is_an_empty_object(method: str, params: Any, body: bytes) -> None:
    request = await signed(method, SPOT, params)
    assert request.body_bytes == body


async def test_a_list_of_currencies_keeps_its_commas() -> None:
    url = "https://api.gateio.ws/api/v4/unified/estimate_rate"
    request = await signed("GET", url, {"currencies": "BTC,GT"})
    assert request.query_string == "currencies=BTC,GT"
    assert (request.headers or {})["SIGN"] == signature_of(request, "currencies=BTC,GT")


async def test_sizes_of_futures_are_asked_for_exactly() -> None:
    assert (await signed("GET", FUTURES)).headers == {
        **((await signed("GET", FUTURES)).headers or {}),
        "X-Gate-Size-Decimal": "1",
    }
    assert "X-Gate-Size-Decimal" not in ((await signed("GET", SPOT)).headers or {})
    own = RESTRequest("GET", FUTURES, headers={"x-gate-size-decimal": "0"})  # type: ignore[arg-type]
    headers = (await auth().rest_authenticate(own)).headers or {}
    assert [headers[name] for name in headers if name.lower() == "x-gate-size-decimal"] == ["0"]


ACK = {"channel": "spot.orders", "event": "subscribe", "result": {"status": "success"}}


class TestSubscriptions:
    def heard(self, frame: Any, *channels: str) -> AuthOutcome:
        pattern = auth().ws_pattern
        assert pattern is not None
        for channel in channels:
            pattern.sign_message({"channel": channel, "event": "subscribe"})
        return pattern.handle_auth_response(WebSocketResponse(frame))

    async def test_there_is_no_login_and_an_unsubscribe_is_signed_as_one(self) -> None:
        found = auth()
        assert found.ws_pattern is not None
        assert found.ws_pattern.build_auth_message(1.0) is None
        pre_auth = await found.ws_pattern.pre_auth(None)
        assert pre_auth.url == "wss://api.gateio.ws/ws/v4/"
        assert dict(pre_auth.headers) == {"X-Gate-Size-Decimal": "1"}
        sent = found.ws_pattern.sign_message({"channel": "spot.orders", "event": "unsubscribe"})
        text = "channel=spot.orders&event=unsubscribe&time=1700000000"
        assert sent["auth"]["SIGN"] == sign(text)

    @pytest.mark.parametrize(
        ("status", "frame"),
        [
            (ACCEPTED, ACK),
            (NOT_MINE, {**ACK, "channel": "spot.trades"}),
            (NOT_MINE, {**ACK, "event": "unsubscribe"}),
            (NOT_MINE, {**ACK, "event": "update", "result": []}),
            (NOT_MINE, {"channel": "spot.pong", "event": "", "result": None}),
            (NOT_MINE, {**ACK, "result": None, "error": {"code": 2, "message": "unknown pair"}}),
            (
                REJECTED,
                {
                    **ACK,
                    "result": None,
                    "error": {"code": 4, "message": '{"label":"INVALID_KEY","message":"x"}\n'},
                },
            ),
            (REJECTED, {"error": {"code": 4, "message": "auth fail"}}),
        ],
    )
    def test_what_a_frame_means(self, status: AuthStatus, frame: Any) -> None:
        assert self.heard(frame, "spot.orders").status is status

    def test_an_ack_of_what_was_not_signed_is_not_mine(self) -> None:
        assert self.heard(ACK).status is NOT_MINE

    def test_what_a_refusal_says(self) -> None:
        late = self.heard({"error": {"message": '{"label":"REQUEST_EXPIRED"}'}})
        assert (late.failure, late.definite) == (AuthenticationFailure.TIMESTAMP, False)
        denied = self.heard({"error": {"message": '{"label":"FORBIDDEN"}'}})
        assert denied.failure is AuthenticationFailure.PERMISSION


def login(status: str = "200", errs: Any = None, **more: Any) -> dict[str, Any]:
    data = {"result": {"api_key": "k", "uid": "1"}} if errs is None else {"errs": errs}
    header = {"status": status, "channel": "spot.login", "event": "api", "client_id": "x"}
    return {"request_id": "mine", "header": header, "data": data, **more}


BAD_KEY = {"label": "INVALID_KEY", "message": "Invalid key provided"}


class TestTrading:
    def heard(self, frame: Any) -> AuthOutcome:
        pattern = auth("gate-ws-api", new_id=lambda: "mine").ws_pattern
        assert pattern is not None
        pattern.build_auth_message(1_700_000_000.0)
        return pattern.handle_auth_response(WebSocketResponse(frame))

    @pytest.mark.parametrize(
        ("status", "frame"),
        [
            (ACCEPTED, login()),
            (ACCEPTED, login(ack=False)),
            (NOT_MINE, login(ack=True)),
            (NOT_MINE, login(request_id="of another connection")),
            (NOT_MINE, {**login(), "request_id": None}),
            (REJECTED, login("401", BAD_KEY)),
            (REJECTED, login("200", BAD_KEY)),
            (REJECTED, login("429", {"label": "TOO_MANY_REQUESTS"})),
            (
                NOT_MINE,
                {
                    "request_id": "mine",
                    "header": {"status": "401", "channel": "spot.order_place"},
                    "data": {"errs": BAD_KEY},
                },
            ),
            (NOT_MINE, {"channel": "spot.login", "event": "api", "result": {"status": "success"}}),
            (NOT_MINE, {"channel": "spot.orders", "event": "subscribe", "result": {}}),
            (NOT_MINE, {"channel": "spot.pong", "event": ""}),
            (NOT_MINE, ["list"]),
        ],
    )
    def test_what_a_frame_means(self, status: AuthStatus, frame: Any) -> None:
        assert self.heard(frame).status is status

    @pytest.mark.parametrize(
        ("status", "errs", "failure", "definite"),
        [
            ("401", BAD_KEY, AuthenticationFailure.REJECTED, True),
            ("403", BAD_KEY, AuthenticationFailure.PERMISSION, True),
            ("429", BAD_KEY, AuthenticationFailure.REJECTED, False),
            ("500", BAD_KEY, AuthenticationFailure.REJECTED, False),
            (
                "401",
                {"label": "REQUEST_EXPIRED", "message": "Invalid key provided"},
                AuthenticationFailure.TIMESTAMP,
                False,
            ),
        ],
    )
    def test_what_a_refusal_says(
        self, status: str, errs: Any, failure: AuthenticationFailure, definite: bool
    ) -> None:
        outcome = self.heard(login(status, errs))
        assert (outcome.failure, outcome.definite) == (failure, definite)
        assert outcome.reason == "Invalid key provided"

    async def test_a_request_is_signed_after_the_login(self) -> None:
        found = auth("gate-ws-api")
        params = {"text": "t-1", "currency_pair": "A_B"}
        message = {
            "id": "1",
            "channel": "spot.order_place",
            "event": "api",
            "payload": {"req_id": "1", "req_param": params},
        }
        sent = (await found.ws_authenticate(WebSocketJSONRequest(message))).payload
        text = 'api\nspot.order_place\n{"text":"t-1","currency_pair":"A_B"}\n1700000000'
        assert sent["payload"]["signature"] == sign(text)


@pytest.mark.parametrize("name", ["gate", "gate-ws-api"])
def test_the_testnet_is_another_world(name: str) -> None:
    live, test = (exchange(name, sandbox=each) for each in (False, True))
    assert test.rest_url == "https://api-testnet.gateapi.io"
    assert test.pattern is not None
    assert test.pattern.url == "wss://ws-testnet.gate.com/v4/ws/spot"
    assert not live.origins & test.origins
    subscribes = getattr(test.pattern, "subscribes", test.pattern)
    assert subscribes.url == test.pattern.url
