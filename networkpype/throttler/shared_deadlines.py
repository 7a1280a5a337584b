"""Callers that wait for a shared store no longer than `max_wait`, and how they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from networkpype.errors import ThrottleTimeoutError
from networkpype.hooks import Hook, ThrottleRefused, emit
from networkpype.throttler.bottleneck import NO_BOTTLENECK
from networkpype.throttler.kinds import Priority
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.shared_asks import Ticket
from networkpype.throttler.shared_loss import Loss
from networkpype.throttler.shared_told import Told

__all__ = ["Deadlines"]


class Deadlines:
    """The deadlines of those who stand in `lines`; `step_out` takes one who is refused out."""

    def __init__(
        self,
        lines: Lines[Ticket],
        loss: Loss,
        hook: Hook | None,
        step_out: Callable[[Lane, Ticket], None],
        told: Told,
        now: Callable[[], float],
    ) -> None:
        self._lines = lines
        self._loss = loss
        self._hook = hook
        self._step_out = step_out
        self._told = told
        self._now = now
        self._set = 0

    def set(
        self, loop: asyncio.AbstractEventLoop, lane: Lane, ticket: Ticket
    ) -> asyncio.TimerHandle:
        """Refuse the caller at its deadline; `clear` what is returned when it waits no more."""
        self._set += 1
        return loop.call_later(ticket.deadline - ticket.asked_at, self._give_up, lane, ticket)

    def clear(self, alarm: asyncio.TimerHandle) -> None:
        """Forget a deadline."""
        self._set -= 1
        alarm.cancel()

    def refuse_late(
        self, key: tuple[Priority, str], now: float, wait_s: float, asked_at: float
    ) -> None:
        """Refuse those in a line who would have to wait for longer than they may.

        It waits for `wait_s` at least, or below zero for nobody knows how long. Where that is 0,
        those are refused who came before `asked_at`: the others were not asked for yet.
        """
        line = self._lines.waiting.get(key)
        if not self._set or line is None:
            return
        free_at = now + max(0.0, wait_s)
        late = [
            (ticket, place.lane)
            for ticket, place in line.places.items()
            if ticket.deadline < free_at
            or (ticket.deadline <= now and (wait_s or ticket.asked_at < asked_at))
        ]
        for ticket, lane in late:
            if not ticket.done():
                self._refuse(lane, ticket, now, max(free_at, ticket.deadline) - ticket.asked_at)

    def refused(
        self, lane: Lane, waited_s: float, max_wait_s: float, forecast_s: float
    ) -> ThrottleTimeoutError:
        """Tell the hook, and return what the caller is to be told."""
        # While the store is lost nothing that it told holds anybody up.
        bottleneck, why, _ = NO_BOTTLENECK
        if not self._loss.is_on:
            bottleneck, why, _ = self._told.bottleneck(lane, self._now())
        emit(self._hook, ThrottleRefused(lane.limit_id, waited_s, forecast_s, bottleneck))
        within = f'rate limit "{lane.limit_id}" within max_wait={max_wait_s:g} s'
        if not self._loss.is_on:
            why = why or f"it takes {forecast_s:.3g} s at least"
            said = f"no room under {within}: {why}"
            fix = "wait longer, or send less"
        else:
            percent = self._loss.local_share_pct
            alone = f"the {percent:g} % of " if percent else ""
            said = f"the shared store is lost ({self._loss.reason}): no call under {alone}{within}"
            fix = "bring it back, or wait longer" + ("" if alone else "; see local_share_pct")
        return ThrottleTimeoutError(
            f"{said}; nothing was sent: {fix}",
            limit_id=lane.limit_id,
            forecast_s=forecast_s,
            bottleneck=bottleneck,
        )

    def _give_up(self, lane: Lane, ticket: Ticket) -> None:
        line = self._lines.waiting.get((lane.priority, lane.limit_id))
        if ticket.done() or line is None:
            return
        if not self._loss.is_on and not line.head()[0].judged:
            return  # the answer that is on its way says whether there is room
        self._refuse(lane, ticket, self._now(), ticket.deadline - ticket.asked_at)

    def _refuse(self, lane: Lane, ticket: Ticket, now: float, forecast_s: float) -> None:
        waited_s, max_wait_s = now - ticket.asked_at, ticket.deadline - ticket.asked_at
        ticket.future.set_exception(self.refused(lane, waited_s, max_wait_s, forecast_s))
        self._step_out(lane, ticket)
