from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.testing.arrivals import DEFAULT_LIMITS, ArrivalCounter, ArrivalLimit


def counter(limit: int, window_s: float = 1.0) -> ArrivalCounter:
    return ArrivalCounter([ArrivalLimit("all", limit, window_s)])


def test_the_window_is_exact_to_its_last_moment() -> None:
    arrivals = counter(2)
    assert arrivals.arrive("GET", "/", 10.0) is None
    assert arrivals.arrive("GET", "/", 10.5) is None
    overrun = arrivals.arrive("GET", "/", 10.875)
    assert overrun is not None
    # The refused one counts: two of 10.5 and 10.875 still fill the window when 10.0 has left it.
    assert overrun.retry_after_s == 0.625
    assert arrivals.arrive("GET", "/", 11.5) is None


def test_a_client_that_hammers_on_stays_refused() -> None:
    arrivals = counter(1)
    assert arrivals.arrive("GET", "/", 0.0) is None
    assert all(arrivals.arrive("GET", "/", 0.5 * step) for step in range(1, 10))
    assert arrivals.arrive("GET", "/", 5.5) is None


@given(gaps=st.lists(st.integers(0, 40), min_size=1, max_size=60), limit=st.integers(1, 5))
def test_no_window_ever_holds_more_than_it_admits(gaps: list[int], limit: int) -> None:
    arrivals, now, times = counter(limit, window_s=8.0), 0.0, []
    for gap in gaps:
        now += gap / 8  # binary fractions: no rounding
        times.append(now)
        in_window = sum(1 for time in times if time > now - 8.0)
        overrun = arrivals.arrive("GET", "/", now)
        assert (overrun is not None) == (in_window > limit)
        if overrun is not None:
            then = now + overrun.retry_after_s
            assert sum(1 for time in times if time > then - 8.0) < limit
            assert sum(1 for time in times if time > then - 8.0 - 2**-10) >= limit


def test_an_order_counts_under_ip_too_and_the_longest_wait_is_told() -> None:
    arrivals = ArrivalCounter(
        [
            ArrivalLimit("ip", 2, 60.0),
            ArrivalLimit("orders", 1, 1.0, ("POST", "DELETE"), "/v1/order"),
        ]
    )
    assert arrivals.arrive("POST", "/v1/order", 0.0) is None
    first = arrivals.arrive("DELETE", "/v1/order", 0.5)
    assert first is not None
    assert first.limit.name == "orders"
    second = arrivals.arrive("POST", "/v1/order", 0.75)
    assert second is not None
    assert (second.limit.name, second.retry_after_s) == ("ip", 59.75)
    assert dict(arrivals.peaks) == {"ip": 3, "orders": 3}


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("POST", "/v1/order", {"ip", "orders"}),
        ("DELETE", "/v1/orders", {"ip", "orders"}),
        ("GET", "/v1/orders", {"ip"}),
        ("POST", "/v1/echo/v1/order", {"ip"}),
        ("GET", "/ws", {"ip"}),
    ],
)
def test_by_default_placing_and_cancelling_are_linked_to_ip(
    method: str, path: str, names: set[str]
) -> None:
    assert {limit.name for limit in DEFAULT_LIMITS if limit.matches(method, path)} == names


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"limit": 0}, "limit is an integer from 1 up"),
        ({"limit": 1.5}, "limit is an integer from 1 up"),
        ({"window_s": 0.0}, "window_s is finite and above 0"),
        ({"window_s": float("nan")}, "window_s is finite and above 0"),
        ({"methods": "POST"}, r'methods is a tuple, such as \("POST",\)'),
    ],
)
def test_a_wrong_limit_names_the_fix(wrong: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigurationError, match=f'limit "x": {fix}'):
        replace(ArrivalLimit("x", 1, 1.0), **wrong)


def test_two_limits_of_one_name_are_refused() -> None:
    twice = [ArrivalLimit("ip", 1, 1.0), ArrivalLimit("ip", 2, 1.0)]
    with pytest.raises(ConfigurationError, match='two limits are named "ip"'):
        ArrivalCounter(twice)
    with pytest.raises(ConfigurationError, match="limits holds ArrivalLimit objects"):
        ArrivalCounter([("ip", 1, 1.0)])  # type: ignore[list-item]
