"""The story of the demo: synchronise, log in, trade up to the limit, check the promises."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from networkpype.cli.demo.connector import ORDERS_A_SECOND, MockConnector
from networkpype.cli.demo.overheard import Overheard
from networkpype.cli.demo.tally import Promise, Tally
from networkpype.testing import ArrivalLimit, MockExchange

__all__ = ["Scenario"]

SKEW_S = 2.75
ROUND_TRIPS = 60  # orders, each placed and cancelled: 120 calls under one limit
WORKERS = 4
PATIENCE_S = 3.0
CLOCK_ERROR_MS = 50.0


class Scenario:
    """Run a connector against a mock exchange; `tally` counts, `promises` judges at the end."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.exchange = MockExchange(
            clock_skew_s=SKEW_S,
            limits=(
                ArrivalLimit("ip", 6000, 60.0),
                ArrivalLimit("orders", ORDERS_A_SECOND, 1.0, ("POST", "DELETE"), "/v1/order"),
            ),
        )
        self.connector: MockConnector | None = None
        self.step = "starting the mock exchange"
        self.placed: list[str] = []
        self.cancelled: list[str] = []
        self.trading_s = 0.0
        self._logged_in = asyncio.Event()
        self._all_updates = asyncio.Event()
        self._tasks_before = 0
        self._overheard = Overheard([self.exchange.api_key, self.exchange.api_secret])

    async def run(self) -> list[Promise]:
        """Play the story once and return what was checked."""
        loop = asyncio.get_running_loop()
        self._tasks_before = len(asyncio.all_tasks())
        with self._overheard:
            async with self.exchange as exchange, self._connected(exchange) as connector:
                self.step = "synchronising the clock"
                await connector.clock.sync(connector.server_time, samples=5)
                self.step = "logging in on the WebSocket"
                reading = asyncio.create_task(self._read(connector))
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        await self._logged_in.wait()
                    self.step = f"placing and cancelling {ROUND_TRIPS} signed orders"
                    started = loop.time()
                    await self._trade(connector)
                    self.trading_s = loop.time() - started
                    self.step = "waiting for the last order update"
                    await self._updates_arrived()
                finally:
                    self.step = "closing"
                    await connector.close()
                    await asyncio.wait([reading], timeout=5)
                await reading
        self.step = "done"
        return self._judge()

    @contextlib.asynccontextmanager
    async def _connected(self, exchange: MockExchange) -> AsyncIterator[MockConnector]:
        async with MockConnector(
            exchange.url, exchange.ws_url, exchange.api_key, exchange.api_secret, self.tally
        ) as connector:
            self.connector = connector
            yield connector

    async def _read(self, connector: MockConnector) -> None:
        loop = asyncio.get_running_loop()
        async for data in connector.messages():
            self.tally.message(data, loop.time())
            if self.tally.logged_in:
                self._logged_in.set()
            if len(self.tally.updates) == 2 * ROUND_TRIPS:
                self._all_updates.set()

    async def _trade(self, connector: MockConnector) -> None:
        numbers = iter(range(ROUND_TRIPS))

        async def work() -> None:
            for number in numbers:
                order_id = await connector.place(f"demo-{number}")
                self.placed.append(order_id)
                await connector.cancel(order_id)
                self.cancelled.append(order_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())

    async def _updates_arrived(self) -> None:
        # Where some never come, the judgement says how many.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._all_updates.wait()

    def _judge(self) -> list[Promise]:
        tally, statuses = self.tally, self.exchange.status_counts
        calls = len(self.placed) + len(self.cancelled)
        offset_ms = tally.offset_ms if tally.offset_ms is not None else math.inf
        error_ms = abs(offset_ms - SKEW_S * 1000)
        refused = statuses[400] + statuses[401] + statuses[403]
        executed = self.exchange.executions
        once = executed["POST /v1/order"] == executed["DELETE /v1/order"] == ROUND_TRIPS
        expected = {(order, "NEW") for order in self.placed}
        expected |= {(order, "CANCELED") for order in self.cancelled}
        in_time = [order for order in expected if tally.updates[order] == 1]
        ideal_s = self.ideal_s
        peak = self.exchange.peak_arrivals.get("orders", 0)
        return [
            Promise(
                f"the clock follows an exchange that is {SKEW_S:g} s ahead",
                error_ms < CLOCK_ERROR_MS,
                f"{error_ms:.1f} ms off after {tally.clock_samples} samples",
            ),
            Promise(
                "the exchange accepts every signature",
                calls == 2 * ROUND_TRIPS and refused == 0,
                f"{calls} signed orders, {refused} refused",
            ),
            Promise(
                "not one 429, though the limit is used to its end",
                statuses[429] == 0 and peak <= ORDERS_A_SECOND,
                f"{peak} of {ORDERS_A_SECOND} orders in the fullest second, {statuses[429]} x 429",
            ),
            Promise(
                "nobody waits longer than the limit asks",
                self.trading_s < ideal_s * 1.5,
                f"{self.trading_s:.2f} s, ideal {ideal_s:.2f} s",
            ),
            Promise(
                "each order is executed once",
                once and len(set(self.placed)) == ROUND_TRIPS,
                f"{executed['POST /v1/order']} placed, {executed['DELETE /v1/order']} cancelled",
            ),
            Promise("the WebSocket is logged in", tally.logged_in, tally.login_answer or "silence"),
            Promise(
                "every order update arrives once",
                len(in_time) == len(expected) == 2 * ROUND_TRIPS,
                f"{len(in_time)} of {len(expected)}, among {tally.messages} messages",
            ),
            Promise(
                "no key and no secret in any log line",
                not self._overheard.leaks,
                f"{self._overheard.lines} lines at DEBUG, {self._overheard.leaks} with a secret",
            ),
            Promise(
                "nothing is left open",
                self.exchange.websockets == 0 and len(asyncio.all_tasks()) <= self._tasks_before,
                f"{self.exchange.websockets} sockets, "
                f"{len(asyncio.all_tasks()) - self._tasks_before} tasks",
            ),
        ]

    def limit_use(self) -> tuple[int, int]:
        """Return how much of the order limit is used now, and how much there is."""
        if self.connector is None:
            return 0, 0
        use = self.connector.throttler.snapshot()["orders"]
        return int(use.used), int(use.capacity)

    @property
    def ideal_s(self) -> float:
        """How long the limit alone makes the trading take, in seconds."""
        _, capacity = self.limit_use()
        return math.ceil(2 * ROUND_TRIPS / max(1, capacity)) - 1.0
