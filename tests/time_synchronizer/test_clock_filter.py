"""The estimate itself, without clocks and loops."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.timekeeping.filter import ClockEstimate, ClockFilter, ClockSample

HOUR_S = 3600.0


def estimate_of(*samples: ClockSample) -> ClockEstimate:
    clock_filter = ClockFilter()
    for sample in samples:
        clock_filter.add(sample)
    assert clock_filter.estimate is not None
    return clock_filter.estimate


def test_one_sample_is_believed_as_it_is() -> None:
    estimate = estimate_of(ClockSample(100.0, 12.5, 80.0, resolution_ms=1.0))
    assert estimate.offset_at(100.0) == 12.5
    assert estimate.uncertainty_at(100.0) == 41.0
    assert estimate.offset_at(100.0 + HOUR_S) == 12.5
    assert estimate.uncertainty_at(100.0 + HOUR_S) == pytest.approx(41 + 360)


def test_equal_round_trips_are_averaged_and_longer_ones_count_little() -> None:
    estimate = estimate_of(
        ClockSample(0.0, 10.0, 80.0), ClockSample(0.1, 12.0, 80.0), ClockSample(0.2, 60.0, 180.0)
    )
    assert estimate.offset_at(0.2) == pytest.approx(11.0, abs=0.01)


def test_a_drift_of_fifty_millionths_is_found_through_delayed_samples() -> None:
    rng = random.Random(3)
    samples = []
    for place in range(16):
        at_s, late_ms = place * 600.0, rng.choice([0.0, 0.0, 0.0, rng.uniform(50, 500)])
        samples.append(ClockSample(at_s, 0.05 * at_s - late_ms / 2, 80.0 + late_ms))
    estimate = estimate_of(*samples)
    assert estimate.drift == pytest.approx(50e-6, abs=1e-6)
    assert estimate.offset_at(9600.0) == pytest.approx(480, abs=1)


def test_a_drift_that_changed_is_followed_from_where_it_changed() -> None:
    samples = [ClockSample(place * 600.0, 30.0 * place, 80.0) for place in range(12)]
    turn = samples[-1]
    for place in range(1, 5):
        at_s, offset_ms = turn.at_s + place * 600.0, turn.offset_ms - 30.0 * place
        samples.append(ClockSample(at_s, offset_ms, 80.0))
    estimate = estimate_of(*samples)
    assert estimate.drift == pytest.approx(-50e-6, abs=2e-6)
    assert estimate.offset_at(samples[-1].at_s) == pytest.approx(samples[-1].offset_ms, abs=1)


def test_noise_is_no_drift() -> None:
    rng = random.Random(4)
    samples = [ClockSample(place * 600.0, rng.gauss(0, 0.3), 80.0) for place in range(16)]
    assert estimate_of(*samples).drift == 0.0


def test_samples_too_close_together_make_no_line_to_throw_ahead() -> None:
    offsets_ms = (0.0, 2.5, 5.5, 8.0)
    samples = [ClockSample(place * 20.0, each, 80.0) for place, each in enumerate(offsets_ms)]
    assert estimate_of(*samples).drift == 0.0


def test_an_old_sample_counts_less_than_a_young_one_with_a_longer_round_trip() -> None:
    estimate = estimate_of(ClockSample(0.0, 0.0, 80.0), ClockSample(10_000.0, 4.0, 84.0))
    assert estimate.offset_at(10_000.0) == pytest.approx(4, abs=0.3)


def test_two_samples_delayed_alike_make_no_bold_line() -> None:
    estimate = estimate_of(ClockSample(0.0, 25.0, 130.0), ClockSample(100.0, -20.0, 130.0))
    assert estimate.drift == 0.0


def test_a_slope_steeper_than_any_crystal_is_no_drift() -> None:
    samples = [ClockSample(place * 600.0, 400.0 * place, 2000.0) for place in range(6)]
    estimate = estimate_of(*samples)
    assert estimate.drift == 0.0
    assert estimate.offset_at(3000.0) == pytest.approx(2000, abs=1)


def test_a_route_that_became_longer_is_accepted() -> None:
    clock_filter = ClockFilter()
    for place in range(10):
        clock_filter.add(ClockSample(place * 600.0, 5.0, 40.0))
    for place in range(10, 30):
        estimate = clock_filter.add(ClockSample(place * 600.0, 5.0, 120.0))
    assert estimate.uncertainty_at(29 * 600.0) == pytest.approx(60, abs=2)


@given(
    drift_ppm=st.floats(-50, 50),
    delays=st.lists(st.tuples(st.floats(0, 500), st.booleans()), min_size=1, max_size=40),
    interval_s=st.floats(1, 1000),
)
def test_whatever_every_other_answer_suffers_the_truth_lies_within_the_uncertainty(
    drift_ppm: float, delays: list[tuple[float, bool]], interval_s: float
) -> None:
    clock_filter = ClockFilter()
    for place, (delay_ms, outwards) in enumerate(delays):
        at_s = place * interval_s
        truth_ms = drift_ppm * at_s * 1e-3
        error_ms = delay_ms / 2 if outwards else -delay_ms / 2
        clock_filter.add(ClockSample(at_s - 0.1, truth_ms, 20.0))
        estimate = clock_filter.add(ClockSample(at_s, truth_ms + error_ms, 20.0 + delay_ms))
        assert abs(estimate.offset_at(at_s) - truth_ms) <= estimate.uncertainty_at(at_s)


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=40), st.floats(-1e9, 1e9))
def test_a_step_of_the_local_clock_moves_the_estimate_and_nothing_else(
    round_trips_ms: list[float], step_ms: float
) -> None:
    one, other = ClockFilter(), ClockFilter()
    for place, round_trip_ms in enumerate(round_trips_ms):
        sample = ClockSample(place * 60.0, round_trip_ms / 2, round_trip_ms)
        one.add(sample)
        other.add(sample)
    other.shift(step_ms)
    assert one.estimate is not None
    assert other.estimate is not None
    moved_ms = other.estimate.offset_at(1e4) - one.estimate.offset_at(1e4)
    assert moved_ms == pytest.approx(step_ms, abs=1e-3)
    assert other.estimate.uncertainty_at(1e4) == one.estimate.uncertainty_at(1e4)
    again = ClockSample(1e4, one.estimate.offset_at(1e4), 1.0)
    shifted = ClockSample(1e4, again.offset_ms + step_ms, 1.0)
    one.add(again)
    other.add(shifted)
    assert len(one) == len(other)
