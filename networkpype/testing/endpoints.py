"""The REST side of the mock exchange: what each endpoint does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

from networkpype.testing.market import LISTED, Market
from networkpype.testing.orders import OrderDesk
from networkpype.testing.routes import Routes
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedRequest, Refused

__all__ = ["Endpoints"]

_BALANCES = (("USDT", "100000.00"), ("BTC", "2.00000000"), ("ETH", "30.00000000"))


class Endpoints:
    """Answer time, ticker, account, orders and echo.

    `publish` is handed ``(stream, data)`` after every order placed or cancelled.
    """

    def __init__(
        self,
        desk: OrderDesk,
        market: Market,
        time_ms: Callable[[], int],
        publish: Callable[[str, object], None],
    ) -> None:
        self._desk = desk
        self._market = market
        self._time_ms = time_ms
        self._publish = publish

    def register(self, routes: Routes) -> None:
        """Add them all to the table."""
        routes.add("GET", "/v1/time", self._time, Access.PUBLIC)
        routes.add("GET", "/v1/ticker", self._ticker, Access.PUBLIC)
        routes.add("GET", "/v1/account", self._account, Access.KEY)
        routes.add("GET", "/v1/orders", self._open_orders, Access.KEY)
        routes.add("DELETE", "/v1/orders", self._cancel_all, Access.SIGNED)
        routes.add("POST", "/v1/order", self._place, Access.SIGNED)
        routes.add("DELETE", "/v1/order", self._cancel, Access.SIGNED)
        routes.add("*", "/v1/echo/*", _echo, Access.SIGNED)
        routes.add("*", "/v1/public/echo/*", _echo, Access.PUBLIC)

    def _time(self, request: ReceivedRequest) -> Answer:
        return Answer({"serverTime": self._time_ms()})

    def _ticker(self, request: ReceivedRequest) -> Answer:
        symbol = _parameters(request).get("symbol")
        if symbol:
            return Answer(self._market.ticker(symbol))
        return Answer([self._market.ticker(each) for each in LISTED])

    def _account(self, request: ReceivedRequest) -> Answer:
        return Answer(self._account_state())

    def _open_orders(self, request: ReceivedRequest) -> Answer:
        return Answer(self._desk.open_orders(_parameters(request).get("symbol")))

    def _place(self, request: ReceivedRequest) -> Answer:
        order = self._desk.place(_parameters(request), self._time_ms())
        self._announce(order)
        return Answer(order)

    def _cancel(self, request: ReceivedRequest) -> Answer:
        order = self._desk.cancel(_parameters(request), self._time_ms())
        self._announce(order)
        return Answer(order)

    def _cancel_all(self, request: ReceivedRequest) -> Answer:
        for order in self._desk.open_orders(_parameters(request).get("symbol")):
            named = {"orderId": str(order["orderId"])}
            self._announce(self._desk.cancel(named, self._time_ms()))
        return Answer(status=204)

    def _announce(self, order: dict[str, object]) -> None:
        self._publish("orders", order)
        self._publish("account.update", self._account_state())

    def _account_state(self) -> dict[str, object]:
        return {
            "balances": [{"asset": asset, "free": free} for asset, free in _BALANCES],
            "openOrders": self._desk.open_count,
        }


def _echo(request: ReceivedRequest) -> Answer:
    try:
        text: str | None = request.body.decode()
    except UnicodeDecodeError:
        text = None
    return Answer(
        {
            "method": request.method,
            "raw_path": request.raw_path,
            "headers": [[name, value] for name, value in request.headers.items()],
            "body_base64": base64.b64encode(request.body).decode(),
            "body_text": text,
        }
    )


def _parameters(request: ReceivedRequest) -> dict[str, str]:
    """Merge query and body, the body winning; the body is read as its content type says."""
    params = dict(parse_qsl(request.raw_query, keep_blank_values=True, errors="surrogateescape"))
    if not request.body:
        return params
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return params | _json_parameters(request.body)
    if content_type == "application/x-www-form-urlencoded":
        text = request.body.decode("utf-8", "surrogateescape")
        return params | dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))
    raise Refused(
        415,
        -1104,
        f"body of type {content_type or 'unknown'!r}; send application/json or "
        "application/x-www-form-urlencoded",
    )


def _json_parameters(body: bytes) -> dict[str, str]:
    try:
        # Numbers stay the digits that were sent: a price never becomes a float here.
        data = json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not all(isinstance(each, str) for each in data.values()):
        raise Refused(400, -1104, "the JSON body must be an object of strings and numbers")
    return data
