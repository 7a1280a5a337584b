"""What building a signed request costs, beside the same signature written by hand.

Both sides make URL, headers and body from the same call, and are compared before they are measured:
a rival that signed something else would prove nothing. Every family of `networkpype.auth.schemes`
is here, with a GET and a POST where it has both.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks._by_hand import HEADERS, KEY, MEMO, PASSPHRASE, SECRET, SECRET_64, ByHand, Signed
from benchmarks._by_hand_keys import (
    PEM,
    PRIVATE_KEYS,
    SEED,
    WALLET_KEY,
    same_but_for_the_token,
)
from benchmarks._by_hand_others import OTHERS
from benchmarks._measure import Contestant, compare, ratio_row
from benchmarks._report import Row, table
from networkpype import Credentials, RESTMethod, RESTRequest, SchemeAuth
from networkpype.exchanges import exchange, exchange_auth

GOAL = 1.3
QUERY = {"symbol": "BTC-USDT", "orderId": 123456, "limit": 100}
ORDER = {
    "symbol": "BTC-USDT",
    "side": "buy",
    "type": "limit",
    "price": "90000.5",
    "quantity": "0.0125",
    "clientOrderId": "bench-1",
}
ACTION = {
    "type": "order",
    "orders": [
        {"a": 0, "b": True, "p": "90000", "s": "0.0125", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    ],
    "grouping": "na",
}
BY_HAND: dict[str, ByHand] = {**HEADERS, **OTHERS, **PRIVATE_KEYS}
UNSIGNED = {"ethgas": "a bearer token, no signature"}
RANDOM = {"coinbase": same_but_for_the_token}
"""What compares the two sides where no two signatures are the same."""


class Case(NamedTuple):
    """The paths of a GET and a POST; arguments go into the query of the one, the body of the other.

    The exchange is named where the case is not named after it.
    """

    get: str = ""
    post: str = ""
    exchange: str = ""
    secrets: Mapping[str, str] = {"secret": SECRET}
    order: Mapping[str, Any] = ORDER


_IN_BASE64 = {"secret": SECRET_64}

CASES = {
    "okx": Case("/api/v5/trade/order", "/api/v5/trade/order"),
    "bybit": Case("/v5/order/realtime", "/v5/order/create"),
    "bitget": Case("/api/v2/spot/trade/orderInfo", "/api/v2/spot/trade/place-order"),
    "coinex": Case("/v2/spot/order-status", "/v2/spot/order"),
    "woo": Case("/v3/trade/order", "/v3/trade/order"),
    "gate": Case("/api/v4/spot/orders", "/api/v4/spot/orders"),
    "bitfinex": Case(post="/v2/auth/w/order/submit"),
    "deribit": Case("/api/v2/private/buy", "/api/v2/private/buy"),
    "coinbaseexchange": Case("/orders", "/orders", secrets=_IN_BASE64),
    "phemex": Case("/orders/activeList", "/orders"),
    "bitmex": Case("/api/v1/order", "/api/v1/order"),
    "bitmart": Case("/spot/v4/query/order", "/spot/v2/submit_order"),
    "mexc-contract": Case("/api/v1/private/order/list/open_orders", "/api/v1/private/order/submit"),
    "kucoin": Case("/api/v1/orders", "/api/v1/orders"),
    "binance": Case("/api/v3/order", "/api/v3/order"),
    "mexc": Case("/api/v3/order", "/api/v3/order"),
    "bingx": Case("/openApi/swap/v2/trade/order", "/openApi/swap/v2/trade/order"),
    "bingx-json": Case(post="/openApi/subAccount/v1/create", exchange="bingx"),
    "coinex-v1": Case("/v1/order/status", "/v1/order/limit", exchange="coinex"),
    "htx": Case("/v1/order/orders", "/v1/order/orders/place"),
    "kraken": Case(post="/0/private/AddOrder", secrets=_IN_BASE64),
    "krakenfutures": Case(
        "/derivatives/api/v3/openorders", "/derivatives/api/v3/sendorder", secrets=_IN_BASE64
    ),
    "gemini": Case(post="/v1/order/new"),
    "whitebit": Case(post="/api/v4/order/new"),
    "cryptocom": Case(post="/exchange/v1/private/create-order"),
    "bitstamp": Case("/api/v2/user_transactions/", "/api/v2/buy/btcusd/"),
    "backpack": Case("/api/v1/order", "/api/v1/order", secrets={"secret": SEED}),
    "coinbase": Case(
        "/api/v3/brokerage/orders/historical/batch",
        "/api/v3/brokerage/orders",
        secrets={"private_key": PEM},
    ),
    "hyperliquid": Case(post="/exchange", secrets={"private_key": WALLET_KEY}, order=ACTION),
    "ethgas": Case("/api/v1/user/orders", "/api/v1/user/orders"),
}


class Clock:
    """The local time, or one that stands still."""

    def __init__(self, at: float | None = None) -> None:
        self._at = at

    def time(self) -> float:
        return time.time() if self._at is None else self._at


class Call(NamedTuple):
    """One case with one method, as both sides make it."""

    name: str
    method: str
    case: Case

    @property
    def path(self) -> str:
        return self.case.get if self.method == "GET" else self.case.post

    @property
    def params(self) -> Mapping[str, Any] | None:
        return QUERY if self.method == "GET" else None

    @property
    def data(self) -> Mapping[str, Any] | None:
        return None if self.method == "GET" else self.case.order

    def auth(self, clock: Clock) -> SchemeAuth:
        credentials = Credentials(
            key=KEY, passphrase=PASSPHRASE, memo=MEMO, **dict(self.case.secrets)
        )
        return exchange_auth(self.case.exchange or self.name, credentials, time_provider=clock)  # type: ignore[arg-type]

    def by_hand(self, now: float) -> Signed:
        return BY_HAND[self.name](self.method, self.path, self.params, self.data, now)


CALLS = [
    Call(name, method, case)
    for name, case in CASES.items()
    for method, path in (("GET", case.get), ("POST", case.post))
    if path
]


async def signed(auth: SchemeAuth, method: RESTMethod, url: str, params: Any, data: Any) -> Signed:
    """Return what leaves the socket for a request."""
    request = await auth.rest_authenticate(RESTRequest(method, url, params=params, data=data))
    return request.path_qs, request.headers, request.body_bytes  # type: ignore[return-value]


def both(call: Call, at: float = 1_700_000_000.0) -> tuple[Signed, Signed]:
    """Return what the two sides make of a call at the same time, with the same random id."""
    address = exchange(call.case.exchange or call.name).rest_url
    with patch("uuid.uuid4", return_value=uuid.UUID(int=int(at), version=4)):
        path_qs, headers, body = asyncio.run(
            signed(
                call.auth(Clock(at)),
                RESTMethod(call.method),
                address + call.path,
                call.params,
                call.data,
            )
        )
        return (address + path_qs, headers, body), call.by_hand(at)


def check_same(call: Call) -> None:
    """Raise unless both sides make the same bytes."""
    ours, by_hand = both(call)
    if call.name in RANDOM:
        ours, by_hand = RANDOM[call.name](ours), RANDOM[call.name](by_hand)
    if ours != by_hand:
        raise AssertionError(f"{call.name} {call.method}: the two sides differ:\n{ours}\n{by_hand}")


def contestants(call: Call) -> dict[str, Contestant]:
    auth, by_hand, clock = call.auth(Clock()), BY_HAND[call.name], Clock()
    url = exchange(call.case.exchange or call.name).rest_url + call.path
    verb, method = RESTMethod(call.method), call.method
    path, params, data = call.path, call.params, call.data

    async def ours(calls: int) -> None:
        for _ in range(calls):
            request = RESTRequest(verb, url, params=params, data=data)
            request = await auth.rest_authenticate(request)
            request.path_qs, request.headers, request.body_bytes  # noqa: B018

    async def plain(calls: int) -> None:
        for _ in range(calls):
            by_hand(method, path, params, data, clock.time())

    return {"ours": ours, "by hand": plain}


def row(call: Call, rounds: int = 60) -> Row:
    check_same(call)
    cost = asyncio.run(compare(contestants(call), calls=200, rounds=rounds))
    ours, plain = cost["ours"].cpu_us, cost["by hand"].cpu_us
    name = f"{call.name} {call.method} / by hand"
    if call.name in UNSIGNED:
        return ratio_row(f"{name} ({UNSIGNED[call.name]})", ours, plain)
    return ratio_row(name, ours, plain, GOAL)


def rows() -> list[Row]:
    return [row(call) for call in CALLS]


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
