from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from networkpype.throttler.meters.window import Window


def window_with(capacity: int, time_interval: float, *charges: tuple[int, float]) -> Window:
    window = Window("a", capacity, time_interval)
    for weight, at in charges:
        window.charge(weight, at)
    return window


def test_a_charge_counts_until_its_interval_is_over_and_no_longer() -> None:
    window = window_with(10, 1.0, (3, 100.0))
    window.expire(math.nextafter(101.0, 0))
    assert window.used == 3
    window.expire(101.0)
    assert window.used == 0


def test_there_is_room_when_enough_of_the_oldest_charges_end() -> None:
    window = window_with(10, 1.0, (4, 100.0), (4, 100.25), (2, 100.5))
    assert window.free_at(4, 100.5) == 101.0
    assert window.free_at(5, 100.5) == 101.25
    assert window.free_at(10, 100.5) == 101.5


def test_room_that_is_there_is_there_now() -> None:
    assert window_with(10, 1.0, (4, 100.0)).free_at(6, 100.5) == 100.5


def test_more_than_the_capacity_never_fits() -> None:
    assert window_with(10, 1.0, (4, 100.0)).free_at(11, 100.5) == math.inf


def test_a_refund_takes_back_one_charge_of_that_weight_and_time() -> None:
    window = window_with(10, 1.0, (1, 100.0), (2, 100.0), (1, 100.5))
    window.refund(2, 100.0)
    assert window.used == 2
    window.refund(1, 100.0)
    window.expire(101.0)
    assert window.used == 1  # the one of 100.5 stayed


def test_a_refund_of_what_is_over_or_never_was_changes_nothing() -> None:
    window = window_with(10, 1.0, (1, 100.0), (1, 100.5))
    window.expire(101.25)
    for weight, at in ((1, 100.0), (2, 100.5), (1, 100.25), (1, 100.75)):
        window.refund(weight, at)
    assert window.used == 1


def test_charges_above_a_capacity_that_was_lowered_stay_and_are_waited_for() -> None:
    window = window_with(10, 1.0, (5, 100.0), (5, 100.5))
    window.capacity = 5
    assert window.free_at(1, 100.5) == 101.5


moments = st.floats(0, 1e9, allow_nan=False)
intervals = st.floats(1e-3, 1e5, allow_nan=False)


@given(moments, intervals)
def test_a_full_window_is_free_exactly_when_it_says_whatever_the_rounding(
    at: float, interval: float
) -> None:
    window = window_with(1, interval, (1, at))
    end = window.free_at(1, at)
    assert end - at >= interval
    window.expire(end)
    assert window.used == 0
    # Not a step later than rounding makes necessary.
    assert math.nextafter(math.nextafter(end, 0), 0) - at < interval


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 10)), max_size=40), intervals)
def test_used_is_the_sum_of_the_charges_that_are_alive(
    steps: list[tuple[int, float]], interval: float
) -> None:
    window = Window("a", 10, interval)
    now = 0.0
    charges: list[tuple[int, float]] = []
    for weight, pause in steps:
        now += pause
        window.expire(now)
        assert window.used == sum(each for each, at in charges if now - at < interval)
        window.charge(weight, now)
        charges.append((weight, now))
