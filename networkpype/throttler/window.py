"""What one limit has left: a rolling window that counts exactly."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Window"]


class Window:
    """Units charged in the last `time_interval` seconds, the past end of it excluded.

    A charge made at `t` counts while `now - t < time_interval`. One that is held counts until it is
    settled, and from then on like one made at that moment. Knows no clock: every method takes `now`
    in seconds, which must not run backwards. Each charge is looked at once when it expires, so a
    call costs the same however many are alive.
    """

    __slots__ = ("capacity", "limit_id", "time_interval", "times", "used", "weights")

    def __init__(self, limit_id: str, capacity: int, time_interval: float) -> None:
        self.limit_id = limit_id
        self.capacity = capacity
        self.time_interval = time_interval
        self.used = 0
        # Two queues side by side, oldest first: a tuple a charge would keep the collector busy.
        self.times: deque[float] = deque()
        self.weights: deque[int] = deque()

    def expire(self, now: float) -> None:
        """Forget what was charged `time_interval` ago or earlier."""
        times, interval = self.times, self.time_interval
        while times and now - times[0] >= interval:
            times.popleft()
            self.used -= self.weights.popleft()

    def charge(self, weight: int, now: float) -> None:
        """Count `weight` units from `now` on, whether or not there is room."""
        self.used += weight
        self.times.append(now)
        self.weights.append(weight)

    def hold(self, weight: int) -> None:
        """Count `weight` units until they are settled or released."""
        self.used += weight

    def lift(self, weight: int, at: float) -> None:
        """Hold a charge of `weight` that was made at `at` and has not expired."""
        if self.times and self.times[-1] == at and self.weights[-1] == weight:
            self.times.pop()  # the newest, as most often
            self.weights.pop()
            return
        self.refund(weight, at)
        self.used += weight

    def settle(self, weight: int, now: float) -> None:
        """Let `weight` held units begin to expire."""
        self.times.append(now)
        self.weights.append(weight)

    def release(self, weight: int) -> None:
        """Take back `weight` held units."""
        self.used -= weight

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
        """Return when `units` more will fit if nothing else is charged.

        That is `now` where they fit already, infinity where they exceed the capacity or wait for
        what is held. What expired by `now` must have been forgotten; the answer is later than `now`
        then.
        """
        excess = self.used + units - self.capacity
        if excess <= 0:
            return now
        for at, weight in zip(self.times, self.weights, strict=True):
            excess -= weight
            if excess <= 0:
                return self._end_of(at)
        return math.inf

    def _end_of(self, at: float) -> float:
        # `at + interval` may round down, and a timer set to it would find the charge still alive.
        end = at + self.time_interval
        while end - at < self.time_interval:
            end = math.nextafter(end, math.inf)
        return end
