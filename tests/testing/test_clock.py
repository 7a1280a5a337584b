from __future__ import annotations

import math

import pytest

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError
from networkpype.testing import FakeClock


def readings(clock: FakeClock) -> tuple[float, float, float]:
    return clock.time(), clock.monotonic(), clock.boottime()


def test_it_is_a_clock_and_stands_still() -> None:
    clock: Clock = FakeClock(time=5.0, monotonic=7.0)
    assert (clock.time(), clock.monotonic()) == (5.0, 7.0)
    assert (clock.time(), clock.monotonic()) == (5.0, 7.0)


def test_advance_moves_every_reading() -> None:
    clock = FakeClock(time=100.0, monotonic=10.0)
    clock.advance(2.5)
    assert readings(clock) == (102.5, 12.5, 12.5)


def test_step_wall_moves_the_wall_clock_alone_and_in_both_directions() -> None:
    clock = FakeClock(time=100.0, monotonic=10.0)
    clock.step_wall(-30)
    assert readings(clock) == (70.0, 10.0, 10.0)
    clock.step_wall(31)
    assert readings(clock) == (101.0, 10.0, 10.0)


def test_in_a_suspend_the_monotonic_clock_stands_still() -> None:
    clock = FakeClock(time=100.0, monotonic=10.0)
    clock.suspend(600)
    assert readings(clock) == (700.0, 10.0, 610.0)


@pytest.mark.parametrize("move", ["advance", "suspend"])
def test_time_does_not_run_backwards(move: str) -> None:
    clock = FakeClock()
    before = readings(clock)
    with pytest.raises(ConfigurationError, match=r"step_wall\(\) sets the wall clock back"):
        getattr(clock, move)(-0.001)
    assert readings(clock) == before


@pytest.mark.parametrize("move", ["advance", "suspend", "step_wall"])
@pytest.mark.parametrize("seconds", [math.nan, math.inf, "1", None, True])
def test_only_finite_seconds_move_it(move: str, seconds: object) -> None:
    clock = FakeClock()
    with pytest.raises(ConfigurationError, match=move):
        getattr(clock, move)(seconds)


def test_a_start_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="time: finite seconds wanted"):
        FakeClock(time=math.nan)
