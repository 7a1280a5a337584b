"""One connection of a session: dial, log in, subscribe, read, and end for one reason."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.errors import (
    ConfigurationError,
    NetworkpypeError,
)
from networkpype.hooks import Event, LoginFailed
from networkpype.redact import mask_url
from networkpype.throttler.kinds import Priority
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.first_login import check_socket
from networkpype.websocket.heartbeat import Verdict
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.pacing import FOR_EVER_S, DialTurn
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.session.asked import Asked, secrets_of
from networkpype.websocket.session.beats import AppPulse
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import (
    Connected,
    Gap,
    LoopBlocked,
    Ready,
    SessionMessage,
)
from networkpype.websocket.session.intents import OnWire
from networkpype.websocket.session.login_driver import Hands, LoginDriver
from networkpype.websocket.session.logins import Credentials
from networkpype.websocket.session.options import (
    LinkEnd,
    LinkOptions,
    Outlet,
    as_request,
    end_of,
)
from networkpype.websocket.session.replies import Replies
from networkpype.websocket.session.sends import (
    never_answered,
    request_within,
    send_within,
    unless_lost,
)
from networkpype.websocket.session.sorting import Sorter
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.session.watch import Soon, Watch

if TYPE_CHECKING:
    from networkpype.auth.patterns.base import RESTCaller

__all__ = ["Link"]

# So long after its reader waited for room, all is read that had come before.
_READ_UP_S = 0.25
_MOST_TASKS = 1_000


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
        self._login = None if login is None else self._driver(login, epoch, rest, outlet)
        self.epoch = epoch
        self.is_open = False
        self.is_ready = False
        """Whether it was ready since it opened, and is logged in; `is_settled` comes and goes."""
        self._is_settled = False
        self.change_soon = Soon(self._change)
        """Look again at what is wanted, once for all that is added or removed in a row."""
        self._look_soon = Soon(self._look_again)
        self.was_fed = False
        """Whether anything could have come: an end leaves a gap then."""
        self.ready_at = math.inf
        """Since when it is ready, from the first time on."""
        self.has_rollover = False
        """Whether the day of its replacement is set."""
        self.is_outdated = False
        """Whether another is to take its place, by its age or on the exchange's notice."""
        self.credentials: Credentials | None = None
        """Of its own login, for those that follow it."""
        self.on_wire = OnWire(wanted, epoch, outlet.new_id, options.most_subscriptions)
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
            changed=self._answered,
            overrun=self._overrun,
        )
        self._wanted = wanted
        self._outlet = outlet
        self._app_pulse: AppPulse | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[LinkEnd] = self._loop.create_future()
        self._wake = asyncio.Event()
        self._held_back = False
        self.sorter.quiet.on_reading = self._reads_again
        self._watch = Watch(
            self._do_due,
            blocked=lambda late_s: outlet.hook(LoopBlocked(epoch, late_s, shard=options.shard)),
            failed=self._failed,
        )

    def _driver(self, login: Login, epoch: int, rest: RESTCaller, outlet: Outlet) -> LoginDriver:
        hands = Hands(
            spawn=self._spawn,
            dial=self._dial,
            send=lambda request: unless_lost(self._manager.send_ahead(request)),
            admit=self._admit,
            end=self.end,
            hook=self._login_told,
            expired=self._expired,
            looked=self._looked,
        )
        auth = self._manager.auth
        return LoginDriver(login, epoch, self._options.url, rest, auth, hands)

    # -- its life ---------------------------------------------------------------------------------

    async def run(self) -> LinkEnd:
        """Live until something ends it; nothing but the socket is left then, for `hang_up`."""
        try:
            if self._manager.dial_turn is None:
                self._begin()
            else:
                self._spawn(self._begin_in_turn(self._manager.dial_turn))
            return await self._ended
        finally:
            await self._leave()

    def _begin(self) -> None:
        if self._login is None:
            self._spawn(self._dial(self._options.url, {}))
        else:
            self._login.dial()
            self._look()

    async def _begin_in_turn(self, turn: DialTurn) -> None:
        await turn.wait(FOR_EVER_S)
        self._begin()

    def end(self, end: LinkEnd) -> None:
        """End it; the first reason counts."""
        self.is_open = self.is_ready = self._is_settled = False
        if not self._ended.done():
            self._ended.set_result(end)

    @property
    def is_settled(self) -> bool:
        """Tell whether it is logged in, and all that is wanted is live or refused."""
        return self._is_settled and not self.change_soon.is_due

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    @property
    def is_parked(self) -> bool:
        """Tell whether its reader waits for room, or did a moment ago: messages lie unread."""
        return self.sorter.quiet.since(self._loop.time()) < _READ_UP_S

    async def _leave(self) -> None:
        self.is_open = self.is_ready = self._is_settled = False
        self._watch.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self.replies.fail(never_answered)
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            if self._manager.dial_turn is not None:
                self._manager.dial_turn.give_up()
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
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
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
        self.on_wire.secrets = secrets_of(url, options["ws_headers"])
        ping_s = self._options.heartbeat.ping_s
        await self._manager.connect(url, ping_timeout=ping_s, **options)
        now = self._loop.time()
        self.is_open = True
        if self._options.heartbeat.message is not None:
            self._app_pulse = AppPulse(self._options.heartbeat, now)
        self._outlet.event(Connected(self.epoch, mask_url(url)))
        self._spawn(self._read())
        self._spawn(unless_lost(self._subscribe()))
        if self._login is not None:
            self._login.connected()
        self._look()

    def _looked(self) -> None:
        self._settle()  # not any more, where the login has expired
        self._look()

    def _admit(self, admission: do.Admission) -> None:
        self.on_wire.admitted = True
        if admission is do.Admission.RECOVERY:
            self.on_wire.recover()  # once more, for what was on its way when it ended
        self.changed()

    def _expired(self) -> None:
        # What is private is missing from here on; nothing is asked for until the next login.
        if self._ended.done():
            return  # its end tells it
        self.is_ready = False
        self.on_wire.admitted = False
        self.on_wire.recover()
        self._outlet.event(Gap(self.epoch, "the login ended"))
        self._settle()

    def _login_told(self, event: Event) -> None:
        self._outlet.hook(event)
        if self.is_open or self._ended.done() or not isinstance(event, LoginFailed):
            return
        if event.retry_in_s is not None:
            self._outlet.setback(self.epoch, event.reason, event.retry_in_s)

    # -- sending ----------------------------------------------------------------------------------

    async def send(self, request: WebSocketRequest, timeout_s: float | None) -> None:
        """Send on this connection or not at all."""
        await send_within(self._manager, request, timeout_s)

    async def request(
        self, request: WebSocketRequest, id: Hashable, timeout_s: float
    ) -> SessionMessage:
        """Send and wait for the reply with this id."""
        return await request_within(self._manager, self.replies, request, id, timeout_s)

    def _answer(self, payload: Any) -> None:
        if len(self._tasks) > _MOST_TASKS:
            self.end(LinkEnd("the exchange pings faster than its answers may go"))
            return
        sending = self._manager.send(
            as_request(payload), priority=Priority.CANCEL, max_wait=FOR_EVER_S
        )
        self._spawn(unless_lost(sending))

    # -- subscriptions ----------------------------------------------------------------------------

    def _change(self) -> None:
        self.changed()
        if self.is_settled:
            self._outlet.settled(self.epoch)  # whoever waits for that, may not have been told

    def changed(self) -> None:
        """Look again at what is wanted."""
        if self._ended.done():
            return  # the login may serve the next connection already
        self.on_wire.changed()
        self.sorter.look_again()
        self._settle()
        self._wake.set()
        self._look()

    def _answered(self) -> None:
        self._settle()
        self._wake.set()
        self._look_soon()

    def _look_again(self) -> None:
        if not self._ended.done():
            self.sorter.look_again()
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
            await self._manager.send(request, priority=Priority.QUERY, max_wait=FOR_EVER_S)
        except ConfigurationError as error:
            for event in self.on_wire.failed(asked, str(error)):
                self._outlet.event(event)
            return
        self.on_wire.sent(asked, self.sorter.quiet.reading_time(self._loop.time()))
        self._look()

    def _settle(self) -> None:
        settled = (
            self.is_open
            and self.on_wire.is_settled
            and not self.on_wire.lacks_login
            and (self._login is None or self._login.is_authenticated)
        )
        was_settled, self._is_settled = self._is_settled, settled
        if settled and not was_settled:
            self.is_ready = True
            self.ready_at = min(self.ready_at, self._loop.time())
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
        self._watch.look()

    def _do_due(self, now: float) -> float | None:
        """Do what is due, and return when the next thing is."""
        if self._ended.done():
            return None
        login, quiet = self._login, self.sorter.quiet
        times: list[float | None] = []
        # A reader that waits for room sees no answers: time stands still for all that wait for one.
        self._held_back = quiet.is_paused
        if login is not None:
            times.append(login.do_due(now, quiet.since(now)))
        if not quiet.is_paused:
            read_s = quiet.reading_time(now)
            for event in self.on_wire.tick(read_s):
                self._outlet.event(event)
            if self.on_wire.is_owed:
                self.sorter.look_again()
            if self.on_wire.is_unsure:
                self.end(LinkEnd("a subscription was not answered in time"))
            if (answer_by := self.on_wire.next_deadline) is not None:
                times.append(now + answer_by - read_s)
        if self.is_open:
            times += [self._beat(now), self._listen(now)]
        return min((at for at in times if at is not None), default=None)

    def _reads_again(self) -> None:
        if self._held_back:
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
