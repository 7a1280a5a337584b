"""Place and cancel orders as fast as the limits allow, whatever the exchange does meanwhile."""

from __future__ import annotations

import asyncio
import itertools

from examples.coinex.connector import CoinEx
from examples.coinex.rest import CoinExError
from examples.ethgas.connector import ETHGas
from networkpype import NetworkpypeError, Outcome, RateLimitedError

__all__ = ["Trader"]

_WORKERS = 3
_PAUSE_S = 0.1


class Trader:
    """Trade until `stop`. Each order has an id of its own and is sent once."""

    def __init__(self, coinex: CoinEx, ethgas: ETHGas) -> None:
        self._coinex = coinex
        self._ethgas = ethgas
        self._numbers = itertools.count(1)
        self._is_over = False
        self.placed = 0
        self.cancelled = 0
        self.not_done = 0
        """Calls that were not sent, or refused: known not to be executed."""
        self.unknown = 0
        """Calls of which only the exchange knows; none is sent again."""

    async def run(self) -> None:
        """Trade on both exchanges."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._trade_coinex())
            group.create_task(self._trade_ethgas())

    def stop(self) -> None:
        """Let each worker end what it has begun."""
        self._is_over = True

    async def _trade_coinex(self) -> None:
        rest = self._coinex.rest
        while not self._is_over:
            try:
                order_id = await rest.place(
                    "BTCUSDT", "buy", "25000.50", "0.01", f"demo-{next(self._numbers)}"
                )
                self.placed += 1
                await rest.cancel("BTCUSDT", order_id)
                self.cancelled += 1
            except CoinExError:
                pass  # it was filled before it could be cancelled
            except NetworkpypeError as error:
                await self._failed(error)

    async def _trade_ethgas(self) -> None:
        while not self._is_over:
            try:
                order_id = await self._ethgas.place(12_345_678, ["0x" + "0" * 64], 1_000_000_000)
                await self._ethgas.cancel(order_id)
            except NetworkpypeError as error:
                await self._failed(error)

    async def _failed(self, error: NetworkpypeError) -> None:
        if error.outcome is Outcome.UNKNOWN:
            self.unknown += 1
        else:
            self.not_done += 1
        told = error.retry_after if isinstance(error, RateLimitedError) else None
        await asyncio.sleep(told or _PAUSE_S)
