"""The story of the demo: connect, trade, be failed in every way, stop, and count."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from examples.coinex.connector import CoinEx
from examples.demo.faults import FAULTS, Fault
from examples.demo.follower import Follower
from examples.demo.overheard import Overheard
from examples.demo.tally import Promise, Tally
from examples.demo.trader import Trader
from examples.ethgas.connector import ETHGas
from networkpype import Backoff, Heartbeat, Reconnect
from networkpype.exchanges import exchange
from networkpype.testing import ArrivalLimit, MockCoinEx, MockETHGas

__all__ = ["ORDERS_A_SECOND", "SKEW_S", "Story"]

SKEW_S = 2.75
ORDERS_A_SECOND = 30
_CALM_S = 1.2  # between two faults: long enough for a connection to count as healthy
_PATIENCE_S = 8.0
# A person watches: CoinEx's own 30 s between pings would make silence last as long.
_PING_S, _PONG_S = 1.0, 0.5
_RECONNECT = Reconnect(backoff=Backoff(initial_s=0.5, cap_s=1.0), healthy_after_s=1.0)


class Story:
    """Run two connectors against two mock exchanges; `promises` judges at the end."""

    def __init__(self) -> None:
        self.step = "starting the mock exchanges"
        self.tally = Tally()
        self.exchange = MockCoinEx(
            clock_skew_s=SKEW_S,
            interval_s=0.05,
            limits=[
                ArrivalLimit("place", ORDERS_A_SECOND, 1.0, ("POST",), "/v2/spot/order"),
                ArrivalLimit("cancel", 60, 1.0, ("POST",), "/v2/spot/cancel-order"),
            ],
        )
        self.ethgas_exchange = MockETHGas(interval_s=0.25)
        self.coinex, self.ethgas = Follower(), Follower()
        self.recovered: dict[str, float | None] = {fault.name: None for fault in FAULTS}
        """How long each fault kept CoinEx's stream from being ready, None while unknown."""
        self.token_refreshed_s: float | None = None
        """How long the private part of ETHGas's stream was without a token."""
        self.connector: CoinEx | None = None
        self.trader: Trader | None = None
        self.is_left_open = ""
        self.overheard = Overheard(
            [
                self.exchange.account.key,
                self.exchange.account.secret,
                *self.ethgas_exchange.account.tokens,
            ]
        )

    async def run(self) -> list[Promise]:
        """Play the story once and return what was checked."""
        from examples.demo.promises import judge

        tasks_before = len(asyncio.all_tasks())
        with self.overheard:
            async with self.exchange, self.ethgas_exchange, self._connected() as trader:
                trading = asyncio.create_task(trader.run())
                try:
                    for fault in FAULTS:
                        await self._endure(fault)
                    self.step = "stopping the orders"
                    await asyncio.sleep(_CALM_S)
                finally:
                    trader.stop()
                    await trading
                self.step = "waiting for the last order updates"
                await self._last_updates()
                self.step = "closing"
        sockets = self.exchange.websockets + self.ethgas_exchange.websockets
        tasks = len(asyncio.all_tasks()) - tasks_before
        self.is_left_open = f"{sockets} sockets, {max(0, tasks)} tasks"
        self.step = "done"
        return judge(self)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Trader]:
        coinex, ethgas = self.exchange, self.ethgas_exchange
        async with (
            CoinEx(
                coinex.credentials,
                target=exchange("coinex").at(coinex.url, coinex.ws_url),
                ping_s=_PING_S,
                pong_s=_PONG_S,
                reconnect=_RECONNECT,
                hook=self.tally,
            ) as self.connector,
            ETHGas(
                ethgas.credentials,
                target=exchange("ethgas").at(ethgas.url, ethgas.ws_url),
                heartbeat=Heartbeat(ping_s=_PING_S),
                reconnect=_RECONNECT,
            ) as ethgas_connector,
        ):
            self.step = "logging in and subscribing"
            following = [
                asyncio.create_task(self.coinex.run(self.connector.stream())),
                asyncio.create_task(self.ethgas.run(ethgas_connector.stream())),
            ]
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self.coinex.ready_after(0.0)
                    await self.ethgas.ready_after(0.0)
                self.trader = Trader(self.connector, ethgas_connector)
                yield self.trader
            finally:
                await self.connector.close()
                await ethgas_connector.close()
                await asyncio.gather(*following)

    async def _endure(self, fault: Fault) -> None:
        """Let it be calm for a while, strike, and measure how long until ready again."""
        self.step = "trading on CoinEx and ETHGas"
        await asyncio.sleep(_CALM_S)
        self.step = f"the exchange {fault.name}"
        began = asyncio.get_running_loop().time()
        await fault.strike(self.exchange, self.ethgas_exchange)
        # Where it never is, the judgement says so.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                self.recovered[fault.name] = await self.coinex.ready_after(began)
                if fault.hits_ethgas:
                    self.token_refreshed_s = await self.ethgas.ready_after(began)

    async def _last_updates(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self.coinex.until_update(self.exchange.order_updates)
                await self.ethgas.until_update(self.ethgas_exchange.order_updates)
        self.coinex.ledger.finish(self.exchange.order_updates)
        self.ethgas.ledger.finish(self.ethgas_exchange.order_updates)

    def limit_use(self) -> tuple[int, int]:
        """Return how much of the order limit is used now, and how much there is."""
        if self.connector is None:
            return 0, 0
        use = self.connector.throttler.snapshot()["place"]
        return int(use.used), int(use.capacity)
