"""Read a connector's stream to its end and remember what is needed to judge it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from examples.coinex.book import OrderBook
from examples.coinex.connector import Item as CoinExItem
from examples.coinex.messages import Order as CoinExOrder
from examples.coinex.messages import Ticker
from examples.demo.ledger import Ledger
from examples.ethgas.channels import Market
from examples.ethgas.channels import Order as ETHGasOrder
from examples.ethgas.connector import Item as ETHGasItem
from networkpype import Connected, Disconnected, Gap, Ready

__all__ = ["Follower"]


class Follower:
    """What one stream told: the line, the order updates, the book, the price."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.messages = 0
        self.line = "not connected"
        self.price = "-"
        self.book = "-"
        self.lost_because = ""
        self.epoch = 0
        self.rebuilt = 0
        """How often the book was whole again after a gap."""
        self.owes_book = False
        self._ready_at = 0.0
        self._news = asyncio.Event()

    async def run(self, stream: AsyncIterator[CoinExItem | ETHGasItem]) -> None:
        """Read until the stream ends."""
        async for item in stream:
            self._take(item)
            self._news.set()

    async def ready_after(self, moment: float) -> float:
        """Wait until the connection is ready after this moment; return how long after."""
        while self._ready_at <= moment:
            self._news.clear()
            await self._news.wait()
        return self._ready_at - moment

    async def until_update(self, number: int) -> None:
        """Wait until the order update of this number came."""
        while self.ledger.last < number:
            self._news.clear()
            await self._news.wait()

    def _take(self, item: CoinExItem | ETHGasItem) -> None:
        match item:
            case Connected():
                self.line, self.epoch = f"open (dial {item.epoch})", item.epoch
            case Ready():
                self.line = f"ready (dial {item.epoch})"
                self._ready_at = asyncio.get_running_loop().time()
            case Disconnected():
                self.line = f"lost (dial {item.epoch})"
                self.lost_because = item.reason
            case Gap():
                self.ledger.gap()
                self.owes_book = True
                self.lost_because = item.reason
            case CoinExOrder() | ETHGasOrder():
                self.messages += 1
                self.ledger.update(item.raw["sequence"])
            case OrderBook():
                self.messages += 1
                self.book = repr(item)
                if item.is_whole and self.owes_book:
                    self.owes_book = False
                    self.rebuilt += 1
            case Ticker():
                self.messages += 1
                self.price = str(item.last)
            case Market():
                self.messages += 1
                self.price = str(item.price)
            case _:
                self.messages += 1
