"""How an exchange counts what arrives: one tally for each kind of limit.

Written apart from the throttler, and from the exchange's side: what a throttler gets wrong shows
here. Times are seconds; a tally never sees them run backwards.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

__all__ = ["ConcurrentTally", "DripTally", "FixedTally", "RollingTally", "Tally"]

_ROUNDING = 1e-6
"""Units by which a level may miss the mark: fractions of a unit are sums of floats."""


class Tally(Protocol):
    """Counts units under one limit.

    `used` are the units that were let in, unit-seconds where units are given back. `peak` is the
    most that was there at once, that which was refused included.
    """

    used: float
    peak: int

    def arrive(self, units: int, now: float, wall_s: float) -> float | None:
        """Count a request; return None, or in how many seconds without arrivals it would fit."""
        ...

    def leave(self, units: int, now: float) -> None:
        """Count that a request was answered which had been let in."""
        ...

    def counted(self, now: float, wall_s: float) -> int:
        """Return the units that count now, a fraction rounded up: what a header would tell."""
        ...

    def allowed(self, now: float, wall_s: float) -> float:
        """Return the most that could have been let in from the first arrival until `now`.

        An arrival at `now` itself is not among them. In units, or unit-seconds as `used`.
        """
        ...


class RollingTally:
    """At most `limit` in any `window_s`; what is refused counts too."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit, self._window_s = limit, window_s
        self._arrivals: deque[tuple[float, int]] = deque()
        self._within = 0
        self._first: float | None = None
        self.used = 0.0
        self.peak = 0

    def arrive(self, units: int, now: float, wall_s: float) -> float | None:
        if self._first is None:
            self._first = now
        arrivals = self._arrivals
        self._expire(now)
        arrivals.append((now, units))
        self._within += units
        self.peak = max(self.peak, self._within)
        if self._within <= self._limit:
            self.used += units
            return None
        # As much again fits once enough of those counted, itself among them, left the window.
        left = self._within
        for at, weight in arrivals:
            left -= weight
            if left + units <= self._limit:
                return at + self._window_s - now
        return self._window_s  # it weighs more than the limit: never

    def leave(self, units: int, now: float) -> None:
        pass

    def counted(self, now: float, wall_s: float) -> int:
        self._expire(now)
        return self._within

    def allowed(self, now: float, wall_s: float) -> float:
        if self._first is None:
            return 0.0
        # As full as can be: a whole limit at the first moment, and again after each window.
        return float(self._limit * math.ceil((now - self._first) / self._window_s))

    def _expire(self, now: float) -> None:
        while self._arrivals and self._arrivals[0][0] + self._window_s <= now:
            self._within -= self._arrivals.popleft()[1]


class FixedTally:
    """At most `limit` between two multiples of `window_s` on the wall clock; refused ones count."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit, self._window_s = limit, window_s
        self._number: float = -math.inf
        self._first: float | None = None
        self._within = 0
        self.used = 0.0
        self.peak = 0

    def arrive(self, units: int, now: float, wall_s: float) -> float | None:
        number = wall_s // self._window_s
        if self._first is None:
            self._first = number
        if number != self._number:
            self._number, self._within = number, 0
        self._within += units
        self.peak = max(self.peak, self._within)
        if self._within <= self._limit:
            self.used += units
            return None
        return (number + 1) * self._window_s - wall_s

    def leave(self, units: int, now: float) -> None:
        pass

    def counted(self, now: float, wall_s: float) -> int:
        return self._within if wall_s // self._window_s == self._number else 0

    def allowed(self, now: float, wall_s: float) -> float:
        if self._first is None:
            return 0.0
        return self._limit * (math.ceil(wall_s / self._window_s) - self._first)


class DripTally:
    """A level that requests raise to at most `most` and that falls by `per_s` down to 0.

    Seen from above it is a bucket of `most` tokens. What is refused raises nothing.
    """

    def __init__(self, most: int, per_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._level, self._at = 0.0, 0.0
        self._first: float | None = None
        self.used = 0.0
        self.peak = 0

    def arrive(self, units: int, now: float, wall_s: float) -> float | None:
        if self._first is None:
            self._first = self._at = now
        self._fall(now)
        level = self._level + units
        self.peak = max(self.peak, math.ceil(level - _ROUNDING))
        if level <= self._most + _ROUNDING:
            self._level = level
            self.used += units
            return None
        return (level - self._most) / self._per_s

    def leave(self, units: int, now: float) -> None:
        pass

    def counted(self, now: float, wall_s: float) -> int:
        self._fall(now)
        return math.ceil(self._level - _ROUNDING)

    def allowed(self, now: float, wall_s: float) -> float:
        return 0.0 if self._first is None else self._most + (now - self._first) * self._per_s

    def _fall(self, now: float) -> None:
        self._level = max(0.0, self._level - (now - self._at) * self._per_s)
        self._at = now


class ConcurrentTally:
    """At most `limit` under way: arrived and not answered. One refused is answered at once.

    Its `used` and `allowed` are unit-seconds. Nobody knows when one will leave, so what it returns
    for one too many is `hint_s`.
    """

    def __init__(self, limit: int, hint_s: float) -> None:
        self._limit, self._hint_s = limit, hint_s
        self._under_way = 0
        self._first: float | None = None
        self._at = 0.0
        self.used = 0.0
        self.peak = 0

    def arrive(self, units: int, now: float, wall_s: float) -> float | None:
        if self._first is None:
            self._first = self._at = now
        self._add_up(now)
        self.peak = max(self.peak, self._under_way + units)
        if self._under_way + units > self._limit:
            return self._hint_s
        self._under_way += units
        return None

    def leave(self, units: int, now: float) -> None:
        self._add_up(now)
        self._under_way -= units

    def counted(self, now: float, wall_s: float) -> int:
        return self._under_way

    def allowed(self, now: float, wall_s: float) -> float:
        self._add_up(now)
        return 0.0 if self._first is None else self._limit * (now - self._first)

    def _add_up(self, now: float) -> None:
        self.used += self._under_way * (now - self._at)
        self._at = now
