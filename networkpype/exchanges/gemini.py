"""Gemini.

Sources (read 2026-07): https://developer.gemini.com/authentication/api-key,
https://developer.gemini.com/trading/websocket/authentication,
https://docs.gemini.com/websocket/overview/requests/private-api.

The new WebSocket API takes account keys with a time-based nonce only; a master key, or a nonce off
by more than 30 s, is refused with status 401. `ORDER_EVENTS` is the older feed.
"""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.handshake import HandshakeLogin
from networkpype.auth.schemes.payload import PayloadSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["GEMINI", "ORDER_EVENTS"]

_SHA384 = HMAC("sha384")

_SCHEME = PayloadSignature(
    key_header="X-GEMINI-APIKEY",
    payload_header="X-GEMINI-PAYLOAD",
    signature_header="X-GEMINI-SIGNATURE",
    signing=_SHA384,
    content_type="text/plain",
)

_HEADERS = {
    "X-GEMINI-APIKEY": "{key}",
    "X-GEMINI-PAYLOAD": "{payload}",
    "X-GEMINI-SIGNATURE": "{signature}",
}

_LOGIN = HandshakeLogin(
    url="wss://ws.gemini.com",
    headers={**_HEADERS, "X-GEMINI-NONCE": "{nonce}"},
    payload="{nonce}",
    message="{payload}",
    signing=_SHA384,
    timestamp="s",
)

ORDER_EVENTS = HandshakeLogin(
    url="wss://api.gemini.com/v1/order/events",
    headers=_HEADERS,
    payload='{{"request":"/v1/order/events","nonce":{nonce}}}',
    message="{payload}",
    signing=_SHA384,
    nonce="source",
)
"""The login of the older order events; pass it to a `SchemeAuth` of your own."""

_SOURCES = (
    "https://developer.gemini.com/authentication/api-key",
    "https://developer.gemini.com/trading/websocket/authentication",
)

GEMINI = Exchange(
    name="gemini",
    rest_url="https://api.gemini.com",
    scheme=_SCHEME,
    pattern=_LOGIN,
    sources=_SOURCES,
    sandbox=Exchange(
        name="gemini sandbox",
        rest_url="https://api.sandbox.gemini.com",
        scheme=_SCHEME,
        # The host as in Gemini's own SDKs; its pages disagree with one another.
        pattern=replace(_LOGIN, url="wss://ws.sandbox.gemini.com"),
        sources=_SOURCES,
    ),
)
