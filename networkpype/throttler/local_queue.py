"""Who waits in this process, and the one timer that wakes them."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from networkpype.clock import Clock
from networkpype.errors import ThrottleTimeoutError
from networkpype.hooks import Hook, ThrottleRefused, ThrottleWaited, emit
from networkpype.throttler.bottleneck import Bottleneck, find_bottleneck
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.on_loop import OnLoop
from networkpype.throttler.store.base import (
    Account,
    Capacity,
    Charge,
    LimitStore,
    Observation,
    Usage,
)

__all__ = ["Grant", "LocalQueue"]

Grant: TypeAlias = tuple[Account, float]
"""The account that paid, and when it was charged."""

_Ticket: TypeAlias = "asyncio.Future[Grant]"


class LocalQueue(OnLoop):
    """The callers of one throttler before a store that answers at once."""

    def __init__(self, store: LimitStore, clock: Clock | None, hook: Hook | None) -> None:
        super().__init__(clock)
        self._store = store
        self._hook = hook
        self._lines: Lines[_Ticket] = Lines()
        self.waiting: Mapping[Any, object] = self._lines.waiting
        """Empty where nobody waits."""
        self._capacities: Mapping[str, Capacity] = {}

    def configure(self, capacities: Mapping[str, Capacity]) -> None:
        """Count for these limits from now on."""
        for limit_id, capacity in self._capacities.items():
            if capacity.per_second:  # what came back until now did so at the old rate
                self.usage(limit_id)
        self._store.configure(capacities)
        self._capacities = capacities

    def account(self, charges: Sequence[Charge]) -> Account:
        """Return the account of calls that cost this."""
        return self._store.account(charges)

    def relane(
        self, find: Callable[[Lane], Lane | None], refusal: Callable[[Lane], Exception]
    ) -> None:
        """Judge those who wait by the lanes that `find` gives; where it gives none, refuse them."""
        self._lines.remove(_is_orphan)
        for ticket, lane in self._lines.relane(find):
            if not ticket.done():
                ticket.set_exception(refusal(lane))
        self.look()

    def count(self, limit_id: str) -> int:
        """Return how many callers wait under this id."""
        return self._lines.count(limit_id)

    def units(self, limit_id: str) -> int:
        """Return the most that may be used of a limit."""
        return self._capacities[limit_id].units

    def usage(self, limit_id: str) -> Usage:
        """Return how full the limit is."""
        return self._store.usage(limit_id, self.now())

    def block(self, limit_ids: Iterable[str], for_s: float) -> None:
        """Let nobody go under these limits for so long."""
        now = self.now()
        for limit_id in limit_ids:
            self._store.block(limit_id, now + for_s, now)
        self.look()

    def unblock(self, limit_ids: Iterable[str]) -> tuple[str, ...]:
        """Let calls go again under these limits; return those that were blocked."""
        now = self.now()
        ended = tuple(name for name in limit_ids if self.usage(name).blocked_until > now)
        for limit_id in ended:
            self._store.unblock(limit_id, now)
        self.look()
        return ended

    def observe(self, limit_id: str, seen: Observation) -> tuple[float, float]:
        """Correct the count of a limit; return it before and after."""
        before, after = self._store.observe(limit_id, seen, self.now())
        if after < before:
            self.look()
        return before, after

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Move to the loop that runs now; who waits on one that was closed is forgotten."""
        self.move_to(loop)
        self._lines.remove(_is_orphan)
        self.look()

    async def wait(
        self, lane: Lane, *, hold: bool, max_wait_s: float | None, final: bool = False
    ) -> Grant:
        """Wait in line for capacity, at most `max_wait_s`; return what was charged.

        `final` says that nobody will lift what is not held, which is all the same here.
        """
        asked_at = self.now()
        loop = get_running_loop()
        ticket: _Ticket = loop.create_future()
        ahead = None if max_wait_s is None else self._lines.ahead_of(lane, self._has_room)
        if self._lines.join(lane, ticket, hold):
            self.look()
        if ticket.done():  # others wait, for what this call does not need
            return ticket.result()
        held_by = self._held_by(lane, ahead, asked_at)
        alarm = None
        if max_wait_s is not None and ahead is not None:
            forecast_s = lane.account.forecast(asked_at, ahead) - asked_at
            if forecast_s > max_wait_s or not max_wait_s:
                self._step_out(lane, ticket)
                raise self._refused(lane, 0.0, max_wait_s, max(0.0, forecast_s), ahead, held_by)
            alarm = loop.call_later(
                max_wait_s, self._give_up, lane, ticket, asked_at, max_wait_s, held_by
            )
        try:
            account, granted_at = await ticket
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(lane, ticket, hold)
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
        if self._hook is not None:
            emit(self._hook, ThrottleWaited(lane.limit_id, granted_at - asked_at, held_by))
        return account, granted_at

    def look(self) -> None:
        """Let all go that may, and set the timer for the next."""
        if not self._lines.waiting and self._timer is None:
            return
        if self.loop is None or self.loop.is_closed():
            return
        now = self.now()
        admitted, again_at = self._lines.admit(now)
        for ticket, account in admitted:
            ticket.set_result((account, now))
        if again_at != self._wake_at:
            self._set_timer(again_at)

    def _has_room(self, limit_id: str, units: int) -> bool:
        usage = self.usage(limit_id)
        free = self._capacities[limit_id].units - usage.used
        return units <= free and usage.blocked_until <= self.now()

    def _held_by(self, lane: Lane, ahead: Mapping[str, int] | None, now: float) -> str:
        """Return the limit that a call waits for which has just joined; empty if nobody asks."""
        if ahead is None and self._hook is None:
            return ""
        if len(lane.charges) == 1:
            return lane.charges[0].limit_id
        if ahead is None:
            ahead = self._lines.ahead_of(lane, self._has_room)  # and itself
            for limit_id, weight, _ in lane.charges:
                ahead[limit_id] = max(0, ahead[limit_id] - weight)
        return self._bottleneck(lane, ahead, now).limit_id

    def _bottleneck(self, lane: Lane, ahead: Mapping[str, int], now: float) -> Bottleneck:
        store = self._store
        # Of a lane from before the limits were changed there may be some that are gone.
        there = [each.limit_id for each in lane.charges if each.limit_id in self._capacities]
        return find_bottleneck(
            lane.charges,
            {limit_id: store.usage(limit_id, now) for limit_id in there},
            self._capacities,
            now,
            ahead=ahead,
            free_at=lambda charge: store.account((charge,)).forecast(now, ahead),
        )

    def _give_up(
        self, lane: Lane, ticket: _Ticket, asked_at: float, max_wait_s: float, held_by: str
    ) -> None:
        self.look()  # its turn may have come at this very moment
        if ticket.done():
            return
        self._step_out(lane, ticket)
        waited_s = self.now() - asked_at
        ticket.set_exception(self._refused(lane, waited_s, max_wait_s, max_wait_s, {}, held_by))

    def _refused(
        self,
        lane: Lane,
        waited_s: float,
        max_wait_s: float,
        forecast_s: float,
        ahead: Mapping[str, int],
        held_by: str,
    ) -> ThrottleTimeoutError:
        """Tell the hook, and return the error; `held_by` is what was full when the wait began."""
        limit_id, why, _ = self._bottleneck(lane, ahead, self.now())
        if not limit_id:  # there is room now, for those who came earlier
            limit_id = held_by
            ahead_of_it = f'others go before it under "{held_by}"' if held_by else "others go first"
            why = f"{ahead_of_it}; {forecast_s:.3g} s at least"
        emit(self._hook, ThrottleRefused(lane.limit_id, waited_s, forecast_s, limit_id))
        return ThrottleTimeoutError(
            f'no room under rate limit "{lane.limit_id}" within max_wait={max_wait_s:g} s: {why}; '
            "nothing was sent: wait longer, or send less",
            limit_id=lane.limit_id,
            forecast_s=forecast_s,
            bottleneck=limit_id,
        )

    def _withdraw(self, lane: Lane, ticket: _Ticket, hold: bool) -> None:
        if not ticket.done() or ticket.cancelled():
            self._step_out(lane, ticket)
        elif ticket.exception() is None:
            # Admitted and cancelled in the same turn of the loop: it never got to send.
            account, granted_at = ticket.result()
            account.refund(None if hold else granted_at)
            self.look()

    def _step_out(self, lane: Lane, ticket: _Ticket) -> None:
        if self._lines.leave(lane, ticket):
            self.look()


def _is_orphan(ticket: _Ticket) -> bool:
    return ticket.get_loop().is_closed()
