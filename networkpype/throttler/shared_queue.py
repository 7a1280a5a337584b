"""Who waits in this process for what several processes share."""

from __future__ import annotations

import asyncio
import logging
import math
from asyncio import get_running_loop
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError, NotConnectedError
from networkpype.hooks import (
    Hook,
    LimitCorrected,
    ThrottleWaited,
    emit,
)
from networkpype.throttler.announcing import tell_unblocked
from networkpype.throttler.kinds import Priority
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.local_queue import Grant
from networkpype.throttler.local_share import LocalShare
from networkpype.throttler.on_loop import OnLoop
from networkpype.throttler.shared_asks import Asked, Ticket, ask_of, chosen
from networkpype.throttler.shared_calls import SharedCall, SharedLane
from networkpype.throttler.shared_deadlines import Deadlines
from networkpype.throttler.shared_loss import Loss
from networkpype.throttler.shared_outbox import Outbox
from networkpype.throttler.shared_told import Told
from networkpype.throttler.store.base import (
    Account,
    Capacity,
    Charge,
    Observation,
    Usage,
)
from networkpype.throttler.store.shared import (
    Ask,
    Batch,
    Hold,
    Reply,
    SharedLimitStore,
    StoreLostError,
)

__all__ = ["SharedQueue"]

_log = logging.getLogger(__name__)

_LONGEST_S = 1.0
"""For no longer is a wait believed: others may pay back what they had, or be gone."""
_LEAST_S = 0.001
_FEWEST, _MOST = 16, 256
"""Calls asked for at once."""


