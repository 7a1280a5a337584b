"""A server whose clock runs beside the fake one, and a network that takes its time."""

from __future__ import annotations

from networkpype.testing.clock import FakeClock


class Server:
    """Asked for its time, it moves the clock by the way out and back.

    Its own clock runs `drift` faster than the truth, which the fake boot time counts: what happens
    to the local wall clock does not concern it.
    """

    def __init__(self, clock: FakeClock, *, ahead_s: float = 2.0003, drift: float = 0.0) -> None:
        self.clock = clock
        self.drift = drift
        self.out_s = self.back_s = 0.04
        self.glitch_s = 0.0
        self.failure: Exception | None = None
        self.asked = 0
        self._start = clock.boottime()
        self._epoch = clock.time() + ahead_s

    @property
    def time(self) -> float:
        """What its clock shows, in seconds."""
        return self._epoch + (self.clock.boottime() - self._start) * (1 + self.drift)

    async def ask(self) -> float:
        """Return the time in milliseconds, or fail."""
        self.asked += 1
        self.clock.advance(self.out_s)
        answer = (self.time + self.glitch_s) * 1e3
        self.clock.advance(self.back_s)
        if self.failure is not None:
            raise self.failure
        return answer
