"""What CoinEx's messages say, as typed objects.

Sources (read 2026-07): https://docs.coinex.com/api/v2, the pages of the WebSocket under spot and
assets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

__all__ = ["Balance", "Deal", "Depth", "Message", "Order", "Ticker", "Trade", "read"]


@dataclass(frozen=True, slots=True)
class Ticker:
    """The state of a market."""

    market: str
    last: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Depth:
    """A whole order book, or what changed in it."""

    market: str
    is_full: bool
    depth: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trade:
    """A deal between others, as everyone sees it."""

    market: str
    side: str
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """What the account has of a currency."""

    currency: str
    available: Decimal
    frozen: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the account; `event` is put, update, modify or finish.

    `raw` is all that the exchange told.
    """

    event: str
    id: int
    client_id: str
    market: str
    side: str
    price: Decimal
    amount: Decimal
    unfilled: Decimal
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal of the account."""

    id: int
    order_id: int
    market: str
    side: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str


Message: TypeAlias = Ticker | Depth | Trade | Balance | Order | Deal


def read(frame: Any) -> Iterator[Message]:
    """Yield what a frame says; nothing for one that is none of these."""
    if not isinstance(frame, Mapping):
        return
    reader = _READERS.get(str(frame.get("method")))
    if reader is not None:
        data = frame.get("data")
        yield from reader(_from_params(frame) if data is None else data)


def _from_params(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data of a frame in the older form, which has it in ``params``."""
    params = frame.get("params") or []
    match frame["method"], *params:
        case "depth.update", bool(is_full), str(market), depth:
            return {"market": market, "is_full": is_full, "depth": depth}
        case "deals.update", str(market), deals:
            return {"market": market, "deal_list": deals}
        case "state.update", *states:
            return {"state_list": states}
    return {}


def _tickers(data: Mapping[str, Any]) -> Iterator[Message]:
    for state in data.get("state_list", ()):
        yield Ticker(state["market"], Decimal(state["last"]), Decimal(state["volume"]))


def _depth(data: Mapping[str, Any]) -> Iterator[Message]:
    if "depth" in data:
        yield Depth(data["market"], data["is_full"], data["depth"])


def _trades(data: Mapping[str, Any]) -> Iterator[Message]:
    for deal in data.get("deal_list", ()):
        side = deal.get("side") or deal["type"]
        yield Trade(data["market"], side, Decimal(deal["price"]), Decimal(deal["amount"]))


def _balances(data: Mapping[str, Any]) -> Iterator[Message]:
    for each in data.get("balance_list", ()):
        yield Balance(each["ccy"], Decimal(each["available"]), Decimal(each["frozen"]))


def _orders(data: Mapping[str, Any]) -> Iterator[Message]:
    order = data["order"]
    # The page of the WebSocket writes "unfilled_amount", older frames "unfill_amount".
    unfilled = order.get("unfilled_amount", order.get("unfill_amount", order["amount"]))
    yield Order(
        data["event"],
        order["order_id"],
        order.get("client_id", ""),
        order["market"],
        order["side"],
        Decimal(order["price"]),
        Decimal(order["amount"]),
        Decimal(unfilled),
        order,
    )


def _deals(data: Mapping[str, Any]) -> Iterator[Message]:
    yield Deal(
        data["deal_id"],
        data["order_id"],
        data["market"],
        data["side"],
        Decimal(data["price"]),
        Decimal(data["amount"]),
        Decimal(data["fee"]),
        data["fee_ccy"],
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Message]]] = {
    "state.update": _tickers,
    "depth.update": _depth,
    "deals.update": _trades,
    "balance.update": _balances,
    "order.update": _orders,
    "user_deals.update": _deals,
}
