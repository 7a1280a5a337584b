"""What every meter can do."""

from __future__ import annotations

import math
from typing import Protocol

from networkpype.throttler.store.base import Observation

__all__ = ["Meter", "step_up"]


class Meter(Protocol):
    """Counts the units of one limit; knows no clock, every `now` is in seconds and never earlier.

    A *charge* counts as if the call arrived at the exchange when it was made. A *held* one may
    arrive at any time until it is settled, and counts as the worst of these.
    """

    limit_id: str
    capacity: int
    held: int
    """Units of calls under way."""
    blocked_until: float
    """May be set to an earlier instant: the block ends then."""

    def counted(self, now: float) -> float:
        """Return the units in use."""
        ...

    def charge(self, weight: int, now: float) -> None:
        """Count `weight` units from `now` on, whether or not there is room."""
        ...

    def hold(self, weight: int, now: float) -> None:
        """Count `weight` units until they are settled or released."""
        ...

    def lift(self, weight: int, at: float, now: float) -> bool:
        """Hold a charge made at `at`; False where it expired, no longer fits, or none may go."""
        ...

    def settle(self, weight: int, now: float) -> None:
        """Let `weight` held units begin to come back."""
        ...

    def release(self, weight: int) -> None:
        """Take back `weight` held units, for nothing was sent."""
        ...

    def refund(self, weight: int, at: float) -> None:
        """Take back a charge of `weight` made at `at`; nothing happens where it expired."""
        ...

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` more will fit if nothing else is charged; `now` if they do.

        Infinity where they exceed the capacity, or wait for what is held.
        """
        ...

    def forecast(self, units: int, now: float) -> float:
        """Return when the last of `units` can be used at the earliest, one after the other.

        They may be more than the capacity. What is held is taken to be settled now.
        """
        ...

    def block(self, until: float, now: float) -> None:
        """Let nothing fit before `until`; a block that lasts longer stays."""
        ...

    def observe(self, seen: Observation, now: float) -> tuple[float, float]:
        """Correct the count; see `LimitStore.observe`."""
        ...


def step_up(value: float, reached: float, start: float) -> float:
    """Return the first float from `value` on that lies at least `reached` after `start`.

    A sum may be rounded down, and a timer set to it would come an instant too early for ever.
    """
    while value - start < reached:
        value = math.nextafter(value, math.inf)
    return value
