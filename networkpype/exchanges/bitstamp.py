"""Bitstamp, HTTP API v2 and WebSocket API v2.

Source (read 2026-07): https://www.bitstamp.net/api/ and https://www.bitstamp.net/websocket/v2/.

A POST without arguments sends ``foo=bar``: an empty one is refused with API0020, see
https://github.com/ccxt/ccxt/issues/6846. A WebSocket token is good for 60 s, but what was
subscribed with it stays so; a later subscribe is refused, which asks for a fresh token. The sandbox
has no WebSocket that is known here.
"""

from __future__ import annotations

from networkpype.auth.patterns.rules import expired
from networkpype.auth.patterns.user_channel import UserChannelToken
from networkpype.auth.schemes.bitstamp import BitstampSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.exchanges.exchange import Exchange

__all__ = ["BITSTAMP"]

_SCHEME = BitstampSignature(layout=Layout(form=True, params_in_body=True, empty_body="foo=bar"))

_SOURCES = ("https://www.bitstamp.net/api/", "https://www.bitstamp.net/websocket/v2/")

BITSTAMP = Exchange(
    name="bitstamp",
    rest_url="https://www.bitstamp.net",
    scheme=_SCHEME,
    pattern=UserChannelToken(
        url="wss://ws.bitstamp.net",
        token_url="https://www.bitstamp.net/api/v2/websockets_token/",  # noqa: S106
        message_at="data.auth",
        reasons=("reason", "error"),
        # "Connection is unauthorized": the token of a private subscribe was too old.
        rules=[expired({"event": "bts:error", "data.code": 4009}, "data.message")],
    ),
    sources=_SOURCES,
    sandbox=Exchange(
        name="bitstamp sandbox",
        rest_url="https://sandbox.bitstamp.net",
        scheme=_SCHEME,
        sources=_SOURCES,
    ),
)
