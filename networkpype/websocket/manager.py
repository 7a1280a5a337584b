"""In what order one WebSocket message is sent, and one received."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from networkpype.errors import (
    AlreadyConnectedError,
    ConfigurationError,
    MissingCredentialsError,
    NotConnectedError,
    Outcome,
    WebSocketClosedError,
)
from networkpype.throttler.context import InFlightContext, give_back, takes_terms
from networkpype.throttler.kinds import Priority
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.waits import Waits
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.first_login import log_in
from networkpype.websocket.pacing import DialTurn, Pace, holds
from networkpype.websocket.request import WebSocketRequest, check_request
from networkpype.websocket.response import WebSocketResponse

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.auth.patterns.base import RESTCaller
    from networkpype.websocket.line import Line
    from networkpype.websocket.processor.base import WebSocketPostProcessor, WebSocketPreProcessor

__all__ = ["WebSocketManager"]


class WebSocketManager:
    """One connection with throttling, processors and auth around it.

    `auth` is this connection's own: its `ws_pattern` remembers the login. A factory gives each
    manager the `for_connection` of its auth.

    Every dial waits for the throttler's limit `dial_limit_id`, where that is given, and every
    message for the `message_limit` of the connection.

    ``async with`` disconnects at the end; `connect` is awaited inside.
    """

    def __init__(
        self,
        connection: WebSocketConnection,
        ws_pre_processors: Sequence[WebSocketPreProcessor] | None = None,
        ws_post_processors: Sequence[WebSocketPostProcessor] | None = None,
        auth: Auth | None = None,
        *,
        throttler: AsyncThrottler | None = None,
        dial_limit_id: str | None = None,
    ) -> None:
        self._connection = connection
        self._pre_processors = list(ws_pre_processors or ())
        self._post_processors = list(ws_post_processors or ())
        self._auth = auth
        self._throttler = throttler
        self._early: deque[WebSocketResponse] = deque()  # came before the ack of a login
        self._is_logging_in = False
        self._departures = 0
        self._checked = ""  # where the auth has let private messages go to
        self._holds = holds(throttler)
        self._takes_terms = throttler is not None and self._holds and takes_terms(throttler)
        _check_has([connection], "receive", "connection")
        _check_has(self._pre_processors, "pre_process", "ws_pre_processors")
        _check_has(self._post_processors, "post_process", "ws_post_processors")
        _check_has([] if auth is None else [auth], "ws_authenticate", "auth")
        _check_has([] if throttler is None else [throttler], "execute_task", "throttler")
        self._waits = Waits(_waits_of(connection))
        self._dial_turn: DialTurn | None = None
        if dial_limit_id is not None:
            if throttler is None:
                raise ConfigurationError("dial_limit_id names a limit of throttler=; pass that too")
            self._dial_turn = DialTurn(throttler, dial_limit_id, self._waits)

    @property
    def connected(self) -> bool:
        """Tell whether the socket is open."""
        return self._connection.connected

    @property
    def auth(self) -> Auth | None:
        """Return who signs on this connection; ``auth.ws_pattern`` is the pattern of its login."""
        return self._auth

    @property
    def last_recv_time(self) -> float:
        """Return when the last data frame came, in Unix seconds; 0 for never."""
        return self._connection.last_recv_time

    async def connect(self, ws_url: str, **options: Any) -> None:
        """Dial; the options and errors are those of `WebSocketConnection.connect`.

        Under a limit of dials it waits, before `dial_timeout_s` begins, and raises
        ThrottleTimeoutError where the throttler's `max_wait` is not kept.
        """
        await self._dial(self._departures, ws_url, options)

    async def _dial(self, departures: int, ws_url: str, options: dict[str, Any]) -> None:
        check = partial(self._check_departures, departures)
        if self._dial_turn is None or self.connected:  # which is refused
            check()
            await self._connection.connect(ws_url, **options)
        else:
            connect = partial(self._connection.connect, ws_url, **options)
            await self._dial_turn.dial(connect, check)
        self._early.clear()

    def _check_departures(self, departures: int) -> None:
        if self._departures != departures:
            raise NotConnectedError(
                "disconnect() was called before it was the dial's turn; nothing was dialed"
            )

    @property
    def dial_turn(self) -> DialTurn | None:
        """Return its turn under the limit of dials; None without one."""
        return self._dial_turn

    async def login(
        self,
        rest: RESTCaller | None = None,
        *,
        ack_timeout_s: float = 10.0,
        **options: Any,
    ) -> None:
        """Dial where the auth's `ws_pattern` says, log in, and return when the exchange accepted.

        `rest`, a RESTManager, makes the calls for a token or listen key, under the pattern's
        `throttler_limit_id`. `options` go to `connect`, whose `compression` is the pattern's unless
        you pass another. Messages that came before the ack are
        received first, in their order. The ack has `ack_timeout_s`; whatever fails closes the
        connection. Nothing renews the login: ask ``manager.auth.ws_pattern`` about the messages
        that follow (`handle_auth_response`), or drive a `Login`.

        Raises AuthenticationError where the exchange refused, RequestTimeoutError where it did not
        answer, MissingCredentialsError without a pattern, ConfigurationError where the auth may not
        log in at that address, and what `connect` raises.
        """
        auth = self._auth
        pattern = None if auth is None else getattr(auth, "ws_pattern", None)
        if auth is None or pattern is None:
            raise MissingCredentialsError(
                "login() needs an auth with a ws_pattern, such as exchange_auth(...); "
                "use connect(...) where there is none"
            )
        # Before the pattern forgets the login of the connection that is open, or being made.
        if self.connected or self._is_logging_in:
            state = "logging in" if self._is_logging_in else "connected"
            raise AlreadyConnectedError(
                f"login() dials, and this manager is {state} already; disconnect() first, or get "
                "another manager from the factory"
            )
        self._early.clear()
        self._is_logging_in = True
        try:
            wire = _Wire(self, self._departures)
            if self._dial_turn is not None:
                await self._dial_turn.wait()  # before what `rest` fetches begins to grow old
            early = await log_in(wire, pattern, auth, rest, ack_timeout_s, options)
        finally:
            self._is_logging_in = False
            if self._dial_turn is not None:
                self._dial_turn.give_up()
        self._early.extend(early)

    async def disconnect(self) -> None:
        """Close within the close timeout; safe to repeat, and from another task.

        What waits for its turn, to be sent or to dial, ends with NotConnectedError (NOT_SENT).
        """
        self._departures += 1
        self._waits.end("disconnect() was called")
        await self._connection.disconnect()

    async def subscribe(self, request: WebSocketRequest) -> None:
        """Send a subscription: as `send` does, after what else waits for a `message_limit`."""
        if self._pace is None:
            await self.send(request)
        else:
            await self.send(request, priority=Priority.QUERY)

    async def send(
        self,
        request: WebSocketRequest,
        *,
        priority: Priority = Priority.PLACE,
        max_wait: float | None = None,
    ) -> None:
        """Throttle, copy, process, sign and send; the caller's request is never changed.

        `priority` is the message's among those that wait for this connection's `message_limit`.
        `max_wait` seconds it waits for each limit at most, by default as long as the throttler
        says, and for the connection's own for ever, as ``math.inf`` says for all of them.

        Raises MissingCredentialsError and other ConfigurationErrors before anything is sent, such
        as for a private message where the credentials may not go to the address that was dialed;
        ThrottleTimeoutError; NotConnectedError where the connection ends while it waits or is
        prepared, for it never goes out on a later one; and what `WebSocketConnection.send` raises.
        """
        if max_wait is not None and not self._takes_terms and self._throttler is not None:
            raise ConfigurationError(
                f"{type(self._throttler).__name__} knows no max_wait; pass an AsyncThrottler, or "
                "leave it out"
            )
        await self.send_noted(request, _nobody, priority=priority, max_wait=max_wait)

    async def send_noted(
        self,
        request: WebSocketRequest,
        departs: Callable[[], object],
        *,
        priority: Priority = Priority.PLACE,
        max_wait: float | None = None,
    ) -> None:
        """Do as `send` does, and call `departs` before the first byte may leave."""
        check_request(request)
        auth = self._auth
        if request.is_auth_required and auth is None:
            raise _no_auth(request)
        limit_id, pace = request.throttler_limit_id, self._pace
        if limit_id is None and pace is None:
            is_prepared = self._pre_processors or request.is_auth_required
            line = self._line if is_prepared else None  # which may take its time
            waits = self._waits_of(line) if is_prepared else None
            await self._process_and_send(request, auth, departs, line, waits)
            return
        line = self._open_line()  # raises before capacity is waited and paid for
        waits = self._waits_of(line)
        if limit_id is not None and pace is None and self._holds:  # most often: needs no stack
            async with self._slot(waits, limit_id, request, max_wait) as slot:
                await self._process_and_send(request, auth, departs, line, waits, (slot,))
            return
        async with AsyncExitStack() as stack:
            slots: list[InFlightContext] = []
            if limit_id is not None:
                slots += await self._enter_limit(stack, waits, limit_id, request, max_wait)
            if pace is not None:
                slots += [await stack.enter_async_context(pace.turn(request, priority, max_wait))]
            await self._process_and_send(request, auth, departs, line, waits, slots)

    async def send_ahead(self, request: WebSocketRequest) -> None:
        """Send as it is, before all that waits for the connection's `message_limit`: a login."""
        if (pace := self._pace) is None:
            await self._connection.send(request)
            return
        line = self._line
        waits = self._waits_of(line)
        async with pace.turn(request, Priority.CANCEL, None) as slot:
            await self._leave(request, _nobody, line, waits, (slot,))

    @property
    def _line(self) -> Line | None:
        """Return what is open; one of the user's own may have none."""
        return getattr(self._connection, "line", None)

    def _open_line(self) -> Line | None:
        open_line = getattr(self._connection, "open_line", None)
        return None if open_line is None else open_line()

    def _waits_of(self, line: Line | None) -> Waits:
        """Return what waits for this line; it is over when that is."""
        return _waits_of(line) or self._waits

    @property
    def _pace(self) -> Pace | None:
        pace = getattr(self._connection, "pace", None)  # one of the user's own may have none
        return pace if isinstance(pace, Pace) else None

    async def _enter_limit(
        self,
        stack: AsyncExitStack,
        waits: Waits,
        limit_id: str,
        request: WebSocketRequest,
        max_wait: float | None,
    ) -> list[InFlightContext]:
        if self._holds:
            slot = self._slot(waits, limit_id, request, max_wait)
            return [await stack.enter_async_context(slot)]
        task = self._throttler_of(request).execute_task(limit_id)
        with waits.to_send():
            await stack.enter_async_context(task)
        return []

    def _throttler_of(self, request: WebSocketRequest) -> AsyncThrottler:
        if self._throttler is None:
            raise ConfigurationError(
                f"{WebSocketRequest.__repr__(request)} names a rate limit and this manager has no "
                "throttler; pass throttler=, or get the manager from a ConnectionManagersFactory"
            )
        return self._throttler

    def _slot(
        self, waits: Waits, limit_id: str, request: WebSocketRequest, max_wait: float | None
    ) -> InFlightContext:
        throttler = self._throttler_of(request)
        if self._takes_terms:
            slot = throttler.in_flight(limit_id, departed=False, request=request, max_wait=max_wait)
        else:  # whoever gives a max_wait all the same has a deadline around it
            slot = throttler.in_flight(limit_id, departed=False)
        if isinstance(slot, InFlightContext):  # a subclass of the user's may return its own
            slot.around = waits.to_send
        return slot

    async def _process_and_send(
        self,
        request: WebSocketRequest,
        auth: Auth | None,
        departs: Callable[[], object],
        line: Line | None,
        waits: Waits | None,
        slots: Sequence[InFlightContext] = (),
    ) -> None:
        private = request.is_auth_required
        request = request.__deepcopy__({})
        for pre_processor in self._pre_processors:
            request = await pre_processor.pre_process(request)
            _check_returned(request, WebSocketRequest, pre_processor, "pre_process")
        # Whatever the processors built anew, a private message never goes out unsigned.
        if private or request.is_auth_required:
            request.is_auth_required = True
            if auth is None:
                raise _no_auth(request)
            self._check_socket(auth)
            request = await auth.ws_authenticate(request)
            _check_returned(request, WebSocketRequest, auth, "ws_authenticate")
        if slots and waits is not None:
            await self._leave(request, departs, line, waits, slots)
            return
        if waits is not None and self._line is not line:
            waits.check()  # whatever is open now, the message was not meant for it
        departs()
        await self._connection.send(request)

    async def _leave(
        self,
        request: WebSocketRequest,
        departs: Callable[[], object],
        line: Line | None,
        waits: Waits,
        slots: Sequence[InFlightContext],
    ) -> None:
        """Send on the line that the message was meant for; what never leaves is not paid for."""
        try:
            if self._line is not line:
                waits.check()  # before it waits anew
            for slot in slots:
                await slot.depart()
            if self._line is not line:
                waits.check()
        except BaseException:
            give_back(*slots)  # one may have departed before the other could not
            raise
        departs()
        try:
            await self._connection.send(request)
        except (NotConnectedError, WebSocketClosedError) as error:
            if error.outcome is Outcome.NOT_SENT:
                give_back(*slots)
            raise

    def _check_socket(self, auth: Auth) -> None:
        """Ask the auth, once an address, whether its messages may go where this has dialed."""
        url = getattr(self._connection, "base_url", "")
        if url == self._checked:
            return
        check = getattr(auth, "check_socket", None)  # one of the user's own may have none
        if check is not None:
            check(url)
        self._checked = url

    async def ping(self, payload: bytes = b"") -> None:
        """Send a protocol ping."""
        if payload:
            await self._connection.ping(payload)
        else:  # one of the user's own may take none
            await self._connection.ping()

    def receive(self) -> Coroutine[Any, Any, WebSocketResponse | None]:
        """Return the next message after its post-processors; None when this side disconnected.

        Raises what `WebSocketConnection.receive` raises.
        """
        if self._early or self._post_processors:
            return self._receive_processed()
        return self._connection.receive()

    async def _receive_processed(self) -> WebSocketResponse | None:
        response = self._early.popleft() if self._early else await self._connection.receive()
        return None if response is None else await self._post_process(response)

    def iter_messages(self) -> AsyncIterator[WebSocketResponse]:
        """Yield messages until this side disconnects; raises what `receive` raises."""
        # Without post-processors no generator stands between the caller and the socket: it would
        # cost 4 % of a message.
        if self._early or self._post_processors:
            return self._processed_messages()
        return aiter(self._connection)

    async def _processed_messages(self) -> AsyncIterator[WebSocketResponse]:
        while self._early:
            yield await self._post_process(self._early.popleft())
        async for response in self._connection:
            yield await self._post_process(response)

    async def _post_process(self, response: WebSocketResponse) -> WebSocketResponse:
        for post_processor in self._post_processors:
            response = await post_processor.post_process(response)
            _check_returned(response, WebSocketResponse, post_processor, "post_process")
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    def __repr__(self) -> str:
        return f"WebSocketManager({self._connection!r})"


