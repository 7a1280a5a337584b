"""The contract between the throttler, which knows who waits, and a store, which counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from networkpype.throttler.kinds import LimitKind

__all__ = ["Account", "Capacity", "Charge", "LimitStore", "Observation", "Usage"]


class Capacity(NamedTuple):
    """How many units of a limit may be used, and how they come back.

    `units` may be used in any `time_interval` seconds of a rolling window, between two multiples of
    it on a clock that is `ahead()` seconds before the throttler's, give or take `doubt()`, for a
    fixed window, at once for the others. `per_second` is what drips back into a bucket or falls off
    a counter. `margin_s` is how much later than its departure a call may arrive that is not held
    until its answer.
    """

    units: int
    time_interval: float
    kind: LimitKind = LimitKind.ROLLING_WINDOW
    per_second: float = 0.0
    margin_s: float = 0.0
    ahead: Callable[[], float] | None = None
    doubt: Callable[[], float] | None = None


class Charge(NamedTuple):
    """What one call costs under one limit, in units, at least 1; `reserve` it has to leave free."""

    limit_id: str
    weight: int
    reserve: int = 0


class Usage(NamedTuple):
    """How full a limit is; the instants are on the throttler's clock.

    `free_at` is when one more unit will fit, which is now if it does. `held` of the `used` units
    belong to calls under way. Up to `blocked_until` the exchange wants no call.
    """

    used: float
    free_at: float
    held: int = 0
    blocked_until: float = -math.inf


class Observation(NamedTuple):
    """The exchange counted `used` units of a limit at some time since `since`, when a call left.

    `counted` is what was counted here when it left, `own` what it weighs, still held. Of `used`,
    `spare` units may be of others who are not counted here.
    """

    used: int
    since: float
    counted: float
    own: int
    spare: int = 0


class Account(Protocol):
    """What the calls under one limit id are charged to: that limit and those linked to it."""

    @property
    def charges(self) -> tuple[Charge, ...]:
        """What one call costs."""
        ...

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        """Charge everything and return None, or nothing and return when to ask again.

        `ahead` is what must stay free besides, in units by limit id: callers who came earlier need
        it. `hold` keeps the charge from expiring until it is settled. The instant returned is later
        than `now`, on the same clock; infinity means that only another caller's admission,
        settlement or withdrawal can help.
        """
        ...

    def forecast(self, now: float, ahead: Mapping[str, int]) -> float:
        """Return the first instant at which the call may fit, with `ahead` charged before it.

        As things stand, and where every call under way is over now: it may be later.
        """
        ...

    def lift(self, at: float, now: float) -> bool:
        """Hold an admission granted at `at`; where any of it expired, take it back: False."""
        ...

    def settle(self, now: float) -> None:
        """Let one held admission begin to expire: its call is over."""
        ...

    def refund(self, at: float | None) -> None:
        """Take back one admission granted at `at`, a held one where None: nothing was sent."""
        ...


@runtime_checkable
class LimitStore(Protocol):
    """Counts what is used of each limit and decides admissions; it never waits and never queues.

    Who waits and in what order is the throttler's business.
    """

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        """Count for these limits from now on; what is charged under an id that stays, stays."""
        ...

    def account(self, charges: Sequence[Charge]) -> Account:
        """Return the account of calls that cost this; it holds until the next `configure`."""
        ...

    def usage(self, limit_id: str, now: float) -> Usage:
        """Return how full the limit is."""
        ...

    def block(self, limit_id: str, until: float, now: float) -> None:
        """Admit nothing to this limit before `until`; a block that lasts longer stays."""
        ...

    def unblock(self, limit_id: str, now: float) -> None:
        """End the block of this limit at `now`, if there is one; its count stays as it is."""
        ...

    def observe(self, limit_id: str, seen: Observation, now: float) -> tuple[float, float]:
        """Correct the count by what the exchange says; return it before and after.

        What the exchange counted besides what was counted here by then is somebody else's, and is
        charged, but for what is spare. What was counted here and not there is taken back, but for
        what was charged since then (or within the margin before) or is under way: the exchange may
        not have seen it.
        """
        ...

    def fresh(self) -> LimitStore:
        """Return the store for a copy of the throttler: a new count, where counts are private."""
        ...
