"""What an exchange allows: limits, and what a call under one weighs under others."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeGuard

from networkpype.errors import ConfigurationError

__all__ = ["LimitUsage", "LinkedLimitWeightPair", "RateLimit", "TaskLog"]


@dataclass
class LinkedLimitWeightPair:
    """Another limit that a call is charged under, and its weight there; weight 0 is free."""

    limit_id: str
    weight: int = 1

    def __post_init__(self) -> None:
        _check_id(self.limit_id, "LinkedLimitWeightPair")
        _check_count(self.weight, "weight", 0, f'LinkedLimitWeightPair("{self.limit_id}")')


@dataclass
class RateLimit:
    """At most `limit` units in any `time_interval` seconds.

    A call under this limit costs `weight` units of it and, all or nothing, each pair's weight of
    the linked limits. Weights are whole numbers; 0 is free, and a call that is free of a limit does
    not wait for it. Links are not followed further: what a linked limit links to is not charged.

    ::

        RateLimit("ip", limit=1200, time_interval=60)
        RateLimit("orders", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 5)])

    Raises ConfigurationError for an empty id, a limit below 1, a negative weight, or an interval
    that is not positive and finite.
    """

    limit_id: str
    limit: int
    time_interval: float
    weight: int = 1
    linked_limits: list[LinkedLimitWeightPair] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check_id(self.limit_id, "RateLimit")
        owner = f'RateLimit("{self.limit_id}")'
        _check_count(self.limit, "limit", 1, owner)
        _check_seconds(self.time_interval, owner)
        _check_count(self.weight, "weight", 0, owner)
        if isinstance(self.linked_limits, str) or not isinstance(self.linked_limits, Iterable):
            raise ConfigurationError(
                f"{owner}: linked_limits is a list of LinkedLimitWeightPair, "
                f"got {self.linked_limits!r}"
            )
        self.linked_limits = list(self.linked_limits)
        for pair in self.linked_limits:
            if not isinstance(pair, LinkedLimitWeightPair):
                raise ConfigurationError(
                    f"{owner}: linked_limits holds {pair!r}; "
                    'write LinkedLimitWeightPair("its id", weight)'
                )

    def copy(self, **changes: Any) -> Self:
        """Return a copy that shares no list with this one, with fields changed; checked anew."""
        linked_limits = [replace(pair) for pair in self.linked_limits]
        return replace(self, **{"linked_limits": linked_limits, **changes})

    @staticmethod
    def filter_rate_limits_list(
        rate_limits: Iterable[RateLimit], limit_ids: Collection[str]
    ) -> list[RateLimit]:
        """Return the limits whose ids are not named."""
        return [limit for limit in rate_limits if limit.limit_id not in limit_ids]


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """How full one limit is at this moment.

    `used` of `capacity` units in the last `time_interval` seconds; `next_free_s` seconds until one
    more unit is free, 0 where it is; `waiting` callers stand in the line of this limit id.
    """

    used: int
    capacity: int
    time_interval: float
    next_free_s: float
    waiting: int


@dataclass
class TaskLog:
    """A call that was made: when, under which limit, and its weight there.

    For programs that keep their own log; the throttler counts without it.
    """

    timestamp: float
    rate_limit: RateLimit
    weight: int = 1

    def __post_init__(self) -> None:
        if not _is_number(self.timestamp) or not math.isfinite(self.timestamp):
            raise ConfigurationError(f"TaskLog: timestamp is seconds, got {self.timestamp!r}")
        if not isinstance(self.rate_limit, RateLimit):
            raise ConfigurationError(f"TaskLog: rate_limit is a RateLimit, got {self.rate_limit!r}")
        _check_count(self.weight, "weight", 0, "TaskLog")


def _check_id(limit_id: object, owner: str) -> None:
    if not isinstance(limit_id, str) or not limit_id:
        raise ConfigurationError(f"{owner}: limit_id is a name that is not empty, got {limit_id!r}")


def _check_count(value: object, name: str, least: int, owner: str) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return
    advice = f"{owner}: {name} is a whole number of at least {least}, got {value!r}"
    if isinstance(value, float):
        # Sums of fractions drift; a window that is exact counts in whole units.
        advice += "; for fractions, multiply the limit and all its weights by the same factor"
    raise ConfigurationError(advice)


def _check_seconds(value: object, owner: str) -> None:
    if not _is_number(value) or not (math.isfinite(value) and value > 0):
        raise ConfigurationError(
            f"{owner}: time_interval is seconds, finite and above 0, got {value!r}"
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
