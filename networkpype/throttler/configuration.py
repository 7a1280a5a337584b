"""The limits of one throttler: checked, scaled by share and margin, and linked."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeGuard

from networkpype.errors import ConfigurationError, UnknownLimitError, WeightExceedsLimitError
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.rate_limit import RateLimit, Weight
from networkpype.throttler.store.base import Capacity, Charge

__all__ = ["Configuration"]

_ALL = Decimal(100)
_log = logging.getLogger(__name__)


class Configuration:
    """What a throttler holds itself to; made anew for every change of the limits.

    `limits` are copies, scaled by the share, by id; `capacities` are what may be used of them, the
    safety margins taken off; `charges` say what a call under an id costs where, for the ids of
    which it is known without a request.
    """

    def __init__(
        self,
        rate_limits: Iterable[RateLimit],
        safety_margin_pct: Decimal | float,
        share_percentage: Decimal | float | None,
        safety_margin_s: float = 0.0,
    ) -> None:
        self.safety_margin_pct = _margin(safety_margin_pct)
        self.safety_margin_s = _margin_s(safety_margin_s)
        self.share_percentage = _share(share_percentage)
        self.limits: dict[str, RateLimit] = {}
        self.whole: dict[str, int] = {}
        """What the exchange allows of each limit, in units, as it was told here."""
        self.spare: dict[str, int] = {}
        """What may be used of each limit by those with whom it is shared, in units."""
        for limit in _checked(rate_limits):
            if limit.limit_id in self.limits:
                raise ConfigurationError(
                    f'two rate limits are named "{limit.limit_id}"; rename one or remove it'
                )
            scaled = self.limits[limit.limit_id] = self._scaled(limit)
            self.whole[limit.limit_id] = limit.most
            spare = self._less_margin(limit.most) - self._less_margin(scaled.most)
            self.spare[limit.limit_id] = spare
        self.capacities = {
            limit_id: self._capacity(limit) for limit_id, limit in self.limits.items()
        }
        self._check_links()
        self.charges = {
            limit_id: self.cost(limit_id)
            for limit_id, limit in self.limits.items()
            if not (callable(limit.weight) or any(callable(p.weight) for p in limit.linked_limits))
        }
        self._warn_of_links()
        self._warn_of_too_heavy()

    def with_limits(self, rate_limits: Iterable[RateLimit]) -> Configuration:
        """Return the configuration for other limits, of which the same share and margins hold."""
        return Configuration(
            rate_limits, self.safety_margin_pct, self.share_percentage, self.safety_margin_s
        )

    def related(self, limit_id: str) -> list[tuple[RateLimit, Weight]]:
        """Return the limit itself and those linked to it, each with a call's weight there."""
        if not self.knows(limit_id):
            raise self.refusal(limit_id)
        limit = self.limits[limit_id]
        pairs = [(pair.limit_id, pair.weight) for pair in limit.linked_limits]
        return [(self.limits[name], weight) for name, weight in [(limit_id, limit.weight), *pairs]]

    def cost(
        self,
        limit_id: str,
        request: Any = None,
        priority: Priority | None = None,
        computed: Mapping[str, int] | None = None,
    ) -> tuple[Charge, ...]:
        """Return what a call costs; `request` is for the weights that are computed.

        Where they are `computed` already, that is what they are, 0 for those that are not there.
        """
        weights: dict[str, int] = {}
        for limit, weight in self.related(limit_id):
            if not callable(weight):
                units = weight
            elif computed is None:
                units = _computed(weight, limit_id, request)
            else:
                units = computed.get(limit.limit_id, 0)
            weights[limit.limit_id] = weights.get(limit.limit_id, 0) + units
        priority = self.limits[limit_id].priority if priority is None else priority
        return tuple(
            Charge(name, weight, self._reserve(name, priority))
            for name, weight in weights.items()
            if weight
        )

    def refusal(self, limit_id: object) -> ConfigurationError:
        """Say why a call under this id is not admitted: too heavy, or no such limit."""
        known = self.knows(limit_id) and limit_id in self.charges
        heavy = self.too_heavy(str(limit_id), self.charges[str(limit_id)]) if known else None
        return heavy or UnknownLimitError(limit_id, self.limits)

    def too_heavy(self, limit_id: str, charges: Iterable[Charge]) -> WeightExceedsLimitError | None:
        """Say why no call that costs this would ever fit, None where it does."""
        for name, weight, reserve in charges:
            units, seconds = self.capacities[name][:2]
            if weight + reserve > units:
                kept, fix = "", "lower the weight or the margin, or raise the limit or the share"
                if reserve:
                    kept = f", and {reserve} are reserved for better priorities"
                    fix = f'reserve less of "{name}", {fix}'
                return WeightExceedsLimitError(
                    f'a call under "{limit_id}" weighs {weight} in rate limit "{name}", of which '
                    f"{units} may be used in {seconds:g} s{kept} ({self.share_percentage:f} % of "
                    f"the limit are ours, less a margin of {self.safety_margin_pct:.4g} for "
                    f"safety): it could never be sent; {fix}"
                )
        return None

    def knows(self, limit_id: object) -> TypeGuard[str]:
        return isinstance(limit_id, str) and limit_id in self.limits

    def _reserve(self, limit_id: str, priority: Priority) -> int:
        reserved: Mapping[Priority, int] = self.limits[limit_id].reserved
        return sum(units for better, units in reserved.items() if better < priority)

    def _warn_of_links(self) -> None:
        """Tell of weights that add up because a limit is named twice, which may be a slip."""
        for limit_id, limit in self.limits.items():
            named = [limit_id, *(pair.limit_id for pair in limit.linked_limits)]
            for name in {name: None for name in named if named.count(name) > 1}:
                to = "itself" if name == limit_id else f'"{name}" twice'
                _log.warning(
                    'rate limit "%s" is linked to %s: a call is charged the sum of the weights; '
                    "write it once",
                    *(limit_id, to),
                )

    def _warn_of_too_heavy(self) -> None:
        """Tell of calls that could never be sent while somebody looks, before the first is made."""
        for limit_id in self.limits:
            fixed = self.cost(limit_id, computed={})  # and nothing for the weights that are not
            heavy = self.too_heavy(limit_id, fixed)
            if heavy is not None:
                _log.warning("%s", heavy)

    def _check_links(self) -> None:
        for limit in self.limits.values():
            for pair in limit.linked_limits:
                if pair.limit_id not in self.limits:
                    error = UnknownLimitError(pair.limit_id, self.limits)
                    error.add_note(
                        f'rate limit "{limit.limit_id}" links to it; add it or remove the link'
                    )
                    raise error

    def _scaled(self, limit: RateLimit) -> RateLimit:
        share = self.share_percentage / _ALL
        changes: dict[str, Any] = {"limit": max(1, int(limit.limit * share))}
        if limit.burst is not None:
            changes["burst"] = max(1, int(limit.burst * share))
        changes["reserved"] = {
            priority: int(units * share) for priority, units in limit.reserved.items()
        }
        return limit.copy(**changes)

    def _less_margin(self, units: int) -> int:
        return max(1, int(units * (1 - self.safety_margin_pct)))

    def _capacity(self, limit: RateLimit) -> Capacity:
        units, per_second = self._less_margin(limit.most), 0.0
        if limit.kind is LimitKind.CONCURRENT:
            units = limit.limit  # what is under way is known exactly, and needs no margin
        if limit.kind in (LimitKind.TOKEN_BUCKET, LimitKind.DECAYING_COUNTER):
            per_second = float(limit.limit * (1 - self.safety_margin_pct)) / limit.time_interval
            # What leaves within a margin and a second may arrive within the second.
            units = max(1, int(units - per_second * self.safety_margin_s))
        interval, margin_s = limit.time_interval, self.safety_margin_s
        return Capacity(units, interval, limit.kind, per_second, margin_s)


