"""The contract between the throttler, which knows who waits, and a store, which counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["Account", "Capacity", "Charge", "LimitStore"]


class Capacity(NamedTuple):
    """How many units of a limit may be used in any `time_interval` seconds."""

    units: int
    time_interval: float


class Charge(NamedTuple):
    """What one call costs under one limit, in units; at least 1."""

    limit_id: str
    weight: int


class Account(Protocol):
    """What the calls under one limit id are charged to: that limit and those linked to it."""

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

    Who waits and in what order is the throttler's business, so a store that several processes
    share needs to know nothing of it.
    """

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        """Count for these limits from now on; what is charged under an id that stays, stays."""
        ...

    def account(self, charges: Sequence[Charge]) -> Account:
        """Return the account of calls that cost this; it holds until the next `configure`."""
        ...

    def usage(self, limit_id: str, now: float) -> tuple[int, float]:
        """Return the units used and when one more will fit, which is `now` if it does."""
        ...

    def fresh(self) -> LimitStore:
        """Return the store for a copy of the throttler: a new count, where counts are private."""
        ...
