"""crypto.com Exchange, API v1.

Source (read 2026-07): https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html, of which the
page on ``public/auth`` was not retrieved; its frame is that of independent implementations.

Its samples sign null as "null" and booleans as they stand in the JSON. ccxt writes Python's "None"
and "True" instead.
"""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.envelope import EnvelopeSignature
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange

__all__ = ["CRYPTOCOM"]

_SCHEME = EnvelopeSignature(roots=("/exchange/v1/", "/v2/", "/v1/"))

_ACK = {"method": "public/auth"}

_LOGIN = FrameLogin(
    url="wss://stream.crypto.com/exchange/v1/user",
    message="public/auth{nonce}{key}{nonce}",
    frame={
        "id": Whole("{nonce}"),
        "method": "public/auth",
        "api_key": "{key}",
        "sig": "{signature}",
        "nonce": Whole("{nonce}"),
    },
    rules=[
        accepted({**_ACK, "code": 0}),
        # The nonce is the time, and was more than 60 s off: the clock may be set by then.
        rejected(
            {**_ACK, "code": 40102},
            "message",
            "code",
            failure=AuthenticationFailure.TIMESTAMP,
            definite=False,
        ),
        # Too many requests, or a fault of theirs.
        rejected({**_ACK, "code": (42901, 50001)}, "message", "code", definite=False),
        rejected({**_ACK, "code": Seen.ANY}, "message", "code"),
    ],
)

_SOURCES = ("https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html",)

CRYPTOCOM = Exchange(
    name="cryptocom",
    rest_url="https://api.crypto.com",
    hosts=("deriv-api.crypto.com",),
    scheme=_SCHEME,
    pattern=_LOGIN,
    sources=_SOURCES,
    sandbox=Exchange(
        name="cryptocom uat",
        rest_url="https://uat-api.3ona.co",
        scheme=_SCHEME,
        pattern=replace(_LOGIN, url="wss://uat-stream.3ona.co/exchange/v1/user"),
        sources=_SOURCES,
    ),
)
