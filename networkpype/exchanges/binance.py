"""Binance: spot and margin, and the scheme of its futures, options and portfolio margin.

HMAC, RSA and Ed25519 keys sign alike; give a private key as ``Credentials(private_key=...)``.

REST takes the arguments of GET in the query, those of other methods there or in a form body, and
signs the query with the body directly behind it, percent-encoded (rest-api.md, "SIGNED Endpoint
security"; since 2026-01-15 the encoding before signing is a must). ccxt differs: it signs and sends
the paths of sub-accounts, batch orders and some others unencoded.

Sources (read 2026-07-21): https://github.com/binance/binance-spot-api-docs (rest-api.md,
web-socket-api.md, user-data-stream.md, CHANGELOG.md, testnet),
https://developers.binance.com/docs/margin_trading/trade-data-stream,
https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info.
"""

from __future__ import annotations

from networkpype.auth.patterns.ws_api import ListenToken, WebSocketAPI
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.query import AnyKey, KeyOnly, QuerySignature
from networkpype.exchanges.exchange import Exchange

__all__ = ["BINANCE", "HOSTS", "MARGIN", "RECV_WINDOW_MS", "SANDBOX_HOSTS", "SCHEME", "SIGNING"]

SIGNING = AnyKey()
RECV_WINDOW_MS = 10_000  # the page's own default is 5000, its most 60000

_KEY_HEADER = "X-MBX-APIKEY"
_USER_STREAM = KeyOnly(key_header=_KEY_HEADER)

# Endpoints of the kinds USER_STREAM and MARKET_DATA take the key alone.
SCHEME = ByPath(
    default=QuerySignature(
        key_header=_KEY_HEADER,
        signing=SIGNING,
        recv_window=str(RECV_WINDOW_MS),
        stamp="first",
        form=True,
        # USD-M, "Cancel Multiple Orders": orderIdList=[1234567,2345678].
        numbers=frozenset({"orderidlist"}),
        # Wallet, "Dust Transfer": asset=BTC&asset=USDT.
        repeated=frozenset({"asset"}),
    ),
    endings={
        "listenKey": _USER_STREAM,
        "listen-key": _USER_STREAM,
        "userDataStream": _USER_STREAM,
        "userListenToken": _USER_STREAM,
        "historicalTrades": KeyOnly(key_header=_KEY_HEADER, typed=False),
    },
)

HOSTS = (
    *("api.binance.com", "api1.binance.com", "api2.binance.com", "api3.binance.com"),
    *("api4.binance.com", "api-gcp.binance.com", "fapi.binance.com", "dapi.binance.com"),
    *("eapi.binance.com", "papi.binance.com"),
)
SANDBOX_HOSTS = (
    *("testnet.binance.vision", "api1.testnet.binance.vision", "testnet.binancefuture.com"),
    *("demo-api.binance.com", "demo-fapi.binance.com", "demo-dapi.binance.com"),
)

_WS_API = "wss://ws-api.binance.com:443/ws-api/v3"
_SANDBOX_WS_API = "wss://ws-api.testnet.binance.vision/ws-api/v3"

# The listen keys of spot and the methods userDataStream.start, .ping and .stop are gone since
# 2026-02-20 (CHANGELOG.md); a user stream is a subscription of the WebSocket API.
BINANCE = Exchange(
    name="binance",
    rest_url="https://api.binance.com",
    hosts=HOSTS,
    needs=("key", "secret|private_key"),
    scheme=SCHEME,
    pattern=WebSocketAPI(url=_WS_API, signing=SIGNING, recv_window=RECV_WINDOW_MS),
    sandbox=Exchange(
        name="binance sandbox",
        rest_url="https://testnet.binance.vision",
        hosts=SANDBOX_HOSTS,
        needs=("key", "secret|private_key"),
        scheme=SCHEME,
        pattern=WebSocketAPI(url=_SANDBOX_WS_API, signing=SIGNING, recv_window=RECV_WINDOW_MS),
    ),
)

# Cross margin; isolated margin takes data={"symbol": ..., "isIsolated": "true"}. The testnet has no
# /sapi endpoints, so there is no sandbox.
MARGIN = Exchange(
    name="binance-margin",
    rest_url="https://api.binance.com",
    hosts=HOSTS,
    needs=("key", "secret|private_key"),
    scheme=SCHEME,
    pattern=ListenToken(
        url=_WS_API,
        token_url="https://api.binance.com/sapi/v1/userListenToken",  # noqa: S106
        signing=SIGNING,
        recv_window=RECV_WINDOW_MS,
    ),
)
