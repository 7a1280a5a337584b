"""A level that calls raise and time lowers: a token bucket, or a counter that decays."""

from __future__ import annotations

import math

from networkpype.throttler.store.base import Observation

__all__ = ["Bucket"]

_GRAIN = 1e-9
"""Units that sums of fractions may be off by after many calls; no call weighs that little."""


class Bucket:
    """At most `capacity` units at once, of which `per_second` come back, down to none.

    A token bucket counts what is left and this what is missing from it, which is the same. A held
    call may arrive at any time until it is settled. Where it comes last of all its tokens have not
    begun to come back, so the level does not fall below what is held.
    """

    __slots__ = (
        "_changed",
        "_heaviest",
        "_level",
        "_low_at",
        "_seen",
        "_settled",
        "blocked_until",
        "capacity",
        "held",
        "limit_id",
        "margin_s",
        "per_second",
    )

    def __init__(
        self, limit_id: str, capacity: int, per_second: float, margin_s: float = 0.0
    ) -> None:
        self.limit_id = limit_id
        self.margin_s = margin_s
        self.capacity = capacity
        self.per_second = per_second
        self.held = 0
        self.blocked_until = -math.inf
        self._level = 0.0
        self._seen = -math.inf
        self._changed = -math.inf
        self._settled = -math.inf
        self._heaviest = 0
        self._low_at = -math.inf

    def counted(self, now: float) -> float:
        """Return the level, in units."""
        if now > self._seen:
            if self._level > self.held:
                fallen = self._level - (now - self._seen) * self.per_second
                self._level = max(float(self.held), fallen)
            self._seen = now
        if self._level < self.held + self._heaviest:
            self._low_at = now
        return self._level

    def charge(self, weight: int, now: float) -> None:
        """Raise the level by `weight`, whether or not there is room."""
        self._heaviest = max(self._heaviest, weight)
        self._level = self.counted(now) + weight
        self._changed = now

    def hold(self, weight: int, now: float) -> None:
        """Raise the level by `weight`, and keep it from falling below that until it is settled."""
        self.charge(weight, now)
        self.held += weight

    def lift(self, weight: int, at: float, now: float) -> bool:
        """Hold a charge made at `at`; False where what came back of it is taken, or none may go."""
        if now < self.blocked_until:
            return False
        level = self.counted(now)
        if self._low_at >= at:
            # Without this charge the level would have touched the ground since, and less would have
            # come back. While there was more than any one charge in it, it would not.
            level += min(float(weight), (now - at) * self.per_second)
            if level > self.capacity + _GRAIN:
                return False
            self._level = level
        self.held += weight
        return True

    def settle(self, weight: int, now: float) -> None:
        """Let the level fall past `weight` held units."""
        self.counted(now)
        self.held -= weight
        self._settled = now

    def release(self, weight: int) -> None:
        """Lower the level by `weight` held units."""
        self.held -= weight
        self._level = max(float(self.held), self._level - weight)

    def refund(self, weight: int, at: float) -> None:
        """Lower the level by what has not yet come back of a charge made at `at`."""
        left = weight - max(0.0, self._seen - at) * self.per_second
        if left > 0:
            self._level = max(float(self.held), self._level - left)

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` more will fit if nothing else is charged; `now` if they do.

        Infinity where they exceed the capacity, or wait for what is held.
        """
        level = self.counted(now)
        if level + units <= self.capacity + _GRAIN:
            return max(now, self.blocked_until)
        if self.held + units > self.capacity:
            return math.inf
        return max(self._falls(level + units - self.capacity, now), self.blocked_until)

    def forecast(self, units: int, now: float) -> float:
        """Return when the last of `units` can be used at the earliest, one after the other."""
        excess = self.counted(now) + units - self.capacity
        return max(now if excess <= 0 else self._falls(excess, now), self.blocked_until)

    def block(self, until: float, now: float) -> None:
        """Let nothing fit before `until`; a block that lasts longer stays."""
        self.blocked_until = max(self.blocked_until, until)

    def observe(self, seen: Observation, now: float) -> tuple[float, float]:
        """Correct the level; see `LimitStore.observe`.

        Downwards only where nothing else was charged or under way since then, for what comes back
        in the meantime hides what was charged.
        """
        before = self.counted(now)
        fell = (now - seen.since) * self.per_second
        # Within one and the same moment only the level tells whether anything came after it left.
        quiet = (
            self.held == seen.own
            and self._changed <= seen.since - self.margin_s
            and self._settled < seen.since
            and before <= max(self.held, seen.counted - fell) + _GRAIN
        )
        ours = float(seen.used - seen.spare)
        if quiet:
            self._level = max(float(self.held), ours, min(before, float(seen.used)))
        elif ours > before + fell:
            # What was charged since it left comes on top; the exchange may not have seen it.
            self._level = ours + max(0.0, before + fell - seen.counted)
        return before, self._level

    def _falls(self, units: float, now: float) -> float:
        """Return when the level will be lower by so many units."""
        at = now + units / self.per_second
        while at <= now or (at - now) * self.per_second < units - _GRAIN:
            at = math.nextafter(at, math.inf)
        return at

    def __repr__(self) -> str:
        return f'Bucket("{self.limit_id}", {self._level:.3f} of {self.capacity})'
