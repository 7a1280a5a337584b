"""One connection of a session: dial, log in, subscribe, read, and end for one reason."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.errors import (
    ConfigurationError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RequestTimeoutError,
    WebSocketClosedError,
)
from networkpype.redact import mask_url
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.first_login import check_socket, exchange_time
from networkpype.websocket.heartbeat import Verdict
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.session.beats import AppPulse
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import (
    Connected,
    Gap,
    LoopBlocked,
    Ready,
    SessionMessage,
)
from networkpype.websocket.session.intents import Asked, OnWire, Wanted
from networkpype.websocket.session.login_driver import Hands, LoginDriver
from networkpype.websocket.session.options import (
    NO_CLOSE_FRAME,
    LinkEnd,
    LinkOptions,
    Outlet,
    as_request,
    end_of,
)
from networkpype.websocket.session.replies import Replies
from networkpype.websocket.session.sorting import Sorter

if TYPE_CHECKING:
    from networkpype.auth.patterns.base import RESTCaller

__all__ = ["Link"]

_LOOK_S = 0.001  # the event loop looks into every socket before a timer of this length
_LATE_S = 0.5


class Link:
    """One connection, from its dial to its end; `run` returns why it ended."""

    def __init__(
        self,
        epoch: int,
        connection: WebSocketConnection,
        manager: WebSocketManager,
        rest: RESTCaller,
        *,
        options: LinkOptions,
        wanted: Wanted,
        queue: SessionQueue,
        outlet: Outlet,
        login: Login | None,
    ) -> None:
        self._options = options
        self._connection = connection
        self._manager = manager
        self._loop = asyncio.get_running_loop()
        self._own_login = login
        self._login = None if login is None else self._driver(login, epoch, rest, outlet)
        self.epoch = epoch
        self.is_open = False
        self.is_ready = False
        """Whether it was ready once and is open; `is_settled` comes and goes."""
        self.is_settled = False
        self.was_fed = False
        """Whether anything could have come: an end leaves a gap then."""
        self.has_rollover = False
        """Whether its replacement is planned."""
        self.on_wire = OnWire(wanted, epoch, outlet.new_id)
        self.on_wire.admitted = login is None
        self.replies = Replies(options.reply_id)
        self.sorter = Sorter(
            epoch,
            options,
            queue,
            outlet,
            wanted,
            self.on_wire,
            self.replies,
            self._login,
            answer=self._answer,
            changed=self.changed,
            overrun=self._overrun,
        )
        self._wanted = wanted
        self._outlet = outlet
        self._app_pulse: AppPulse | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[LinkEnd] = self._loop.create_future()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._looked_twice = False

    def _driver(self, login: Login, epoch: int, rest: RESTCaller, outlet: Outlet) -> LoginDriver:
        hands = Hands(
            spawn=self._spawn,
            dial=self._dial,
            send=self._connection.send,
            admit=self._admit,
            end=self.end,
            hook=outlet.hook,
            looked=self._looked,
            exchange_time=self._exchange_time,
        )
        return LoginDriver(login, epoch, self._options.url, rest, hands)

    # -- its life ---------------------------------------------------------------------------------

    async def run(self) -> LinkEnd:
        """Live until something ends it; nothing but the socket is left then, for `hang_up`."""
        try:
            if self._login is None:
                self._spawn(self._dial(self._options.url, {}))
            else:
                self._login.dial()
                self._look()
            return await self._ended
        finally:
            await self._leave()

    def end(self, end: LinkEnd) -> None:
        """End it; the first reason counts."""
        self.is_open = self.is_ready = self.is_settled = False
        if not self._ended.done():
            self._ended.set_result(end)

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    async def _leave(self) -> None:
        self.is_open = self.is_ready = self.is_settled = False
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self.replies.fail(
            lambda: WebSocketClosedError(
                "the connection ended before the reply came; ask the exchange whether it was done",
                code=NO_CLOSE_FRAME,
                outcome=Outcome.UNKNOWN,
            )
        )
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            if self._login is not None:
                self._login.disconnected()

    async def hang_up(self) -> None:
        """Close the socket, within the close timeout: a peer that is gone takes all of it."""
        await self._connection.disconnect()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, NetworkpypeError):
            self.end(end_of(error))
        elif not self._ended.done():
            # A defect of ours or of the user's own code must not look like a lost connection.
            self._ended.set_exception(error)

    # -- dial and login ---------------------------------------------------------------------------

    async def _dial(self, url: str, headers: Mapping[str, str]) -> None:
        if self._login is not None and self._manager.auth is not None:
            check_socket(self._manager.auth, url)
        options = dict(self._options.connect)
        options["ws_headers"] = {**(options.pop("ws_headers", None) or {}), **headers}
        ping_s = self._options.heartbeat.ping_s
        await self._connection.connect(url, ping_timeout=ping_s, **options)
        now = self._loop.time()
        self.is_open = True
        if self._options.heartbeat.message is not None:
            self._app_pulse = AppPulse(self._options.heartbeat, now)
        self._outlet.event(Connected(self.epoch, mask_url(url)))
        self._spawn(self._read())
        self._spawn(self._subscribe())
        if self._login is not None:
            self._login.connected()
        self._look()

    def _exchange_time(self) -> float:
        login, auth = self._own_login, self._manager.auth
        if login is None:
            return 0.0
        return login.pattern.identity.time() if auth is None else exchange_time(login.pattern, auth)

    def _looked(self) -> None:
        self._settle()  # not any more, where the login has expired
        self._look()

    def _admit(self, admission: do.Admission) -> None:
        self.on_wire.admitted = True
        if admission is do.Admission.RECOVERY:
            self.on_wire.recover()
            self._outlet.event(Gap(self.epoch, "the login had ended"))
        self.changed()

    # -- sending ----------------------------------------------------------------------------------

    async def send(self, request: WebSocketRequest, timeout_s: float | None) -> None:
        """Send on this connection or not at all."""
        deadline = asyncio.timeout(timeout_s)
        try:
            async with deadline:
                await self._manager.send(request)
            return
        except TimeoutError:
            if not deadline.expired():
                raise
        raise RequestTimeoutError(
            f"the exchange did not take it within {timeout_s:g} s; ask it whether it was done",
            outcome=Outcome.UNKNOWN,
        )

    async def request(
        self, request: WebSocketRequest, id: Hashable, timeout_s: float
    ) -> SessionMessage:
        """Send and wait for the reply with this id."""
        reply = self.replies.expect(id)
        deadline = asyncio.timeout(timeout_s)
        was_sent = False
        try:
            async with deadline:
                await self._manager.send(request)
                was_sent = True
                return await reply
        except TimeoutError:
            if not deadline.expired():
                raise
        finally:
            self.replies.forget(id, was_sent=was_sent)
            if reply.done() and not reply.cancelled():
                reply.exception()  # whoever asked has gone; nobody else has to hear of it
        raise RequestTimeoutError(
            f"no reply within {timeout_s:g} s; ask the exchange whether it was done",
            outcome=Outcome.UNKNOWN,
        )

    def _answer(self, payload: Any) -> None:
        self._spawn(self._send_if_open(as_request(payload)))

    async def _send_if_open(self, request: WebSocketRequest) -> None:
        with contextlib.suppress(NotConnectedError, WebSocketClosedError):
            await self._manager.send(request)  # the reader says how it ended

    # -- subscriptions ----------------------------------------------------------------------------

    def changed(self) -> None:
        """Look again at what is wanted."""
        if self._ended.done():
            return  # the login may serve the next connection already
        self.on_wire.changed()
        self.sorter.look_again()
        self._settle()
        self._wake.set()
        self._look()

    async def _subscribe(self) -> None:
        """Send what is to be asked for, one message after the other, as the throttler lets them."""
        while True:
            self._wake.clear()
            # Not even what is public goes before the login: some exchanges want that first.
            while self.on_wire.admitted and (asked := self.on_wire.next_frame()) is not None:
                await self._ask(asked)
            self._settle()
            await self._wake.wait()

    async def _ask(self, asked: Asked) -> None:
        request = as_request(asked.payload)
        request.is_auth_required = request.is_auth_required or asked.private
        if request.throttler_limit_id is None:
            request.throttler_limit_id = self._options.limit_id
        self.was_fed = True
        try:
            await self._manager.send(request)
        except ConfigurationError as error:
            for event in self.on_wire.failed(asked, str(error)):
                self._outlet.event(event)
            return
        self.on_wire.sent(asked, self._loop.time())
        self._look()

    def _settle(self) -> None:
        settled = (
            self.is_open
            and self.on_wire.is_settled
            and not self.on_wire.lacks_login
            and (self._login is None or self._login.is_authenticated)
        )
        was_settled, self.is_settled = self.is_settled, settled
        if settled and not was_settled:
            self.is_ready = True
            self._outlet.event(Ready(self.epoch))
            self._outlet.settled(self.epoch)

    # -- reading and watching ---------------------------------------------------------------------

    async def _read(self) -> None:
        if not self._wanted:
            self.was_fed = True
        await self._connection.drain(self.sorter.taker())
        self.end(LinkEnd("disconnected on this side, such as by closing the factory", code=1000))

    def _overrun(self) -> None:
        self.end(LinkEnd("the buffer was full", cause=self._outlet.overrun(), is_final=True))

    def _look(self) -> None:
        """Do what is due, and look again when the next thing is."""
        if self._ended.done():
            return
        now, login = self._loop.time(), self._login
        if login is not None:
            login.tick(now)
        for event in self.on_wire.tick(now):
            self._outlet.event(event)
        if self.on_wire.is_owed:
            self.sorter.look_again()
        if self.on_wire.is_unsure:
            self.end(LinkEnd("a subscription was not answered in time"))
        times = [self.on_wire.next_deadline, None if login is None else login.next_deadline]
        if self.is_open:
            times += [self._beat(now), self._listen(now)]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = min((at for at in times if at is not None), default=None)
        if due is not None and not self._ended.done():
            self._timer = self._loop.call_at(due, self._rung, due)

    def _rung(self, due: float) -> None:
        late_s = self._loop.time() - due
        if late_s > _LATE_S and not self._looked_twice:
            # The loop was blocked: what the peer said meanwhile is still in the socket.
            self._looked_twice = True
            self._outlet.hook(LoopBlocked(self.epoch, late_s))
            self._timer = self._loop.call_later(_LOOK_S, self._rung, due)
            return
        self._looked_twice = False
        self._look()

    def _beat(self, now: float) -> float | None:
        pulse = self._connection.pulse
        if self._app_pulse is None or pulse is None:
            return None
        verdict, next_at = self._app_pulse.poll(now, pulse)
        if verdict is Verdict.DEAD:
            self.end(LinkEnd("no answer to the application's ping came in time"))
        elif verdict is Verdict.PING:
            message = self._options.heartbeat.message
            self._answer(message(self._outlet.new_id()) if callable(message) else message)
        return next_at

    def _listen(self, now: float) -> float | None:
        events, next_at = self.sorter.quiet.tick(self.sorter.watched, now, self.epoch)
        for event in events:
            self._outlet.event(event)
        return next_at
