"""A moment as exchanges write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.signing.timestamps import TimeFormat, time_writer, whole_ms


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("s", "1700000000"),
        ("ms", "1700000000123"),
        ("us", "1700000000123000"),
        ("iso ms", "2023-11-14T22:13:20.123Z"),
        ("iso s", "2023-11-14T22:13:20"),
    ],
)
def test_each_form(form: TimeFormat, expected: str) -> None:
    assert time_writer(form)(1_700_000_000.123) == expected


def test_nanoseconds_are_as_fine_as_a_double() -> None:
    assert abs(int(time_writer("ns")(1_700_000_000.123)) - 1_700_000_000_123_000_000) < 256


@given(st.integers(0, 4_102_444_800_000))
def test_a_millisecond_stays_itself(ms: int) -> None:
    assert whole_ms(ms / 1000) == ms
    assert time_writer("ms")(ms / 1000) == str(ms)
    assert time_writer("iso ms")(ms / 1000).endswith(f".{ms % 1000:03d}Z")


def test_a_timestamp_is_never_ahead_of_its_clock() -> None:
    assert whole_ms(1.9999) == 1999
    assert time_writer("s")(1.9999) == "1"


def test_an_unknown_form_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match='pass one of "s", "ms", "us", "ns", "iso ms"'):
        time_writer("rfc 1123")  # type: ignore[arg-type]
