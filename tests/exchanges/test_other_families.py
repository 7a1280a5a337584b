"""Exchanges that have no module here, written as data: their families are those that have one.

Each pattern reproduces the login that published.json has for the exchange. What is said about the
acks is of the same source, or of ccxt where that has none.
"""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import WebSocketJSONRequest
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.patterns.frame import FrameLogin, JSONText, Whole
from networkpype.auth.patterns.handshake import HandshakeLogin
from networkpype.auth.patterns.inline import InlineSignature
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.exchanges import names
from networkpype.signing.methods import HMAC
from tests.support.logins import derived, outcome_of, told
from tests.support.vectors import load, time_provider

BASE64 = HMAC("sha256", "base64")
# The keys of arkham and coinbaseinternational are handed out in base64.
IN_BASE64 = HMAC("sha256", "base64", secret="base64")

LOGIN_OBJECT = {
    "apiKey": "{key}",
    "passphrase": "{passphrase}",
    "timestamp": "{timestamp}",
    "sign": "{signature}",
}
LOGIN_EVENT = (
    accepted({"event": "login", "code": 0}),
    rejected({"event": "error"}, "msg", "code"),
)

PATTERNS: dict[str, WebSocketAuthPattern] = {
    "poloniex-auth": FrameLogin(
        url="wss://ws.poloniex.com/ws/private",
        message="GET\n/ws\nsignTimestamp={timestamp}",
        frame={
            "event": "subscribe",
            "channel": ["auth"],
            "params": {
                "key": "{key}",
                "signTimestamp": Whole("{timestamp}"),
                "signature": "{signature}",
            },
        },
        signing=BASE64,
        rules=(
            accepted({"channel": "auth", "data.success": True}),
            rejected({"channel": "auth"}, "data.message"),
        ),
    ),
    "bitvavo-authenticate": FrameLogin(
        url="wss://ws.bitvavo.com/v2/",
        message="{timestamp}GET/v2/websocket",
        frame={
            "action": "authenticate",
            "key": "{key}",
            "signature": "{signature}",
            "timestamp": Whole("{timestamp}"),
        },
        rules=(
            accepted({"event": "authenticate", "authenticated": True}),
            rejected({"action": "authenticate", "error": Seen.ANY}, "error", "errorCode"),
        ),
    ),
    "cex-auth": FrameLogin(
        url="wss://ws.cex.io/ws",
        message="{timestamp}{key}",
        frame={
            "e": "auth",
            "auth": {"key": "{key}", "signature": "{signature}", "timestamp": "{timestamp}"},
        },
        signing=HMAC("sha256", "HEX"),
        timestamp="s",
        rules=(
            accepted({"e": "auth", "ok": "ok", "data.ok": "ok"}),
            rejected({"e": "auth"}, "data.error"),
        ),
    ),
    "hitbtc-login": FrameLogin(
        url="wss://api.hitbtc.com/api/3/ws/trading",
        message="{timestamp}",
        frame={
            "method": "login",
            "params": {
                "type": "HS256",
                "api_key": "{key}",
                "timestamp": Whole("{timestamp}"),
                "signature": "{signature}",
            },
        },
        rules=(accepted({"result": True}), rejected({"error": Seen.ANY}, "error.message")),
    ),
    "exmo-login": FrameLogin(
        url="wss://ws-api.exmo.com/v1/private",
        message="{key}{timestamp}",
        frame={
            "method": "login",
            "id": Whole("{id}"),
            "api_key": "{key}",
            "sign": "{signature}",
            "nonce": Whole("{timestamp}"),
        },
        signing=HMAC("sha512", "base64"),
        ids="number",
        rules=(
            accepted({"event": "logged_in", "id": Seen.MY_ID}),
            rejected({"event": "error", "id": Seen.MY_ID}, "message", "code"),
        ),
    ),
    "apex-login": FrameLogin(
        url="wss://quote.omni.apex.exchange/realtime_private",
        message="{timestamp}GET/ws/accounts",
        frame={
            "op": "login",
            "args": [
                JSONText(
                    {
                        "type": "login",
                        "topics": ["ws_zk_accounts_v3"],
                        "httpMethod": "GET",
                        "requestPath": "/ws/accounts",
                        "apiKey": "{key}",
                        "passphrase": "{passphrase}",
                        "timestamp": "{timestamp}",
                        "signature": "{signature}",
                    }
                )
            ],
        },
        signing=HMAC("sha256", "base64", secret="text to base64"),
        rules=(accepted({"op": "auth", "success": True}), rejected({"op": "auth"}, "ret_msg")),
    ),
    "ascendex-auth": FrameLogin(
        url="wss://ascendex.com/api/pro/v2/stream",
        message="{timestamp}+stream",
        frame={
            "op": "auth",
            "id": "{id}",
            "t": Whole("{timestamp}"),
            "key": "{key}",
            "sig": "{signature}",
        },
        signing=BASE64,
        ids="number",
        rules=(
            accepted({"m": "auth", "code": 0}),
            rejected({"m": "auth", "code": Seen.ANY}, "err", "code"),
        ),
    ),
    "coincatch-login": FrameLogin(
        url="wss://ws.coincatch.com/private/v1/stream",
        message="{timestamp}GET/user/verify",
        frame={"op": "login", "args": [LOGIN_OBJECT]},
        signing=BASE64,
        timestamp="s",
        rules=LOGIN_EVENT,
    ),
    "oxfun-login": FrameLogin(
        url="wss://api.ox.fun/v2/websocket",
        message="{timestamp}GET/auth/self/verify",
        frame={
            "op": "login",
            "data": {
                "apiKey": "{key}",
                "timestamp": Whole("{timestamp}"),
                "signature": "{signature}",
            },
        },
        signing=BASE64,
        rules=(
            accepted({"event": "login", "success": True}),
            rejected({"event": "login", "success": False}, "message", "code"),
        ),
    ),
    "blofin-login": FrameLogin(
        url="wss://openapi.blofin.com/ws/private",
        message="/users/self/verifyGET{timestamp}{nonce}",
        frame={"op": "login", "args": [LOGIN_OBJECT | {"nonce": "{nonce}"}]},
        signing=HMAC("sha256", "base64 of hex"),
        nonce="text",
        rules=LOGIN_EVENT,
    ),
    "arkham-handshake": HandshakeLogin(
        url="wss://arkm.com/ws",
        message="{key}{expires}GET/ws",
        headers={
            "Arkham-Api-Key": "{key}",
            "Arkham-Expires": "{expires}",
            "Arkham-Signature": "{signature}",
        },
        signing=IN_BASE64,
        timestamp="us",
        expires_in_s=5,
    ),
    "coinbaseinternational-inline": InlineSignature(
        url="wss://ws-md.international.coinbase.com",
        message="{timestamp}{key}CBINTLMD{passphrase}",
        fields={
            "key": "{key}",
            "time": "{timestamp}",
            "passphrase": "{passphrase}",
            "signature": "{signature}",
        },
        signing=IN_BASE64,
        rules=(rejected({"type": "REJECT"}, "reason", "message"),),
    ),
}

