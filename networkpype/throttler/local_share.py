"""What one process may do by itself while the store that it shares is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Account, Capacity, Charge, Usage
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.store.shared import lifts_s

__all__ = ["LocalShare", "quiet_s"]

_NEVER_S = 1e9


class LocalShare:
    """A part of each limit, counted in this process, after a quiet that begins with the loss.

    What others were granted last is not known, and may leave as long as a call may be prepared: it
    has to have left every window. So has what was under way here, of which `is_under_way` tells
    whether anything is left; the quiet begins anew when it is over. `percent` of a limit is rounded
    down, and may be nothing.
    """

    def __init__(
        self,
        limits: Mapping[str, Capacity],
        percent: float,
        is_under_way: Callable[[], bool],
        now: float,
    ) -> None:
        self._limits = {
            name: limit._replace(
                units=int(limit.units * percent / 100), per_second=limit.per_second * percent / 100
            )
            for name, limit in limits.items()
        }
        self._quiet_s = {name: quiet_s(limit) for name, limit in limits.items()}
        self._lifts_s = {name: lifts_s(limit) for name, limit in limits.items()}
        self._is_under_way = is_under_way
        self._waits = is_under_way()
        self._store = MemoryStore()
        self._store.configure(self._limits)
        self._accounts: dict[tuple[Charge, ...], Account] = {}
        self._quiet_until: dict[str, float] = {}
        self._block(now, self._lifts_s)

    def account(self, charges: tuple[Charge, ...]) -> Account:
        """Return what calls that cost this are charged to."""
        account = self._accounts.get(charges)
        if account is None:
            account = self._accounts[charges] = self._store.account(charges)
        return account

    def usage(self, limit_id: str, now: float) -> Usage:
        """Return how full the part of this process is."""
        return self._store.usage(limit_id, now)

    def units(self, limit_id: str) -> int:
        """Return the most of it."""
        return self._limits[limit_id].units

    def block(self, limit_id: str, until: float, now: float) -> None:
        """Let nothing go under this limit for so long."""
        if limit_id in self._limits:
            self._store.block(limit_id, until, now)

    def unblock(self, limit_id: str, now: float) -> None:
        """End what was blocked; the interval of quiet goes on."""
        if limit_id in self._limits:
            self._store.unblock(limit_id, now)
            self._store.block(limit_id, self._quiet_until[limit_id], now)

    def try_charge(
        self, charges: tuple[Charge, ...], now: float, ahead: Mapping[str, int], hold: bool
    ) -> float | None:
        """Charge and return None, or return when to ask again; far off where it never fits."""
        for limit_id, weight, reserve in charges:
            if limit_id not in self._limits or weight + reserve > self._limits[limit_id].units:
                return now + _NEVER_S  # not infinity: nobody else has to leave it room
        if self._waits:
            if self._is_under_way():
                return math.inf
            self._waits = False
            self._block(now, {})
        return self.account(charges).try_charge(now, ahead, hold)

    def _block(self, now: float, more_s: Mapping[str, float]) -> None:
        for limit_id, span_s in self._quiet_s.items():
            until = now + span_s + more_s.get(limit_id, 0.0)
            self._quiet_until[limit_id] = max(until, self._quiet_until.get(limit_id, until))
            self._store.block(limit_id, until, now)


def quiet_s(limit: Capacity) -> float:
    """Return how long a limit takes to be as new, whatever was used of it; 1 second at least."""
    if limit.per_second:
        return max(1.0, limit.units / limit.per_second)
    if limit.kind is LimitKind.CONCURRENT:
        return 1.0
    if limit.kind is LimitKind.FIXED_WINDOW:
        # What arrives now may count in the window that begins within the margin.
        return max(1.0, limit.time_interval + 2 * limit.margin_s)
    return max(1.0, limit.time_interval + limit.margin_s)
