"""A clock that tests move by hand."""

from __future__ import annotations

import math

from networkpype.errors import ConfigurationError

__all__ = ["FakeClock"]


class FakeClock:
    """Stand still until moved; a `networkpype.clock.Clock` for tests.

    `time` is in Unix seconds; `monotonic` is in seconds from anywhere, and `boottime` starts equal
    to it. All arguments are finite, or `ConfigurationError` is raised.
    """

    def __init__(self, time: float = 1_700_000_000.0, monotonic: float = 1000.0) -> None:
        self._time = _finite("time", time)
        self._monotonic = _finite("monotonic", monotonic)
        self._boottime = self._monotonic

    def time(self) -> float:
        """Return wall-clock time in seconds since the Unix epoch."""
        return self._time

    def monotonic(self) -> float:
        """Return seconds that only `advance` moves."""
        return self._monotonic

    def boottime(self) -> float:
        """Return seconds that `advance` and `suspend` move, as CLOCK_BOOTTIME does on Linux."""
        return self._boottime

    def advance(self, seconds: float) -> None:
        """Let time pass on every clock; `seconds` is at least 0."""
        seconds = _forwards("advance", seconds)
        self._time += seconds
        self._monotonic += seconds
        self._boottime += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forwards, or with negative seconds back; nothing else moves."""
        self._time += _finite("step_wall", seconds)

    def suspend(self, seconds: float) -> None:
        """Sleep as a laptop with its lid shut: the monotonic clock stands still meanwhile."""
        seconds = _forwards("suspend", seconds)
        self._time += seconds
        self._boottime += seconds

    def __repr__(self) -> str:
        return f"FakeClock(time={self._time!r}, monotonic={self._monotonic!r})"


def _finite(name: str, seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise ConfigurationError(f"{name}: seconds as a number wanted, got {seconds!r}")
    if not math.isfinite(seconds):
        raise ConfigurationError(f"{name}: finite seconds wanted, got {seconds!r}")
    return float(seconds)


def _forwards(name: str, seconds: float) -> float:
    seconds = _finite(name, seconds)
    if seconds < 0:
        raise ConfigurationError(
            f"{name}({seconds!r}): time does not run backwards; "
            "step_wall() sets the wall clock back"
        )
    return seconds
