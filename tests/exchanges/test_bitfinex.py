"""Bitfinex: nonces, bodies, and what its frames mean."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, cast

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
from networkpype.errors import AuthenticationFailure, ConfigurationError
from networkpype.exchanges import exchange, exchange_auth
from tests.support.vectors import Clock, load

NOT_MINE, ACCEPTED, REJECTED = AuthStatus.NOT_MINE, AuthStatus.ACCEPTED, AuthStatus.REJECTED
SECRET = "a secret"
URL = "https://api.bitfinex.com/v2/auth/r/ledgers/hist"


def auth(**options: Any) -> SchemeAuth:
    clock = cast("TimeSynchronizer", Clock(1_700_000_000_123))
    return exchange_auth(
        "bitfinex", Credentials(key="k", secret=SECRET), time_provider=clock, **options
    )


def frame_of(found: SchemeAuth) -> Any:
    assert found.ws_pattern is not None
    request = found.ws_pattern.build_auth_message(1_700_000_000.123)
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


def heard(frame: Any) -> AuthOutcome:
    pattern = auth().ws_pattern
    assert pattern is not None
    return pattern.handle_auth_response(WebSocketResponse(frame))


def test_the_frame_of_the_published_vector() -> None:
    [vector] = [
        v for v in load("published")["derived_ws_login_frames"] if v["id"] == "bitfinex-auth"
    ]
    credentials = Credentials(key=vector["api_key"], secret=vector["secret"])
    found = exchange_auth("bitfinex", credentials, nonce=lambda: vector["clock_ms"])
    assert frame_of(found) == vector["frame"]
    assert type(frame_of(found)["authNonce"]) is int


async def test_the_nonce_is_microseconds_rises_and_is_shared_by_rest_and_socket() -> None:
    found = auth()
    first = frame_of(found)["authNonce"]
    signed = await found.rest_authenticate(RESTRequest("POST", URL))  # type: ignore[arg-type]
    second = int((signed.headers or {})["bfx-nonce"])
    assert first == 1_700_000_000_123_000
    assert second == first + 1
    assert frame_of(found)["authNonce"] == second + 1
    assert first < 9_007_199_254_740_991


@pytest.mark.parametrize(
    ("params", "data", "body"),
    [
        (None, None, "{}"),
        ({}, {}, "{}"),
        (None, {"limit": 5, "x": "é"}, '{"limit":5,"x":"é"}'),
        ({"limit": 5}, None, '{"limit":5}'),
        ({"limit": 5}, {"category": 28}, '{"limit":5,"category":28}'),
        (None, '{"id": 1}', '{"id": 1}'),
    ],
)
async def test_arguments_are_the_body(params: Any, data: Any, body: str) -> None:
    request = RESTRequest("POST", URL, params=params, data=data)  # type: ignore[arg-type]
    request = await auth(nonce=lambda: 5).rest_authenticate(request)
    assert request.path_qs == "/v2/auth/r/ledgers/hist"
    assert request.body_bytes == body.encode()
    text = f"/api/v2/auth/r/ledgers/hist5{body}"
    assert dict(request.headers or {}) == {
        "bfx-nonce": "5",
        "bfx-apikey": "k",
        "bfx-signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha384).hexdigest(),
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize(
    ("status", "frame"),
    [
        (ACCEPTED, {"event": "auth", "status": "OK", "chanId": 0, "userId": 1, "caps": {}}),
        (REJECTED, {"event": "auth", "status": "FAILED", "code": 10100, "msg": "apikey: invalid"}),
        (REJECTED, {"event": "auth", "status": "FAILED", "code": 10114, "msg": "nonce: small"}),
        (NOT_MINE, {"event": "auth"}),
        (NOT_MINE, {"event": "info", "version": 2, "platform": {"status": 1}}),
        (NOT_MINE, {"event": "info", "code": 20051, "msg": "Stopping"}),
        (NOT_MINE, {"event": "subscribed", "channel": "ticker", "chanId": 5, "status": "OK"}),
        (NOT_MINE, {"event": "error", "code": 10300, "msg": "subscription failed"}),
        (NOT_MINE, {"event": "conf", "status": "OK"}),
        (NOT_MINE, {"event": "pong", "ts": 1}),
        (NOT_MINE, [0, "hb"]),
        (NOT_MINE, [0, "ws", [["exchange", "USD", 1]]]),
        (NOT_MINE, "text"),
    ],
)
def test_what_a_frame_means(status: AuthStatus, frame: Any) -> None:
    assert heard(frame).status is status


def test_what_a_refusal_says() -> None:
    failed = {"event": "auth", "status": "FAILED"}
    key = heard({**failed, "code": 10100, "msg": "apikey: invalid"})
    assert (key.reason, key.definite) == ("apikey: invalid", True)
    nonce = heard({**failed, "code": 10114, "msg": "nonce: small"})
    assert (nonce.failure, nonce.definite) == (AuthenticationFailure.NONCE, False)


def test_there_is_no_sandbox() -> None:
    with pytest.raises(ConfigurationError, match="no sandbox"):
        exchange("bitfinex", sandbox=True)