# A text that the exchange leaves to the caller.
NONCES = {"blofin-login": "n_1700000000000"}


def pattern_of(name: str) -> WebSocketAuthPattern:
    vector = derived(name)
    in_base64 = vector["hmac_key"] == "base64decode(secret)"
    auth = SchemeAuth(
        Credentials(
            key=vector["api_key"],
            secret="dGVzdF9hcGlfc2VjcmV0" if in_base64 else vector["secret"],
            passphrase=vector["passphrase"],
        ),
        pattern=PATTERNS[name],
        time_provider=time_provider(vector["clock_ms"]),
        nonce=(lambda: NONCES[name]) if name in NONCES else None,
    )
    assert auth.ws_pattern is not None
    return auth.ws_pattern


FRAME_LOGINS = [name for name, pattern in PATTERNS.items() if isinstance(pattern, FrameLogin)]


def frame_of(pattern: WebSocketAuthPattern) -> Any:
    request = pattern.build_auth_message(1700000000)
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


@pytest.mark.parametrize("name", [name for name in FRAME_LOGINS if name != "apex-login"])
def test_the_login_frame(name: str) -> None:
    assert frame_of(pattern_of(name)) == derived(name)["frame"]


def test_apex_takes_its_login_as_a_text_of_json() -> None:
    assert frame_of(pattern_of("apex-login")) == {
        "op": "login",
        "args": [
            '{"type":"login","topics":["ws_zk_accounts_v3"],"httpMethod":"GET",'
            '"requestPath":"/ws/accounts","apiKey":"test_api_key","passphrase":"test_passphrase",'
            f'"timestamp":"1700000000000","signature":"{derived("apex-login")["signature"]}"}}'
        ],
    }


