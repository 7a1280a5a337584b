"""The contract between the queue of one throttler and a store that several processes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol, runtime_checkable

from networkpype.throttler.store.base import Capacity, Charge

__all__ = [
    "Ask",
    "Batch",
    "Call",
    "Correction",
    "Hold",
    "Reply",
    "Seen",
    "SharedLimitStore",
    "SharedLimits",
    "SharedUsage",
    "StoreLostError",
    "lifts_s",
]


class StoreLostError(Exception):
    """The store cannot be asked now; what it was asked may have been done. For the queue alone.

    `is_final` tells that it refuses, did nothing of it, and that no waiting mends that.
    """

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


_PREPARES_S = 5.0


def lifts_s(limit: Capacity) -> float:
    """Return for how long a call may be prepared: what takes longer is charged anew.

    A store that was lost has to stay quiet for so long besides: nobody knows of such a call yet.
    """
    return min(limit.time_interval, _PREPARES_S)


class Hold(IntEnum):
    """What becomes of a charge by itself."""

    FINAL = 0
    """It counts as if the call were sent when it was granted."""
    UNTIL_SETTLED = 1
    """It counts until it is settled, and from then on; without a word for the store's lease."""
    PREPARED = 2
    """It counts for an interval, in which it may be lifted, and some time more to tell of that."""


class Ask(NamedTuple):
    """A call that wants to go.

    `rank` is its priority; no ask of a `line` is granted after one of it that is not. `waited_s` is
    for how long it has waited, `waiting` how many wait in its line, itself among them. `again` says
    that it was asked before and no answer came: it is charged once.
    """

    call_id: int
    hold: Hold
    rank: int
    line: int
    waited_s: float
    again: bool
    waiting: int
    charges: tuple[Charge, ...]


class Call(NamedTuple):
    """A call that was granted, and for how long what is told of it has been true."""

    call_id: int
    charges: tuple[Charge, ...]
    age_s: float = 0.0


class Seen(NamedTuple):
    """The exchange counted `used` units of a limit at some time in the last `age_s` seconds.

    The others are as in `Observation`.
    """

    limit_id: str
    used: int
    age_s: float
    counted: float
    own: int
    spare: int = 0


@dataclass(slots=True)
class Batch:
    """All that one throttler has to tell and to ask, in the order in which it is to be done.

    `everything` asks for the usage of all limits. `reset` says that the store may not know all that
    was sent: it lets nothing go under any limit until all of it has left every window. `unblocks`
    end what was blocked so many seconds ago or before, and not that pause; `blocks` are seconds by
    limit id.
    """

    reset: bool = False
    everything: bool = False
    unblocks: Mapping[str, float] = field(default_factory=dict)
    blocks: Mapping[str, float] = field(default_factory=dict)
    seen: Sequence[Seen] = ()
    renewals: Sequence[Call] = ()
    settled: Sequence[Call] = ()
    refunds: Sequence[Call] = ()
    asks: Sequence[Ask] = ()

    @property
    def is_lone(self) -> bool:
        """Whether it asks and has nothing to tell."""
        return not (
            self.settled
            or self.renewals
            or self.refunds
            or self.seen
            or self.unblocks
            or self.blocks
            or self.reset
            or self.everything
        )


class SharedUsage(NamedTuple):
    """How much of a limit is used by all, and for how long it is blocked.

    `free_s` is in how long one more unit is free; 0 where one is, or where nobody knows.
    """

    used: float
    blocked_s: float
    free_s: float = 0.0


class Correction(NamedTuple):
    """What was counted of a limit before and after the exchange was believed."""

    limit_id: str
    before: float
    after: float


class Reply(NamedTuple):
    """What the store did.

    `waits` has, for each ask, 0 where it was granted, and else in how many seconds to ask again:
    below zero where it may be free before, which nobody knows of calls under way.
    Where `forgot` is true, nothing was done: the store lost its counts since it was asked last, and
    is to be asked the same with `reset`. `had_forgot` tells, after a reset, that it would have said
    so. `paused_s` is for how long it is quiet at most, after a reset or for others that have to
    come back. `unblocked` are limits that were blocked until now, and for how many seconds more.
    """

    forgot: bool
    waits: Sequence[float] = ()
    usage: Mapping[str, SharedUsage] = {}
    corrections: Sequence[Correction] = ()
    paused_s: float = 0.0
    had_forgot: bool = False
    unblocked: Sequence[tuple[str, float]] = ()


class SharedLimits(Protocol):
    """The way of one throttler to the store. One `run` at a time."""

    lease_s: float
    """A call that is held counts for so long after it was renewed last."""
    guard_s: float
    """A call that was prepared counts for so long after its interval."""
    before_close: Callable[[], Awaitable[None]] | None
    """Set by the queue: awaited before the way is closed, for what is still to be told."""
    hear: Callable[[], Awaitable[None]] | None
    """Set by the queue: awaited to have it ask how much of every limit is used."""

    wake: Callable[[], None] | None
    """Set by the queue: called where one that waits may go at once, by what others did."""

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        """Count for these limits from now on."""
        ...

    async def run(self, batch: Batch, now: Callable[[], float]) -> Reply:
        """Do all of the batch at once; `now` is the throttler's clock. Raises StoreLostError."""
        ...


@runtime_checkable
class SharedLimitStore(Protocol):
    """Counts for several processes; the throttler's own lines stand before it.

    `local_share_pct` is what may be used of each limit while the store is lost, in percent; None to
    wait until it is back.
    """

    local_share_pct: float | None

    def join(self) -> SharedLimits:
        """Return the way to it for one more throttler."""
        ...
