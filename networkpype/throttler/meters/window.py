"""A rolling window that counts exactly, and the two limits that differ from it by when they end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from networkpype.throttler.meters.base import step_up
from networkpype.throttler.store.base import Observation

__all__ = ["FixedWindow", "Slots", "Window"]

_BLOCKED = 1 << 62
"""Units that a block takes: whoever compares with the capacity needs to know nothing of it."""


class Window:
    """Units charged in the last `time_interval` seconds, the past end of it excluded.

    A charge made at `t` counts while `now - t < time_interval`. One that is held counts until it is
    settled, and from then on like one made at that moment. Each charge is looked at once when it
    expires, so a call costs the same however many are alive. `used` holds what was charged and has
    not been seen to expire, and more than any capacity while the limit is blocked. `margin_s` is
    the part of the interval that is for calls which arrive later than they were charged.
    """

    __slots__ = (
        "blocked_until",
        "capacity",
        "held",
        "limit_id",
        "margin_s",
        "time_interval",
        "times",
        "used",
        "weights",
    )

    def __init__(
        self, limit_id: str, capacity: int, time_interval: float, margin_s: float = 0.0
    ) -> None:
        self.limit_id = limit_id
        self.capacity = capacity
        self.time_interval = time_interval
        self.margin_s = margin_s
        self.used = 0
        self.held = 0
        self.blocked_until = -math.inf
        # Two queues side by side, oldest first: a tuple a charge would keep the collector busy.
        self.times: deque[float] = deque()
        self.weights: deque[int] = deque()

    def expire(self, now: float) -> None:
        """Forget what no longer counts."""
        times, interval = self.times, self.time_interval
        while times and now - times[0] >= interval:
            times.popleft()
            self.used -= self.weights.popleft()

    def counted(self, now: float) -> int:
        """Return the units in use."""
        self.expire(now)
        return self._counted(now)

    def charge(self, weight: int, now: float) -> None:
        """Count `weight` units from `now` on, whether or not there is room."""
        self.used += weight
        self.times.append(now)
        self.weights.append(weight)

    def hold(self, weight: int, now: float) -> None:
        """Count `weight` units until they are settled or released."""
        self.used += weight
        self.held += weight

    def lift(self, weight: int, at: float, now: float) -> bool:
        """Hold a charge of `weight` made at `at`; False where it expired, or none may go now."""
        if self._blocked(now) or not self.alive(at, now):
            return False
        if self.times and self.times[-1] == at and self.weights[-1] == weight:
            self.times.pop()  # the newest, as most often
            self.weights.pop()
        else:
            self.refund(weight, at)
            self.used += weight
        self.held += weight
        return True

    def alive(self, at: float, now: float) -> bool:
        """Tell whether a charge made at `at` still counts."""
        return now - at < self.time_interval

    def settle(self, weight: int, now: float) -> None:
        """Let `weight` held units begin to expire."""
        self.held -= weight
        self.times.append(now)
        self.weights.append(weight)

    def release(self, weight: int) -> None:
        """Take back `weight` held units."""
        self.used -= weight
        self.held -= weight

    def refund(self, weight: int, at: float) -> None:
        """Take back a charge of `weight` made at `at`; nothing happens where it expired."""
        times, weights = self.times, self.weights
        for index in range(len(times) - 1, -1, -1):  # it is among the newest
            if times[index] < at:
                return
            if times[index] == at and weights[index] == weight:
                del times[index], weights[index]
                self.used -= weight
                return

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` more will fit if nothing else is charged; `now` if they do.

        Infinity where they exceed the capacity, or wait for what is held.
        """
        self.expire(now)
        fits_at = self._fits_at(self._counted(now) + units - self.capacity, now)
        return max(self.blocked_until, fits_at)

    def forecast(self, units: int, now: float) -> float:
        """Return when the last of `units` can be used at the earliest, one after the other."""
        self.expire(now)
        rounds, rest = divmod(units - 1, self.capacity)
        at = self._fits_at(self._counted(now) + rest + 1 - self.capacity, now)
        if at == math.inf:  # what is held could be settled now, and end with the window
            at = self._next_end(now)
        at = max(at, self.blocked_until)
        return self._later(at, rounds, now) if rounds else at

    def block(self, until: float, now: float) -> None:
        """Let nothing fit before `until`; a block that lasts longer stays."""
        if until <= max(now, self.blocked_until):
            return
        if self.blocked_until == -math.inf:
            self.used += _BLOCKED
        self.blocked_until = until

    def observe(self, seen: Observation, now: float) -> tuple[float, float]:
        """Correct the count; see `LimitStore.observe`."""
        before = self.counted(now)
        recent = self.held - seen.own
        late = 0  # what left before, and may have arrived after it
        for at, weight in zip(reversed(self.times), reversed(self.weights), strict=True):
            if at >= seen.since:
                recent += weight
            elif at >= seen.since - self.margin_s:
                late += weight
            else:
                break
        others = seen.used - seen.spare - int(seen.counted) - recent
        if others > 0:
            self.charge(others, now)
        else:
            self._forget(before - seen.used - recent - late)
        return before, self.counted(now)

    def _forget(self, units: int) -> None:
        """Take back the oldest: what stays then ends the latest."""
        while units > 0 and self.weights:
            taken = min(units, self.weights[0])
            self.weights[0] -= taken
            self.used -= taken
            units -= taken
            if not self.weights[0]:
                self.weights.popleft()
                self.times.popleft()

    def _counted(self, now: float) -> int:
        return self.used - _BLOCKED if self._blocked(now) else self.used

    def _blocked(self, now: float) -> bool:
        if self.blocked_until == -math.inf:
            return False
        if now < self.blocked_until:
            return True
        self.blocked_until = -math.inf
        self.used -= _BLOCKED
        return False

    def _fits_at(self, excess: int, now: float) -> float:
        """Return when `excess` units more than there are will have come back."""
        if excess <= 0:
            return now
        for at, weight in zip(self.times, self.weights, strict=True):
            excess -= weight
            if excess <= 0:
                return step_up(at + self.time_interval, self.time_interval, at)
        return math.inf

    def _next_end(self, now: float) -> float:
        return now + self.time_interval

    def _later(self, at: float, rounds: int, now: float) -> float:
        """Return when what goes at `at` at the earliest has come back so often."""
        return at + rounds * self.time_interval

    def __repr__(self) -> str:
        used = self.held + sum(self.weights)
        return f'{type(self).__name__}("{self.limit_id}", {used} of {self.capacity})'