class SharedQueue(OnLoop):
    """The callers of one throttler before a store that several processes share.

    The same as `LocalQueue` to the throttler. One question is under way at a time, and the next
    holds all that came up meanwhile. What is not answered is asked again under the same numbers, so
    it is charged once.
    """

    def __init__(self, store: SharedLimitStore, clock: Clock | None, hook: Hook | None) -> None:
        super().__init__(clock)
        self._limits = store.join()
        self._limits.before_close = self._say_good_bye
        self._limits.hear = self._hear
        self._limits.wake = self._wake
        self._local_share_pct = store.local_share_pct
        self._hook = hook
        self._lines: Lines[Ticket] = Lines()
        self.waiting: Mapping[Any, object] = self._lines.waiting
        """Empty where nobody waits."""
        self.share: LocalShare | None = None
        self._capacities: dict[str, Capacity] = {}
        limits = self._limits
        self._outbox = Outbox(limits.lease_s, limits.guard_s, self.look, self._time)
        self._told = Told(self._outbox.held)
        self._asks: asyncio.Future[None] | None = None
        self._is_closed = False
        self._calls = 0
        self._reach = _FEWEST
        self._ask_at = math.inf
        self._share_at = math.inf
        self._task: asyncio.Task[None] | None = None
        self._loss = Loss(hook, store.local_share_pct)
        self._deadlines = Deadlines(
            self._lines, self._loss, hook, self._step_out, self._told, self._time
        )
        self._reset = False
        self._heard: asyncio.Event | None = None

    def configure(self, capacities: Mapping[str, Capacity]) -> None:
        """Count for these limits from now on."""
        self._limits.configure(capacities)
        self._capacities = dict(capacities)
        self._told.configure(capacities)
        if self.share is not None:
            self._go_alone(self.now())

    def account(self, charges: Sequence[Charge]) -> SharedLane:
        """Return the account of calls that cost this."""
        limits = [self._capacities[charge.limit_id] for charge in charges]
        return SharedLane(tuple(charges), limits, self._try_alone, self.forecast)

    def relane(
        self, find: Callable[[Lane], Lane | None], refusal: Callable[[Lane], Exception]
    ) -> None:
        """Judge those who wait by the lanes that `find` gives; where it gives none, refuse them."""
        self._lines.remove(_is_orphan)
        for ticket, lane in self._lines.relane(find):
            if not ticket.done():
                ticket.future.set_exception(refusal(lane))
        self._ask(self.now())

    def count(self, limit_id: str) -> int:
        """Return how many callers wait under this id in this process."""
        return self._lines.count(limit_id)

    def usage(self, limit_id: str) -> Usage:
        """Return how full the limit was when the store told last; what is held, held here.

        While calls go on without it, how full the part of this process is.
        """
        if self.share is not None and limit_id in self._capacities:
            return self.share.usage(limit_id, self.now())
        return self._told.usage(limit_id, self.now())

    def units(self, limit_id: str) -> int:
        """Return the most that may be used of a limit, or of this process's part of it."""
        return (
            self._capacities[limit_id].units if self.share is None else self.share.units(limit_id)
        )

    def forecast(self, limit_id: str, units: int, now: float) -> float:
        """Return when the last of `units` can go at the earliest, were the limit unused now."""
        return self._told.forecast(limit_id, units, now)

    def block(self, limit_ids: Iterable[str], for_s: float) -> None:
        """Let nobody go under these limits for so long, in no process."""
        now = self.now()
        for limit_id in limit_ids:
            self._told.block(limit_id, now + for_s, now)
            self._outbox.block(limit_id, now + for_s, now)
            if self.share is not None:
                self.share.block(limit_id, now + for_s, now)

    def unblock(self, limit_ids: Iterable[str]) -> tuple[str, ...]:
        """Let calls go again under these limits, in every process; return none.

        The store knows what was blocked, and its answer is told.
        """
        now = self.now()
        for limit_id in limit_ids:
            self._told.unblock(limit_id)
            self._outbox.unblock(limit_id, now)
            if self.share is not None:
                self.share.unblock(limit_id, now)
        self._ask(now)
        return ()

    def observe(self, limit_id: str, seen: Observation) -> tuple[float, float]:
        """Have the count of a limit corrected. What it was is not known yet: LimitCorrected."""
        self._outbox.observe(limit_id, seen, self.now())
        used = self.usage(limit_id).used
        return used, used

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Move to the loop that runs now; who waits on one that was closed is forgotten."""
        self.move_to(loop)
        self._task = self._asks = self._heard = None  # it ended with its loop
        self._lines.remove(_is_orphan)
        self._ask(self.now())

    async def wait(
        self, lane: Lane, *, hold: bool, max_wait_s: float | None, final: bool = False
    ) -> Grant:
        """Wait for capacity, at most `max_wait_s`; return what was charged.

        `final` says that nobody will lift or take back what is not held.
        """
        asked_at = self.now()
        kind = Hold.UNTIL_SETTLED if hold else Hold.FINAL if final else Hold.PREPARED
        self._calls += 1
        loop = get_running_loop()
        deadline = math.inf if max_wait_s is None else asked_at + max_wait_s
        ticket = Ticket(loop.create_future(), self._calls, kind, asked_at, deadline)
        if self._is_closed:
            self._is_closed = False
            _log.warning("a throttler is used after its shared limit store was closed: it opens it")
        if not lane.charges:
            return self._call(ticket, lane.account), asked_at
        if self._loss.is_final:
            raise self._unusable()
        if max_wait_s is not None:
            ahead = self._lines.ahead_of(lane, partial(self._told.has_room, asked_at))
            forecast_s = lane.account.forecast(asked_at, ahead) - asked_at
            if forecast_s > max_wait_s:
                raise self._deadlines.refused(lane, 0.0, max_wait_s, forecast_s)
        ask_at = asked_at if max_wait_s is not None else self._told.full_until(lane, asked_at)
        if self._lines.join(lane, ticket, hold):
            if max_wait_s is None and self._is_quiet(asked_at) and ask_at <= asked_at:
                # Asked by the caller itself: a task of its own would cost a quarter of the way.
                granted = await self._ask_for(ticket, lane, asked_at)
                if granted is not None:
                    return granted, asked_at
            else:
                if self._hook is not None and ask_at > asked_at:
                    ticket.bottleneck = self._told.bottleneck(lane, asked_at).limit_id
                self._ask(ask_at)
        alarm = None
        if max_wait_s is not None:
            alarm = self._deadlines.set(loop, lane, ticket)
        try:
            call, granted_at = await ticket.future
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(lane, ticket)
            raise
        finally:
            if alarm is not None:
                self._deadlines.clear(alarm)
        if self._hook is not None and (ticket.judged or ticket.again or ask_at > asked_at):
            waited_s = self.now() - asked_at
            emit(self._hook, ThrottleWaited(lane.limit_id, waited_s, ticket.bottleneck))
        return call, granted_at

    def look(self) -> None:
        """Ask the store, or set the timer for when there is something to ask."""
        if self._is_closed or self.loop is None or self.loop.is_closed():
            return
        if self.share is not None:
            self._admit_alone()
        if self._task is not None or self._asks is not None:
            return
        due = self._due()
        if due <= self.now():
            self._set_timer(math.inf)
            self._task = self.loop.create_task(self._work())
            return
        wake_at = min(due, self._share_at)
        if wake_at != self._wake_at:
            self._set_timer(wake_at)

    async def _say_good_bye(self) -> None:
        """Refuse those who wait, tell what is to be told, and be quiet until one asks again."""
        if self.loop is not asyncio.get_running_loop():
            return
        for ticket, lane in self._lines.relane(lambda _: None):
            if not ticket.done():
                ticket.future.set_exception(
                    NotConnectedError(
                        "the shared limit store was closed while the call waited for capacity; "
                        "nothing was sent"
                    )
                )
            self._take_back_from(ticket, lane)
        under_way = {each for each in (self._task, self._asks) if each is not None}
        if under_way:
            await asyncio.wait(under_way, timeout=1.0)
        is_idle = self._task is None and self._asks is None and not self._loss.is_on
        if is_idle and self._outbox.due() < math.inf:
            await self._exchange()
        if not self._lines.waiting:  # nobody came meanwhile
            self._is_closed = True
            self._set_timer(math.inf)

    async def _hear(self) -> None:
        """Have the store tell how much of every limit is used."""
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            if self.loop is not None and self.loop.is_running():
                return  # on another thread, which asks for itself
            self.adopt(loop)
        self._is_closed = False
        self._heard = heard = self._heard or asyncio.Event()
        if self._loss.is_on:
            self._loss.retry_at = self.now()
        self.look()
        await heard.wait()

    def _wake(self) -> None:
        """Ask now, for another process made room."""
        if asyncio.get_running_loop() is self.loop:
            self._ask(self.now())

    def _unusable(self) -> ConfigurationError:
        return ConfigurationError(
            f"the shared limit store cannot be used: {self._loss.reason}; nothing was sent: set "
            "that right"
        )

    def _is_quiet(self, now: float) -> bool:
        """Tell whether a caller that has just come is the only one there is."""
        return (
            self._asks is None
            and self._task is None
            and not self._loss.is_on
            and len(self._lines.waiting) == 1
            and self._outbox.due() > now
        )

    async def _ask_for(self, ticket: Ticket, lane: Lane, now: float) -> SharedCall | None:
        """Ask for the only caller there is, in its own task; return what was granted at once."""
        ask = Ask(ticket.call_id, ticket.hold, lane.priority, 0, 0.0, False, 1, lane.charges)
        self._asks = asked = get_running_loop().create_future()
        try:
            reply = await self._limits.run(Batch(asks=(ask,)), self.now)
            if reply.forgot:
                ticket.again = True
                self._forget()
            elif reply.waits[0] or ticket.done():
                self._apply([Asked(ticket, lane, (lane.priority, lane.limit_id))], reply, now)
            else:
                self._told.note(reply.usage, self.now())
                self._lines.leave(lane, ticket)
                call = self._call(ticket, lane.account)
                self._outbox.granted(call, now)
                return call
        except BaseException as error:
            ticket.again = not _is_final(error)
            if not isinstance(error, Exception):  # cancelled: nobody knows whether it was charged
                ticket.future.cancel()
                self._withdraw(lane, ticket)
                raise
            self._fail_by(error)
        finally:
            self._asks = None
            asked.set_result(None)
            is_more = bool(self._lines.waiting) or self._loss.is_on or self._heard is not None
            if is_more or self._outbox.due() < math.inf:
                if self._lines.waiting and not ticket.judged:
                    self._ask_at = now
                self.look()
        return None

    def _time(self) -> float:
        return self.now()  # which is another function on every loop

    def _ask(self, at: float) -> None:
        if self._lines.waiting:
            self._ask_at = min(self._ask_at, at)
        self.look()

    def _due(self) -> float:
        if self._loss.is_on:
            return self._loss.retry_at
        if self._heard is not None:
            return -math.inf
        return min(self._ask_at if self._lines.waiting else math.inf, self._outbox.due())

    async def _work(self) -> None:
        try:
            while self._due() <= self.now():
                await self._exchange()
        finally:
            self._task = None
        self.look()

    async def _exchange(self) -> None:
        """Ask once, whatever comes of it."""
        now, heard = self.now(), self._heard
        batch = Batch(reset=self._reset, everything=heard is not None)
        self._reset = False
        everything = batch.reset or self._loss.is_on
        put_back = self._outbox.fill(batch, self._capacities, now, everything)
        asked = chosen(self._lines, self._reach)
        batch.asks = ask_of(asked, self._lines, now)
        self._ask_at = math.inf
        told, unsure = False, True
        try:
            reply = await self._limits.run(batch, self.now)
            # It may have been done before the doubt came up: a clock that was set anew shows in
            # the answer.
            told, unsure = not reply.forgot, reply.forgot
        except Exception as error:
            unsure = not _is_final(error)
            self._fail_by(error)
        else:
            if reply.forgot:
                self._forget()
            else:
                self._apply(asked, reply, now)
                if heard is not None:
                    self._heard = None
                    heard.set()
        finally:
            if not told:
                self._reset = self._reset or batch.reset
                self._ask_at = now
                put_back()
                for each in asked:
                    each.ticket.again = each.ticket.again or unsure
                    self._take_back_from(each.ticket, each.lane)

    def _apply(self, asked: list[Asked], reply: Reply, at: float) -> None:
        now = self.now()
        self._told.note(reply.usage, now)
        if reply.unblocked:
            names, left_s = zip(*reply.unblocked, strict=True)
            tell_unblocked(self._hook, names, max(left_s))
        for corrected in reply.corrections:
            if corrected.before != corrected.after:
                emit(self._hook, LimitCorrected(*corrected))
        refused: dict[tuple[Priority, str], float] = {}
        for each, wait_s in zip(asked, reply.waits, strict=True):
            if wait_s:
                each.ticket.again = False
                if self._hook is not None and not each.ticket.judged:
                    each.ticket.bottleneck = self._told.bottleneck(each.lane, now).limit_id
                each.ticket.judged = True
                refused.setdefault(each.key, wait_s)
            else:
                self._grant(each, at)
        if self._loss.is_on:
            if self._reset:  # calls went out alone while this was under way
                self._loss.retry_at = now
            else:
                self._loss.over(now, reply.paused_s, reply.had_forgot)
            self.share, self._share_at = None, math.inf
        granted = sum(not wait_s for wait_s in reply.waits)
        self._reach = min(_MOST, max(_FEWEST, 2 * granted))
        for key in self._lines.waiting:
            wait_s = abs(refused.get(key, 0.0))
            if wait_s:
                wait_s = min(_LONGEST_S, max(_LEAST_S, wait_s))
            self._ask_at = min(self._ask_at, now + wait_s)
        for key in list(self._lines.waiting):
            self._deadlines.refuse_late(key, now, refused.get(key, 0.0), at)

    def _grant(self, each: Asked, at: float) -> None:
        ticket, lane, _ = each
        if ticket.done():
            ticket.again = True
            self._take_back_from(ticket, lane)
        else:
            self._lines.leave(lane, ticket)
            call = self._call(ticket, lane.account)
            self._outbox.granted(call, at)
            ticket.future.set_result((call, at))

    def _take_back_from(self, ticket: Ticket, lane: Lane) -> None:
        """Have it refunded where a caller that is gone may have been charged."""
        future = ticket.future
        if not ticket.again or not future.done():
            return
        if future.cancelled() or future.exception() is not None:
            self._outbox.refund(self._call(ticket, lane.account), None)

    def _call(self, ticket: Ticket, lane: Account, share: LocalShare | None = None) -> SharedCall:
        local = None if share is None else share.account(lane.charges)
        return SharedCall(self._outbox, ticket.call_id, lane, ticket.hold, local)

    def _try_alone(
        self, charges: tuple[Charge, ...], now: float, ahead: Mapping[str, int], hold: bool
    ) -> float | None:
        return self.share.try_charge(charges, now, ahead, hold) if self.share else math.inf

    def _admit_alone(self) -> None:
        """Let go whom the local share lets go."""
        now = self.now()
        admitted, self._share_at = self._lines.admit(now)
        for ticket, account in admitted:
            call = self._call(ticket, account, self.share)
            self._outbox.granted(call, now)
            ticket.judged = self._reset = True
            ticket.future.set_result((call, now))

    def _fail_by(self, error: BaseException) -> None:
        if not isinstance(error, StoreLostError):
            _log.error("the shared limit store failed", exc_info=error)
        reason = str(error) if isinstance(error, StoreLostError) else type(error).__name__
        now = self.now()
        is_new = self._loss.failed(reason, now, _is_final(error))
        if self._loss.is_final:
            for ticket, lane in self._lines.relane(lambda _: None):
                if not ticket.done():
                    ticket.future.set_exception(self._unusable())
                self._take_back_from(ticket, lane)
        elif is_new and self._local_share_pct is not None:
            self._go_alone(now)
        for key in list(self._lines.waiting):
            self._deadlines.refuse_late(key, now, 0.0, math.inf)

    def _forget(self) -> None:
        """Ask again with a reset: what the store counts is not what was charged."""
        self._loss.forgotten(self.now())
        self._reset = True

    def _go_alone(self, now: float) -> None:
        percent = self._local_share_pct or 0.0
        before = frozenset(self._outbox.under_way())
        self.share = LocalShare(
            self._capacities,
            percent,
            lambda: not before.isdisjoint(self._outbox.under_way()),
            now,
        )
        none = [name for name in self._capacities if not self.share.units(name)]
        if none:
            _log.warning(
                "%g %% of these limits is less than one unit, so calls under them wait until the "
                "shared limit store is back: %s",
                *(percent, ", ".join(none)),
            )
        for limit_id in self._told:
            self.share.block(limit_id, self._told.usage(limit_id, now).blocked_until, now)

    def _withdraw(self, lane: Lane, ticket: Ticket) -> None:
        future = ticket.future
        if not future.done() or future.cancelled():
            future.cancel()
            self._step_out(lane, ticket)
        elif future.exception() is None:
            # Admitted and cancelled in the same turn of the loop: it never got to send.
            call, granted_at = future.result()
            call.refund(granted_at)

    def _step_out(self, lane: Lane, ticket: Ticket) -> None:
        self._take_back_from(ticket, lane)
        if self._lines.leave(lane, ticket):
            self._ask(self.now())


def _is_final(error: BaseException) -> bool:
    return isinstance(error, StoreLostError) and error.is_final


def _is_orphan(ticket: Ticket) -> bool:
    return ticket.future.get_loop().is_closed()
