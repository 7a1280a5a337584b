"""Between the socket and the consumer: a bounded queue of raw frames, and of events in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.websocket.session.events import (
    Gap,
    MarkedMessage,
    SessionEvent,
    SessionMessage,
)

__all__ = ["Buffer", "Overflow", "SessionQueue"]

Overflow: TypeAlias = Literal["block", "drop oldest", "conflate", "fail"]

_OVERFLOWS = ("block", "drop oldest", "conflate", "fail")


@dataclass(frozen=True, slots=True)
class Buffer:
    """How many messages wait for the consumer, and what becomes of the next one.

    - ``block``: it stays in the socket, and TCP slows the exchange down; nothing is lost here,
      though an exchange may hang up on a slow reader.
    - ``drop oldest``: the oldest goes; a `Gap` stands in its place and tells how many went.
    - ``conflate``: it takes the place of the last one with the same `key`, at once and not only
      where the buffer is full; `SessionMessage.replaced` counts. Where no place is left for
      another key, the oldest goes as above. `key` gets the decoded data; None means: keep this one.
    - ``fail``: the session ends with a BufferFullError.
    """

    size: int = 10_000
    overflow: Overflow = "block"
    key: Callable[[Any], Hashable | None] | None = None

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ConfigurationError(f"size is {self.size!r}; pass a whole number above zero")
        if self.overflow not in _OVERFLOWS:
            raise ConfigurationError(
                f"overflow is {self.overflow!r}; use one of {', '.join(_OVERFLOWS)}"
            )
        if (self.overflow == "conflate") is not callable(self.key):
            raise ConfigurationError(
                "key tells which messages replace each other: pass it with overflow='conflate', "
                "and with no other"
            )


class _Lost:
    """Stands in the queue where messages were dropped."""

    __slots__ = ("count", "epoch")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.count = 0


class _Epoch:
    """Stands before raw frames: they came on this connection."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class SessionQueue:
    """Messages and events in the order in which they came.

    A message is a raw frame, or a MarkedMessage where somebody looked into it before. Messages find
    `size` places, of which events and marks that wait take some; an event always finds one. One
    consumer waits in `arrival`, readers in `until_room`.
    """

    __slots__ = (
        "_by_key",
        "buffer",
        "conflated",
        "dropped",
        "epoch",
        "items",
        "raw_epoch",
        "room",
        "size",
        "waiter",
    )

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.size = buffer.size
        self.dropped = 0
        """How many were dropped since the beginning."""
        self.conflated = 0
        """How many were replaced by a newer one of their key."""
        self.items: deque[Any] = deque()
        self.raw_epoch = 0
        """Of the raw frame that came last."""
        self.epoch = 0
        """Of the raw frame that was taken last."""
        self._by_key: dict[Hashable, MarkedMessage] = {}
        self.waiter: asyncio.Future[None] | None = None
        """Of the consumer, while it waits; looked at for every message, as is `room`."""
        self.room: asyncio.Future[None] | None = None
        """Of the readers that wait."""

    def __len__(self) -> int:
        return len(self.items)

    def put_event(self, event: SessionEvent) -> None:
        """Add an event; it always finds a place."""
        self.items.append(event)
        self._by_key.clear()  # what comes later does not take a place before it
        self.wake()

    def put_raw(self, raw: str | bytes, epoch: int) -> bool:
        """Add a frame; return False where it finds no place and the buffer does not drop."""
        if len(self.items) >= self.size and not self._make_room():
            return False
        if self.raw_epoch != epoch:
            self.raw_epoch = epoch
            self.items.append(_Epoch(epoch))
        self.items.append(raw)
        self.wake()
        return True

    def put(self, message: MarkedMessage) -> bool:
        """Add a message; one with a key takes the place of the last with the same."""
        key = message.key
        if key is not None and (older := self._by_key.get(key)) is not None:
            if not message.duplicate:  # what came twice is here already, or something newer is
                older.data, older.epoch = message.data, message.epoch
            older.replaced += 1
            self.conflated += 1
            return True
        if len(self.items) >= self.size and not self._make_room():
            return False
        if key is not None:
            self._by_key[key] = message
        self.items.append(message)
        self.wake()
        return True

    def pop(self) -> str | bytes | SessionMessage | SessionEvent | None:
        """Take the next item, None where nothing waits; `epoch` is that of a raw frame."""
        items = self.items
        while items:
            item = items.popleft()
            if type(item) is _Epoch:
                self.epoch = item.number
                continue
            if type(item) is _Lost:
                return Gap(item.epoch, "the buffer was full", item.count)
            if type(item) is MarkedMessage:
                self._gone(item)
            return item  # type: ignore[no-any-return]
        return None

    async def arrival(self) -> None:
        """Wait until something may be there."""
        self.waiter = asyncio.get_running_loop().create_future()
        try:
            await self.waiter
        finally:
            self.waiter = None

    def wake(self) -> None:
        """Wake the consumer, if one waits."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def until_room(self) -> None:
        """Wait until a quarter of the places is free: not for every single one."""
        while len(self.items) > self.size * 3 // 4:
            if self.room is None or self.room.done():
                self.room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.room)  # two connections may wait for the same

    def make_way(self) -> None:
        """Let readers go on that wait for room; the consumer took something."""
        if self.room is not None and len(self.items) <= self.size * 3 // 4:
            if not self.room.done():
                self.room.set_result(None)
            self.room = None

    def _gone(self, message: MarkedMessage) -> None:
        if self._by_key and self._by_key.get(message.key) is message:
            del self._by_key[message.key]

    def _make_room(self) -> bool:
        """Drop the oldest message, if that is the policy, and mark its place."""
        if self.buffer.overflow in ("block", "fail"):
            return False
        items, epoch = self.items, self.epoch
        before: list[Any] = []
        while items:
            item = items.popleft()
            if isinstance(item, (str, bytes, SessionMessage)):
                break
            before.append(item)
            epoch = item.number if isinstance(item, _Epoch) else epoch
        else:
            items.extend(before)
            return True  # nothing but events
        count = 1
        if isinstance(item, MarkedMessage):
            self._gone(item)
            count, epoch = 1 + item.replaced, item.epoch
        mark = next((each for each in reversed(before) if type(each) is not _Epoch), None)
        if not isinstance(mark, _Lost):
            mark = _Lost(epoch)
            before.append(mark)
        mark.count += count
        self.dropped += count
        items.extendleft(reversed(before))
        return True

    def __repr__(self) -> str:
        return f"SessionQueue({len(self.items)} of {self.size})"
