"""Bybit, API v5.

A key that Bybit made signs with HMAC, one of your own with RSA (guide, "Select Your API Key Type"):
give its private key as ``Credentials(private_key=...)``.
"""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import LEGAL_IN_QUERY, Layout
from networkpype.auth.schemes.query import AnyKey
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import JSON_TYPE

__all__ = ["BYBIT"]

_SIGNING = AnyKey(rsa_only=True)

_SCHEME = HeaderSignature(
    message="{timestamp}{key}{recv_window}{query_or_body}",
    headers={
        "X-BAPI-API-KEY": "{key}",
        "X-BAPI-TIMESTAMP": "{timestamp}",
        "X-BAPI-RECV-WINDOW": "{recv_window}",
        "X-BAPI-SIGN": "{signature}",
    },
    signing=_SIGNING,
    recv_window="5000",
    content_type=JSON_TYPE,
    # The query is signed as it is sent, with no more escapes than it needs, as the official SDK
    # (pybit) sends it. A nextPageCursor is handed out escaped (...%3A1672217748287%2C...) and goes
    # back as it came.
    layout=Layout(
        params_in_body=True,
        empty_body="{}",
        unescaped=LEGAL_IN_QUERY,
        values_hold_escapes=True,
    ),
)

_PATTERN = FrameLogin(
    # The same login opens /v5/trade, which answers with retCode.
    url="wss://stream.bybit.com/v5/private",
    message="GET/realtime{expires}",
    # A number, as the page prints it; ccxt sends a text.
    frame={"op": "auth", "args": ["{key}", Whole("{expires}"), "{signature}"]},
    signing=_SIGNING,
    expires_in_s=10,
    rules=(
        accepted({"op": "auth", "success": True}),
        accepted({"op": "auth", "retCode": 0}),
        rejected(
            {"op": "auth", "retCode": 10002},
            "retMsg",
            "retCode",
            failure=AuthenticationFailure.TIMESTAMP,
            definite=False,
        ),
        rejected({"op": "auth", "success": False}, "ret_msg", "retMsg"),
        rejected({"op": "auth", "retCode": Seen.ANY}, "retMsg", "ret_msg", "retCode"),
    ),
)

BYBIT = Exchange(
    name="bybit",
    rest_url="https://api.bybit.com",
    hosts=(
        "api.bytick.com",
        "api.bybit.nl",
        "api.bybit.com.hk",
        "api.bybit-tr.com",
        "api.bybit.kz",
        "api.bybitgeorgia.ge",
        "api.bybit.ae",
        "api.bybit.eu",
        "api.bybit.id",
    ),
    needs=("key", "secret|private_key"),
    scheme=_SCHEME,
    pattern=_PATTERN,
    sandbox=Exchange(
        name="bybit sandbox",
        rest_url="https://api-testnet.bybit.com",
        needs=("key", "secret|private_key"),
        scheme=_SCHEME,
        pattern=replace(_PATTERN, url="wss://stream-testnet.bybit.com/v5/private"),
    ),
    # Read 2026-07.
    sources=(
        "https://bybit-exchange.github.io/docs/v5/guide",
        "https://bybit-exchange.github.io/docs/v5/ws/connect",
    ),
)
