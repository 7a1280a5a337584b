"""Coinbase Exchange: arguments stay where they are, and what its frames mean."""

from __future__ import annotations

import base64
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
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange, exchange_auth
from tests.support.vectors import Clock, load

NOT_MINE, ACCEPTED, REJECTED = AuthStatus.NOT_MINE, AuthStatus.ACCEPTED, AuthStatus.REJECTED
RAW = b"a secret of the exchange"
ORDERS = "https://api.exchange.coinbase.com/orders"
NOW = 1_700_000_000


def credentials(**more: Any) -> Credentials:
    fields = {"key": "k", "secret": base64.b64encode(RAW).decode(), "passphrase": "p", **more}
    return Credentials(**fields)


def auth(ms: int = NOW * 1000 + 123, **fields: Any) -> SchemeAuth:
    return exchange_auth(
        "coinbaseexchange",
        credentials(**fields),
        time_provider=cast("TimeSynchronizer", Clock(ms)),
    )


def sign(text: str) -> str:
    mac = hmac.new(RAW, text.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


@pytest.mark.parametrize(
    ("method", "params", "data", "target", "body"),
    [
        ("GET", {"status": "a b"}, None, "/orders?status=a%20b", ""),
        ("POST", None, {"side": "buy", "x": "é"}, "/orders", '{"side":"buy","x":"é"}'),
        ("POST", None, None, "/orders", ""),
        ("POST", None, {}, "/orders", ""),
        # A product_id in the wrong place would cancel the orders of all products.
        ("DELETE", {"product_id": "A-B"}, None, "/orders?product_id=A-B", ""),
        ("DELETE", None, {"product_id": "A-B"}, "/orders", '{"product_id":"A-B"}'),
        ("DELETE", {"profile_id": "1"}, {"a": 1}, "/orders?profile_id=1", '{"a":1}'),
        ("PUT", None, {"name": "n"}, "/orders", '{"name":"n"}'),
    ],
)
async def test_arguments_stay_where_the_caller_put_them(
    method: str, params: Any, data: Any, target: str, body: str
) -> None:
    request = RESTRequest(method, ORDERS, params=params, data=data)  # type: ignore[arg-type]
    request = await auth().rest_authenticate(request)
    assert (request.path_qs, request.body_bytes) == (target, body.encode())
    assert dict(request.headers or {}) == {
        "CB-ACCESS-KEY": "k",
        "CB-ACCESS-SIGN": sign(f"{NOW}{method}{target}{body}"),
        "CB-ACCESS-TIMESTAMP": str(NOW),
        "CB-ACCESS-PASSPHRASE": "p",
        "Content-Type": "application/json",
    }


async def test_the_frame_of_the_published_vector() -> None:
    frames = load("published")["derived_ws_login_frames"]
    [vector] = [each for each in frames if each["id"] == "coinbaseexchange-inline"]
    found = auth(
        vector["clock_ms"],
        key=vector["api_key"],
        secret=base64.b64encode(vector["secret"].encode()).decode(),
        passphrase=vector["passphrase"],
    )
    bare = {name: vector["frame"][name] for name in ("type", "channels", "product_ids")}
    sent = await found.ws_authenticate(WebSocketJSONRequest(bare))
    assert sent.payload == vector["frame"]
    assert found.ws_pattern is not None
    assert found.ws_pattern.build_auth_message(1.0) is None
    assert (await found.ws_pattern.pre_auth(None)).url == "wss://ws-feed.exchange.coinbase.com"


def heard(frame: Any) -> AuthOutcome:
    pattern = auth().ws_pattern
    assert pattern is not None
    return pattern.handle_auth_response(WebSocketResponse(frame))


@pytest.mark.parametrize(
    ("status", "frame"),
    [
        (ACCEPTED, {"type": "subscriptions", "channels": [{"name": "full", "product_ids": []}]}),
        (REJECTED, {"type": "error", "message": "Authentication Failed"}),
        (REJECTED, {"type": "error", "message": "authentication failure", "reason": "x"}),
        (
            REJECTED,
            {
                "type": "error",
                "message": "Failed to subscribe",
                "reason": "user channel requires authentication",
            },
        ),
        (REJECTED, {"type": "error", "message": "invalid signature"}),
        (
            NOT_MINE,
            {
                "type": "error",
                "message": "Failed to subscribe",
                "reason": "A-B is not a valid product",
            },
        ),
        (NOT_MINE, {"type": "error", "message": "Malformed JSON"}),
        (NOT_MINE, {"type": "heartbeat", "sequence": 1}),
        (NOT_MINE, {"type": "ticker", "product_id": "A-B"}),
        (NOT_MINE, {"type": "done", "user_id": "1", "profile_id": "2"}),
        (NOT_MINE, ["list"]),
        (NOT_MINE, "text"),
    ],
)
def test_what_a_frame_means(status: AuthStatus, frame: Any) -> None:
    assert heard(frame).status is status


def test_a_refusal_has_the_reason_before_the_message() -> None:
    reason = "user channel requires authentication"
    outcome = heard({"type": "error", "message": "Failed to subscribe", "reason": reason})
    assert (outcome.reason, outcome.definite) == (reason, True)


def test_the_passphrase_is_needed() -> None:
    with pytest.raises(MissingCredentialsError, match="passphrase"):
        auth(passphrase=None)


async def test_the_sandbox_is_another_world() -> None:
    live, test = (exchange("coinbaseexchange", sandbox=each) for each in (False, True))
    assert test.rest_url == "https://api-public.sandbox.exchange.coinbase.com"
    assert test.pattern is not None
    assert test.pattern.url == "wss://ws-feed-public.sandbox.exchange.coinbase.com"
    assert not live.origins & test.origins
    found = exchange_auth("coinbaseexchange", credentials(), sandbox=True)
    with pytest.raises(ConfigurationError, match="origin"):
        await found.rest_authenticate(RESTRequest("GET", ORDERS))  # type: ignore[arg-type]
