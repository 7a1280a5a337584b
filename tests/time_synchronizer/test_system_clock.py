from __future__ import annotations

import sys
import time

import pytest

from networkpype.clock import SystemClock
from networkpype.timekeeping.watch import ClockWatch


def test_the_system_clock_tells_the_machines_time() -> None:
    clock = SystemClock()
    assert clock.time() == pytest.approx(time.time(), abs=1)
    assert clock.monotonic() == pytest.approx(time.monotonic(), abs=1)
    assert repr(clock) == "SystemClock()"


@pytest.mark.skipif(sys.platform not in ("linux", "darwin", "win32"), reason="no such clock")
def test_the_system_clock_counts_sleep() -> None:
    clock = SystemClock()
    assert clock.boottime() >= clock.monotonic() - 1
    later = clock.boottime()
    assert clock.boottime() >= later


def test_a_machine_left_alone_does_not_jump() -> None:
    watch = ClockWatch(SystemClock())
    assert [watch.look()[1] for _ in range(200)] == [None] * 200


class Interruptible:
    """A clock whose reader can be held up between two of its hands."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.held_up_s = 0.0

    def time(self) -> float:
        wall = 1e9 + self.now
        self.now, self.held_up_s = self.now + self.held_up_s, 0.0
        return wall

    def monotonic(self) -> float:
        return self.now


def test_a_reading_that_was_interrupted_is_taken_again() -> None:
    clock = Interruptible()
    watch = ClockWatch(clock)
    watch.look()
    clock.held_up_s = 0.5
    reading, jump = watch.look()
    assert jump is None
    assert reading.ahead == pytest.approx(1e9)
