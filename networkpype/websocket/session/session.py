"""A connection that stays: what every connector writes by hand, once."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from networkpype.errors import (
    BufferFullError,
    ConcurrentReceiveError,
    ConfigurationError,
    MissingCredentialsError,
    NotConnectedError,
    RequestTimeoutError,
    StreamGapError,
)
from networkpype.hooks import Hook
from networkpype.redact import mask_url
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.websocket.session.buffer import Buffer, SessionQueue
from networkpype.websocket.session.events import (
    Gap,
    MarkedMessage,
    SessionEvent,
    SessionMessage,
)
from networkpype.websocket.session.intents import Wanted
from networkpype.websocket.session.link import Link
from networkpype.websocket.session.options import LinkOptions, as_request
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.sorting import Broken
from networkpype.websocket.session.supervisor import Dialer, Supervisor
from networkpype.websocket.subscriptions import Subscription

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.websocket.processor.base import WebSocketPostProcessor

__all__ = ["WebSocketSession"]

_TURN = 64  # messages in a row before the event loop gets its turn
_log = logging.getLogger(__name__)


class WebSocketSession:
    """One stream over as many connections as it takes; get it from `factory.get_ws_session`.

    ``async with`` opens it and returns at once; ``async for`` over it yields `SessionMessage`s and
    `SessionEvent`s in the order in which things happened, and `messages` the former alone. It ends
    after `close`, and raises where it cannot go on: AuthenticationError, ReconnectError,
    BufferFullError, ConfigurationError. One task reads; any task may do everything else.
    """

    def __init__(
        self,
        dialer: Dialer,
        options: LinkOptions,
        *,
        subscriptions: Sequence[Subscription] = (),
        reconnect: Reconnect | None = None,
        buffer: Buffer | None = None,
        auth: Auth | None = None,
        logs_in: bool = False,
        post_processors: Sequence[WebSocketPostProcessor] = (),
        hook: Hook | None = None,
        close_timeout_s: float = 5.0,
    ) -> None:
        self._options = options
        self._queue = SessionQueue(buffer or Buffer())
        self._auth = auth
        self._post_processors = list(post_processors)
        self._loads = options.decoder.loads
        self._wanted = Wanted()
        self._supervisor = Supervisor(
            dialer,
            options,
            reconnect or Reconnect(),
            self._wanted,
            self._queue,
            auth=auth,
            logs_in=logs_in,
            hook=hook,
            overrun=self._overrun,
            on_settled=self._wake_settled,
            on_end=self._on_end,
            close_timeout_s=close_timeout_s,
        )
        self._error: BaseException | None = None
        self._is_over = False
        self._settled: list[asyncio.Future[None]] = []
        self._turn = _TURN
        self.add(*subscriptions)

    # -- what the user does -----------------------------------------------------------------------

    async def open(self) -> None:
        """Begin; returns at once, for the exchange may be down. ``async with`` does it."""
        if self._is_over:
            raise ConfigurationError("the session was closed; get another from the factory")
        if not self._supervisor.has_started:
            self._supervisor.start()

    async def close(self) -> None:
        """End it within a little more than `close_timeout_s`, whatever the peer does.

        Safe to repeat. What waits for the consumer already, is still delivered.
        """
        self._is_over = True
        await self._supervisor.stop()
        self._queue.wake()
        self._wake_settled()

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until it is logged in and everything wanted is answered.

        Raises RequestTimeoutError after `timeout_s`, and what ended the session.
        """
        deadline = asyncio.timeout(timeout_s)
        supervisor = self._supervisor
        try:
            async with deadline:
                while supervisor.current is None or not supervisor.current.is_settled:
                    self._raise_if_over()
                    future = asyncio.get_running_loop().create_future()
                    self._settled.append(future)
                    await future
                return
        except TimeoutError:
            if not deadline.expired():
                raise
        raise RequestTimeoutError(f"{self!r}: not ready within {timeout_s:g} s")

    def add(self, *subscriptions: Subscription) -> None:
        """Want these, from now on and after every reconnect; each `add` takes one `remove`."""
        for subscription in subscriptions:
            if not isinstance(subscription, Subscription):
                raise ConfigurationError(
                    f"a subscription is a {type(subscription).__name__}; pass a Subscription"
                )
            if subscription.private and self._auth is None:
                raise MissingCredentialsError(
                    f"{subscription!r} is private and no auth is configured; pass auth= to "
                    "ConnectionManagersFactory"
                )
        new = [self._wanted.add(subscription) for subscription in subscriptions]
        if any(new):
            self._supervisor.wanted_changed()

    def remove(self, *subscriptions: Subscription) -> None:
        """Want these no more; what nobody wants is unsubscribed. An unknown one is no error."""
        gone = [self._wanted.remove(subscription) for subscription in subscriptions]
        if any(gone):
            self._supervisor.wanted_changed()

    async def send(
        self, request: WebSocketRequest | Any, *, timeout_s: float | None = 10.0
    ) -> None:
        """Send a message on the connection that is there; it is never kept for the next one.

        A payload that is no request is sent as text, bytes or JSON. Raises NotConnectedError
        (NOT_SENT) while not ready, what `WebSocketManager.send` raises, and RequestTimeoutError
        (UNKNOWN) after `timeout_s`, for the throttler or for an exchange that does not read.
        """
        await self._ready_link().send(as_request(request), timeout_s)

    async def request(
        self, request: WebSocketRequest | Any, *, id: Hashable = None, timeout_s: float = 10.0
    ) -> WebSocketResponse:
        """Send a message and return the one that answers it, which the stream then does not show.

        Without `id` a fresh one is put into the payload, a mapping, where `reply_id` says; one that
        stands there is taken. Raises ConfigurationError for an id that is waiting already,
        NotConnectedError (NOT_SENT) while not ready, RequestTimeoutError (UNKNOWN) without an
        answer in time, WebSocketClosedError (UNKNOWN) where the connection ended before it.
        """
        prepared = as_request(request)
        id = self._identified(prepared) if id is None else id
        return await self._ready_link().request(prepared, id, timeout_s)

    async def messages(
        self, *, on_gap: Callable[[Gap], Any] | None = None
    ) -> AsyncIterator[SessionMessage]:
        """Yield the messages without the events.

        A gap is handed to `on_gap`, a function or coroutine function; without one it raises
        StreamGapError, and the next call goes on behind it.
        """
        while True:
            # As in __anext__, whose own frame would cost a tenth of a message.
            item = self._at_hand()
            if item is None:
                try:
                    item = await self._arriving()
                except StopAsyncIteration:
                    return
            if isinstance(item, SessionMessage):
                yield await self._post_process(item) if self._post_processors else item
            elif isinstance(item, Gap):
                if on_gap is None:
                    raise StreamGapError(f"{self!r}: {item.reason}", lost=item.lost)
                told = on_gap(item)
                if inspect.isawaitable(told):
                    await told

    @property
    def is_ready(self) -> bool:
        """Tell whether a connection is there that was ready since it opened: it takes sends."""
        return self._supervisor.current is not None and self._supervisor.current.is_ready

    @property
    def epoch(self) -> int:
        """Return the number of the connection that is there or being made; 0 before the first."""
        return 0 if self._supervisor.current is None else self._supervisor.current.epoch

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return what is wanted."""
        return tuple(self._wanted)

    @property
    def live(self) -> frozenset[Hashable]:
        """Return the keys of the subscriptions that the exchange confirmed on this connection."""
        link = self._supervisor.current
        return frozenset() if link is None else link.on_wire.live

    @property
    def waiting(self) -> int:
        """Return how many messages and events wait for the consumer."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Return how many messages the buffer dropped; each was announced by a `Gap`."""
        return self._queue.dropped

    # -- reading ----------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | SessionEvent:
        item = self._at_hand()
        if item is None:
            item = await self._arriving()
        if self._post_processors and isinstance(item, SessionMessage):
            return await self._post_process(item)
        return item

    def _at_hand(self) -> SessionMessage | SessionEvent | None:
        """Return the next item, decoded, where one is there and the event loop had its turn."""
        self._turn -= 1
        if not self._turn:
            # A consumer that never waits must not keep the loop from reading the socket.
            return None
        queue = self._queue
        items = queue.items
        item = items.popleft() if items and type(items[0]) is str else queue.pop()
        if queue.room is not None:
            queue.make_way()
        if type(item) is str:
            try:
                return SessionMessage(self._loads(item), queue.epoch)
            except Exception:  # what it is, the decoder says
                return SessionMessage(self._options.decoder.text(item), queue.epoch)
        if type(item) is bytes:
            return SessionMessage(self._options.decoder.binary(item), queue.epoch)
        if isinstance(item, MarkedMessage) and isinstance(item.data, Broken):
            raise item.data.error
        return cast("SessionMessage | SessionEvent | None", item)

    async def _arriving(self) -> SessionMessage | SessionEvent:
        queue = self._queue
        if queue.waiter is not None:
            raise ConcurrentReceiveError("another task is reading this session")
        if self._turn <= 0:
            self._turn = _TURN
            await asyncio.sleep(0)
        while (item := self._at_hand()) is None:
            if self._turn <= 0:
                self._turn = _TURN
                continue
            if self._is_over:
                self._raise_if_failed()
                raise StopAsyncIteration
            if not self._supervisor.has_started:
                raise NotConnectedError("the session is not open; use it with async with")
            await queue.arrival()
        return item

    async def _post_process(self, message: SessionMessage) -> SessionMessage:
        response: WebSocketResponse = message
        try:
            for post_processor in self._post_processors:
                response = await post_processor.post_process(response)
        except asyncio.CancelledError:
            self._queue.items.appendleft(message)  # nobody has had it
            raise
        if isinstance(response, SessionMessage):
            return response
        message.data = response.data
        return message

    # -- inside -----------------------------------------------------------------------------------

    def _overrun(self) -> BufferFullError:
        return BufferFullError(
            f"{self!r}: {self._queue.size} messages wait for the consumer and another came; read "
            "faster, or choose another Buffer"
        )

    def _wake_settled(self) -> None:
        waiting, self._settled = self._settled, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _on_end(self, error: BaseException | None) -> None:
        if error is not None:
            _log.error("%r ended: %s", self, type(error).__name__)
            self._error = error
        self._is_over = True
        self._queue.wake()
        self._wake_settled()

    def _raise_if_over(self) -> None:
        if self._is_over:
            self._raise_if_failed()
            raise NotConnectedError(f"{self!r} is closed; nothing was sent")
        if not self._supervisor.has_started:
            raise NotConnectedError("the session is not open; use it with async with")

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error

    def _ready_link(self) -> Link:
        self._raise_if_over()
        link = self._supervisor.current
        if link is None or not link.is_ready:
            raise NotConnectedError(
                f"{self!r} is not ready, so nothing was sent; await ready(), or try again later"
            )
        return link

    def _identified(self, request: WebSocketRequest) -> Hashable:
        field, payload = self._options.reply_id, request.payload
        if not isinstance(field, str) or not isinstance(payload, Mapping):
            raise ConfigurationError(
                "this request's reply cannot be told: pass id=, or reply_id= with the name of a "
                "field in a payload that is a mapping"
            )
        if field in payload:
            found: Hashable = payload[field]
            return found
        request.payload = {**payload, field: self._supervisor.new_id()}
        return int(request.payload[field])

    def __await__(self) -> Generator[Any, None, Self]:
        """Return itself: ``await factory.get_ws_session(...)`` works as for its siblings."""
        return self
        yield

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_over else "ready" if self.is_ready else "not ready"
        url = mask_url(self._options.url) or "the login's address"
        return f"WebSocketSession({url}, {state}, epoch {self.epoch})"
