"""One connection of a session: dial, log in, subscribe, read, and end for one reason."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, PreAuth
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
    MarkedMessage,
    Ready,
    SessionMessage,
)
from networkpype.websocket.session.intents import Asked, OnWire, Wanted
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
            login,
            answer=self._answer,
            heard=self._heard,
            changed=self.changed,
            overrun=self._overrun,
        )
        self._options = options
        self._connection = connection
        self._manager = manager
        self._rest = rest
        self._wanted = wanted
        self._outlet = outlet
        self._login = login
        self._app_pulse: AppPulse | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._preparing: dict[int, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[LinkEnd] = self._loop.create_future()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._looked_twice = False

    # -- its life ---------------------------------------------------------------------------------

    async def run(self) -> LinkEnd:
        """Live until something ends it; nothing but the socket is left then, for `hang_up`."""
        try:
            if self._login is None:
                self._spawn(self._dial(self._options.url, {}))
            else:
                self._perform(self._login, self._login.dial(self._loop.time(), self.epoch))
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
                now = self._loop.time()
                self._perform(self._login, self._login.disconnected(now, self.epoch))

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
        if (login := self._login) is not None:
            self._perform(login, login.connected(now, self._exchange_time(login), self.epoch))
        self._look()

    async def _prepare(self, login: Login, action: do.Prepare) -> None:
        pattern, rest = login.pattern, self._rest
        try:
            pre_auth = await (pattern.renew(rest) if action.renewal else pattern.pre_auth(rest))
            pre_auth = self._at_own_url(pre_auth, pattern.url)
        except Exception as error:
            actions = login.preparation_failed(error, self._loop.time(), action.attempt)
        else:
            now = self._loop.time()
            actions = login.prepared(pre_auth, now, self._exchange_time(login), action.attempt)
        finally:
            self._preparing.pop(action.attempt, None)
        self._perform(login, actions)
        self._look()

    def _exchange_time(self, login: Login) -> float:
        auth = self._manager.auth
        return login.pattern.identity.time() if auth is None else exchange_time(login.pattern, auth)

    def _at_own_url(self, pre_auth: PreAuth, plain_url: str) -> PreAuth:
        url = self._options.url
        if not url or url == pre_auth.url:
            return pre_auth
        if pre_auth.url != plain_url:
            raise ConfigurationError(
                "the login makes the address itself, with a key or token in it; leave url= out, "
                "or move the exchange with Exchange.at(...)"
            )
        return PreAuth(url, pre_auth.headers, pre_auth.lifetime_s)

    def _heard(self, message: MarkedMessage) -> AuthOutcome:
        """Tell the login of a message."""
        login = self._login
        if login is None:
            return AuthOutcome.not_mine()
        outcome, actions = login.received(message, self._loop.time(), self.epoch)
        if actions:
            self._perform(login, actions)
            self._settle()  # not any more, where the login has expired
            self._look()
        return outcome

    def _perform(self, login: Login, actions: Sequence[do.Action]) -> None:
        for action in actions:
            match action:
                case do.Announce():
                    self._outlet.hook(action.event)
                case do.Prepare():
                    work = self._prepare(login, action)
                    self._preparing[action.attempt] = self._spawn(work)
                case do.Abandon():
                    if task := self._preparing.pop(action.attempt, None):
                        task.cancel()
                case do.Dial():
                    self._spawn(self._dial(action.pre_auth.url, action.pre_auth.headers))
                case do.Send():
                    self._spawn(self._connection.send(action.request))
                case do.Admit():
                    self._admit(action.admission)
                case do.Reconnect():
                    self.end(LinkEnd(action.reason, floor_s=action.retry_in_s))
                case do.Fail():
                    self.end(LinkEnd(str(action.error), cause=action.error, is_final=True))

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
            self._perform(login, login.tick(now))
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
