"""Binance's WebSocket API with a session: one logon, and no request after it is signed.

The exchange takes Ed25519 keys alone for it (web-socket-api.md, "Session Authentication"), so give
``Credentials(key=..., private_key=...)``; with other keys take ``binance``, whose requests on the
same address are signed one by one. ccxt has no session.

Once logged on, a user stream is ``{"method": "userDataStream.subscribe"}``.

Source: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-api.md (read
2026-07-21).
"""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.ws_api import WebSocketAPI
from networkpype.exchanges.binance import BINANCE, RECV_WINDOW_MS, SIGNING
from networkpype.exchanges.exchange import Exchange

__all__ = ["BINANCE_WS_API"]


def _session(url: str) -> WebSocketAPI:
    return WebSocketAPI(url=url, login="session.logon", signing=SIGNING, recv_window=RECV_WINDOW_MS)


_SANDBOX: Exchange | None = BINANCE.sandbox
BINANCE_WS_API = replace(
    BINANCE,
    name="binance-ws-api",
    pattern=_session("wss://ws-api.binance.com:443/ws-api/v3"),
    sandbox=_SANDBOX
    and replace(
        _SANDBOX,
        name="binance-ws-api sandbox",
        pattern=_session("wss://ws-api.testnet.binance.vision/ws-api/v3"),
    ),
)
