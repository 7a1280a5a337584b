"""What a shared store is still to be told of the calls that it has granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from networkpype.throttler.store.base import Capacity, Observation
from networkpype.throttler.store.shared import Batch, Call, Hold, Seen

if TYPE_CHECKING:
    from networkpype.throttler.shared_calls import SharedCall

__all__ = ["Outbox"]

_TOLD_WITHIN_S = 0.02
"""Nobody misses a settlement for so long: it is told with its age. Most go with the next ask."""


class Outbox:
    """What is to be told, and when; nothing of it is forgotten before the store has it.

    Knows no clock and no loop but `look`, which is called when there is something to tell.
    """

    def __init__(
        self,
        lease_s: float,
        guard_s: float,
        look: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._lease_s, self._renew_s, self._guard_s = lease_s, lease_s / 3, guard_s
        self._look = look
        self._now = now
        self._under_way: dict[int, SharedCall] = {}
        self._held: dict[str, int] = {}
        self._renewals: list[tuple[float, int]] = []
        self._settled: list[tuple[SharedCall, float]] = []
        self._refunds: list[tuple[SharedCall, float]] = []
        self._seen: list[tuple[str, Observation]] = []
        self._blocks: dict[str, float] = {}
        self._unblocks: dict[str, float] = {}
        self._at = math.inf

    def keep(self, call: SharedCall, renew_at: float) -> None:
        """Renew a call that is under way from `renew_at` on, until it is settled."""
        if not call.charges:
            return
        if call.call_id not in self._under_way:
            self._under_way[call.call_id] = call
            self._hold(call, 1)
        heappush(self._renewals, (renew_at, call.call_id))
        self._look()

    def granted(self, call: SharedCall, now: float) -> None:
        """Note a call that is held from the first."""
        if call.hold is Hold.UNTIL_SETTLED:
            self.keep(call, now + self._renew_s)

    def lifted(self, call: SharedCall, at: float, now: float) -> None:
        """Note that a call which was granted at `at` has left, and tell it soon.

        What was granted counts beyond the interval: the next of that the call may take to arrive.
        So most are over before they have to be told.
        """
        self.keep(call, max(now + _TOLD_WITHIN_S, at + self._guard_s / 4))

    def settle(self, call: SharedCall, now: float) -> None:
        """Tell that the call is over."""
        if self._under_way.pop(call.call_id, None) is not None:
            self._hold(call, -1)
            self._settled.append((call, now))
            self._tell(now if call.is_flight else now + _TOLD_WITHIN_S)

    def refund(self, call: SharedCall, now: float | None) -> None:
        """Tell that the call was not sent."""
        if self._under_way.pop(call.call_id, None) is not None:
            self._hold(call, -1)
        if not call.charges:
            return
        now = self._now() if now is None else now
        self._refunds.append((call, now))
        self._tell(now + _TOLD_WITHIN_S)

    def observe(self, limit_id: str, seen: Observation, now: float) -> None:
        """Tell what the exchange has counted."""
        self._seen.append((limit_id, seen))
        self._tell(now + _TOLD_WITHIN_S)

    def block(self, limit_id: str, until: float, now: float) -> None:
        """Tell that a limit is to stand still."""
        self._blocks[limit_id] = max(until, self._blocks.get(limit_id, -math.inf))
        self._tell(now)

    def unblock(self, limit_id: str, now: float) -> None:
        """Tell that it may go on."""
        self._blocks.pop(limit_id, None)
        self._unblocks[limit_id] = now
        self._tell(now)

    def due(self) -> float:
        """Return when there is something to tell; infinity for never."""
        renewals = self._renewals
        while renewals and renewals[0][1] not in self._under_way:
            heappop(renewals)
        return min(self._at, renewals[0][0] if renewals else math.inf)

    def under_way(self) -> Set[int]:
        """Return the numbers of the calls that are under way, as they change."""
        return self._under_way.keys()

    def held(self, limit_id: str) -> int:
        """Return the units of this limit that calls under way here hold."""
        return self._held.get(limit_id, 0)

    def fill(
        self, batch: Batch, limits: Mapping[str, Capacity], now: float, everything: bool
    ) -> Callable[[], None]:
        """Put what there is into the batch; return what puts it back where it was not told.

        With `everything` all calls under way are renewed, however recently they were.
        """
        self._drop_old(limits, now)
        settled, refunds, seen, blocks = self._settled, self._refunds, self._seen, self._blocks
        unblocks = self._unblocks
        if not (settled or refunds or seen or blocks or unblocks or self._under_way):
            return _nothing
        self._settled, self._refunds, self._seen = [], [], []
        self._blocks, self._unblocks = {}, {}
        self._at = math.inf
        batch.settled = [Call(call.call_id, call.charges, now - at) for call, at in settled]
        batch.refunds = [Call(call.call_id, call.charges) for call, _ in refunds]
        batch.seen = [
            Seen(limit_id, each.used, now - each.since, each.counted, each.own, each.spare)
            for limit_id, each in seen
            if limit_id in limits
        ]
        batch.unblocks = {name: now - at for name, at in unblocks.items() if name in limits}
        batch.blocks = {name: until - now for name, until in blocks.items() if until > now}
        renewed = self._renewed(now, everything)
        batch.renewals = [Call(call_id, self._under_way[call_id].charges) for call_id in renewed]

        def put_back() -> None:
            self._settled[:0], self._refunds[:0], self._seen[:0] = settled, refunds, seen
            for name, until in blocks.items():
                if name not in self._unblocks:
                    self._blocks[name] = max(until, self._blocks.get(name, -math.inf))
            self._unblocks = unblocks | self._unblocks
            for call_id in renewed:
                heappush(self._renewals, (now, call_id))
            self._at = now

        return put_back

    def _drop_old(self, limits: Mapping[str, Capacity], now: float) -> None:
        """Forget what the store does by itself by now, or all of a long loss would pile up."""
        oldest = [each[0][1] for each in (self._settled, self._refunds) if each]
        oldest += [each.since for _, each in self._seen[:1]]
        if now - min(oldest, default=now) <= self._lease_s:
            return
        last_s = {name: self._lease_s + 2 * _counts_s(limit) for name, limit in limits.items()}

        def is_new(call: SharedCall, at: float) -> bool:
            return any(now - at <= last_s.get(name, 0.0) for name, *_ in call.charges)

        self._settled = [each for each in self._settled if is_new(*each)]
        self._refunds = [each for each in self._refunds if is_new(*each)]
        self._seen = [
            (name, each) for name, each in self._seen if now - each.since <= last_s.get(name, 0.0)
        ]

    def _renewed(self, now: float, everything: bool) -> list[int]:
        renewals = self._renewals
        if everything:
            renewals.clear()
            renewed = list(self._under_way)
        else:
            due = set()
            while renewals and renewals[0][0] <= now:
                due.add(heappop(renewals)[1])
            renewed = [call_id for call_id in due if call_id in self._under_way]
        for call_id in renewed:
            heappush(renewals, (now + self._renew_s, call_id))
        return renewed

    def _hold(self, call: SharedCall, sign: int) -> None:
        for limit_id, weight, _ in call.charges:
            self._held[limit_id] = self._held.get(limit_id, 0) + sign * weight

    def _tell(self, at: float) -> None:
        if at < self._at:
            self._at = at
            self._look()


def _counts_s(limit: Capacity) -> float:
    """Return for how long a call counts at most once it is over."""
    if limit.per_second:
        return limit.units / limit.per_second + limit.margin_s
    return limit.time_interval + limit.margin_s


def _nothing() -> None:
    """Put nothing back."""
