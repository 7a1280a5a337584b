"""The order desk: places, cancels and remembers; it never fills."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from networkpype.testing.wire import Refused

__all__ = ["OrderDesk"]

Order = dict[str, object]

_BAD_PARAMETER = -1102
_NEW_ORDER_REJECTED = -2010
_CANCEL_REJECTED = -2011


class OrderDesk:
    """Hold every order ever placed, oldest first, by id; ids, prices and quantities are strings."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}
        self._open: dict[str, Order] = {}

    def place(self, params: Mapping[str, str], now_ms: int) -> Order:
        """Place an order from symbol, side, price, quantity and, optionally, clientOrderId."""
        symbol = _required(params, "symbol")
        side = _required(params, "side")
        if side not in ("BUY", "SELL"):
            raise Refused(400, _BAD_PARAMETER, "side must be BUY or SELL")
        price = _positive(params, "price")
        quantity = _positive(params, "quantity")
        order_id = str(len(self.orders) + 1)
        client_order_id = params.get("clientOrderId") or f"auto-{order_id}"
        if client_order_id in self._by_client_id:
            raise Refused(400, _NEW_ORDER_REJECTED, f"duplicate clientOrderId {client_order_id!r}")
        order: Order = {
            "orderId": order_id,
            "clientOrderId": client_order_id,
            "symbol": symbol,
            "side": side,
            "price": price,
            "quantity": quantity,
            "status": "NEW",
            "time": now_ms,
        }
        self.orders[order_id] = self._open[order_id] = order
        self._by_client_id[client_order_id] = order
        return dict(order)

    def cancel(self, params: Mapping[str, str], now_ms: int) -> Order:
        """Cancel an open order, named by orderId or clientOrderId."""
        if "orderId" in params:
            order = self.orders.get(params["orderId"])
        else:
            order = self._by_client_id.get(_required(params, "clientOrderId"))
        if order is None or self._open.pop(str(order["orderId"]), None) is None:
            raise Refused(400, _CANCEL_REJECTED, "no such open order")
        order.update(status="CANCELED", time=now_ms)
        return dict(order)

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return copies of the open orders, oldest first, of one symbol or of all."""
        return [dict(order) for order in self._open.values() if symbol in (None, order["symbol"])]

    @property
    def open_count(self) -> int:
        return len(self._open)


def _required(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise Refused(400, _BAD_PARAMETER, f"mandatory parameter {name!r} is missing")
    return value


def _positive(params: Mapping[str, str], name: str) -> str:
    value = _required(params, name)
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal(0)
    if not (number.is_finite() and number > 0):
        raise Refused(400, _BAD_PARAMETER, f"parameter {name!r} must be a number above 0")
    return value
