"""Waits between tries: full jitter, a cap, and a floor that others set."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.retry import Backoff


def backoff(jitter: float = 1.0, **settings: Any) -> Backoff:
    return Backoff(jitter=lambda: jitter, **settings)


def test_the_longest_wait_doubles_up_to_a_minute() -> None:
    waits = [backoff().delay_s(attempt) for attempt in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_is_before_the_first_try_counts_as_the_first() -> None:
    assert backoff().delay_s(-3) == 1


def test_the_jitter_is_full() -> None:
    assert backoff(0.0).delay_s(5) == 0
    assert backoff(0.25).delay_s(5) == 8


def test_the_waits_of_many_are_spread_by_default() -> None:
    waits = sorted(Backoff(initial_s=60).delay_s(0) for _ in range(1000))
    assert waits[0] < 6
    assert waits[-1] > 54
    assert max(b - a for a, b in itertools.pairwise(waits)) < 3


def test_a_floor_is_waited_first_and_the_jitter_comes_on_top() -> None:
    assert backoff(0.5).delay_s(3, floor_s=7) == 11
    assert backoff(0.0).delay_s(3, floor_s=7) == 7


@pytest.mark.parametrize(("jitter", "share"), [(-1.0, 0.0), (2.0, 1.0), (math.inf, 1.0)])
def test_a_jitter_out_of_range_is_held_to_it(jitter: float, share: float) -> None:
    assert backoff(jitter).delay_s(2) == share * 4


@given(st.integers(-5, 10**9), st.floats(0.001, 1e9), st.floats(1, 1e9), st.floats(0, 1))
def test_no_wait_leaves_its_range(attempt: int, initial: float, factor: float, j: float) -> None:
    it = backoff(j, initial_s=initial, factor=factor, cap_s=initial * 7)
    assert 0 <= it.delay_s(attempt) <= it.longest_s(attempt) <= initial * 7
    assert it.longest_s(attempt) >= it.longest_s(attempt - 1) >= initial


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initial_s": 0}, "initial_s is 0; pass more than 0"),
        ({"initial_s": math.nan}, "initial_s is nan; pass more than 0"),
        ({"factor": 0.5}, "factor is 0.5; pass at least 1"),
        ({"cap_s": 0.5}, "cap_s is 0.5; pass at least 1"),
        ({"cap_s": math.inf}, "cap_s is inf; pass a finite number of at least 1"),
        ({"jitter": 0.5}, "jitter is 0.5; pass a function that returns a number from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Backoff(**settings)
    assert str(caught.value) == message


def test_it_shows_what_it_does() -> None:
    assert repr(Backoff()) == "Backoff(initial_s=1.0, factor=2.0, cap_s=60.0)"
