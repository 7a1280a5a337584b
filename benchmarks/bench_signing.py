"""What building a signed request costs, beside the same signature written by hand.

Both sides make path, headers and body from the same arguments, and are compared before they are
measured: a rival that signed something else would prove nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks._by_hand import BY_HAND, KEY, ORDER, PASSPHRASE, QUERY, SECRET, SECRET_64
from benchmarks._measure import Contestant, compare, ratio_row
from benchmarks._report import Row, table
from networkpype import Credentials, RESTMethod, RESTRequest, SchemeAuth
from networkpype.exchanges import exchange_auth

GOAL = 1.3

GET, POST = RESTMethod.GET, RESTMethod.POST


class Case(NamedTuple):
    """A request of one exchange; its arguments go into the query of a GET, else into the body."""

    exchange: str
    method: RESTMethod
    url: str
    secret: str = SECRET


CASES = {
    "binance_query": Case("binance", GET, "https://api.binance.com/api/v3/order"),
    "binance_form": Case("binance", POST, "https://api.binance.com/api/v3/order"),
    "okx": Case("okx", POST, "https://www.okx.com/api/v5/trade/order"),
    "bybit": Case("bybit", GET, "https://api.bybit.com/v5/order/realtime"),
    "kraken": Case("kraken", POST, "https://api.kraken.com/0/private/AddOrder", SECRET_64),
    "krakenfutures": Case(
        "krakenfutures",
        POST,
        "https://futures.kraken.com/derivatives/api/v3/sendorder",
        SECRET_64,
    ),
    "gate": Case("gate", POST, "https://api.gateio.ws/api/v4/spot/orders"),
    "bitfinex": Case("bitfinex", POST, "https://api.bitfinex.com/v2/auth/w/order/submit"),
    "gemini": Case("gemini", POST, "https://api.gemini.com/v1/order/new"),
    "htx": Case("htx", GET, "https://api.huobi.pro/v1/order/orders"),
    "deribit": Case("deribit", GET, "https://www.deribit.com/api/v2/private/buy"),
    "cryptocom": Case("cryptocom", POST, "https://api.crypto.com/exchange/v1/private/create-order"),
    "kucoin": Case("kucoin", POST, "https://api.kucoin.com/api/v1/orders"),
}


class Clock:
    """The local time, or one that stands still."""

    def __init__(self, at: float | None = None) -> None:
        self._at = at

    def time(self) -> float:
        return time.time() if self._at is None else self._at


def auth_of(case: Case, clock: Clock, nonce: Callable[[], int] | None = None) -> SchemeAuth:
    credentials = Credentials(key=KEY, secret=case.secret, passphrase=PASSPHRASE)
    return exchange_auth(case.exchange, credentials, time_provider=clock, nonce=nonce)  # type: ignore[arg-type]


async def signed(auth: SchemeAuth, case: Case) -> tuple[str, Any, bytes]:
    if case.method is GET:
        request = RESTRequest(GET, case.url, params=QUERY)
    else:
        request = RESTRequest(POST, case.url, data=ORDER)
    request = await auth.rest_authenticate(request)
    return request.path_qs, request.headers, request.body_bytes


def check_same(name: str, case: Case) -> None:
    """Raise unless both sides make the same bytes at the same time."""
    at = 1_700_000_000.0
    ours = asyncio.run(signed(auth_of(case, Clock(at), lambda: int(at * 1000)), case))
    by_hand = BY_HAND[name](at)
    if ours != by_hand:
        raise AssertionError(f"{name}: the two sides differ:\n{ours}\n{by_hand}")


def rows() -> list[Row]:
    report = []
    for name, case in CASES.items():
        check_same(name, case)
        cost = asyncio.run(compare(contestants(name, case), calls=200, rounds=60))
        report.append(
            ratio_row(f"{name} / by hand", cost["ours"].cpu_us, cost["by hand"].cpu_us, GOAL)
        )
    return report


def contestants(name: str, case: Case) -> dict[str, Contestant]:
    auth, function, clock = auth_of(case, Clock()), BY_HAND[name], Clock()

    async def ours(calls: int) -> None:
        for _ in range(calls):
            await signed(auth, case)

    async def by_hand(calls: int) -> None:
        for _ in range(calls):
            function(clock.time())

    return {"ours": ours, "by hand": by_hand}


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
