"""Callers that wait for a shared store, and for whom of them it is asked next."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import NamedTuple

from networkpype.throttler.kinds import Priority
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.local_queue import Grant
from networkpype.throttler.store.shared import Ask, Hold

__all__ = ["Asked", "Ticket", "ask_of", "chosen"]


class Ticket:
    """A caller that waits; `judged` once the store has let it wait, `again` if that is not sure.

    `bottleneck` is the limit that held it up first, as far as is known.
    """

    __slots__ = (
        "again",
        "asked_at",
        "bottleneck",
        "call_id",
        "deadline",
        "future",
        "hold",
        "judged",
    )

    def __init__(
        self,
        future: asyncio.Future[Grant],
        call_id: int,
        hold: Hold,
        asked_at: float,
        deadline: float,
    ) -> None:
        self.future = future
        self.call_id = call_id
        self.hold = hold
        self.asked_at = asked_at
        self.deadline = deadline
        self.judged = False
        self.bottleneck = ""
        self.again = False

    def done(self) -> bool:
        return self.future.done()


class Asked(NamedTuple):
    """A ticket that the store is asked for."""

    ticket: Ticket
    lane: Lane
    key: tuple[Priority, str]


def chosen(lines: Lines[Ticket], reach: int) -> list[Asked]:
    """Choose whom to ask for: the head of every line, and of the rest who came first.

    They are in fair order, and about `reach`.
    """
    found: list[tuple[Priority, int, Asked]] = []
    for key, line in lines.waiting.items():
        for ticket, place in islice(line.places.items(), reach):
            if not ticket.done():
                found.append((key[0], place.arrival, Asked(ticket, place.lane, key)))
    found.sort(key=_fair)
    heads: set[tuple[Priority, str]] = set()
    asked: list[Asked] = []
    for _, _, each in found:
        if len(asked) < reach or each.key not in heads:
            heads.add(each.key)
            asked.append(each)
    return asked


def ask_of(asked: list[Asked], lines: Lines[Ticket], now: float) -> list[Ask]:
    """Return what the store is asked for them."""
    numbers: dict[tuple[Priority, str], int] = {}
    return [
        Ask(
            ticket.call_id,
            ticket.hold,
            key[0],
            numbers.setdefault(key, len(numbers)),
            now - ticket.asked_at,
            ticket.again,
            len(lines.waiting[key].places),
            lane.charges,
        )
        for ticket, lane, key in asked
    ]


def _fair(chosen: tuple[Priority, int, Asked]) -> tuple[Priority, int]:
    return chosen[:2]
