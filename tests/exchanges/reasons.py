"""Where we send other bytes than ccxt on purpose, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "BY_METHOD",
    "DIALS",
    "FRAMES",
    "NEW_IDS",
    "PAGE_WINS",
    "REST_STEPS",
    "SIGNED_FIELDS",
    "Difference",
]


@dataclass(frozen=True)
class Difference:
    """What is sent instead: keys of `expected`, single headers, or other arguments."""

    reason: str
    source: str
    instead: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[Any, Any] | None = None


COINEX = "https://docs.coinex.com/api/v2/authorization"
BINANCE = "https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md"

# Signatures were computed apart from this project, with Python's hmac.
PAGE_WINS: dict[str, Difference] = {
    "binance-spot-hmac/post-bool-num": Difference(
        "a number is written out: 1.2e-07 is no price",
        BINANCE,
        {
            "body": "timestamp=1700000000123&symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
            "&quantity=0.1&price=0.00000012&newClientOrderId=b1&isIsolated=true&recvWindow=10000"
            "&signature=914614132b1d7792158437cce460024255f8b7a1aa4507f5f6d053e4b6e0b488"
        },
        arguments=(
            None,
            {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": 0.1,
                "price": 1.2e-07,
                "newClientOrderId": "b1",
                "isIsolated": True,
            },
        ),
    ),
    "binance-spot-hmac/sapi-rawencode": Difference(
        "values are percent-encoded before they are signed",
        BINANCE,
        {
            "url": "https://api.binance.com/sapi/v1/sub-account/list?timestamp=1700000000123"
            "&email=a%2Bb%40example.com&recvWindow=10000"
            "&signature=c9af0cb29f0a6a2991ed47aa666833470de0393e3047c3b637a2c4f787b91e58"
        },
        arguments=({"email": "a+b@example.com"}, None),
    ),
    "bingx/post-list": Difference(
        "a list is JSON; ccxt writes it as Python does, with single quotes",
        "https://bingx-api.github.io/docs/#/en-us/swapV2/trade-api.html",
        {
            "url": "https://open-api.bingx.com/openApi/swap/v2/trade/batchOrders?batchOrders="
            "%5B%7B%22symbol%22%3A%22BTC-USDT%22%2C%22side%22%3A%22BUY%22%2C%22quantity%22%3A1%7D"
            "%5D&timestamp=1700000000123"
            "&signature=30d1982d035406d23301e3f75f2681a2aca41e827c72ea45559f1e1fcf231051"
        },
    ),
    "bybit-v5-hmac/get-empty": Difference(
        "no question mark without a query, as ccxt's own HTTP client drops it on the wire",
        "https://bybit-exchange.github.io/docs/v5/guide#authentication",
        {"url": "https://api.bybit.com/v5/account/info"},
    ),
    "kraken-spot/post-special": Difference(
        "true is written as true, not as Python does",
        "https://docs.kraken.com/api-reference/account-data/get-trades-history",
        {
            "body": "nonce=1700000000123&type=a%20b%2Bc%26d%3De%2Ff%3Fg%23h%25i~j%3Ak%2Cl%40"
            "%C3%A9%E4%B8%AD%E2%82%AC&trades=true"
        },
        {
            "API-Sign": "HgsT0i/w2H22U8jP7Z3fS6zg0817UdtPnCJUfkEkg05jvHB+ZeL89KaPPo4EytmROD7JqhR"
            "JyoX36nqKEEkyyA=="
        },
    ),
    "htx/get-uppercase": Difference(
        "all parameters are in one ASCII order",
        "https://github.com/HuobiRDCenter/huobi_Python",
        {
            "url": "https://api.huobi.pro/v1/order/orders?AccessKeyId=FAKEKEY0123456789&Page=1"
            "&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2023-11-14T22%3A13%3A20"
            "&symbol=btcusdt&Signature=3IH28DAAL%2FQzCxJU2Kp%2BBgvvtkkPcEwr%2FX%2FinLpvZ6E%3D"
        },
    ),
    "coinex-v2/get-empty": Difference(
        "an HMAC, where ccxt has a plain hash with the secret behind it",
        COINEX,
        headers={
            "X-COINEX-SIGN": "475420d19de189a8db8b137ff693dc9d4edf413661a802817072c55c0958d058"
        },
    ),
    "coinex-v2/post-body": Difference(
        "an HMAC, where ccxt has a plain hash with the secret behind it",
        COINEX,
        headers={
            "X-COINEX-SIGN": "073f01378e7ff960fc8f7d264ea08a831af4ced467e2c8ddb883ceea3d157c57"
        },
    ),
    "coinex-v2/get-special": Difference(
        "an HMAC over the query as it is sent, percent-encoded",
        COINEX,
        {
            "url": "https://api.coinex.com/v2/spot/pending-order?market=a%20b%2Bc%26d=e/f?g%23h"
            "%25i~j:k,l@%C3%A9%E4%B8%AD%E2%82%AC"
        },
        {"X-COINEX-SIGN": "a994869f94409d27a8300a8af060ff9c87f7ec4a9db17736e3b299286e5fd0c9"},
        arguments=({"market": "a b+c&d=e/f?g#h%i~j:k,l@é中€"}, None),
    ),
}

# A caller who goes by the method puts these where the exchange does not look; the vector's own
# arguments stand in the other place. Moving them would be wrong for requests that mean it.
BY_METHOD: dict[str, str] = {
    "coinbaseexchange/delete-params": "the page has a DELETE's arguments in the query, ccxt in the "
    "body; each is sent where the caller puts it",
    "gate-v4/patch": "ccxt sends every argument twice, in the query and in the body",
    "gate-v4/futures-post-query": "this POST takes its argument in the query, others in the body",
}

# --- WebSockets ----------------------------------------------------------------------------------

# The id of the login frame, where the vector's is no number that we would begin with.
NEW_IDS: dict[str, int | str] = {
    "binance-spot-hmac": "1",
    "binance-margin-listentoken": "1",
    "binance-wsapi-order": "1",
    "gate-spot-login": "authenticated",
    "kucoin-spot": "private",
}

REST_STEPS: dict[str, Difference] = {
    "binance-usdm-listenkey": Difference(
        "a listen key takes no arguments; ccxt writes one of its own that is None",
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams",
        {"body": None},
    ),
}
DIALS: dict[str, Difference] = {}
FRAMES: dict[str, Difference] = {
    "bybit-v5": Difference(
        "the time of expiry is a number",
        "https://bybit-exchange.github.io/docs/v5/ws/connect",
        {
            "frames": [
                {
                    "op": "auth",
                    "args": [
                        "FAKEKEY0123456789",
                        1700000010123,
                        "fdb1539332019f875107b731904829a7f040577e9803412a1b3d2dd94b8660f7",
                    ],
                }
            ]
        },
    ),
    "bitmart-spot": Difference(
        "ccxt lets an argument of its own slip into the frame",
        "https://developer.bitmart.com/en/ws/spot_ws/login.html",
        {
            "frames": [
                {
                    "op": "login",
                    "args": [
                        "FAKEKEY0123456789",
                        "1700000000123",
                        "918daac26b061c5d7dcaf2bb73eab4b5e8022378dcce3a09dacb6118b3cd677f",
                    ],
                }
            ]
        },
    ),
    "bitmart-swap": Difference(
        "ccxt lets an argument of its own slip into the frame",
        "https://developer.bitmart.com/en/ws/spot_ws/login.html",
        {
            "frames": [
                {
                    "action": "access",
                    "args": [
                        "FAKEKEY0123456789",
                        "1700000000123",
                        "918daac26b061c5d7dcaf2bb73eab4b5e8022378dcce3a09dacb6118b3cd677f",
                        "web",
                    ],
                }
            ]
        },
    ),
}

# The fields of the first private message that the pattern puts there.
SIGNED_FIELDS: dict[str, tuple[str, ...]] = {
    "binance-wsapi-order": ("params.apiKey", "params.timestamp", "params.signature"),
    "kraken-spot-v2": ("params.token",),
    "krakenfutures": ("api_key", "original_challenge", "signed_challenge"),
    "coinbase-legacy-hmac": ("api_key", "timestamp", "signature"),
    "gate-spot-subscribe": ("auth",),
    "gate-spot-login": ("payload.timestamp", "payload.api_key", "payload.signature"),
    "backpack": ("signature",),
    "hyperliquid": ("subscription.user",),
}
