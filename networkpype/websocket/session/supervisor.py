"""Which connection a session has, when it dials the next one, and when it gives up."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from networkpype.auth.login import Login
from networkpype.errors import NetworkpypeError, ReconnectError
from networkpype.hooks import Hook, emit
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import Disconnected, Gap, SessionEvent
from networkpype.websocket.session.intents import Wanted
from networkpype.websocket.session.link import Link
from networkpype.websocket.session.options import LinkEnd, LinkOptions, Outlet
from networkpype.websocket.session.overlap import Overlap
from networkpype.websocket.session.redial import Reconnect, Redial

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.auth.patterns.base import RESTCaller

__all__ = ["Dialer", "Supervisor"]

Parts: TypeAlias = "tuple[WebSocketConnection, WebSocketManager, RESTCaller]"
Dialer: TypeAlias = "Callable[[Auth | None], Awaitable[Parts]]"
"""Makes what one connection consists of, not dialed yet."""

_Work: TypeAlias = "Callable[[], Awaitable[None] | None]"

_FIRST_ID = 100_001  # above the ids that logins give their own messages
_PATIENCE_S = 10.0
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
        self._dialer = dialer
        self._options = options
        self._policy = policy
        self._wanted = wanted
        self._queue = queue
        self._auth = auth
        self._logs_in = logs_in
        self._hook = hook
        self._on_settled = on_settled
        self._on_end = on_end
        self._close_timeout_s = close_timeout_s
        self._redial = Redial(policy)
        self._logged_in: tuple[Auth, Login] | None = None
        self._epochs = itertools.count(1)
        self._ids = itertools.count(_FIRST_ID)
        self._todo: asyncio.Queue[_Work] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
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
            link.changed()

    async def _work(self) -> None:
        failure: BaseException | None = None
        try:
            self._plan_dial()
            while True:
                done = (await self._todo.get())()
                if done is not None:
                    await done
        except Exception as error:
            failure = error
        finally:
            for timer in self._timers:
                timer.cancel()
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

    def _at(self, when: float, work: _Work) -> None:
        def ring() -> None:
            self._timers.discard(timer)
            self._todo.put_nowait(work)

        timer = asyncio.get_running_loop().call_at(when, ring)
        self._timers.add(timer)

    def _announce(self, event: SessionEvent) -> None:
        emit(self._hook, event)
        self._queue.put_event(event)

    # -- dial, and dial again ---------------------------------------------------------------------

    def _plan_dial(self) -> float:
        now = _now()
        at = self._redial.next_dial_at(now)
        self._at(at, self._dial)
        return at - now

    async def _dial(self) -> None:
        self.current = await self._start(is_second=False)

    async def _start(self, *, is_second: bool) -> Link:
        self._redial.dialed(_now())
        auth, login = self._auth, None
        if self._logs_in and auth is not None:
            if self._logged_in is None or is_second:
                auth = auth.for_connection()
                if auth.ws_pattern is not None:
                    self._logged_in = auth, Login(auth.ws_pattern)
            if self._logged_in is not None:
                auth, login = self._logged_in
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
        self._running[link] = asyncio.create_task(self._run(link))
        return link

    async def _run(self, link: Link) -> None:
        end: Callable[[], Awaitable[None] | None]
        try:
            try:
                end = partial(self._ended, link, await link.run())
            except Exception as error:
                end = partial(_raise, error)
            # Told before the socket is closed: what is dead would take its time for that.
            self._todo.put_nowait(end)
        finally:
            try:
                await link.hang_up()
            finally:
                self._running.pop(link, None)

    def _ended(self, link: Link, end: LinkEnd) -> None:
        if link is self._leaving:
            self._leaving = None
            self._stand_alone()
            self._announce(Disconnected(link.epoch, end.code, end.reason, planned=True))
            return
        now = _now()
        goes_on = self._redial.lost(now, floor_s=end.floor_s, code=end.code, status=end.status)
        goes_on = goes_on and not end.is_final
        if link is self._next:
            # The one that delivers stays; where this was final, its own end will show it too.
            self._next = None
            self._stand_alone()
            at = self._redial.next_dial_at(now)
            wait_s = at - now if goes_on else None
            self._announce(Disconnected(link.epoch, end.code, end.reason, wait_s))
            if goes_on:
                self._at(at, self._roll_over)
        elif not goes_on:
            self._tell_end(link, end, None)
            raise self._gave_up(end)
        elif self._next is not None:
            self._tell_end(link, end, 0.0)
            self.current, self._next = self._next, None
            self._stand_alone()
            self._is_settled(self.current.epoch)
        else:
            self.current = None
            self._tell_end(link, end, self._plan_dial())

    def _tell_end(self, link: Link, end: LinkEnd, retry_in_s: float | None) -> None:
        self._announce(Disconnected(link.epoch, end.code, end.reason, retry_in_s))
        if link.was_fed:
            self._announce(Gap(link.epoch, end.reason))

    def _gave_up(self, end: LinkEnd) -> NetworkpypeError:
        if end.cause is not None and (end.is_final or end.status is not None):
            return end.cause
        failures = self._redial.failures
        error = ReconnectError(
            f"gave up after {failures} connection{'s' * (failures != 1)} that failed, the last "
            f"with code {end.code}: {end.reason}",
            code=end.code,
        )
        error.__cause__ = end.cause
        return error

    # -- a planned change of connections ----------------------------------------------------------

    async def _roll_over(self) -> None:
        """Dial the next connection while this one delivers."""
        current = self.current
        if current is None or not current.is_ready or self._next or self._leaving:
            return
        now = _now()
        at = self._redial.next_dial_at(now)
        if at > now:
            self._at(at, self._roll_over)
            return
        self._next = await self._start(is_second=True)
        overlap = Overlap()
        self._next.sorter.stand_beside(overlap)
        current.sorter.stand_beside(overlap)

    def _is_settled(self, epoch: int) -> None:
        self._todo.put_nowait(partial(self._settled, epoch))

    def _was_noticed(self, epoch: int) -> None:
        if self.current is not None and self.current.epoch == epoch:
            self._todo.put_nowait(self._roll_over)

    def _settled(self, epoch: int) -> None:
        """Let the connection that is ready take over, where it is the next one."""
        now = _now()
        if self._next is not None and self._next.epoch == epoch and self._next.is_settled:
            self._leaving, self.current, self._next = self.current, self._next, None
            if self._leaving is not None:
                at = now + self._policy.overlap_s
                self._at(at, partial(self._leave, self._leaving, at + _PATIENCE_S))
        current = self.current
        if current is None or current.epoch != epoch or not current.is_settled:
            return
        self._redial.ready(now)
        self._on_settled()
        if self._policy.rollover_s is not None and not current.has_rollover:
            current.has_rollover = True
            self._at(now + self._policy.rollover_s, partial(self._grown_old, current))

    def _grown_old(self, link: Link) -> Awaitable[None] | None:
        return self._roll_over() if link is self.current else None

    def _leave(self, link: Link, at_the_latest: float) -> None:
        now = _now()
        if link.replies.is_awaited and now < at_the_latest:
            self._at(now + 0.25, partial(self._leave, link, at_the_latest))
            return
        link.end(LinkEnd("another connection took over", code=1000))

    def _stand_alone(self) -> None:
        for link in self._running:
            link.sorter.stand_beside(None)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _raise(error: BaseException) -> None:
    raise error
