"""Rate limits as the exchange sees them: counted on arrival, exactly, whatever their kind."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeAlias, get_args

from networkpype.errors import ConfigurationError
from networkpype.testing.tallies import (
    ConcurrentTally,
    DripTally,
    FixedTally,
    RollingTally,
    Tally,
)

__all__ = ["DEFAULT_LIMITS", "ArrivalCounter", "ArrivalLimit", "ArrivalUse", "Overrun"]

Kind: TypeAlias = Literal["rolling", "fixed", "bucket", "counter", "concurrent"]
Weight: TypeAlias = "int | Callable[[str, str], int]"
"""Units, or a function that tells them from the method and the raw path with its query."""


@dataclass(frozen=True, slots=True)
class ArrivalLimit:
    """At most `limit` units in any `window_s` seconds, of the requests that match.

    A request matches when its method is among `methods` (empty: any) and its raw path without the
    query starts with `path_prefix`. It weighs `weight` units, which may be a function of the method
    and the raw path with its query; one of weight 0 is not counted. `fixed_window`, `token_bucket`,
    `decaying_counter` and `concurrent` make limits of the other kinds.
    """

    name: str
    limit: int
    window_s: float
    methods: tuple[str, ...] = ()
    path_prefix: str = "/"
    weight: Weight = field(default=1, kw_only=True)
    kind: Kind = field(default="rolling", kw_only=True)
    burst: int | None = field(default=None, kw_only=True)

    @classmethod
    def fixed_window(cls, name: str, limit: int, window_s: float, **options: Any) -> Self:
        """Make a limit that begins anew at each multiple of `window_s` on the exchange's clock.

        `options` are the other fields, here and below.
        """
        return cls(name, limit, window_s, kind="fixed", **options)

    @classmethod
    def token_bucket(
        cls, name: str, limit: int, window_s: float, *, burst: int | None = None, **options: Any
    ) -> Self:
        """Make a bucket of `burst` tokens (default: `limit`); `limit` drip in every `window_s`."""
        return cls(name, limit, window_s, kind="bucket", burst=burst, **options)

    @classmethod
    def decaying_counter(cls, name: str, maximum: int, decay_per_s: float, **options: Any) -> Self:
        """Make a counter that requests raise to at most `maximum`; it falls by `decay_per_s`."""
        return cls(name, maximum, maximum / decay_per_s, kind="counter", **options)

    @classmethod
    def concurrent(
        cls, name: str, limit: int, *, retry_after_s: float = 1.0, **options: Any
    ) -> Self:
        """Make a limit of requests under way: arrived, and not yet answered.

        `retry_after_s` is what one too many is told; nobody knows when another will be answered.
        """
        return cls(name, limit, retry_after_s, kind="concurrent", **options)

    def __post_init__(self) -> None:
        if isinstance(self.methods, str):
            raise self._wrong(f'methods is a tuple, such as ("{self.methods}",)')
        if not _is_count(self.limit):
            raise self._wrong("limit is an integer from 1 up")
        if not (math.isfinite(self.window_s) and self.window_s > 0):
            raise self._wrong("window_s is finite and above 0")
        if self.kind not in get_args(Kind):
            raise self._wrong(f"kind is one of {', '.join(get_args(Kind))}")
        if self.burst is not None and (self.kind != "bucket" or not _is_count(self.burst)):
            raise self._wrong("burst is an integer from 1 up, of a token bucket")
        if not callable(self.weight) and self.weight != 0 and not _is_count(self.weight):
            raise self._wrong("weight is an integer from 0 up, or a function")
        if callable(self.weight) and not _takes_two(self.weight):
            raise self._wrong(
                "weight takes (method, path) and returns the units, such as "
                "lambda method, path: 2 if path.startswith('/v1/order') else 1"
            )

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request counts under this limit; the path may have its query."""
        return (not self.methods or method in self.methods) and path.startswith(self.path_prefix)

    def units(self, method: str, path: str) -> int:
        """Return what a request weighs under this limit, 0 where it does not match."""
        if not self.matches(method, path):
            return 0
        if not callable(self.weight):
            return self.weight
        units = self.weight(method, path)
        if units != 0 and not _is_count(units):
            raise self._wrong(f"weight returned {units!r}; return an integer from 0 up")
        return units

    @property
    def rule(self) -> str:
        """The limit in words, such as ``20 in 1 s``."""
        match self.kind:
            case "rolling":
                return f"{self.limit} in {self.window_s:g} s"
            case "fixed":
                return f"{self.limit} in each {self.window_s:g} s of the clock"
            case "bucket":
                return f"{self.burst or self.limit} at once and {self._per_s:g} a second"
            case "counter":
                return f"a count of {self.limit} that falls by {self._per_s:.4g} a second"
            case "concurrent":
                return f"{self.limit} at the same time"

    def tally(self) -> Tally:
        """Return what counts under this limit, empty."""
        match self.kind:
            case "rolling":
                return RollingTally(self.limit, self.window_s)
            case "fixed":
                return FixedTally(self.limit, self.window_s)
            case "bucket" | "counter":
                return DripTally(self.burst or self.limit, self._per_s)
            case "concurrent":
                return ConcurrentTally(self.limit, self.window_s)

    @property
    def _per_s(self) -> float:
        return self.limit / self.window_s

    def _wrong(self, fix: str) -> ConfigurationError:
        return ConfigurationError(f'limit "{self.name}": {fix}')


