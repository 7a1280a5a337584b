"""What copying a request costs, beside `copy.deepcopy` of a dataclass with the same fields."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from benchmarks._measure import Contestant, compare, ratio_row
from benchmarks._report import Row, table
from networkpype import RESTMethod, RESTRequest, WebSocketJSONRequest

URL = "https://api.exchange.test/v1/orders"
HEADERS = {"Content-Type": "application/json", "X-API-KEY": "key"}


@dataclass
class PlainREST:
    """The fields of a RESTRequest."""

    method: RESTMethod
    url: str | None = None
    endpoint_url: str | None = None
    params: Any = None
    data: Any = None
    headers: Any = None
    is_auth_required: bool = False
    throttler_limit_id: str | None = None


@dataclass
class PlainWebSocket:
    """The fields of a WebSocketRequest."""

    payload: Any
    throttler_limit_id: str | None = None
    is_auth_required: bool = False


def order(number: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01250000",
        "price": f"9{number:04d}.56",
        "newClientOrderId": f"bench-{number}",
        "reduceOnly": False,
    }


class Pair(NamedTuple):
    """What is copied: a request of ours and a plain dataclass with the same in it."""

    name: str
    ours: RESTRequest | WebSocketJSONRequest
    plain: object
    goal: float
    calls: int
    """Copies a round, so that a round of either takes milliseconds."""


def pairs() -> list[Pair]:
    small: dict[str, Any] = {
        "method": RESTMethod.GET,
        "url": URL,
        "params": order(1),
        "headers": HEADERS,
    }
    large: dict[str, Any] = {
        "method": RESTMethod.POST,
        "url": URL,
        "data": {"batchOrders": [order(number) for number in range(50)]},
        "headers": HEADERS,
    }
    topics = {"op": "subscribe", "args": [f"trade.SYMBOL{number}" for number in range(200)]}
    return [
        Pair("8 params", RESTRequest(**small), PlainREST(**small), 0.20, 400),
        Pair("50 orders", RESTRequest(**large), PlainREST(**large), 0.30, 20),
        Pair("200 topics", WebSocketJSONRequest(topics), PlainWebSocket(topics), 0.30, 100),
    ]


def copier(copy_once: Callable[[], object]) -> Contestant:
    async def copy_it(calls: int) -> None:
        for _ in range(calls):
            copy_once()

    return copy_it


def rows() -> list[Row]:
    report = []
    for pair in pairs():
        contestants = {
            "ours": copier(partial(pair.ours.__deepcopy__, {})),  # as the managers copy
            "plain": copier(partial(copy.deepcopy, pair.plain)),
        }
        cost = asyncio.run(compare(contestants, calls=pair.calls, rounds=60))
        name = f"copy of a request, {pair.name} / deepcopy of a dataclass"
        report.append(ratio_row(name, cost["ours"].cpu_us, cost["plain"].cpu_us, pair.goal))
    return report


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
