"""An order book that is built from a snapshot and changes, and knows whether it is right."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal

__all__ = ["OrderBook"]

Level = Sequence[str]


class OrderBook:
    """Prices and amounts of one market, as the exchange wrote them.

    `is_whole` is False until a snapshot came, and again from where anything was missed.
    """

    def __init__(self, market: str) -> None:
        self.market = market
        self.is_whole = False
        self._bids: dict[Decimal, Level] = {}
        self._asks: dict[Decimal, Level] = {}

    def clear(self) -> None:
        """Forget everything: messages are missing, and with them changes."""
        self.is_whole = False
        self._bids.clear()
        self._asks.clear()

    def apply(self, depth: Mapping[str, object], *, is_full: bool) -> bool:
        """Take a snapshot or a change; return whether the book is whole after it.

        It is not where a change comes before any snapshot, or where the checksum differs. One
        without a checksum is believed.
        """
        if is_full:
            self.clear()
            self.is_whole = True
        if not self.is_whole:
            return False
        for side, name in ((self._bids, "bids"), (self._asks, "asks")):
            levels = depth.get(name)
            for level in levels if isinstance(levels, list) else []:
                price = Decimal(level[0])
                if Decimal(level[1]):
                    side[price] = level
                else:
                    side.pop(price, None)
        checksum = depth.get("checksum")
        # The page calls it signed and shows one that is not, so the bits are compared.
        if isinstance(checksum, int) and (checksum - self.checksum) % 2**32:
            self.clear()
        return self.is_whole

    @property
    def bids(self) -> list[Level]:
        """Return price and amount of those who buy, the best first."""
        return [self._bids[price] for price in sorted(self._bids, reverse=True)]

    @property
    def asks(self) -> list[Level]:
        """Return price and amount of those who sell, the best first."""
        return [self._asks[price] for price in sorted(self._asks)]

    @property
    def checksum(self) -> int:
        """Return the CRC-32 of ``bid1_price:bid1_amount:...:ask1_price:ask1_amount:...``.

        Source: https://docs.coinex.com/api/v2/spot/market/http/list-market-depth, read 2026-07.
        """
        text = ":".join(part for level in (*self.bids, *self.asks) for part in level[:2])
        return zlib.crc32(text.encode())

    def __repr__(self) -> str:
        if not self.is_whole:
            return f"OrderBook({self.market}, not whole)"
        bid, ask = self.bids[:1], self.asks[:1]
        shown = [level[0][0] if level else "-" for level in (bid, ask)]
        return f"OrderBook({self.market}, {' / '.join(shown)})"
