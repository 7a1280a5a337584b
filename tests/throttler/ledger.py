"""What is used of limits of every kind, counted the slow way and from nothing but who did what.

It shares no line with the throttler. A call counts as the worst that it can still be at the
exchange: one under way may not have arrived yet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction

from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.rate_limit import RateLimit

BUCKETS = (LimitKind.TOKEN_BUCKET, LimitKind.DECAYING_COUNTER)


@dataclass(eq=False)
class Entry:
    """An admitted call: charged at a moment, or held from its departure until it landed."""

    costs: dict[str, int]
    charged_at: float | None = None
    departed_at: float | None = None
    landed_at: float | None = None

    @property
    def under_way(self) -> bool:
        return self.departed_at is not None and self.landed_at is None

    @property
    def counts_from(self) -> float:
        """When it begins to come back; not for one under way."""
        at = self.charged_at if self.landed_at is None else self.landed_at
        assert at is not None
        return at


@dataclass
class Ledger:
    """Every admitted call, the limits, and until when the exchange wants quiet."""

    limits: dict[str, RateLimit]
    ahead_s: float
    entries: list[Entry] = field(default_factory=list)
    blocked_until: dict[str, float] = field(default_factory=dict)

    def fits(
        self,
        costs: dict[str, int],
        priority: Priority,
        now: float,
        without: Collection[Entry] = (),
    ) -> bool:
        """Tell whether a call fits now, all or nothing, with what is reserved left free."""
        return all(
            self.used(name, now, without) + weight + self.reserve(name, priority)
            <= self.limits[name].most + Fraction(1, 10**6)
            for name, weight in costs.items()
        )

    def reserve(self, name: str, priority: Priority) -> int:
        reserved = self.limits[name].reserved
        return sum(units for better, units in reserved.items() if better < priority)

    def blocked(self, names: object, now: float) -> bool:
        return any(now < until for name, until in self.blocked_until.items() if name in names)  # type: ignore[operator]

    def used(self, name: str, now: float, without: Collection[Entry] = ()) -> Fraction:
        """Return the units in use of a limit."""
        entries = [each for each in self.entries if name in each.costs and each not in without]
        limit = self.limits[name]
        if limit.kind in BUCKETS:
            return self._level(name, entries, now)
        return Fraction(sum(each.costs[name] for each in entries if self._counts(each, limit, now)))

    def _counts(self, entry: Entry, limit: RateLimit, now: float) -> bool:
        if entry.under_way:
            return True
        if limit.kind is LimitKind.CONCURRENT:
            # One that is being prepared has a place for so long.
            return entry.landed_at is None and now - entry.counts_from < limit.time_interval
        if limit.kind is LimitKind.FIXED_WINDOW:
            return self._window(entry.counts_from, limit) == self._window(now, limit)
        return now - entry.counts_from < limit.time_interval

    def _window(self, at: float, limit: RateLimit) -> int:
        return Fraction(at + self.ahead_s) // Fraction(limit.time_interval)

    def _level(self, name: str, entries: list[Entry], now: float) -> Fraction:
        """What is under way, and what is left of the others since they raised the level."""
        limit = self.limits[name]
        per_s = Fraction(limit.limit) / Fraction(limit.time_interval)
        raised = sorted(
            (each.counts_from, each.costs[name]) for each in entries if not each.under_way
        )
        level, seen = Fraction(0), Fraction(0)
        for at, weight in raised:
            level = max(Fraction(0), level - (Fraction(at) - seen) * per_s) + weight
            seen = Fraction(at)
        level = max(Fraction(0), level - (Fraction(now) - seen) * per_s)
        return level + sum(each.costs[name] for each in entries if each.under_way)
