"""Bitfinex, REST and WebSocket v2.

Sources (read 2026-07): https://docs.bitfinex.com/docs/rest-auth,
https://docs.bitfinex.com/docs/ws-auth, https://docs.bitfinex.com/docs/abbreviations-glossary,
https://github.com/bitfinexcom/bitfinex-api-py.

The nonce is microseconds, as in Bitfinex's own client: a key that was ever used with it refuses
every smaller number, milliseconds among them (with which the vectors of ccxt are made). There is no
sandbox: paper trading is a sub-account of the live exchange, with keys of its own.
"""

from __future__ import annotations

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["BITFINEX"]

_SIGNING = HMAC("sha384", "hex")
_FAILED = {"event": "auth", "status": "FAILED"}

BITFINEX = Exchange(
    name="bitfinex",
    rest_url="https://api.bitfinex.com",
    nonce_unit="us",
    scheme=HeaderSignature(
        message="/api{path}{nonce}{body}",
        headers={
            "bfx-nonce": "{nonce}",
            "bfx-apikey": "{key}",
            "bfx-signature": "{signature}",
        },
        signing=_SIGNING,
        # Private endpoints are POST and read the body only; an empty one is an empty object.
        layout=Layout(params_in_body=True, empty_body="{}"),
        content_type="application/json",
    ),
    pattern=FrameLogin(
        url="wss://api.bitfinex.com/ws/2",
        message="AUTH{nonce}",
        frame={
            "event": "auth",
            "apiKey": "{key}",
            "authSig": "{signature}",
            "authNonce": Whole("{nonce}"),
            "authPayload": "AUTH{nonce}",
        },
        nonce="source",
        signing=_SIGNING,
        rules=(
            accepted({"event": "auth", "status": "OK"}),
            # 10114: the nonce is small. The next is greater, unless another unit was used before.
            rejected(
                {**_FAILED, "code": 10114},
                "msg",
                "code",
                failure=AuthenticationFailure.NONCE,
                definite=False,
            ),
            rejected(_FAILED, "msg", "code"),
        ),
    ),
    sources=("https://docs.bitfinex.com/docs/rest-auth", "https://docs.bitfinex.com/docs/ws-auth"),
)
