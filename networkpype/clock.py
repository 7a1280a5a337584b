"""What time is it here? One place to ask, so that a test can answer."""

from __future__ import annotations

import sys
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """A source of local time; `networkpype.testing.FakeClock` is the one that tests move by hand.

    A clock may have a third method, ``boottime() -> float``: monotonic seconds that go on while the
    machine sleeps. With it a `TimeSynchronizer` tells a sleep from a step of the wall clock.
    """

    def time(self) -> float:
        """Return wall-clock time in seconds since the Unix epoch; it may step."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps back; its zero means nothing."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    if sys.platform == "linux":

        def boottime(self) -> float:
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    elif sys.platform == "darwin":

        def boottime(self) -> float:
            # mach_continuous_time(); time.monotonic() is mach_absolute_time(), which stands still
            # while the machine sleeps and is otherwise the same clock.
            return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)

    elif sys.platform == "win32":

        def boottime(self) -> float:
            return time.monotonic()

    def __repr__(self) -> str:
        return "SystemClock()"
