"""Every venue by the name that `networkpype.exchanges` has for it: data, and a check."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from networkpype.testing.venues import (
    ethgas,
    event_logins,
    inline,
    op_logins,
    pairs,
    payloads,
    queries,
    rpc_logins,
    tokens,
)
from networkpype.testing.venues.account import Account
from networkpype.testing.venues.headers import (
    Headers,
    check_deribit,
    check_gate,
    check_kucoin,
    decoded_query,
    iso_ms,
    seconds,
    text_of,
)
from networkpype.testing.venues.refusals import REFUSALS
from networkpype.testing.venues.venue import Endpoint, Venue
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = ["VENUES"]

_PASSPHRASE = ("key", "secret", "passphrase")
_MEMO = ("key", "secret", "memo")
_QUERY_ONLY = frozenset({"query", "time"})


def _arguments(request: ReceivedRequest) -> str:
    return request.raw_query if request.method in ("GET", "DELETE") else text_of(request)


def _woo(request: ReceivedRequest, account: Account, stamp: str) -> str:
    if not request.path.startswith("/v1/"):
        return stamp + request.method + request.raw_path + text_of(request)
    return f"{request.raw_query or text_of(request)}|{stamp}"


def _whole(request: ReceivedRequest, account: Account, stamp: str) -> str:
    return stamp + request.method + request.raw_path + text_of(request)


def _listen_token(request: ReceivedRequest, account: Account) -> Answer:
    until = account.time_ms() + 86_400_000
    return Answer({"token": account.issue(86_400.0), "expirationTime": until})


def _keys(path: str) -> dict[str, Endpoint]:
    return {f"{method} {path}": tokens.listen_key for method in ("POST", "PUT", "DELETE")}


_BINANCE = Venue(
    check=queries.check_query,
    refuse=REFUSALS["binance"],
    socket=rpc_logins.BinanceAPISocket,
    endpoints={"POST /sapi/v1/userListenToken": _listen_token, **_keys("/fapi/v1/listenKey")},
    key_only={
        "POST /sapi/v1/userListenToken": queries.check_query_key,
        **dict.fromkeys(_keys("/fapi/v1/listenKey"), queries.check_query_key),
    },
)
_USDM = replace(_BINANCE, socket=tokens.ListenKeySocket)
_KUCOIN = Venue(
    check=check_kucoin,
    refuse=REFUSALS["kucoin"],
    socket=tokens.KuCoinSocket,
    endpoints={"POST /api/v1/bullet-private": tokens.kucoin_bullet},
    fields=_PASSPHRASE,
)
_GATE = Venue(check=check_gate, refuse=REFUSALS["gate"], socket=inline.GateSocket)
_COINEX = Venue(
    check=Headers(
        key="X-COINEX-KEY",
        signature="X-COINEX-SIGN",
        time="X-COINEX-TIMESTAMP",
        message=lambda request, account, stamp: (
            request.method + request.raw_path + text_of(request) + stamp
        ),
        window="X-COINEX-WINDOWTIME",
        behind_ms=5000,
        ahead_ms=5000,
    ),
    refuse=REFUSALS["coinex"],
    socket=rpc_logins.CoinExSocket,
)
_BITMART = Headers(
    key="X-BM-KEY",
    signature="X-BM-SIGN",
    time="X-BM-TIMESTAMP",
    message=lambda request, account, stamp: f"{stamp}#{account.memo}#{_arguments(request)}",
    behind_ms=60_000,
    ahead_ms=60_000,
)

VENUES: dict[str, Venue] = {
    "backpack": Venue(
        check=pairs.check_backpack,
        refuse=REFUSALS["backpack"],
        socket=inline.BackpackSocket,
        keys="ed25519 raw",
    ),
    "binance": _BINANCE,
    "binance-margin": _BINANCE,
    "binance-usdm": _USDM,
    # A session wants an Ed25519 key.
    "binance-ws-api": replace(_BINANCE, keys="ed25519 pem"),
    "bingx": Venue(
        check=queries.check_bingx,
        refuse=REFUSALS["bingx"],
        socket=tokens.BingXSocket,
        endpoints=_keys("/openApi/user/auth/userDataStream"),
        key_only=dict.fromkeys(
            _keys("/openApi/user/auth/userDataStream"),
            partial(queries.in_header, name="X-BX-APIKEY"),
        ),
        signs=_QUERY_ONLY,
    ),
    "bitfinex": Venue(
        check=payloads.check_bitfinex,
        refuse=REFUSALS["bitfinex"],
        socket=event_logins.BitfinexSocket,
        signs=frozenset({"body"}),
    ),
    "bitget": Venue(
        check=Headers(
            key="ACCESS-KEY",
            signature="ACCESS-SIGN",
            time="ACCESS-TIMESTAMP",
            phrase="ACCESS-PASSPHRASE",
            # The query counts as it was before percent-encoding: the official SDK signs it so
            # (BitgetLimited/v3-bitget-api-sdk, bitget/utils.py).
            message=lambda request, account, stamp: (
                stamp + request.method + decoded_query(request) + text_of(request)
            ),
            form="base64",
            behind_ms=30_000,
            ahead_ms=30_000,
        ),
        refuse=REFUSALS["bitget"],
        socket=op_logins.BitgetSocket,
        fields=_PASSPHRASE,
    ),
    "bitmart": Venue(
        check=_BITMART, refuse=REFUSALS["bitmart"], socket=op_logins.BitmartSocket, fields=_MEMO
    ),
    "bitmart-contract": Venue(
        check=_BITMART,
        refuse=REFUSALS["bitmart"],
        socket=op_logins.BitmartContractSocket,
        fields=_MEMO,
    ),
    "bitmex": Venue(
        check=Headers(
            key="api-key",
            signature="api-signature",
            time="api-expires",
            message=lambda request, account, stamp: (
                request.method + request.raw_path + stamp + text_of(request)
            ),
            stamp=seconds,
            behind_ms=-1,
            ahead_ms=math.inf,
        ),
        refuse=REFUSALS["bitmex"],
        socket=op_logins.BitMEXSocket,
    ),
    "bitstamp": Venue(
        check=payloads.check_bitstamp,
        refuse=REFUSALS["bitstamp"],
        socket=tokens.BitstampSocket,
        endpoints={
            "POST /api/v2/websockets_token/": tokens.token(
                60.0, lambda token: {"token": token, "user_id": 1, "valid_sec": 60}
            )
        },
    ),
    "bybit": Venue(
        check=Headers(
            key="X-BAPI-API-KEY",
            signature="X-BAPI-SIGN",
            time="X-BAPI-TIMESTAMP",
            message=lambda request, account, stamp: (
                stamp
                + account.key
                + request.headers.get("X-BAPI-RECV-WINDOW", "")
                + (request.raw_query if request.method == "GET" else text_of(request))
            ),
            window="X-BAPI-RECV-WINDOW",
            behind_ms=5000,
            ahead_ms=999,
        ),
        refuse=REFUSALS["bybit"],
        socket=op_logins.BybitSocket,
    ),
    "coinbase": Venue(
        check=pairs.check_coinbase,
        refuse=REFUSALS["coinbase"],
        socket=inline.CoinbaseSocket,
        keys="ec pem",
        signs=frozenset({"time"}),
    ),
    "coinbaseexchange": Venue(
        check=Headers(
            key="CB-ACCESS-KEY",
            signature="CB-ACCESS-SIGN",
            time="CB-ACCESS-TIMESTAMP",
            phrase="CB-ACCESS-PASSPHRASE",
            message=_whole,
            stamp=seconds,
            form="base64",
            decoded=True,
            behind_ms=30_000,
            ahead_ms=30_000,
        ),
        refuse=REFUSALS["coinbaseexchange"],
        socket=inline.CoinbaseExchangeSocket,
        keys="base64",
        fields=_PASSPHRASE,
    ),
    "coinex": _COINEX,
    "coinex-futures": _COINEX,
    "cryptocom": Venue(
        check=payloads.check_cryptocom,
        refuse=REFUSALS["cryptocom"],
        socket=rpc_logins.CryptocomSocket,
        signs=frozenset({"body", "time"}),
    ),
    "deribit": Venue(
        check=check_deribit, refuse=REFUSALS["deribit"], socket=rpc_logins.DeribitSocket
    ),
    "ethgas": Venue(
        check=ethgas.check_bearer,
        refuse=REFUSALS["ethgas"],
        socket=ethgas.ETHGasSocket,
        endpoints=ethgas.ENDPOINTS,
        open=frozenset(ethgas.ENDPOINTS),
        keys="wallet",
        signs=frozenset(),
    ),
    "gate": _GATE,
    "gate-ws-api": Venue(
        check=check_gate, refuse=REFUSALS["gate"], socket=event_logins.GateAPISocket
    ),
    "gemini": Venue(
        check=payloads.check_gemini,
        refuse=REFUSALS["gemini"],
        socket=inline.GeminiSocket,
        # The arguments are in the payload; what else is in the request counts for nothing.
        signs=frozenset(),
    ),
    "htx": Venue(
        check=queries.check_htx,
        refuse=REFUSALS["htx"],
        socket=event_logins.HTXSocket,
        signs=_QUERY_ONLY,
    ),
    "htx-contract": Venue(
        check=queries.check_htx,
        refuse=REFUSALS["htx-contract"],
        socket=event_logins.HTXContractSocket,
        signs=_QUERY_ONLY,
    ),
    "hyperliquid": Venue(
        check=pairs.check_hyperliquid,
        refuse=REFUSALS["hyperliquid"],
        socket=inline.HyperliquidSocket,
        keys="wallet",
        signs=frozenset({"body"}),
    ),
    "kraken": Venue(
        check=payloads.check_kraken,
        refuse=REFUSALS["kraken"],
        socket=tokens.KrakenSocket,
        endpoints={
            "POST /0/private/GetWebSocketsToken": tokens.token(
                900.0, lambda token: {"error": [], "result": {"token": token, "expires": 900}}
            )
        },
        keys="base64",
        signs=frozenset({"body"}),
    ),
    "krakenfutures": Venue(
        check=payloads.check_kraken_futures,
        refuse=REFUSALS["krakenfutures"],
        socket=inline.KrakenFuturesSocket,
        keys="base64",
        signs=frozenset({"query", "body"}),
    ),
    "kucoin": _KUCOIN,
    "kucoin-futures": _KUCOIN,
    "mexc": Venue(
        check=partial(queries.check_query, key="X-MEXC-APIKEY"),
        refuse=REFUSALS["mexc"],
        socket=tokens.ListenKeySocket,
        endpoints=_keys("/api/v3/userDataStream"),
    ),
    "mexc-contract": Venue(
        check=Headers(
            key="ApiKey",
            signature="Signature",
            time="Request-Time",
            # GET and DELETE: parameters by name, percent-encoded; POST: the JSON as it is sent
            # (https://www.mexc.com/api-docs/futures/integration-guide, read 2026-07).
            message=lambda request, account, stamp: (
                account.key
                + stamp
                + (
                    "&".join(sorted(filter(None, request.raw_query.split("&"))))
                    if request.method in ("GET", "DELETE")
                    else text_of(request)
                )
            ),
            behind_ms=10_000,
            ahead_ms=10_000,
        ),
        refuse=REFUSALS["mexc-contract"],
        socket=rpc_logins.MEXCContractSocket,
    ),
    "okx": Venue(
        check=Headers(
            key="OK-ACCESS-KEY",
            signature="OK-ACCESS-SIGN",
            time="OK-ACCESS-TIMESTAMP",
            phrase="OK-ACCESS-PASSPHRASE",
            message=_whole,
            stamp=iso_ms,
            form="base64",
            behind_ms=30_000,
            ahead_ms=30_000,
        ),
        refuse=REFUSALS["okx"],
        socket=op_logins.OKXSocket,
        fields=_PASSPHRASE,
    ),
    "phemex": Venue(
        check=Headers(
            key="x-phemex-access-token",
            signature="x-phemex-request-signature",
            time="x-phemex-request-expiry",
            message=lambda request, account, stamp: (
                request.path + request.raw_query + stamp + text_of(request)
            ),
            stamp=seconds,
            behind_ms=-1,
            ahead_ms=121_000,
        ),
        refuse=REFUSALS["phemex"],
        socket=rpc_logins.PhemexSocket,
    ),
    "whitebit": Venue(
        check=payloads.check_whitebit,
        refuse=REFUSALS["whitebit"],
        socket=tokens.WhiteBITSocket,
        endpoints={
            "POST /api/v4/profile/websocket_token": tokens.token(
                60.0, lambda token: {"websocket_token": token}
            )
        },
        signs=frozenset({"body"}),
    ),
    "woo": Venue(
        check=Headers(
            key="x-api-key",
            signature="x-api-signature",
            time="x-api-timestamp",
            message=_woo,
            behind_ms=300_000,
            ahead_ms=300_000,
        ),
        refuse=REFUSALS["woo"],
        socket=event_logins.WooSocket,
        fields=_MEMO,
    ),
}
