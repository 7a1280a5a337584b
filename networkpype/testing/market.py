"""Made-up market data: any symbol trades, and the same symbol always starts at the same price."""

from __future__ import annotations

import zlib
from collections.abc import Callable

__all__ = ["LISTED", "Market"]

LISTED = {"BTCUSDT": 6_500_000, "ETHUSDT": 340_000, "SOLUSDT": 15_000}
"""The symbols that a ticker of all shows, with their first price in cents."""


class Market:
    """Give tickers and trades; a trade's ``tradeId`` grows by 1 a tick, so a lost trade shows."""

    def __init__(self, time_ms: Callable[[], int]) -> None:
        self._time_ms = time_ms
        self._ticks = 0

    def tick(self) -> None:
        """Let the market move, once for all symbols."""
        self._ticks += 1

    def ticker(self, symbol: str) -> dict[str, object]:
        """Return best bid, best ask and last price."""
        cents = self._cents(symbol)
        return {
            "symbol": symbol,
            "price": _price(cents),
            "bid": _price(cents - 1),
            "ask": _price(cents + 1),
            "time": self._time_ms(),
        }

    def trade(self, symbol: str) -> dict[str, object]:
        """Return the newest trade."""
        return {
            "symbol": symbol,
            "tradeId": self._ticks,
            "price": _price(self._cents(symbol)),
            "quantity": "0.10",
            "side": "BUY" if self._ticks % 2 else "SELL",
            "time": self._time_ms(),
        }

    def _cents(self, symbol: str) -> int:
        made_up = 1_000 + zlib.crc32(symbol.encode("utf-8", "surrogateescape")) % 1_000_000
        return LISTED.get(symbol, made_up) + self._ticks * 7 % 101


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
