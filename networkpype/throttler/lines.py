"""Who goes next: callers that wait for capacity, in fair order."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Generic, NamedTuple, Protocol, TypeVar

from networkpype.throttler.store.base import Account, Charge

__all__ = ["Lane", "Lines"]


class Lane(NamedTuple):
    """What the calls under one limit id cost, and the account that it is charged to.

    `intervals` are those of the charges, in seconds, in the same order.
    """

    account: Account
    charges: tuple[Charge, ...]
    intervals: tuple[float, ...]


class _Place(NamedTuple):
    """When a ticket came, counted from 1, and how it will be charged."""

    arrival: int
    hold: bool


class _Ticket(Protocol):
    def done(self) -> bool: ...


TicketT = TypeVar("TicketT", bound=_Ticket)


class Lines(Generic[TicketT]):
    """A line of tickets for each limit id; only the head of a line can be admitted.

    The heads are judged in the order in which they came, and one that has to wait keeps what it
    needs of every limit out of reach of those behind it. So calls under one id go strictly in
    order; of two calls that share a limit, the later goes first only where the earlier is held up
    by something else for so long that what the later takes should be back; lines that share no
    limit know nothing of each other.

    Knows neither clock nor loop. A ticket that is done (its caller gave up) is passed over.
    """

    def __init__(self) -> None:
        # Ordered, for a caller that gives up leaves from the middle.
        self.by_limit: dict[str, OrderedDict[TicketT, _Place]] = {}
        self._arrivals = 0

    def join(self, limit_id: str, ticket: TicketT, hold: bool = False) -> bool:
        """Stand at the end; return whether the ticket is the head of its line.

        `hold` is how its charge is made when its turn comes.
        """
        line = self.by_limit.setdefault(limit_id, OrderedDict())
        self._arrivals += 1
        line[ticket] = _Place(self._arrivals, hold)
        return len(line) == 1

    def leave(self, limit_id: str, ticket: TicketT) -> bool:
        """Step out; return whether that may let others go."""
        line = self.by_limit.get(limit_id)
        if line is None or ticket not in line:
            return False
        was_head = next(iter(line)) is ticket
        del line[ticket]
        if not line:
            del self.by_limit[limit_id]
        return was_head

    def dismiss(self, limit_id: str) -> list[TicketT]:
        """End the whole line; return who stood there, first to last."""
        return list(self.by_limit.pop(limit_id, ()))

    def remove(self, unwanted: Callable[[TicketT], bool]) -> None:
        """Take every unwanted ticket out of its line."""
        for limit_id, line in list(self.by_limit.items()):
            for ticket in [each for each in line if unwanted(each)]:
                self.leave(limit_id, ticket)

    def admit(
        self, now: float, lanes: Mapping[str, Lane]
    ) -> tuple[list[tuple[TicketT, Account]], float]:
        """Charge for all that may go at `now`; return them, and when to look again.

        Each is returned with the account that paid. Look again at infinity means: not before
        somebody joins or leaves, or the limits change.
        """
        admitted: list[tuple[TicketT, Account]] = []
        again_at = math.inf
        ahead: dict[str, int] = {}
        heads = [(next(iter(line.values())), limit_id) for limit_id, line in self.by_limit.items()]
        heapify(heads)
        while heads:
            (_, hold), limit_id = heads[0]
            line, lane = self.by_limit[limit_id], lanes[limit_id]
            ticket = next(iter(line))
            if not ticket.done():
                free_at = lane.account.try_charge(now, ahead, hold)
                if free_at is not None:
                    again_at = min(again_at, free_at)
                    _keep_free(lane, now, free_at, ahead)
                    heappop(heads)
                    continue
                admitted.append((ticket, lane.account))
            line.popitem(last=False)
            if line:
                heapreplace(heads, (next(iter(line.values())), limit_id))
            else:
                del self.by_limit[limit_id]
                heappop(heads)
        return admitted, again_at


def _keep_free(lane: Lane, now: float, free_at: float, ahead: dict[str, int]) -> None:
    # Where the head waits longer than an interval, what others take now is back by then: a call
    # that waits for its limit of the day must not keep the limit of the second half empty. One
    # step of the float earlier, for the end of an interval that starts now is rounded up.
    wait_s = math.nextafter(free_at, -math.inf) - now
    for (limit_id, weight), interval in zip(lane.charges, lane.intervals, strict=True):
        if wait_s <= interval or free_at == math.inf:
            ahead[limit_id] = ahead.get(limit_id, 0) + weight
