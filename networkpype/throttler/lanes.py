"""Which lane a call goes by: those of the limits, and those made for one call's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.lines import Lane
from networkpype.throttler.store.base import Account, Charge

__all__ = ["Lanes"]

_MOST_COMPUTED = 1_024


class Lanes:
    """The lanes of one configuration; `account` makes what they are charged to.

    `ready` holds those that need no request, by limit id.
    """

    def __init__(
        self, configuration: Configuration, account: Callable[[Sequence[Charge]], Account]
    ) -> None:
        self._configuration = configuration
        self._account = account
        self._computed: dict[tuple[str, Priority, tuple[Charge, ...]], Lane] = {}
        self.ready = {
            limit_id: self._make(limit_id, configuration.limits[limit_id].priority, charges)
            for limit_id, charges in configuration.charges.items()
            if configuration.too_heavy(limit_id, charges) is None
        }

    def find(self, limit_id: str, request: Any, priority: Priority | None) -> Lane:
        """Return the lane of a call; raise what is wrong with it, a weight that never fits too."""
        try:
            lane = self.ready[limit_id]
        except (KeyError, TypeError):
            if not self._configuration.knows(limit_id):
                raise self._configuration.refusal(limit_id) from None
        else:
            if priority is None or priority is lane.priority:
                return lane
        return self._compute(limit_id, request, priority)

    def successor(self, lane: Lane) -> Lane | None:
        """Return the lane that takes the place of another's, None where none can."""
        new = self.ready.get(lane.limit_id)
        if new is not None and new.priority is lane.priority:
            return new
        if self._refusal(lane) is not None:
            return None
        return self._make(lane.limit_id, lane.priority, self._cost(lane))

    def refusal(self, lane: Lane) -> ConfigurationError:
        """Say why a lane has no successor."""
        return self._refusal(lane) or self._configuration.refusal(lane.limit_id)

    def _refusal(self, lane: Lane) -> ConfigurationError | None:
        if not self._configuration.knows(lane.limit_id):
            return self._configuration.refusal(lane.limit_id)
        return self._configuration.too_heavy(lane.limit_id, self._cost(lane))

    def _cost(self, lane: Lane) -> tuple[Charge, ...]:
        # What a computed weight came from is not kept; what it was is.
        computed = {charge.limit_id: charge.weight for charge in lane.charges}
        return self._configuration.cost(lane.limit_id, None, lane.priority, computed)

    def _compute(self, limit_id: str, request: Any, priority: Priority | None) -> Lane:
        """Return the lane of a call with a priority of its own, or weights by its request."""
        configuration = self._configuration
        if priority is None:
            priority = configuration.limits[limit_id].priority
        elif not isinstance(priority, Priority):
            raise ConfigurationError(f"priority is a Priority, got {priority!r}")
        charges = configuration.cost(limit_id, request, priority)
        key = (limit_id, priority, charges)
        lane = self._computed.get(key)
        if lane is None:
            heavy = configuration.too_heavy(limit_id, charges)
            if heavy is not None:
                raise heavy
            if len(self._computed) >= _MOST_COMPUTED:
                self._computed.clear()
            lane = self._computed[key] = self._make(limit_id, priority, charges)
        return lane

    def _make(self, limit_id: str, priority: Priority, charges: tuple[Charge, ...]) -> Lane:
        capacities = [self._configuration.capacities[charge.limit_id] for charge in charges]
        return Lane(
            limit_id,
            priority,
            self._account(charges),
            charges,
            tuple(capacity.time_interval for capacity in capacities),
            any(capacity.kind is LimitKind.CONCURRENT for capacity in capacities),
        )
