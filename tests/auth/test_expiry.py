"""When a login is renewed, to the vectors of the library that this one is measured by."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.auth.expiry import check_seconds, first_lifetime_s, renewal_delay_s
from networkpype.errors import ConfigurationError


@pytest.mark.parametrize(
    ("told_ms", "configured_ms", "lifetime_ms"),
    [
        (900_000, 3_600_000, 900_000),
        (None, 1_800_000, 1_800_000),
        (None, None, None),
        (0, 600_000, 600_000),
        (-1000, 600_000, 600_000),
        (None, 0, None),
        (None, -500, None),
    ],
)
def test_a_lifetime_that_was_told_goes_before_the_configured_one(
    told_ms: float | None, configured_ms: float | None, lifetime_ms: float | None
) -> None:
    told, configured, lifetime = (
        None if each is None else each / 1000 for each in (told_ms, configured_ms, lifetime_ms)
    )
    assert first_lifetime_s(told, configured) == lifetime


@pytest.mark.parametrize("told", [True, "900", math.nan, math.inf, -math.inf, [], None])
def test_what_is_no_lifetime_counts_as_not_told(told: Any) -> None:
    assert first_lifetime_s(told, 60) == 60
    assert renewal_delay_s(told) is None


@pytest.mark.parametrize(
    ("lifetime_ms", "delay_ms"),
    [
        (1_000_000, 800_000),
        (48 * 3_600_000, 86_400_000),
        (10_000, 8_000),
        (24 * 3_600_000, 69_120_000),
        (None, None),
        (0, None),
        (-1000, None),
    ],
)
def test_it_is_renewed_at_80_percent_and_at_least_once_a_day(
    lifetime_ms: int | None, delay_ms: int | None
) -> None:
    delay_s = renewal_delay_s(None if lifetime_ms is None else lifetime_ms / 1000)
    assert delay_s == (None if delay_ms is None else delay_ms / 1000)


def test_the_delay_is_cut_to_whole_milliseconds() -> None:
    assert renewal_delay_s(1.001) == 0.8
    assert renewal_delay_s(1.249) == 0.999


def test_the_jitter_shortens_by_up_to_a_tenth() -> None:
    assert renewal_delay_s(1000, jitter=1) == 720
    assert renewal_delay_s(1000, jitter=0.5) == 760
    assert renewal_delay_s(48 * 3600, jitter=1) == 0.9 * 86_400


@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False) | st.integers(1, 10**400),
    st.floats(-2, 3),
)
def test_no_jitter_makes_it_late(lifetime_s: float, jitter: float) -> None:
    delay_s = renewal_delay_s(lifetime_s, jitter=jitter)
    assert delay_s is not None
    slack = 1 + 1e-12  # what floating point makes of a product
    assert 0 <= delay_s <= min(min(lifetime_s, 1e300) * 4 / 5 * slack, 86_400)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "10", True])
def test_a_setting_that_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"ack_timeout_s is .*; pass seconds above 0"):
        check_seconds("ack_timeout_s", value)
    check_seconds("ack_timeout_s", 0.5)
