"""A moment as exchanges write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TypeAlias

from networkpype.signing.encodings import check_known

__all__ = ["TimeFormat", "time_writer", "whole_ms"]

TimeFormat: TypeAlias = Literal["s", "ms", "us", "ns", "iso ms", "iso s"]
"""Whole Unix time in a unit, or ISO 8601 in UTC: ``2023-11-14T22:13:20.123Z`` with milliseconds,
``2023-11-14T22:13:20`` (no zone letter, as HTX wants it) with seconds."""

# A double near now is a multiple of 0.24 us, so 0.123 s may be held as 0.12299999.
_SLACK_MS = 1e-3


def whole_ms(seconds: float) -> int:
    """Return whole milliseconds, the rest cut off: a timestamp must not be ahead of its clock."""
    return int(seconds * 1e3 + _SLACK_MS)


@lru_cache(maxsize=8)  # formatting a date costs more than the signature over it
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _iso_ms(seconds: float) -> str:
    ms = whole_ms(seconds)
    return f"{_iso(ms // 1000)}.{ms % 1000:03d}Z"


def _iso_s(seconds: float) -> str:
    return _iso(whole_ms(seconds) // 1000)


_WRITERS: dict[TimeFormat, Callable[[float], str]] = {
    "s": lambda seconds: str(whole_ms(seconds) // 1000),
    "ms": lambda seconds: str(int(seconds * 1e3 + _SLACK_MS)),
    "us": lambda seconds: str(round(seconds * 1e6)),
    "ns": lambda seconds: str(round(seconds * 1e9)),
    "iso ms": _iso_ms,
    "iso s": _iso_s,
}


def time_writer(form: TimeFormat) -> Callable[[float], str]:
    """Return the function that writes Unix seconds in this form."""
    check_known("time format", form, _WRITERS)
    return _WRITERS[form]
