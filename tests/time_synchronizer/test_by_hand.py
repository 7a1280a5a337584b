"""Offsets given by hand: the formula of 1.1.5, kept."""

from __future__ import annotations

import math
import time

import pytest
from freezegun import freeze_time

from networkpype.errors import ConfigurationError
from networkpype.hooks import ClockSynchronized, Event
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer


def test_without_samples_it_tells_the_local_time(
    synchronizer: TimeSynchronizer, clock: FakeClock
) -> None:
    assert synchronizer.time() == clock.time()
    assert synchronizer.time_offset_ms == 0.0
    assert not synchronizer.initialized


def test_without_arguments_it_runs_on_the_machines_clock() -> None:
    synchronizer = TimeSynchronizer()
    before = time.time()
    told = synchronizer.time()
    assert before <= told <= time.time()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1000.0], 1000.0),
        ([1000.0, 500.0], (750 + (1000 + 3 * 500) / 4) / 2),
        ([100.0, 200.0, 900.0], (200 + (100 + 3 * 200 + 5 * 900) / 9) / 2),
        ([-40.0, -10.0, -30.0, -20.0], (-25 + (-40 - 30 - 5 * 30 - 7 * 20) / 16) / 2),
        ([9999.0, 1.0, 2.0, 3.0, 4.0, 5.0], (3 + (1 + 3 * 2 + 5 * 3 + 7 * 4 + 9 * 5) / 25) / 2),
    ],
)
def test_the_offset_is_the_mean_of_median_and_recency_weighted_mean_of_the_last_five(
    synchronizer: TimeSynchronizer, clock: FakeClock, given: list[float], expected: float
) -> None:
    for offset_ms in given:
        synchronizer.add_time_offset_ms_sample(offset_ms)
    assert synchronizer.time_offset_ms == pytest.approx(expected, abs=1e-9)
    assert synchronizer.time() == pytest.approx(clock.time() + expected / 1e3, abs=1e-6)
    assert synchronizer.initialized


def test_max_samples_bounds_how_far_back_it_looks(clock: FakeClock) -> None:
    synchronizer = TimeSynchronizer(2, clock=clock)
    for offset_ms in (777.0, 100.0, 200.0):
        synchronizer.add_time_offset_ms_sample(offset_ms)
    assert synchronizer.time_offset_ms == (150 + (100 + 3 * 200) / 4) / 2


def test_time_goes_on_between_samples(synchronizer: TimeSynchronizer, clock: FakeClock) -> None:
    synchronizer.add_time_offset_ms_sample(1000)
    before = clock.time()
    clock.advance(3600)
    assert synchronizer.time() == before + 3600 + 1
    assert not synchronizer.stale


def test_clearing_goes_back_to_the_local_clock(
    synchronizer: TimeSynchronizer, clock: FakeClock
) -> None:
    synchronizer.add_time_offset_ms_sample(1000)
    synchronizer.clear_time_offset_ms_samples()
    assert synchronizer.time() == clock.time()
    assert not synchronizer.initialized
    synchronizer.add_time_offset_ms_sample(20)
    assert synchronizer.time_offset_ms == 20


def test_a_sample_is_announced_without_bounds_that_nobody_knows(
    synchronizer: TimeSynchronizer, events: list[Event]
) -> None:
    synchronizer.add_time_offset_ms_sample(12.5)
    assert events == [ClockSynchronized(12.5, None, None)]
    assert synchronizer.uncertainty_ms is None


def test_the_repr_tells_offset_uncertainty_and_samples(synchronizer: TimeSynchronizer) -> None:
    synchronizer.add_time_offset_ms_sample(12.34)
    assert repr(synchronizer) == "TimeSynchronizer(offset_ms=12.3, uncertainty_ms=None, samples=1)"


@pytest.mark.parametrize("offset", [math.nan, math.inf, True, None, "12"])
def test_an_offset_that_is_no_finite_number_is_refused(
    synchronizer: TimeSynchronizer, offset: float
) -> None:
    with pytest.raises(ConfigurationError, match="offset_ms"):
        synchronizer.add_time_offset_ms_sample(offset)
    assert not synchronizer.initialized


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"max_samples": 0}, "max_samples"),
        ({"max_samples": 2.0}, "max_samples"),
        ({"max_samples": True}, "max_samples"),
        ({"unit": "sec"}, '"s", "ms", "us", "ns"'),
        ({"clock": object()}, "Clock"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": math.nan}, "timeout_s"),
        ({"stale_after_s": "1"}, "stale_after_s"),
        ({"hook": "print"}, "hook"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        TimeSynchronizer(**arguments)  # type: ignore[arg-type]


def test_a_frozen_wall_clock_is_followed_exactly() -> None:
    with freeze_time("2024-06-01 12:00:00", real_asyncio=True) as frozen:
        synchronizer = TimeSynchronizer()
        synchronizer.add_time_offset_ms_sample(1500)
        assert synchronizer.time() == time.time() + 1.5
        frozen.tick(90.0)
        assert synchronizer.time() == time.time() + 1.5


def test_freezing_time_later_is_no_step_to_be_corrected() -> None:
    synchronizer = TimeSynchronizer()
    synchronizer.add_time_offset_ms_sample(1500)
    with freeze_time("2024-06-01 12:00:00", real_asyncio=True):
        assert synchronizer.time() == time.time() + 1.5
    assert synchronizer.time() == pytest.approx(time.time() + 1.5, abs=0.05)


def test_a_patched_wall_clock_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    synchronizer = TimeSynchronizer()
    synchronizer.add_time_offset_ms_sample(1500)
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0)
    assert synchronizer.time() == 1_600_000_001.5
