"""What a shared store has told of its limits, and what follows from it until it tells more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from networkpype.throttler.bottleneck import Bottleneck, find_bottleneck
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.lines import Lane
from networkpype.throttler.store.base import Capacity, Usage
from networkpype.throttler.store.shared import SharedUsage

__all__ = ["Told"]

_LEAST_S = 0.001
_NOTHING = (SharedUsage(0, 0.0), -math.inf)


class Told:
    """The use of each limit as the store told it last, which may be long ago.

    Iterating gives the limits that it told anything of. `held` tells the units of a limit that
    calls under way in this process hold.
    """

    def __init__(self, held: Callable[[str], int]) -> None:
        self._held = held
        self._capacities: Mapping[str, Capacity] = {}
        self._usage: dict[str, tuple[SharedUsage, float]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._usage)

    def configure(self, capacities: Mapping[str, Capacity]) -> None:
        """Judge by these limits from now on."""
        self._capacities = capacities
        self._flights = {
            name for name, each in capacities.items() if each.kind is LimitKind.CONCURRENT
        }

    def note(self, usage: Mapping[str, SharedUsage], now: float) -> None:
        """Note what it told."""
        for name, each in usage.items():
            self._usage[name] = (each, now)

    def block(self, limit_id: str, until: float, now: float) -> None:
        """Presume that the limit is blocked until then, or for as long as was told."""
        told, at = self._usage.get(limit_id, _NOTHING)
        at = now if at == -math.inf else at
        self._usage[limit_id] = (told._replace(blocked_s=max(told.blocked_s, until - at)), at)

    def unblock(self, limit_id: str) -> None:
        """Presume that the limit is not blocked, until it is told."""
        told, at = self._usage.get(limit_id, _NOTHING)
        self._usage[limit_id] = (told._replace(blocked_s=0.0), at)

    def usage(self, limit_id: str, now: float) -> Usage:
        """Return how full the limit was; what is held, held here."""
        told, at = self._usage.get(limit_id, _NOTHING)
        limit = self._capacities.get(limit_id)
        until = at + told.blocked_s if told.blocked_s else -math.inf
        free_at = at + told.free_s
        if limit is not None and told.used >= limit.units:
            if limit.kind is LimitKind.CONCURRENT:
                free_at = math.inf  # nobody knows when a call is over
            elif not told.free_s:
                free_at = now + _LEAST_S
        return Usage(told.used, max(until, free_at), self._held(limit_id), until)

    def forecast(self, limit_id: str, units: int, now: float) -> float:
        """Return when the last of `units` can go at the earliest, were the limit unused now."""
        limit = self._capacities.get(limit_id)
        if limit is None:
            return now
        # What was told to be blocked may go on by now, for another process may have said so.
        if limit.per_second:
            return now + max(0.0, (units - limit.units) / limit.per_second)
        if limit.kind is LimitKind.CONCURRENT:
            return now
        rounds = max(0, units - 1) // limit.units
        if limit.kind is LimitKind.FIXED_WINDOW:
            rounds = max(0, rounds - 1)  # of the first there may be next to nothing left
        return now + rounds * limit.time_interval

    def has_room(self, now: float, limit_id: str, units: int) -> bool:
        """Tell whether so many units were free."""
        limit, usage = self._capacities.get(limit_id), self.usage(limit_id, now)
        free = 0.0 if limit is None else limit.units - usage.used
        return units <= free and usage.blocked_until <= now

    def bottleneck(self, lane: Lane, now: float) -> Bottleneck:
        """Return what holds a call of this lane up, as things stood when the store told last."""
        usages = {each.limit_id: self.usage(each.limit_id, now) for each in lane.charges}
        return find_bottleneck(lane.charges, usages, self._capacities, now)

    def full_until(self, lane: Lane, now: float) -> float:
        """Return until when a caller that has just come need not ask: `now`, or a moment later.

        Where calls of this process hold a limit that was full a moment ago, the end of one is told,
        and the caller asked for with it. One that goes before others has its turn known at once.
        """
        if self._flights and lane.priority is Priority.QUERY:
            for limit_id, *_ in lane.charges:
                if limit_id in self._flights and self._held(limit_id):
                    told, at = self._usage.get(limit_id, _NOTHING)
                    if told.used >= self._capacities[limit_id].units:
                        now = max(now, at + told.free_s)
        return now
