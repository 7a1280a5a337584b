"""What an exchange allows: limits, and what a call under one weighs under others."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import Enum
from typing import Any, Self, TypeAlias, TypeGuard

from networkpype.errors import ConfigurationError
from networkpype.throttler.kinds import LimitKind, Priority

__all__ = ["LimitUsage", "LinkedLimitWeightPair", "RateLimit", "TaskLog", "Weight"]

Weight: TypeAlias = "int | Callable[[Any], int]"
"""Units that a call costs, or a function that tells them from the request that is to be sent."""

_PREPARATION_S = 5.0


@dataclass
class LinkedLimitWeightPair:
    """Another limit that a call is charged under, and its weight there; weight 0 is free.

    The weight may be a function of the request, as in `RateLimit`.
    """

    limit_id: str
    weight: Weight = 1

    def __post_init__(self) -> None:
        _check_id(self.limit_id, "LinkedLimitWeightPair")
        _check_weight(self.weight, f'LinkedLimitWeightPair("{self.limit_id}")')


@dataclass(repr=False)
class RateLimit:
    """At most `limit` units in any `time_interval` seconds.

    A call under this limit costs `weight` units of it and, all or nothing, each pair's weight of
    the linked limits. Weights are whole numbers; 0 is free, and a call that is free of a limit does
    not wait for it. A weight may be a function that is given the request (a `RESTRequest` or
    `WebSocketRequest`) and returns the number. Links are not followed further: what a linked limit
    links to is not charged.

    ::

        RateLimit("ip", limit=1200, time_interval=60)
        RateLimit("orders", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 5)])
        RateLimit("depth", 100, 1, weight=lambda request: 5 if request.params["limit"] > 100 else 1)

    `kind` is how the exchange counts; `fixed_window`, `token_bucket`, `decaying_counter` and
    `concurrent` make the others. `priority` is that of the calls under this id. `reserved` keeps
    the last units of this limit for the calls of a priority and those above it:
    ``{Priority.CANCEL: 50}`` leaves 50 units that only cancels may use.

    Raises ConfigurationError for an empty id, a limit below 1, a negative weight, an interval that
    is not positive and finite, or more reserved than there is.
    """

    limit_id: str
    limit: int
    time_interval: float
    weight: Weight = 1
    linked_limits: list[LinkedLimitWeightPair] = field(default_factory=list)
    kind: LimitKind = field(default=LimitKind.ROLLING_WINDOW, kw_only=True)
    burst: int | None = field(default=None, kw_only=True)
    priority: Priority = field(default=Priority.QUERY, kw_only=True)
    reserved: Mapping[Priority, int] = field(default_factory=dict, kw_only=True)

    @classmethod
    def fixed_window(cls, limit_id: str, limit: int, time_interval: float, **options: Any) -> Self:
        """Make a limit that begins anew at each multiple of `time_interval` at the exchange.

        The throttler's `time_provider` says what time it is there. `options` are the other fields.
        """
        kind = LimitKind.FIXED_WINDOW
        return cls(limit_id, limit, time_interval, kind=kind, **options)

    @classmethod
    def token_bucket(
        cls,
        limit_id: str,
        limit: int,
        time_interval: float,
        *,
        burst: int | None = None,
        **options: Any,
    ) -> Self:
        """Make a bucket of `burst` tokens (`limit` by default), refilled by `limit` an interval."""
        kind = LimitKind.TOKEN_BUCKET
        return cls(limit_id, limit, time_interval, kind=kind, burst=burst, **options)

    @classmethod
    def decaying_counter(
        cls, limit_id: str, maximum: int, decay_per_s: float, **options: Any
    ) -> Self:
        """Make a counter that calls raise to at most `maximum`, and that falls by itself.

        Kraken's starter tier is ``decaying_counter("private", 15, 0.33)``. Its counter falls in
        steps "every couple of seconds"; a `safety_margin_s` of as much allows for them
        (https://docs.kraken.com/exchange/guides/rest/ratelimits, read 2026-11-21).
        """
        if not _is_number(decay_per_s) or not (math.isfinite(decay_per_s) and decay_per_s > 0):
            raise ConfigurationError(
                f'RateLimit("{limit_id}"): decay_per_s is units a second above 0, '
                f"got {decay_per_s!r}"
            )
        _check_count(maximum, "maximum", 1, f'RateLimit("{limit_id}")')
        kind = LimitKind.DECAYING_COUNTER
        return cls(limit_id, maximum, maximum / decay_per_s, kind=kind, **options)

    @classmethod
    def concurrent(
        cls, limit_id: str, limit: int, *, preparation_s: float = _PREPARATION_S, **options: Any
    ) -> Self:
        """Make a limit of calls that are under way at the same time.

        A call that is being prepared has a place, too, and loses it after `preparation_s` seconds
        (the limit's `time_interval`), for what prepares it may need the same limit.
        """
        return cls(limit_id, limit, preparation_s, kind=LimitKind.CONCURRENT, **options)

    def __post_init__(self) -> None:
        _check_id(self.limit_id, "RateLimit")
        owner = f'RateLimit("{self.limit_id}")'
        _check_count(self.limit, "limit", 1, owner)
        _check_seconds(self.time_interval, owner)
        _check_weight(self.weight, owner)
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
        self._check_kind(owner)
        self._check_order(owner)

    def _check_kind(self, owner: str) -> None:
        if not isinstance(self.kind, LimitKind):
            raise ConfigurationError(f"{owner}: kind is a LimitKind, got {self.kind!r}")
        if self.burst is not None:
            if self.kind is not LimitKind.TOKEN_BUCKET:
                raise ConfigurationError(f"{owner}: only a token bucket has a burst")
            _check_count(self.burst, "burst", 1, owner)

    def _check_order(self, owner: str) -> None:
        if not isinstance(self.priority, Priority):
            raise ConfigurationError(f"{owner}: priority is a Priority, got {self.priority!r}")
        if not isinstance(self.reserved, Mapping):
            raise ConfigurationError(
                f"{owner}: reserved is units by Priority, got {self.reserved!r}"
            )
        for priority, units in self.reserved.items():
            if not isinstance(priority, Priority):
                raise ConfigurationError(f"{owner}: reserved is for a Priority, got {priority!r}")
            _check_count(units, "reserved", 0, owner)
        self.reserved = dict(self.reserved)
        if self.reserved and sum(self.reserved.values()) >= self.most:
            raise ConfigurationError(
                f"{owner}: {sum(self.reserved.values())} units are reserved of {self.most}, "
                "so nothing is left for the others; reserve less"
            )

    @property
    def most(self) -> int:
        """Return the most units that can be used at once: the burst of a bucket, else the limit."""
        return self.limit if self.burst is None else self.burst

    def __repr__(self) -> str:
        told = [repr(self.limit_id), f"limit={self.limit}", f"time_interval={self.time_interval}"]
        for each in fields(self)[3:]:
            value = getattr(self, each.name)
            empty = each.default if each.default_factory is MISSING else each.default_factory()
            if value != empty:
                enum = isinstance(value, Enum)
                shown = f"{type(value).__name__}.{value.name}" if enum else repr(value)
                if isinstance(value, Mapping):
                    shown = ", ".join(f"Priority.{p.name}: {units}" for p, units in value.items())
                    shown = f"{{{shown}}}"
                told.append(f"{each.name}={shown}")
        return f"RateLimit({', '.join(told)})"

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

    `used` of `capacity` units in the last `time_interval` seconds, `held` of them by calls that are
    under way; `next_free_s` seconds until one more unit is free, 0 where it is; `waiting` callers
    stand in the lines of this limit id. `blocked_s` is for how long the exchange wants no call.
    """

    used: float
    capacity: int
    time_interval: float
    next_free_s: float
    waiting: int
    kind: LimitKind = LimitKind.ROLLING_WINDOW
    held: int = 0
    blocked_s: float = 0.0


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


def _check_weight(weight: object, owner: str) -> None:
    if not callable(weight):
        _check_count(weight, "weight", 0, owner)


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