class _Wire:
    """How a login dials, sends and receives: within the limits, and past the processors."""

    def __init__(self, manager: WebSocketManager, departures: int) -> None:
        self._manager = manager
        self._departures = departures  # until then; a disconnect() that follows calls it off
        self.send = manager.send_ahead
        self.receive = manager._connection.receive
        self.disconnect = manager._connection.disconnect

    async def connect(self, ws_url: str, **options: Any) -> None:
        await self._manager._dial(self._departures, ws_url, options)


def _waits_of(owner: object) -> Waits | None:
    # A connection of the user's own may have none.
    waits = getattr(owner, "waits", None)
    return waits if isinstance(waits, Waits) else None


def _nobody() -> None:
    """Be told of a departure that nobody waits for."""


def _no_auth(request: WebSocketRequest) -> MissingCredentialsError:
    return MissingCredentialsError(
        f"{WebSocketRequest.__repr__(request)} is private and no auth is configured, "
        "so nothing was sent; pass auth= to ConnectionManagersFactory"
    )


def _check_returned(value: object, wanted: type, by: object, method: str) -> None:
    if not isinstance(value, wanted):
        raise ConfigurationError(
            f"{type(by).__name__}.{method} returned {type(value).__name__}; "
            f"it must return a {wanted.__name__}"
        )


def _check_has(values: Iterable[object], method: str, name: str) -> None:
    for value in values:
        if not callable(getattr(value, method, None)):
            raise ConfigurationError(f"{name}: a {type(value).__name__} has no {method}()")
