"""ETHGas with a market: what a connector of it reads and does, on loopback."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

from networkpype import codec
from networkpype.credentials import Credentials
from networkpype.testing.mock_venue import MockVenue
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = ["MockETHGas"]

_HOUR_S = 3600.0
_WEEK_S = 7 * 86_400.0
_REFRESH = "refresh-"


class MockETHGas(MockVenue):
    """A `MockVenue` of ETHGas where one market trades.

    Pushes ``preconf_market_update`` every `interval_s` seconds and ``account_order_update`` as
    orders are placed and cancelled. `credentials` are an access token, good for an hour, and a
    refresh token; `expire` ends the access tokens alone. `options` are those of `MockVenue`.

    The frames are those of ETHGas's pages, as far as these show any. Each order update has a
    ``sequence`` besides, from 1, so that a test can tell which ones never came.
    """

    def __init__(
        self, market: str = "ETH-USD", *, interval_s: float = 0.1, seed: int = 1, **options: Any
    ) -> None:
        # Tokens are issued below; a wallet would take the packages of the extra `evm`.
        super().__init__("ethgas", credentials=Credentials(key="unused"), **options)
        access, refresh = self.account.issue(_HOUR_S), self.account.issue(_WEEK_S, _REFRESH)
        self._credentials = Credentials(key=access, secret=refresh)
        self.market = market
        self.orders: dict[str, dict[str, Any]] = {}
        self.order_updates = 0
        """How many order updates there were: the sequence of the last."""
        self._interval_s = interval_s
        self._price, self._slot = 2000.0, 12_345_678
        self._random = random.Random(seed)
        self._trading: asyncio.Task[None] | None = None
        self.add_endpoint("POST", "/api/v1/trading/whole-block/place-order", self._place)
        self.add_endpoint("POST", "/api/v1/trading/whole-block/cancel-order", self._cancel)

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

    async def tick(self) -> None:
        """Let the market move once, as it does by itself every `interval_s` seconds."""
        self._price += self._random.uniform(-1, 1)
        self._slot += 1
        data = {
            "market": self.market,
            "marketId": 1,
            "status": 1,
            "currentPrice": f"{self._price:.2f}",
            "lastUpdate": self.time_ms() // 1000,
            "slotNumber": self._slot,
            "blockNumber": self._slot,
        }
        frame = {"cmd": "preconf_market_update", "data": data}
        await self.publish(f"preconf_market_update.{self.market}", frame)

    def _revoke(self) -> None:
        for token in self.account.tokens:
            if not token.startswith(_REFRESH):
                self.account.revoke(token)

    async def _trade(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.tick()

    async def _update_order(self, order: dict[str, Any]) -> None:
        self.order_updates += 1
        data = {**order, "sequence": self.order_updates}
        await self.publish("account_order_update", {"cmd": "account_order_update", "data": data})

    async def _place(self, request: ReceivedRequest) -> Answer:
        asked = codec.loads(request.body)
        order_id = f"order_{len(self.orders) + 1}"
        order = self.orders[order_id] = {
            "orderId": order_id,
            "blockNumber": asked["blockNumber"],
            "status": "pending",
            "createdAt": self.time_ms() // 1000,
        }
        await self._update_order(order)
        return _done(order)

    async def _cancel(self, request: ReceivedRequest) -> Answer:
        order = self.orders.get(codec.loads(request.body)["orderId"])
        if order is None or order["status"] != "pending":
            return Answer({"code": 404, "message": "Order not found", "data": None}, 404)
        order["status"] = "cancelled"
        await self._update_order(order)
        return _done(order)


def _done(data: object) -> Answer:
    return Answer({"code": 200, "message": "OK", "data": data})