def _computed(weigh: Any, limit_id: str, request: Any) -> int:
    if request is None:
        raise ConfigurationError(
            f'the weight of a call under "{limit_id}" is computed from its request, and none was '
            "given; pass request="
        )
    name = getattr(weigh, "__name__", type(weigh).__name__)
    problem = ""
    try:
        weight = weigh(request)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise ConfigurationError(
            f'the weight of a call under "{limit_id}" is told by {name}, which raised {problem}; '
            "nothing was sent"
        )
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        raise ConfigurationError(
            f'the weight of a call under "{limit_id}" is a whole number of at least 0, and '
            f"{name} returned {weight!r}"
        )
    return weight


def _checked(rate_limits: object) -> list[RateLimit]:
    if not isinstance(rate_limits, Iterable) or isinstance(rate_limits, str):
        raise ConfigurationError(f"rate_limits is a list of RateLimit, got {rate_limits!r}")
    limits = list(rate_limits)
    for limit in limits:
        if not isinstance(limit, RateLimit):
            raise ConfigurationError(
                f'rate_limits holds {limit!r}; write RateLimit("its id", limit, seconds)'
            )
    return limits


def _margin(margin: object) -> Decimal | float:
    if (
        isinstance(margin, bool)
        or not isinstance(margin, (int, float, Decimal))
        or not 0 <= float(margin) < 1
    ):
        raise ConfigurationError(
            f"safety_margin_pct is a fraction from 0 to below 1, 0.05 for 5 %, got {margin!r}"
        )
    return margin


def _margin_s(margin: object) -> float:
    if (
        isinstance(margin, bool)
        or not isinstance(margin, (int, float))
        or not 0 <= margin < math.inf
    ):
        raise ConfigurationError(f"safety_margin_s is seconds, 0 or more, got {margin!r}")
    return float(margin)


def _share(share: object) -> Decimal:
    if share is None:
        return _ALL
    if not isinstance(share, bool) and isinstance(share, (int, float, Decimal)):
        # By way of its text: 33.3 means 33.3, not the double next to it.
        percentage = Decimal(str(share))
        if percentage.is_finite() and 0 < percentage <= _ALL:
            if percentage < 1:
                _log.warning(
                    "limits_share_percentage=%s is less than one percent; for a half write 50",
                    share,
                )
            return percentage
    raise ConfigurationError(
        f"limits_share_percentage is a percentage above 0 and up to 100, got {share!r}"
    )