def _takes_two(weight: Callable[..., Any]) -> bool:
    """Tell whether it can be called with a method and a path, and answers at once."""
    if inspect.iscoroutinefunction(weight):
        return False
    try:
        inspect.signature(weight).bind("GET", "/")
    except TypeError:
        return False
    except ValueError:
        pass  # written in C, and does not tell
    return True


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


DEFAULT_LIMITS = (
    ArrivalLimit("ip", 6000, 60.0),
    ArrivalLimit("orders", 20, 1.0, ("POST", "DELETE"), "/v1/order"),
)
"""Every request counts under ``ip``; placing and cancelling orders counts under ``orders`` too."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """An exceeded limit; it admits again after `retry_after_s` in which nothing arrives."""

    limit: ArrivalLimit
    retry_after_s: float


class ArrivalUse(NamedTuple):
    """How much of a limit was used since the first arrival, and how much it allowed, in units.

    Unit-seconds for a limit of concurrent requests.
    """

    used: float
    allowed: float


class ArrivalCounter:
    """Count arrivals under each limit they match.

    A request that one limit refuses counts under the others all the same. Under a window a refused
    request counts like any other; it takes no token, raises no counter, and is not under way.
    """

    def __init__(self, limits: Iterable[ArrivalLimit]) -> None:
        if isinstance(limits, ArrivalLimit):
            raise ConfigurationError("limits is one ArrivalLimit; pass a list: limits=[...]")
        if isinstance(limits, (str, bytes)) or not isinstance(limits, Iterable):
            raise ConfigurationError(f"limits holds ArrivalLimit objects, got {limits!r}")
        limits = tuple(limits)
        for limit in limits:
            if not isinstance(limit, ArrivalLimit):
                raise ConfigurationError(f"limits holds ArrivalLimit objects, got {limit!r}")
        names = [limit.name for limit in limits]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f'two limits are named "{name}"; give each its own name')
        self._tallies = [(each, each.tally()) for each in limits]
        self._refused = dict.fromkeys(names, 0)

    @property
    def peaks(self) -> Mapping[str, int]:
        """The most units that each limit has held, by its name; more than the limit: refused.

        That is in any of its windows, in its counter, missing from its bucket, or at the same time.
        """
        return MappingProxyType({limit.name: tally.peak for limit, tally in self._tallies})

    @property
    def refused(self) -> Mapping[str, int]:
        """How many requests each limit refused, by its name."""
        return MappingProxyType(self._refused)

    def counted(self, name: str, now: float, wall_s: float | None = None) -> int:
        """Return the units that count under a limit now: what a used-weight header would tell."""
        tally = next(tally for limit, tally in self._tallies if limit.name == name)
        return tally.counted(now, now if wall_s is None else wall_s)

    def use(self, now: float, wall_s: float | None = None) -> dict[str, ArrivalUse]:
        """Return what was used of each limit and what it allowed until `now`, by its name.

        `allowed` is the most that a client could have got through that has a request at hand all
        the time and knows the exchange's mind: of a rolling window, a whole limit at the first
        arrival and again after every window; of fixed windows, a limit in each that has begun; of a
        bucket or counter, all at the first arrival and what dripped since.
        """
        wall_s = now if wall_s is None else wall_s
        result = {}
        for limit, tally in self._tallies:
            allowed = tally.allowed(now, wall_s)
            result[limit.name] = ArrivalUse(tally.used, allowed)
        return result

    def arrive(
        self, method: str, path: str, now: float, wall_s: float | None = None
    ) -> Overrun | None:
        """Count one request at `now` (monotonic seconds); return the overrun that lasts longest.

        `path` is the raw path, with its query where a weight depends on that. `wall_s` is the
        exchange's wall clock, for fixed windows; `now` unless given.
        """
        wall_s = now if wall_s is None else wall_s
        longest: Overrun | None = None
        entered: list[tuple[Tally, int]] = []
        for limit, tally in self._tallies:
            units = limit.units(method, path)
            if not units:
                continue
            retry_after_s = tally.arrive(units, now, wall_s)
            if retry_after_s is None:
                entered.append((tally, units))
                continue
            self._refused[limit.name] += 1
            if longest is None or retry_after_s > longest.retry_after_s:
                longest = Overrun(limit, retry_after_s)
        if longest is not None:
            for tally, units in entered:
                tally.leave(units, now)
        return longest

    def leave(self, method: str, path: str, now: float) -> None:
        """Count that a request for which `arrive` returned None was answered."""
        for limit, tally in self._tallies:
            if units := limit.units(method, path):
                tally.leave(units, now)
