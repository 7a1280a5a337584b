"""How far the clock of a server is from ours, told by its answers."""

from __future__ import annotations

import math

__all__ = ["ServerClock"]

_DRIFT = 1e-4
"""Seconds that two clocks may come apart in a second; crystals are within a few parts in 10,000."""
_STEP_S = 1.0


class ServerClock:
    """The offset of a server's clock from ours, from the quickest answer that is not too old.

    Both are in seconds. The answer was given some time between question and arrival, so its middle
    is off by half the round trip at most.
    """

    __slots__ = ("_at", "_offset", "_unsure_s")

    def __init__(self) -> None:
        self._at = 0.0
        self._offset = 0.0
        self._unsure_s = math.inf

    @property
    def unknown(self) -> bool:
        return self._unsure_s == math.inf

    def estimate(self, now: float) -> tuple[float, float]:
        """Return how far ahead the server's clock is, and how far off that may be."""
        return self._offset, self._unsure_s + _DRIFT * max(0.0, now - self._at)

    def sample(self, told: float, sent_at: float, came_at: float) -> bool:
        """Learn what the server's clock showed; return whether one of the clocks was set anew."""
        offset, unsure_s = told - (sent_at + came_at) / 2, (came_at - sent_at) / 2
        known, known_unsure_s = self.estimate(came_at)
        stepped = abs(offset - known) > unsure_s + known_unsure_s + _STEP_S
        if stepped or unsure_s <= known_unsure_s:
            self._offset, self._unsure_s, self._at = offset, unsure_s, came_at
        return stepped