async def test_arkham_signs_the_headers_of_the_handshake() -> None:
    dial = await pattern_of("arkham-handshake").pre_auth(None)
    assert dial.headers == derived("arkham-handshake")["frame"]["headers"]


def test_coinbase_international_signs_each_subscribe() -> None:
    subscribe = {"type": "SUBSCRIBE", "channels": ["ORDERS"]}
    signed = pattern_of("coinbaseinternational-inline").sign_message(subscribe)
    assert signed == derived("coinbaseinternational-inline")["frame"]


ACKS: list[tuple[str, Any, str, str]] = [
    ("poloniex-auth", {"channel": "auth", "data": {"success": True}}, "accepted", ""),
    (
        "poloniex-auth",
        {"channel": "auth", "data": {"success": False, "message": "no"}},
        "rejected",
        "no",
    ),
    ("bitvavo-authenticate", {"event": "authenticate", "authenticated": True}, "accepted", ""),
    (
        "bitvavo-authenticate",
        {"action": "authenticate", "errorCode": 300, "error": "e"},
        "rejected",
        "e",
    ),
    ("cex-auth", {"e": "auth", "ok": "ok", "data": {"ok": "ok"}}, "accepted", ""),
    ("cex-auth", {"e": "auth", "ok": "error", "data": {"error": "Invalid"}}, "rejected", "Invalid"),
    ("hitbtc-login", {"result": True}, "accepted", ""),
    ("exmo-login", {"event": "logged_in", "id": 1}, "accepted", ""),
    ("exmo-login", {"event": "logged_in", "id": 2}, "not mine", ""),
    ("apex-login", {"op": "auth", "success": True}, "accepted", ""),
    ("ascendex-auth", {"m": "auth", "id": "1", "code": 0}, "accepted", ""),
    (
        "ascendex-auth",
        {"m": "auth", "code": 200006, "err": "INVALID_SIG"},
        "rejected",
        "INVALID_SIG",
    ),
    ("coincatch-login", {"event": "login", "code": 0}, "accepted", ""),
    ("oxfun-login", {"event": "login", "success": True}, "accepted", ""),
    ("blofin-login", {"event": "login", "code": "0", "msg": ""}, "accepted", ""),
    (
        "blofin-login",
        {"event": "error", "code": "60009", "msg": "Login failed"},
        "rejected",
        "Login failed",
    ),
]


@pytest.mark.parametrize(("name", "frame", "status", "reason"), ACKS)
def test_their_acks(name: str, frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(name)
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("frame", [{"event": "subscribe"}, {"data": []}, "pong", None, [1, 2], {}])
def test_what_is_no_ack_is_left_alone(name: str, frame: Any) -> None:
    assert outcome_of(pattern_of(name), frame).status.value == "not mine"


def test_every_login_that_is_published_is_either_here_or_has_a_module() -> None:
    published = load("published")["derived_ws_login_frames"]
    lacking = {
        frame["id"]
        for frame in published
        if frame["exchange"] not in names() and frame["id"] not in PATTERNS
    }
    assert not lacking
