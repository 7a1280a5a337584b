"""Who goes next: callers that wait for capacity, in fair order."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from networkpype.throttler.kinds import Priority
from networkpype.throttler.store.base import Account, Charge

__all__ = ["Lane", "Lines"]


class Lane(NamedTuple):
    """What calls of one kind cost, and the account that it is charged to.

    `intervals` are those of the charges, in seconds, in the same order. `counts_flights` tells that
    one of them is a limit of calls under way.
    """

    limit_id: str
    priority: Priority
    account: Account
    charges: tuple[Charge, ...]
    intervals: tuple[float, ...]
    counts_flights: bool = False


class _Place(NamedTuple):
    """When a ticket came, counted from 1, and how it will be charged."""

    arrival: int
    hold: bool
    lane: Lane


class _Ticket(Protocol):
    def done(self) -> bool: ...


TicketT = TypeVar("TicketT", bound=_Ticket)
_Key: TypeAlias = tuple[Priority, str]


class _Line(Generic[TicketT]):
    """Tickets of one limit id and priority, first to last, and the units that they wait for."""

    __slots__ = ("lets_pass", "places", "units")

    def __init__(self) -> None:
        # Ordered, for a caller that gives up leaves from the middle.
        self.places: OrderedDict[TicketT, _Place] = OrderedDict()
        self.units: dict[str, int] = {}
        self.lets_pass: frozenset[str] = frozenset()

    def add(self, ticket: TicketT, place: _Place) -> None:
        self.places[ticket] = place
        for charge in place.lane.charges:
            self.units[charge.limit_id] = self.units.get(charge.limit_id, 0) + charge.weight

    def remove(self, ticket: TicketT) -> None:
        for charge in self.places.pop(ticket).lane.charges:
            self.units[charge.limit_id] -= charge.weight

    def head(self) -> tuple[TicketT, _Place]:
        return next(iter(self.places.items()))


class Lines(Generic[TicketT]):
    """A line of tickets for each limit id and priority; only the head of one can be admitted.

    The heads are judged by priority and then in the order in which they came, and one that has to
    wait keeps what it needs of every limit out of reach of those behind it. So calls under one id
    and priority go strictly in order; of two calls of one priority that share a limit, the later
    goes first only where the earlier is held up by something else for so long that what the later
    takes should be back; lines that share no limit know nothing of each other.

    Knows neither clock nor loop. A ticket that is done (its caller gave up) is passed over.
    """

    def __init__(self) -> None:
        self.waiting: dict[_Key, _Line[TicketT]] = {}
        self._arrivals = 0

    def join(self, lane: Lane, ticket: TicketT, hold: bool = False) -> bool:
        """Stand at the end; return whether the ticket is the head of its line.

        `hold` is how its charge is made when its turn comes.
        """
        key = (lane.priority, lane.limit_id)
        line = self.waiting.get(key)
        if line is None:
            line = self.waiting[key] = _Line()
        self._arrivals += 1
        line.add(ticket, _Place(self._arrivals, hold, lane))
        return len(line.places) == 1

    def leave(self, lane: Lane, ticket: TicketT) -> bool:
        """Step out; return whether that may let others go."""
        key = (lane.priority, lane.limit_id)
        line = self.waiting.get(key)
        if line is None or ticket not in line.places:
            return False
        was_head = line.head()[0] is ticket
        line.remove(ticket)
        if not line.places:
            del self.waiting[key]
        return was_head

    def count(self, limit_id: str) -> int:
        """Return how many tickets wait under this id, whatever their priority."""
        return sum(len(line.places) for (_, each), line in self.waiting.items() if each == limit_id)

    def ahead_of(self, lane: Lane, has_room: Callable[[str, int], bool]) -> dict[str, int]:
        """Return the units that go before a call that would join now, as things stand.

        `has_room` tells whether so many units of a limit are free. Of another line that is held up
        by a limit which the call does not need, no more than the head is sure to go before it.
        """
        ahead = dict.fromkeys((charge.limit_id for charge in lane.charges), 0)
        for (priority, name), line in self.waiting.items():
            if priority > lane.priority:
                continue
            units: Mapping[str, int] = line.units
            if (priority, name) != (lane.priority, lane.limit_id) and not all(
                has_room(other, units[other]) for other in units.keys() - ahead.keys()
            ):
                units = {each.limit_id: each.weight for each in line.head()[1].lane.charges}
            for limit_id in ahead.keys() & units.keys() - line.lets_pass:
                ahead[limit_id] += units[limit_id]
        return ahead

    def tickets(self) -> Iterator[tuple[TicketT, Lane]]:
        """Iterate over all that wait; nobody joins or leaves meanwhile."""
        for line in self.waiting.values():
            for ticket, place in line.places.items():
                yield ticket, place.lane

    def remove(self, unwanted: Callable[[TicketT], bool]) -> None:
        """Take every unwanted ticket out of its line."""
        for ticket, lane in [each for each in self.tickets() if unwanted(each[0])]:
            self.leave(lane, ticket)

    def relane(self, find: Callable[[Lane], Lane | None]) -> list[tuple[TicketT, Lane]]:
        """Have everyone wait by the lane that `find` returns for theirs; dismiss where it is None.

        Places are kept. Return who was dismissed.
        """
        dismissed: list[tuple[TicketT, Lane]] = []
        for key, line in list(self.waiting.items()):
            renewed: _Line[TicketT] = _Line()
            for ticket, place in line.places.items():
                lane = find(place.lane)
                if lane is None:
                    dismissed.append((ticket, place.lane))
                else:
                    renewed.add(ticket, place._replace(lane=lane))
            if renewed.places:
                self.waiting[key] = renewed
            else:
                del self.waiting[key]
        return dismissed

    def admit(self, now: float) -> tuple[list[tuple[TicketT, Account]], float]:
        """Charge for all that may go at `now`; return them, and when to look again.

        Each is returned with the account that paid. Look again at infinity means: not before
        somebody joins or leaves, or the limits change.
        """
        admitted: list[tuple[TicketT, Account]] = []
        again_at = math.inf
        ahead: dict[str, int] = {}
        heads = [(key[0], line.head()[1].arrival, key, line) for key, line in self.waiting.items()]
        heapify(heads)
        while heads:
            priority, _, key, line = heads[0]
            ticket, (_, hold, lane) = line.head()
            if not ticket.done():
                free_at = lane.account.try_charge(now, ahead, hold)
                if free_at is not None:
                    again_at = min(again_at, free_at)
                    line.lets_pass = _keep_free(lane, now, free_at, ahead)
                    heappop(heads)
                    continue
                admitted.append((ticket, lane.account))
            line.remove(ticket)
            if line.places:
                heapreplace(heads, (priority, line.head()[1].arrival, key, line))
            else:
                del self.waiting[key]
                heappop(heads)
        return admitted, again_at


def _keep_free(lane: Lane, now: float, free_at: float, ahead: dict[str, int]) -> frozenset[str]:
    """Add what the head needs to `ahead`; return the limits that others may use meanwhile."""
    # Where the head waits longer than an interval, what others take now is back by then: a call
    # that waits for its limit of the day must not keep the limit of the second half empty. One
    # step of the float earlier, for the end of an interval that starts now is rounded up.
    wait_s = math.nextafter(free_at, -math.inf) - now
    passed = []
    for (limit_id, weight, _), interval in zip(lane.charges, lane.intervals, strict=True):
        if wait_s <= interval or free_at == math.inf:
            ahead[limit_id] = ahead.get(limit_id, 0) + weight
        else:
            passed.append(limit_id)
    return frozenset(passed)
