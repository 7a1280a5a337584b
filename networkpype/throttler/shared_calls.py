"""Calls that a shared store has granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.shared_outbox import Outbox
from networkpype.throttler.store.base import Account, Capacity, Charge
from networkpype.throttler.store.shared import Hold, lifts_s

__all__ = ["SharedCall", "SharedLane"]


class SharedLane:
    """What the calls of one lane are charged to: nothing here, but for a share of one's own.

    Stands where an account does, so that every caller comes to wait in line. `alone` charges that
    share, `free_at` tells when the last of some units of a limit can go at the earliest.
    """

    __slots__ = ("_alone", "_free_at", "charges", "is_flight", "lifts_s")

    def __init__(
        self,
        charges: tuple[Charge, ...],
        limits: Sequence[Capacity],
        alone: Callable[[tuple[Charge, ...], float, Mapping[str, int], bool], float | None],
        free_at: Callable[[str, int, float], float],
    ) -> None:
        self._alone = alone
        self._free_at = free_at
        self.charges = charges
        self.lifts_s = min((lifts_s(limit) for limit in limits), default=math.inf)
        self.is_flight = any(limit.kind is LimitKind.CONCURRENT for limit in limits)

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        """Charge the local share while the store is lost; else it takes more than a look here."""
        # None: not from the lines, which come first.
        return math.inf if ahead is None else self._alone(self.charges, now, ahead, hold)

    def forecast(self, now: float, ahead: Mapping[str, int]) -> float:
        """Return the first instant at which the call may fit, were the limits unused now."""
        units = {each.limit_id: each.weight + ahead.get(each.limit_id, 0) for each in self.charges}
        return max((self._free_at(name, each, now) for name, each in units.items()), default=now)

    def lift(self, at: float, now: float) -> bool:
        """Raise: a call that was granted has an account of its own."""
        raise NotImplementedError

    def settle(self, now: float) -> None:
        """Raise, as `lift` does."""
        raise NotImplementedError

    def refund(self, at: float | None) -> None:
        """Raise, as `lift` does."""
        raise NotImplementedError


class SharedCall:
    """One admission by the store that processes share; what `Account` is to a caller of one.

    `lane` is what it was charged to, `local` the account of this process that paid instead while
    the store was lost.
    """

    __slots__ = ("_lane", "_local", "_outbox", "call_id", "charges", "hold")

    def __init__(
        self, outbox: Outbox, call_id: int, lane: Account, hold: Hold, local: Account | None
    ) -> None:
        self._outbox = outbox
        self.call_id = call_id
        self._lane = lane
        self.charges = lane.charges
        self.hold = hold
        self._local = local

    @property
    def is_flight(self) -> bool:
        """Whether others may be waiting for its end."""
        return isinstance(self._lane, SharedLane) and self._lane.is_flight

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        """Charge nothing: it is one call, and paid for."""
        return math.inf

    def forecast(self, now: float, ahead: Mapping[str, int]) -> float:
        """Return `now`."""
        return now

    def lift(self, at: float, now: float) -> bool:
        """Hold it; where it was prepared for too long since `at`, take it back: False."""
        if self._local is not None:
            expired = not self._local.lift(at, now)
        else:
            expired = not isinstance(self._lane, SharedLane) or now - at >= self._lane.lifts_s
        if expired:
            self._outbox.refund(self, now)
            return False
        self.hold = Hold.UNTIL_SETTLED
        self._outbox.lifted(self, at, now)
        return True

    def settle(self, now: float) -> None:
        """Let it begin to expire: its answer is there."""
        if self._local is not None:
            self._local.settle(now)
        self._outbox.settle(self, now)

    def refund(self, at: float | None) -> None:
        """Take it back: nothing was sent."""
        if self._local is not None:
            self._local.refund(at)
        self._outbox.refund(self, None)
