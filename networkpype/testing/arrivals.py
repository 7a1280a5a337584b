"""Rate limits as the exchange sees them: counted on arrival, in exact rolling windows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from networkpype.errors import ConfigurationError

__all__ = ["DEFAULT_LIMITS", "ArrivalCounter", "ArrivalLimit", "Overrun"]


@dataclass(frozen=True, slots=True)
class ArrivalLimit:
    """At most `limit` requests in any `window_s` seconds, of those that match.

    A request matches when its method is among `methods` (empty: any) and its raw path without the
    query starts with `path_prefix`.
    """

    name: str
    limit: int
    window_s: float
    methods: tuple[str, ...] = ()
    path_prefix: str = "/"

    def __post_init__(self) -> None:
        if isinstance(self.methods, str):
            raise ConfigurationError(
                f'limit "{self.name}": methods is a tuple, such as ("{self.methods}",)'
            )
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1:
            raise ConfigurationError(f'limit "{self.name}": limit is an integer from 1 up')
        if not (math.isfinite(self.window_s) and self.window_s > 0):
            raise ConfigurationError(f'limit "{self.name}": window_s is finite and above 0')

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request counts under this limit."""
        return (not self.methods or method in self.methods) and path.startswith(self.path_prefix)


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


class ArrivalCounter:
    """Count arrivals under each limit they match; a refused request counts too.

    `peaks` maps a limit's name to the most arrivals that any of its windows has held.
    """

    def __init__(self, limits: Iterable[ArrivalLimit]) -> None:
        limits = tuple(limits)
        for limit in limits:
            if not isinstance(limit, ArrivalLimit):
                raise ConfigurationError(f"limits holds ArrivalLimit objects, got {limit!r}")
        names = [limit.name for limit in limits]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f'two limits are named "{name}"; give each its own name')
        self._windows: list[tuple[ArrivalLimit, deque[float]]] = [
            (each, deque()) for each in limits
        ]
        self._peaks = dict.fromkeys(names, 0)

    @property
    def peaks(self) -> Mapping[str, int]:
        return MappingProxyType(self._peaks)

    def arrive(self, method: str, path: str, now: float) -> Overrun | None:
        """Count one request at `now` (monotonic seconds); return the overrun that lasts longest."""
        overruns = []
        for limit, times in self._windows:
            if not limit.matches(method, path):
                continue
            while times and times[0] + limit.window_s <= now:
                times.popleft()
            times.append(now)
            self._peaks[limit.name] = max(self._peaks[limit.name], len(times))
            if len(times) > limit.limit:
                # One more fits once at most limit - 1 of those counted are left in the window.
                blocking = times[len(times) - limit.limit]
                overruns.append(Overrun(limit, blocking + limit.window_s - now))
        return max(overruns, key=lambda overrun: overrun.retry_after_s, default=None)
