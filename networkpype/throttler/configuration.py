"""The limits of one throttler: checked, scaled by share and margin, and linked."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeGuard

from networkpype.errors import ConfigurationError, UnknownLimitError, WeightExceedsLimitError
from networkpype.throttler.rate_limit import RateLimit
from networkpype.throttler.store.base import Capacity, Charge

__all__ = ["Configuration"]

_ALL = Decimal(100)


class Configuration:
    """What a throttler holds itself to; made anew for every change of the limits.

    `limits` are copies, scaled by the share, by id; `capacities` are what may be used of them,
    the safety margin taken off; `charges` say what a call under an id costs where.
    """

    def __init__(
        self,
        rate_limits: Iterable[RateLimit],
        safety_margin_pct: Decimal | float,
        share_percentage: Decimal | float | None,
    ) -> None:
        self.safety_margin_pct = _margin(safety_margin_pct)
        self.share_percentage = _share(share_percentage)
        self.limits: dict[str, RateLimit] = {}
        for limit in _checked(rate_limits):
            if limit.limit_id in self.limits:
                raise ConfigurationError(
                    f'two rate limits are named "{limit.limit_id}"; rename one or remove it'
                )
            scaled = int(limit.limit * self.share_percentage / _ALL)
            self.limits[limit.limit_id] = limit.copy(limit=max(1, scaled))
        self.capacities = {
            limit_id: Capacity(
                max(1, int(limit.limit * (1 - self.safety_margin_pct))), limit.time_interval
            )
            for limit_id, limit in self.limits.items()
        }
        self.charges = {limit_id: self._charges(limit_id) for limit_id in self.limits}

    def with_limits(self, rate_limits: Iterable[RateLimit]) -> Configuration:
        """Return the configuration for other limits, of which the same share and margin hold."""
        return Configuration(rate_limits, self.safety_margin_pct, self.share_percentage)

    def related(self, limit_id: str) -> list[tuple[RateLimit, int]]:
        """Return the limit itself and those linked to it, each with a call's weight there."""
        if not self._knows(limit_id):
            raise self.refusal(limit_id)
        limit = self.limits[limit_id]
        pairs = [(pair.limit_id, pair.weight) for pair in limit.linked_limits]
        return [(self.limits[name], weight) for name, weight in [(limit_id, limit.weight), *pairs]]

    def refusal(self, limit_id: object) -> ConfigurationError:
        """Say why a call under this id is not admitted: too heavy, or no such limit."""
        heavy = self.too_heavy(limit_id) if self._knows(limit_id) else None
        return heavy or UnknownLimitError(limit_id, self.limits)

    def too_heavy(self, limit_id: str) -> WeightExceedsLimitError | None:
        """Say why no call under this id would ever fit, None where it does."""
        for name, weight in self.charges[limit_id]:
            units, seconds = self.capacities[name]
            if weight > units:
                return WeightExceedsLimitError(
                    f'a call under "{limit_id}" weighs {weight} in rate limit "{name}", of which '
                    f"{units} may be used in {seconds:g} s ({self.share_percentage:f} % of the "
                    f"limit are ours, less a margin of {self.safety_margin_pct:.4g} for safety): "
                    "it could never be sent; lower the weight or the margin, or raise the limit "
                    "or the share"
                )
        return None

    def _knows(self, limit_id: object) -> TypeGuard[str]:
        return isinstance(limit_id, str) and limit_id in self.limits

    def _charges(self, limit_id: str) -> tuple[Charge, ...]:
        weights: dict[str, int] = {}
        for pair in self.limits[limit_id].linked_limits:
            if pair.limit_id not in self.limits:
                error = UnknownLimitError(pair.limit_id, self.limits)
                error.add_note(f'rate limit "{limit_id}" links to it; add it or remove the link')
                raise error
        for limit, weight in self.related(limit_id):
            weights[limit.limit_id] = weights.get(limit.limit_id, 0) + weight
        return tuple(Charge(name, weight) for name, weight in weights.items() if weight)


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


def _share(share: object) -> Decimal:
    if share is None:
        return _ALL
    if not isinstance(share, bool) and isinstance(share, (int, float, Decimal)):
        # By way of its text: 33.3 means 33.3, not the double next to it.
        percentage = Decimal(str(share))
        if percentage.is_finite() and 0 < percentage <= _ALL:
            return percentage
    raise ConfigurationError(
        f"limits_share_percentage is a percentage above 0 and up to 100, got {share!r}"
    )
