"""Every venue by the name that `networkpype.exchanges` has for it: data, and a check."""

from __future__ import annotations

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
from networkpype.testing.venues.headers import check_deribit, check_gate, check_kucoin
from networkpype.testing.venues.headers_table import HEADERS
from networkpype.testing.venues.refusals import REFUSALS
from networkpype.testing.venues.venue import Endpoint, Venue
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = ["VENUES"]

_PASSPHRASE = ("key", "secret", "passphrase")
_MEMO = ("key", "secret", "memo")
_QUERY_ONLY = frozenset({"query", "time"})


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
    check=HEADERS["coinex"],
    refuse=REFUSALS["coinex"],
    socket=rpc_logins.CoinExSocket,
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
        check=HEADERS["bitget"],
        refuse=REFUSALS["bitget"],
        socket=op_logins.BitgetSocket,
        fields=_PASSPHRASE,
    ),
    "bitmart": Venue(
        check=HEADERS["bitmart"],
        refuse=REFUSALS["bitmart"],
        socket=op_logins.BitmartSocket,
        fields=_MEMO,
    ),
    "bitmart-contract": Venue(
        check=HEADERS["bitmart"],
        refuse=REFUSALS["bitmart"],
        socket=op_logins.BitmartContractSocket,
        fields=_MEMO,
    ),
    "bitmex": Venue(
        check=HEADERS["bitmex"],
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
        check=HEADERS["bybit"],
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
        check=HEADERS["coinbaseexchange"],
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
        check=HEADERS["mexc-contract"],
        refuse=REFUSALS["mexc-contract"],
        socket=rpc_logins.MEXCContractSocket,
    ),
    "okx": Venue(
        check=HEADERS["okx"],
        refuse=REFUSALS["okx"],
        socket=op_logins.OKXSocket,
        fields=_PASSPHRASE,
    ),
    "phemex": Venue(
        check=HEADERS["phemex"],
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
        check=HEADERS["woo"],
        refuse=REFUSALS["woo"],
        socket=event_logins.WooSocket,
        fields=_MEMO,
    ),
}
