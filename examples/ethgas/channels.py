"""ETHGas's channels: how they are asked for, and what their messages say.

Sources: ETHGas's pages "WebSocket", "WebSocket Authentication" and "Preconf Market Update" (read
2026-07). They list the channels by title and show the name of one, ``preconf_market_update``; the
other's is written by the same rule. They show no answer to a subscribe either: it is taken to be
like that to a login, with ``status`` and, where refused, ``error``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from networkpype import Ack, Dialect, Subscription

__all__ = ["Channels", "Market", "Message", "Order", "markets_of", "orders", "read"]

_MARKETS = "preconf_market_update"
_ORDERS = "account_order_update"
_TOO_MANY = 429


class Channels(Dialect):
    """``{"cmd":"subscribe","channel":"...","data":{"market":"..."}}``.

    A channel is a pair of its name and a market, None for all. Pass `ack_timeout_s` None where the
    exchange turns out not to answer.
    """

    def __init__(self, ack_timeout_s: float | None = 10.0) -> None:
        self.ack_timeout_s = ack_timeout_s

    def subscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._frame("subscribe", channels)

    def unsubscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._frame("unsubscribe", channels)

    def judge(self, data: Any) -> Ack | None:
        if not isinstance(data, Mapping) or data.get("cmd") not in ("subscribe", "unsubscribe"):
            return None
        named = data.get("data") or {}
        name = data.get("channel", named.get("channel"))
        channels = None if name is None else [(name, named.get("market"))]
        if data.get("status") == "success":
            return Ack(True, channels=channels)
        error = data.get("error") or {}
        code, reason = error.get("code"), str(error.get("message", "refused"))
        return Ack(False, channels=channels, reason=reason, definite=code != _TOO_MANY)

    def _frame(self, command: str, channels: Sequence[Any]) -> Mapping[str, Any]:
        ((name, market),) = channels
        frame = {"cmd": command, "channel": name}
        return frame if market is None else {**frame, "data": {"market": market}}


def markets_of(market: str | None, dialect: Dialect) -> Subscription:
    """Return the subscription to one market, None for all."""
    return Subscription((_MARKETS, market), dialect)


def orders(dialect: Dialect) -> Subscription:
    """Return the subscription to the account's orders."""
    return Subscription((_ORDERS, None), dialect, private=True)


@dataclass(frozen=True, slots=True)
class Market:
    """The state of a market of inclusion preconfirmations; `price` is None where none was told."""

    name: str
    status: int
    price: Decimal | None
    slot: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the account; `raw` is all that the exchange told."""

    id: str
    status: str
    block: int
    raw: Mapping[str, Any]


Message: TypeAlias = Market | Order


def read(frame: Any) -> Iterator[Message]:
    """Yield what a frame says; nothing for one of another channel."""
    if not isinstance(frame, Mapping):
        return
    data = frame.get("data") or {}
    match frame.get("cmd"):
        case "preconf_market_update":
            price = data.get("currentPrice")
            yield Market(
                data["market"],
                data["status"],
                None if price is None else Decimal(price),
                data["slotNumber"],
            )
        case "account_order_update":
            yield Order(data["orderId"], data["status"], data["blockNumber"], data)
