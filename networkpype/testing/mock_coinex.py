"""CoinEx with a market: what a connector of it reads and does, on loopback."""

from __future__ import annotations

import asyncio
import random
import zlib
from contextlib import suppress
from decimal import Decimal
from typing import Any

from networkpype import codec
from networkpype.testing.mock_venue import MockVenue
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = ["MockCoinEx"]

_TICK = Decimal("0.5")
_LEVELS = 10
_NOT_FOUND = 3600  # "order not found"


class MockCoinEx(MockVenue):
    """A `MockVenue` of CoinEx's spot market, API v2, where one market trades.

    Pushes ticker, depth and deals every `interval_s` seconds, and an account's orders, deals and
    balances as they change. Every third order is filled at once, the others rest until they are
    cancelled. `options` are those of `MockVenue`.

    The frames are CoinEx's own (https://docs.coinex.com/api/v2, read 2026-07), but for one field:
    each order update has a ``sequence``, from 1, so that a test can tell which ones never came.
    """

    def __init__(
        self, market: str = "BTCUSDT", *, interval_s: float = 0.1, seed: int = 1, **options: Any
    ) -> None:
        super().__init__("coinex", **options)
        self.market = market
        self.orders: dict[int, dict[str, Any]] = {}
        self.order_updates = 0
        """How many order updates there were: the sequence of the last."""
        self.balances = {"BTC": [Decimal(10), Decimal(0)], "USDT": [Decimal(10**9), Decimal(0)]}
        """Available and frozen."""
        self._interval_s = interval_s
        self._random = random.Random(seed)
        self._last = Decimal("30000.00")
        self._deals = 0
        self._book = _Book(self._last, self._random)
        self._trading: asyncio.Task[None] | None = None
        self.add_endpoint("GET", "/v2/time", self._time, Access.PUBLIC)
        self.add_endpoint("GET", "/v2/spot/depth", self._depth, Access.PUBLIC)
        self.add_endpoint("GET", "/v2/assets/spot/balance", self._balance)
        self.add_endpoint("POST", "/v2/spot/order", self._place)
        self.add_endpoint("POST", "/v2/spot/cancel-order", self._cancel)

    async def start(self) -> None:
        await super().start()
        self._trading = asyncio.create_task(self._trade())

    async def close(self) -> None:
        if self._trading is not None:
            self._trading.cancel()
            with suppress(asyncio.CancelledError):
                await self._trading
            self._trading = None
        await super().close()

    def snapshot(self, topic: str) -> object | None:
        """Return the whole book for who begins to follow it."""
        if topic != f"depth.{self.market}":
            return None
        return self._depth_frame(self._book.whole(), is_full=True)

    async def tick(self) -> None:
        """Let the market move once, as it does by itself every `interval_s` seconds."""
        self._last += _TICK * self._random.choice((-1, 0, 1))
        await self._push_depth(self._book.change())
        self._deals += 1
        deal = {
            "deal_id": self._deals,
            "created_at": self.time_ms(),
            "side": self._random.choice(("buy", "sell")),
            "price": str(self._last),
            "amount": "0.01",
        }
        await self._tell("deals", self.market, {"market": self.market, "deal_list": [deal]})
        state = {"market": self.market, "last": str(self._last), "volume": str(self._deals)}
        await self._tell("state", self.market, {"state_list": [state | {"period": 86400}]})

    async def corrupt_book(self) -> None:
        """Push a change of the book with a checksum that it does not have."""
        change = self._book.change()
        change["checksum"] ^= 1
        await self._push_depth(change)

    # -- the market -------------------------------------------------------------------------------

    async def _trade(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.tick()

    async def _push_depth(self, change: dict[str, Any]) -> None:
        frame = self._depth_frame(change, is_full=False)
        await self.publish(f"depth.{self.market}", frame)

    def _depth_frame(self, depth: dict[str, Any], *, is_full: bool) -> dict[str, Any]:
        depth = {**depth, "last": str(self._last), "updated_at": self.time_ms()}
        data = {"market": self.market, "is_full": is_full, "depth": depth}
        return {"method": "depth.update", "data": data, "id": None}

    async def _tell(self, channel: str, name: str, data: object) -> None:
        frame = {"method": f"{channel}.update", "data": data, "id": None}
        await self.publish(f"{channel}.{name}", frame)

    # -- the account ------------------------------------------------------------------------------

    async def _update_order(self, event: str, order: dict[str, Any]) -> None:
        self.order_updates += 1
        order["updated_at"] = self.time_ms()
        numbered = {**order, "sequence": self.order_updates}
        await self._tell("order", self.market, {"event": event, "order": numbered})

    async def _move(self, currency: str, available: Decimal, frozen: Decimal) -> None:
        balance = self.balances[currency]
        balance[0] += available
        balance[1] += frozen
        listed = [_balance(currency, balance) | {"updated_at": self.time_ms()}]
        await self._tell("balance", currency, {"balance_list": listed})

    async def _place(self, request: ReceivedRequest) -> Answer:
        asked = codec.loads(request.body)
        order_id, price, amount = len(self.orders) + 1, asked["price"], asked["amount"]
        client_id = asked.get("client_id", "")
        if asked["market"] != self.market:
            return _refused(3639, "market not found")
        if client_id and any(each["client_id"] == client_id for each in self.orders.values()):
            return _refused(3640, "client_id was used before")
        order = self.orders[order_id] = {
            "order_id": order_id,
            "market": self.market,
            "market_type": "SPOT",
            "type": asked["type"],
            "side": asked["side"],
            "price": price,
            "amount": amount,
            "unfilled_amount": amount,
            "client_id": client_id,
            "created_at": self.time_ms(),
        }
        value = Decimal(price) * Decimal(amount)
        await self._update_order("put", order)
        await self._move("USDT", -value, value)
        if order_id % 3 == 0:
            await self._fill(order, value)
        return _done(order)

    async def _fill(self, order: dict[str, Any], value: Decimal) -> None:
        order["unfilled_amount"] = "0"
        self._deals += 1
        deal = {
            "deal_id": self._deals,
            "order_id": order["order_id"],
            "created_at": self.time_ms(),
            "role": "taker",
            "fee": "0",
            "fee_ccy": "USDT",
            **{name: order[name] for name in ("market", "side", "price", "amount")},
        }
        await self._tell("user_deals", self.market, deal)
        await self._move("USDT", Decimal(0), -value)
        await self._update_order("finish", order)

    async def _cancel(self, request: ReceivedRequest) -> Answer:
        order = self.orders.get(codec.loads(request.body)["order_id"])
        if order is None or order["unfilled_amount"] == "0" or "is_over" in order:
            return _refused(_NOT_FOUND, "order not found")
        order["is_over"] = True
        value = Decimal(order["price"]) * Decimal(order["unfilled_amount"])
        await self._update_order("finish", order)
        await self._move("USDT", value, -value)
        return _done(order)

    # -- what is only asked -----------------------------------------------------------------------

    def _time(self, request: ReceivedRequest) -> Answer:
        return _done({"timestamp": self.time_ms()})

    def _depth(self, request: ReceivedRequest) -> Answer:
        data: Any = self._depth_frame(self._book.whole(), is_full=True)["data"]
        return _done(data)

    def _balance(self, request: ReceivedRequest) -> Answer:
        return _done([_balance(currency, held) for currency, held in self.balances.items()])


class _Book:
    """Prices and amounts as texts, which change at random; `checksum` covers both sides."""

    def __init__(self, middle: Decimal, source: random.Random) -> None:
        self._random = source
        self._middle = middle
        self._bids: dict[Decimal, str] = {}
        self._asks: dict[Decimal, str] = {}
        for level in range(1, _LEVELS + 1):
            self._bids[middle - level * _TICK] = self._amount()
            self._asks[middle + level * _TICK] = self._amount()

    def whole(self) -> dict[str, Any]:
        return self._told(self._sorted(self._bids, -1), self._sorted(self._asks, 1))

    def change(self) -> dict[str, Any]:
        """Change a few levels; an amount of 0 says that one is gone."""
        changed: list[list[list[str]]] = []
        for side, sign in ((self._bids, -1), (self._asks, 1)):
            price = self._middle + sign * self._random.randint(1, _LEVELS) * _TICK
            is_gone = len(side) > 3 and self._random.random() < 0.3
            if is_gone and price in side:
                del side[price]
            else:
                side[price] = self._amount()
            changed.append([[str(price), side.get(price, "0")]])
        return self._told(*changed)

    def _told(self, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
        levels = [*self._sorted(self._bids, -1), *self._sorted(self._asks, 1)]
        text = ":".join(part for level in levels for part in level)
        return {"bids": bids, "asks": asks, "checksum": zlib.crc32(text.encode())}

    def _sorted(self, side: dict[Decimal, str], sign: int) -> list[list[str]]:
        return [[str(price), side[price]] for price in sorted(side, reverse=sign < 0)]

    def _amount(self) -> str:
        return f"{self._random.uniform(0.01, 5):.8f}"


def _balance(currency: str, held: list[Decimal]) -> dict[str, Any]:
    return {"ccy": currency, "available": str(held[0]), "frozen": str(held[1])}


def _done(data: object) -> Answer:
    return Answer({"code": 0, "data": data, "message": "OK"})


def _refused(code: int, message: str) -> Answer:
    return Answer({"code": code, "data": {}, "message": message})
