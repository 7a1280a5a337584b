"""How a consumer takes what a session has for him."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

from networkpype.errors import ConcurrentReceiveError, StreamGapError
from networkpype.websocket.decoding import MessageDecoder
from networkpype.websocket.response import WebSocketResponse
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import Gap, MarkedMessage, SessionEvent, SessionMessage
from networkpype.websocket.session.sorting import Broken

if TYPE_CHECKING:
    from networkpype.websocket.processor.base import WebSocketPostProcessor

__all__ = ["GapHandler", "SessionMessages", "SessionReader", "StreamReader"]

GapHandler: TypeAlias = "Callable[[Gap], Awaitable[None] | object]"
"""A function, or coroutine function, that is told of a gap."""

_TURN = 64  # messages in a row before the event loop gets its turn


class StreamReader:
    """The reading side of a stream: an async iterator over items, and one over messages alone."""

    def __init__(self, post_processors: Sequence[WebSocketPostProcessor]) -> None:
        self._post_processors = list(post_processors)
        self._turn = _TURN

    async def open(self) -> None:
        """Begin; returns at once."""
        raise NotImplementedError

    async def close(self) -> None:
        """End it within a deadline; safe to repeat."""
        raise NotImplementedError

    def at_hand(self) -> SessionMessage | SessionEvent | None:
        """Return the next item, decoded, where one is there and the event loop had its turn."""
        raise NotImplementedError

    def put_back(self, item: SessionMessage | SessionEvent) -> None:
        """Let it be the next item again."""
        raise NotImplementedError

    def _arrival(self) -> Awaitable[None]:
        """Wait until something may be there; ConcurrentReceiveError where another task does."""
        raise NotImplementedError

    def _raise_if_nothing_comes(self) -> None:
        """Raise StopAsyncIteration after the end, or what ended it; NotConnectedError before."""
        raise NotImplementedError

    def messages(self, *, on_gap: GapHandler | None = None) -> SessionMessages:
        """Return an iterator over the messages without the events.

        A gap is handed to `on_gap`, a function or coroutine function; without one it raises
        StreamGapError. Whatever it raises, iterating again goes on behind it.
        """
        return SessionMessages(self, on_gap)

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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | SessionEvent:
        item = self.at_hand()
        if item is None:
            item = await self.arriving()
        if self._post_processors and isinstance(item, SessionMessage):
            return await self.post_processed(item)
        return item

    async def arriving(self) -> SessionMessage | SessionEvent:
        """Wait for the next item and return it."""
        if self._turn <= 0:
            await asyncio.sleep(0)
        while True:
            self._turn = _TURN
            item = self.at_hand()
            if item is not None:
                return item
            self._raise_if_nothing_comes()
            await self._arrival()

    async def post_processed(self, message: SessionMessage) -> SessionMessage:
        """Return the message as the post-processors leave it."""
        response: WebSocketResponse = message
        try:
            for post_processor in self._post_processors:
                response = await post_processor.post_process(response)
        except asyncio.CancelledError:
            self.put_back(message)  # nobody has had it
            raise
        if isinstance(response, SessionMessage):
            return response
        message.data = response.data
        return message

    @property
    def is_processed(self) -> bool:
        """Tell whether messages go through post-processors."""
        return bool(self._post_processors)


class SessionReader(StreamReader):
    """The reading side of a session: messages and events in order, decoded when they are taken."""

    def __init__(
        self,
        queue: SessionQueue,
        decoder: MessageDecoder,
        post_processors: Sequence[WebSocketPostProcessor],
    ) -> None:
        super().__init__(post_processors)
        self._queue = queue
        self._decoder = decoder
        self._loads = decoder.loads

    def at_hand(self) -> SessionMessage | SessionEvent | None:
        """Return the next item, decoded, where one is there and the event loop had its turn."""
        self._turn -= 1
        if self._turn <= 0:
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
                return SessionMessage(self._decoder.text(item), queue.epoch)
        if type(item) is bytes:
            return SessionMessage(self._decoder.binary(item), queue.epoch)
        if isinstance(item, MarkedMessage) and isinstance(item.data, Broken):
            raise item.data.error
        return cast("SessionMessage | SessionEvent | None", item)

    def taken(self) -> SessionMessage | SessionEvent | None:
        """Do as `at_hand` does, for a reader of several sessions that counts turns itself."""
        self._turn = _TURN
        return self.at_hand()

    def put_back(self, item: SessionMessage | SessionEvent) -> None:
        """Let it be the next item again."""
        self._queue.items.appendleft(item)

    def _arrival(self) -> Awaitable[None]:
        if self._queue.waiter is not None:
            raise ConcurrentReceiveError("another task is reading this session")
        return self._queue.arrival()


class SessionMessages:
    """Iterates over the messages of a stream; ended by nothing but the session's own end."""

    __slots__ = ("_on_gap", "_reader")

    def __init__(self, reader: StreamReader, on_gap: GapHandler | None) -> None:
        self._reader = reader
        self._on_gap = on_gap

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        reader = self._reader
        while True:
            item = reader.at_hand()
            if item is None:
                item = await reader.arriving()
            if isinstance(item, SessionMessage):
                return await reader.post_processed(item) if reader.is_processed else item
            if isinstance(item, Gap):
                await self._tell(item)

    async def _tell(self, gap: Gap) -> None:
        if self._on_gap is None:
            where = f"shard {gap.shard}: " if gap.shard else ""
            raise StreamGapError(f"{self._reader!r}: {where}{gap.reason}", lost=gap.lost)
        told: Any = self._on_gap(gap)
        if not inspect.isawaitable(told):
            return
        try:
            await told
        except asyncio.CancelledError:
            self._reader.put_back(gap)  # it was not told to the end
            raise

    def __repr__(self) -> str:
        return f"SessionMessages({self._reader!r})"
