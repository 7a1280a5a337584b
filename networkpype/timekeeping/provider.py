"""What a time provider is, and what it returned: checked, and read in its declared unit."""

from __future__ import annotations

import math
import numbers
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal, get_args

from networkpype.errors import ConfigurationError, DecodeError
from networkpype.redact import escape

__all__ = [
    "TimeProvider",
    "TimeUnit",
    "check_provider",
    "check_samples",
    "check_seconds",
    "check_unit",
    "server_time_ms",
]

TimeProvider = Callable[[], Awaitable[float]]
"""Asks a server for its time; the number is in the unit declared to the synchronizer."""

TimeUnit = Literal["s", "ms", "us", "ns"]
"""A unit that exchanges tell their time in."""

_UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)  # each a thousandth of the one before
_MS: dict[TimeUnit, float] = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}  # units a millisecond
_THIS_ERA_S = (1e9, 1e10)  # the years 2001 to 2286
_SLACK = 5.0  # how far a ratio may be from 1000, 1000**2, ... and still look like a wrong unit


def check_unit(unit: object) -> TimeUnit:
    """Return the unit, or raise ConfigurationError naming the known ones."""
    if unit not in _UNITS:
        known = ", ".join(f'"{each}"' for each in _UNITS)
        raise ConfigurationError(f"unit is {unit!r}; pass one of {known}")
    return unit


def check_provider(time_provider: object) -> None:
    """Refuse what cannot be called; the coroutine itself is the common mistake."""
    if not callable(time_provider):
        raise ConfigurationError(
            "time_provider must be a function that returns an awaitable; "
            "pass fetch_time, not fetch_time()"
        )


def check_samples(samples: object) -> None:
    """Refuse what is no integer above zero."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ConfigurationError(f"samples is {samples!r}; pass an integer above zero")


def check_seconds(name: str, seconds: object) -> float:
    """Return finite seconds above zero, or raise ConfigurationError."""
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds < math.inf:  # type: ignore[operator]
        raise ConfigurationError(f"{name} is {seconds!r}; pass seconds above zero")
    return float(seconds)  # type: ignore[arg-type]


def server_time_ms(value: object, unit: TimeUnit, local_s: float) -> tuple[float, float]:
    """Return a server's time in milliseconds since the Unix epoch, and the tick it is told in.

    A whole number ticks in its unit, a fraction is taken as exact. Whole seconds are taken to be
    cut off: on average the server was half a second further. (Finer ticks stay as they were told;
    half a millisecond is lost in any round trip.) `local_s` is about now.

    Raises ConfigurationError for what is no number or looks like another unit, and DecodeError for
    a number that is no time.
    """
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, Decimal)):
        shown = escape(repr(value), limit=60)
        raise ConfigurationError(
            f"the time provider returned {shown} ({type(value).__name__}); "
            f"it must return a number, the server's time in {unit}"
        )
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an integer of 400 digits; Decimal("sNaN")
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise DecodeError(f"the time provider returned {number}, which is no time in {unit}")
    seems = _likely_unit(number, unit, local_s)
    if seems != unit:
        raise ConfigurationError(
            f"the time provider returned {number:.0f}, which is no time near now in {unit} but one "
            f'in {seems}; pass unit="{seems}" to TimeSynchronizer, or convert it in the provider'
        )
    tick_ms = 1 / _MS[unit] if number.is_integer() else 0.0
    return number / _MS[unit] + (tick_ms / 2 if unit == "s" else 0.0), tick_ms


def _likely_unit(number: float, unit: TimeUnit, local_s: float) -> TimeUnit:
    """Return the unit in which the number is a time near now; the declared one where none is."""
    server_s = number / _MS[unit] / 1e3
    # The local clock may itself be wrong by decades: on boards without a battery it starts at 1970.
    if _THIS_ERA_S[0] <= server_s < _THIS_ERA_S[1] or server_s <= 0 or local_s <= 0:
        return unit
    ratio = server_s / local_s
    thousands = round(math.log(ratio, 1000))
    place = _UNITS.index(unit) + thousands
    if 0 <= place < len(_UNITS) and 1 / _SLACK <= ratio / 1000.0**thousands <= _SLACK:
        return _UNITS[place]
    return unit