class FixedWindow(Window):
    """Units charged since the last multiple of `time_interval` on the exchange's clock.

    `ahead` tells how many seconds that clock is before ours, and `doubt` how far off that may be;
    they are asked once a window. A charge may arrive up to `margin_s` and the doubt before or after
    the moment that we take it for, so that much on either side of a boundary counts on both. A held
    one counts in every window that it touches.
    """

    __slots__ = ("_ahead", "_doubt", "_end", "_told_margin_s")

    def __init__(
        self,
        limit_id: str,
        capacity: int,
        time_interval: float,
        ahead: Callable[[], float],
        margin_s: float = 0.0,
        doubt: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(limit_id, capacity, time_interval, margin_s)
        self._ahead = ahead
        self._doubt = doubt
        self._told_margin_s = margin_s
        self._end = -math.inf

    def resize(self, time_interval: float) -> None:
        """Have windows of another length from now on."""
        if time_interval != self.time_interval:
            self.time_interval, self._end = time_interval, -math.inf

    def expire(self, now: float) -> None:
        """Begin a new window where the last is over for certain."""
        if now - self.margin_s < self._end:
            return
        if self._doubt is not None:
            self.margin_s = self._told_margin_s + self._doubt()
        now -= self.margin_s
        if now < self._end:
            return
        start = now - (now + self._ahead()) % self.time_interval
        # Not by a sum that may be rounded to now, where the next look would find it over.
        self._end = max(start + self.time_interval, math.nextafter(now, math.inf))
        times = self.times
        while times and times[0] < start - self.margin_s:
            times.popleft()
            self.used -= self.weights.popleft()

    def alive(self, at: float, now: float) -> bool:
        """Tell whether a charge made at `at` still counts."""
        self.expire(now)
        return at >= self._end - self.time_interval - self.margin_s

    def _fits_at(self, excess: int, now: float) -> float:
        if excess <= 0:
            return now
        late = self._end - self.margin_s
        kept = 0
        for at, weight in zip(reversed(self.times), reversed(self.weights), strict=True):
            if at < late:
                break
            kept += weight
        passing = self._counted(now) - self.held - kept
        if excess <= passing:
            return self._next_end(now)
        return self._next_end(now) + self.time_interval if excess <= passing + kept else math.inf

    def _next_end(self, now: float) -> float:
        self.expire(now)
        at = self._end + self.margin_s
        while at - self.margin_s < self._end:  # as `expire` will ask
            at = math.nextafter(at, math.inf)
        return at

    def _later(self, at: float, rounds: int, now: float) -> float:
        # Of the window in which the first goes there may be next to nothing left.
        end = self._next_end(now)
        whole = max(0, math.floor((at - end) / self.time_interval) + 1)
        return max(at, end + (whole + rounds - 1) * self.time_interval)


class Slots(Window):
    """Calls under way at the same time: what is held, and for `time_interval` what is prepared."""

    __slots__ = ()

    def settle(self, weight: int, now: float) -> None:
        """Give the place to the next."""
        self.release(weight)

    def forecast(self, units: int, now: float) -> float:
        """Return the end of a block, else `now`: any call under way may be over at once."""
        return max(now, self.blocked_until)
