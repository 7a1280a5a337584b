"""Between the socket and the consumer: a bounded queue of raw frames, and of events in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.websocket.session.events import (
    Gap,
    MarkedMessage,
    SessionEvent,
    SessionMessage,
    Stale,
    SubscribeFailed,
)

__all__ = ["Buffer", "Overflow", "SessionQueue"]

Overflow: TypeAlias = Literal["block", "drop oldest", "conflate", "fail"]

_OVERFLOWS = ("block", "drop oldest", "conflate", "fail")
_MOST_IN_A_ROW = 1_000
_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Buffer:
    """How many messages wait for the consumer, and what becomes of the next one.

    - ``block``: it stays in the socket, and TCP slows the exchange down; nothing is lost here,
      though an exchange may hang up on a slow reader.
    - ``drop oldest``: the oldest goes; a `Gap` stands in its place and tells how many went.
    - ``conflate``: it takes the place of the last one with the same `key`, at once and not only
      where the buffer is full; `SessionMessage.replaced` counts. Where no place is left for
      another key, the oldest goes as above. `key` gets the decoded data; None means: keep this one.
      Of the pairs of a rollover only the first comes: something newer may stand before the second.
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

    Where nobody reads, and more than a thousand events follow each other without a message, only
    the last of each kind stays, of those that tell of a subscription the last of each key: that the
    connection ended and messages are missing is told once for all the times.
    """

    __slots__ = (
        "_by_key",
        "_head",
        "_last_event",
        "_most_in_head",
        "_most_in_row",
        "_row",
        "buffer",
        "conflated",
        "dropped",
        "epoch",
        "items",
        "raw_epoch",
        "room",
        "shard",
        "size",
        "waiter",
    )

    def __init__(self, buffer: Buffer, shard: int = 0) -> None:
        self.buffer = buffer
        self.shard = shard
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
        # What stood before a message that was dropped; it stands in `items` while it holds any.
        self._head: deque[SessionEvent | _Lost] = deque()
        self._most_in_head = _MOST_IN_A_ROW
        self._last_event: SessionEvent | None = None
        self._row = 0  # so many events stand at the end, if nobody took any
        self._most_in_row = _MOST_IN_A_ROW
        self.waiter: asyncio.Future[None] | None = None
        """Of the consumer, while it waits; looked at for every message, as is `room`."""
        self.room: asyncio.Future[None] | None = None
        """Of the readers that wait."""

    def __len__(self) -> int:
        return len(self.items) + max(0, len(self._head) - 1)

    def put_event(self, event: SessionEvent) -> None:
        """Add an event; it always finds a place."""
        items = self.items
        self._row = self._row + 1 if items and items[-1] is self._last_event else 1
        self._last_event = event
        items.append(event)
        self._by_key.clear()  # what comes later does not take a place before it
        if self._row > self._most_in_row:
            count = min(self._row, len(items))
            kept = _folded(reversed([items.pop() for _ in range(count)]))
            items.extend(kept)
            self._row, self._most_in_row = len(kept), max(_MOST_IN_A_ROW, 2 * len(kept))
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
        if key is not None:
            if message.duplicate:
                return True  # it was put before, and something newer may have been since
            if (older := self._by_key.get(key)) is not None:
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
        items, head = self.items, self._head
        while items:
            item = items.popleft()
            if type(item) is _Epoch:
                self.epoch = item.number
                continue
            if item is head:
                item = head.popleft()
                if head:
                    items.appendleft(head)
            if type(item) is _Lost:
                return Gap(item.epoch, "the buffer was full", item.count, shard=self.shard)
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
        items, head = self.items, self._head
        while items:
            item = items.popleft()
            if isinstance(item, (str, bytes, SessionMessage)):
                break
            if type(item) is _Epoch:
                self.epoch = item.number
            elif items and items[0] is head:
                head.appendleft(item)  # the consumer had put it back
            elif item is not head:
                head.append(item)
        else:
            if head:
                items.append(head)
            return True  # nothing but events
        count, epoch = 1, self.epoch
        if isinstance(item, SessionMessage):
            epoch = item.epoch
        if isinstance(item, MarkedMessage):
            self._gone(item)
            count += item.replaced
        is_before = bool(items) and items[0] is head  # the consumer had put the message back
        if is_before:
            items.popleft()
        mark = head[0 if is_before else -1] if head else None
        if not isinstance(mark, _Lost):
            mark = _Lost(epoch)
            head.insert(0 if is_before else len(head), mark)
        mark.count += count
        self.dropped += count
        if len(head) > self._most_in_head:
            kept = _folded(head)
            head.clear()
            head.extend(kept)
            self._most_in_head = max(_MOST_IN_A_ROW, 2 * len(kept))
        items.appendleft(head)
        return True

    def __repr__(self) -> str:
        return f"SessionQueue({len(self.items)} of {self.size})"


def _folded(events: Iterable[SessionEvent | _Lost]) -> list[SessionEvent | _Lost]:
    """Return the last of each kind, of those with a key the last of each key; counts add up."""
    kept: dict[Hashable, SessionEvent | _Lost] = {}
    keys = 0
    for event in events:
        kind: Hashable = type(event).__name__
        if isinstance(event, (SubscribeFailed, Stale)):
            kind = (kind, event.key)
        elif isinstance(event, Gap) and event.lost is not None:
            kind = "counted"  # the consumer had put it back
        earlier = kept.pop(kind, None)  # so that it stands where the last one stood
        if isinstance(event, _Lost) and isinstance(earlier, _Lost):
            event.count += earlier.count
        keys += earlier is None and isinstance(kind, tuple)
        kept[kind] = event
    too_many = [kind for kind in kept if isinstance(kind, tuple)][: max(0, keys - _MOST_KEYS)]
    for kind in too_many:
        del kept[kind]
    return list(kept.values())
