"""Which connection a session has, when it dials the next one, and when it gives up."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from networkpype.errors import BufferFullError, NetworkpypeError
from networkpype.hooks import Hook, emit
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.session.agenda import Agenda, Work
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import Disconnected, Gap, SessionEvent, SubscribeFailed
from networkpype.websocket.session.link import Link
from networkpype.websocket.session.logins import Logins
from networkpype.websocket.session.options import (
    NO_CLOSE_FRAME,
    LinkEnd,
    LinkOptions,
    Outlet,
    gave_up,
)
from networkpype.websocket.session.overlap import Overlap
from networkpype.websocket.session.redial import Reconnect, Redial
from networkpype.websocket.session.wanted import Wanted

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.auth.patterns.base import RESTCaller

__all__ = ["Dialer", "Supervisor"]

Parts: TypeAlias = "tuple[WebSocketConnection, WebSocketManager, RESTCaller]"
Dialer: TypeAlias = "Callable[[Auth | None], Awaitable[Parts]]"
"""Makes what one connection consists of, not dialed yet."""

_FIRST_ID = 100_001  # above the ids that logins give their own messages
_PATIENCE_S = 10.0  # for a reply that is awaited
_UNREAD_S = 60.0  # for a consumer who is busy
_LOOK_S = 0.25
_TAKEN_OVER = LinkEnd("another connection took over", 1000)
_UNREAD = LinkEnd("another connection took over, and this one was not read to its end")
_log = logging.getLogger(__name__)


class Supervisor:
    """Keep one connection up, or two while one takes the other's place.

    One task does one thing after the other, each when its time has come, so that none of them can
    meet another half way. `on_end` is called once, with what ended it, None where it was `stop`.
    """

    def __init__(
        self,
        dialer: Dialer,
        options: LinkOptions,
        policy: Reconnect,
        wanted: Wanted,
        queue: SessionQueue,
        *,
        auth: Auth | None,
        logs_in: bool,
        hook: Hook | None,
        overrun: Callable[[], NetworkpypeError],
        on_settled: Callable[[], None],
        on_end: Callable[[BaseException | None], None],
        close_timeout_s: float,
    ) -> None:
        self.current: Link | None = None
        self.last_failure = ""
        """The reason of the last connection that ended unplanned, or subscription that failed."""
        self.epoch = 0
        """Of the connection that is there, or was last; 0 before the first."""
        self._dialer = dialer
        self._options = options
        self._policy = policy
        self._wanted = wanted
        self._queue = queue
        self._logins = Logins(auth, logs_in=logs_in)
        self._hook = hook
        self._on_settled = on_settled
        self._on_end = on_end
        self._close_timeout_s = close_timeout_s
        self._redial = Redial(policy)
        self._changes = self._redial.beside()
        self._change: asyncio.TimerHandle | None = None
        self._epochs = itertools.count(1)
        self._ids = itertools.count(_FIRST_ID)
        self._agenda = Agenda()
        self._running: dict[Link, asyncio.Task[None]] = {}
        self._next: Link | None = None
        self._leaving: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._outlet = Outlet(
            event=self._announce,
            hook=partial(emit, hook),
            settled=self._is_settled,
            notice=self._was_noticed,
            setback=lambda *told: self._agenda.soon(partial(self._login_put_off, *told)),
            overrun=overrun,
            new_id=self.new_id,
        )

    @property
    def has_started(self) -> bool:
        return self._task is not None

    @property
    def has_ended(self) -> bool:
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Begin; the first dial is not waited for."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End everything and wait for it, at most as long as the connections take to close."""
        task = self._task
        if task is None or task is asyncio.current_task():
            return
        if not self._is_stopping:  # a second cancellation would cut short what the first began
            self._is_stopping = True
            task.cancel()
        await asyncio.wait({task}, timeout=self._close_timeout_s + 2)

    def new_id(self) -> int:
        """Return an id that no other message of this session has."""
        return next(self._ids)

    def wanted_changed(self) -> None:
        """Let every connection look again at what is wanted."""
        for link in self._running:
            link.change_soon()

    async def _work(self) -> None:
        failure: BaseException | None = None
        try:
            self._plan_dial()
            await self._agenda.run()
        except Exception as error:
            failure = error
        finally:
            self._is_stopping = True  # whoever stops it now has but to wait
            self._agenda.clear()
            # Told before the connections are closed: whoever waits need not wait for that.
            self._on_end(failure)
            self.current = None
            await self._hang_up()

    async def _hang_up(self) -> None:
        tasks = set(self._running.values())
        for link, task in self._running.items():
            if not link.has_ended:
                task.cancel()
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=self._close_timeout_s + 1)
        for task in tasks:
            task.cancel()

    def _announce(self, event: SessionEvent) -> None:
        shard = self._options.shard
        if shard:
            event = replace(event, shard=shard)
        emit(self._hook, event)
        self._queue.put_event(event)
        if isinstance(event, SubscribeFailed) or (
            isinstance(event, Disconnected) and not event.planned
        ):
            # Whoever reads the messages alone sees neither.
            self.last_failure = event.reason
            _log.warning("%s%r", f"shard {shard}: " if shard else "", event)

    # -- dial, and dial again ---------------------------------------------------------------------

    def _plan_dial(self) -> float:
        now = _now()
        at = self._redial.next_dial_at(now)
        self._agenda.at(at, self._dial)
        return at - now

    async def _dial(self) -> None:
        self.current = await self._start(is_second=False)
        self.epoch = self.current.epoch

    async def _start(self, *, is_second: bool) -> Link:
        (self._changes if is_second else self._redial).dialed(_now())
        auth, login = credentials = self._logins.give(is_second=is_second)
        connection, manager, rest = await self._dialer(auth)
        link = Link(
            next(self._epochs),
            connection,
            manager,
            self._options.rest or rest,
            options=self._options,
            wanted=self._wanted,
            queue=self._queue,
            outlet=self._outlet,
            login=login,
        )
        link.credentials = credentials
        self._running[link] = asyncio.create_task(self._run(link))
        return link

    async def _run(self, link: Link) -> None:
        end: Work
        try:
            try:
                end = partial(self._ended, link, await link.run())
            except Exception as error:
                end = partial(_raise, error)
            # Told before the socket is closed: what is dead would take its time for that.
            self._agenda.soon(end)
        finally:
            try:
                await link.hang_up()
            finally:
                self._running.pop(link, None)

    def _ended(self, link: Link, end: LinkEnd) -> None:
        now = _now()
        if isinstance(end.cause, BufferFullError):  # whichever it was
            self._tell_end(link, end, None)
            raise end.cause
        if link is self._leaving:
            self._left(link, end)
        elif link is self._next:
            self._next_failed(link, end, now)
        elif self._leaving is not None and self._leaving.is_settled:
            # The old one delivers still, so nothing is missing.
            self._put_first(self._leaving)
            self._change_failed(link, end, now)
        else:
            self._lost(link, end, now)

    def _lost(self, link: Link, end: LinkEnd, now: float) -> None:
        goes_on = self._redial.lost(now, floor_s=end.floor_s, code=end.code, status=end.status)
        if not goes_on or end.is_final:
            self._tell_end(link, end, None)
            raise gave_up(end, self._redial.failures)
        following = self._next
        if following is None:
            self.current = None
            self._tell_end(link, end, self._plan_dial())
            if self._leaving is not None:
                self._leaving.end(_TAKEN_OVER)
        elif following.was_fed:
            # What it delivered stands before the gap, where whoever rebuilds throws it away.
            self.current = None
            self._tell_end(link, end, self._redial.next_dial_at(now) - now)
            following.end(LinkEnd("the connection in whose place it was made fell first", 1000))
        else:
            self._tell_end(link, end, 0.0)
            self._put_first(following)
            self._is_settled(following.epoch)

    def _put_first(self, link: Link) -> None:
        """Make this the current connection, and the only one."""
        self.current, self._next, self._leaving = link, None, None
        self.epoch = link.epoch
        self._logins.kept = link.credentials
        self._stand_alone()

    def _login_put_off(self, epoch: int, reason: str, wait_s: float) -> None:
        """Tell that a login failed before the dial; the connection tries again by itself."""
        link = self.current
        if link is not None and link.epoch == epoch and not self._redial.lost(_now()):
            end = LinkEnd(reason)
            self._tell_end(link, end, None)
            raise gave_up(end, self._redial.failures)
        self._announce(Disconnected(epoch, NO_CLOSE_FRAME, reason, wait_s))

    def _tell_end(self, link: Link, end: LinkEnd, retry_in_s: float | None) -> None:
        self._announce(Disconnected(link.epoch, end.code, end.reason, retry_in_s))
        if link.was_fed:
            self._announce(Gap(link.epoch, end.reason))

    # -- a planned change of connections ----------------------------------------------------------

    async def _roll_over(self) -> None:
        """Dial the next connection while this one delivers, where that is due."""
        current = self.current
        if current is None or not (current.is_outdated and current.is_ready):
            return
        if self._next is not None or self._leaving is not None:
            return
        now = _now()
        at = self._changes.next_dial_at(now)
        if current.is_parked:  # two would fill the buffer no better than one
            at = max(at, now + _LOOK_S)
        if at > now:
            self._roll_over_at(at)
            return
        self._next = await self._start(is_second=True)
        overlap = Overlap()
        self._next.sorter.stand_beside(overlap)
        current.sorter.stand_beside(overlap)

    def _roll_over_at(self, at: float) -> None:
        if self._change is not None:
            self._agenda.cancel(self._change)
        self._change = self._agenda.at(at, self._roll_over)

    def _is_settled(self, epoch: int) -> None:
        self._agenda.soon(partial(self._settled, epoch))

    def _was_noticed(self, epoch: int) -> None:
        for link in self._running:
            if link.epoch == epoch and link is not self._leaving:
                self._outdate(link, is_noticed=True)

    def _outdate(self, link: Link, *, is_noticed: bool) -> None:
        """Let another take its place, as soon as that can be."""
        if link.is_outdated:
            return
        link.is_outdated = True
        now = _now()
        if now - link.ready_at >= self._policy.healthy_after_s:
            self._changes = self._redial.beside()
        elif is_noticed:
            self._changes.lost(now)  # an exchange that always says so must not be dialed for ever
        self._agenda.soon(self._roll_over)

    def _settled(self, epoch: int) -> None:
        """Let the connection that is ready take over, where it is the next one."""
        now = _now()
        if self._next is not None and self._next.epoch == epoch:
            self._take_over(self._next, now)
        current = self.current
        if current is None or current.epoch != epoch or not current.is_settled:
            return
        self._redial.ready(now)
        self._on_settled()
        if self._policy.rollover_s is not None and not current.has_rollover:
            current.has_rollover = True
            self._agenda.at(now + self._policy.rollover_s, partial(self._grown_old, current))
        if current.is_outdated:
            self._agenda.soon(self._roll_over)

    def _take_over(self, link: Link, now: float) -> None:
        current = self.current
        if not link.is_settled or current is None or current.has_ended:
            return  # where the old one fell before, its end tells of the gap
        lacking = current.on_wire.live - link.on_wire.live
        if any(key in self._wanted for key in lacking):
            # The old one stays as long as the exchange lets it: what it delivers, nobody else does.
            link.end(LinkEnd("the new connection was refused what the old one has", 1000))
            return
        self.current, self._next, self._leaving = link, None, current
        self.epoch = link.epoch
        self._logins.kept = link.credentials
        at = now + self._policy.overlap_s
        self._agenda.at(at, partial(self._leave, current, at))

    def _grown_old(self, link: Link) -> None:
        if link is self.current:
            self._outdate(link, is_noticed=False)

    def _leave(self, link: Link, since: float) -> None:
        """End the old connection, when all that it delivered is read."""
        waits_s = _now() - since
        if link is not self._leaving:
            return
        if (link.is_parked and waits_s < _UNREAD_S) or (
            link.replies.is_awaited and waits_s < _PATIENCE_S
        ):
            self._agenda.at(_now() + _LOOK_S, partial(self._leave, link, since))
            return
        link.end(_UNREAD if link.is_parked else _TAKEN_OVER)

    def _left(self, link: Link, end: LinkEnd) -> None:
        self._leaving = None
        self._stand_alone()
        if end.code == NO_CLOSE_FRAME and link.is_parked:
            self._tell_end(link, end, None)
        else:
            self._announce(Disconnected(link.epoch, end.code, end.reason, planned=True))
        self._agenda.soon(self._roll_over)

    def _next_failed(self, link: Link, end: LinkEnd, now: float) -> None:
        self._next = None
        self._stand_alone()
        if self.current is not None:
            self._change_failed(link, end, now)
            return
        self._tell_end(link, end, None if end.is_final else self._plan_dial())
        if end.is_final:
            raise gave_up(end, self._redial.failures)

    def _change_failed(self, link: Link, end: LinkEnd, now: float) -> None:
        """Try again later; the one that delivers stays, and nothing is counted against it."""
        self._changes.lost(now, floor_s=end.floor_s)
        self._redial.hold(now + end.floor_s)
        at = self._changes.next_dial_at(now)
        self._announce(
            Disconnected(link.epoch, end.code, end.reason, None if end.is_final else at - now)
        )
        if not end.is_final:
            self._roll_over_at(at)
        elif self.current is not None:
            self.current.is_outdated = False  # another try cannot help, unless a notice comes

    def _stand_alone(self) -> None:
        for link in self._running:
            link.sorter.stand_beside(None)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _raise(error: BaseException) -> None:
    raise error
