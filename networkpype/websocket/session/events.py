"""What a consumer of a session receives: messages, and what happened in between, in order."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from typing import Any

from networkpype.hooks import Event
from networkpype.websocket.response import WebSocketResponse

__all__ = [
    "Connected",
    "Disconnected",
    "Gap",
    "LoopBlocked",
    "MarkedMessage",
    "Ready",
    "SessionEvent",
    "SessionMessage",
    "ShardMessage",
    "Stale",
    "SubscribeFailed",
]


class SessionMessage(WebSocketResponse):
    """One message of a session, which came on the connection `epoch`.

    `replaced` counts the older messages of the same key in whose place this one stands (buffers
    that conflate). `duplicate` is True where the same message came on the other connection too,
    while one took the other's place. `shard` is the number of the connection's shard in a
    `ShardedSession`, 0 in any other; each shard counts its epochs for itself.
    """

    __slots__ = ("epoch",)

    # What is rare stands with the class; a message that has it is a MarkedMessage or ShardMessage.
    replaced: int = 0
    duplicate: bool = False
    shard: int = 0

    def __init__(self, data: Any, epoch: int = 0) -> None:
        self.data = data
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"SessionMessage({type(self.data).__name__}, epoch={self.epoch})"


class MarkedMessage(SessionMessage):
    """A message that was looked into on its way; `key` is what a conflating buffer knows it by."""

    __slots__ = ("duplicate", "key", "replaced")

    def __init__(self, data: Any, epoch: int = 0) -> None:
        super().__init__(data, epoch)
        self.replaced = 0
        self.duplicate = False
        self.key: Hashable | None = None


class ShardMessage(SessionMessage):
    """A message as a `ShardedSession` hands it out."""

    __slots__ = ("duplicate", "replaced", "shard")

    def __init__(self, message: SessionMessage, shard: int) -> None:
        super().__init__(message.data, message.epoch)
        self.replaced = message.replaced
        self.duplicate = message.duplicate
        self.shard = shard

    def __repr__(self) -> str:
        kind = type(self.data).__name__
        return f"ShardMessage({kind}, epoch={self.epoch}, shard={self.shard})"


@dataclass(frozen=True, slots=True, repr=False)
class SessionEvent(Event):
    """Base of what a session tells in the stream of its messages, and its hook.

    `epoch` is the number of the connection, from 1. `shard` is that of a `ShardedSession` whose
    connection it is, from 1; 0 in any other session.
    """

    epoch: int
    shard: int = field(default=0, kw_only=True)

    def __repr__(self) -> str:
        # The shard last, and only where there are shards.
        names = [each.name for each in fields(self) if each.name != "shard"]
        if self.shard:
            names.append("shard")
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, slots=True, repr=False)
class Connected(SessionEvent):
    """The connection is open; login and subscriptions follow. `url` has its secrets masked."""

    url: str


@dataclass(frozen=True, slots=True, repr=False)
class Ready(SessionEvent):
    """Logged in, and everything that is wanted is subscribed, or was refused by the exchange.

    It comes again when subscriptions that were added later are answered too.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Gap(SessionEvent):
    """Messages are missing here: rebuild what is built from them, such as an order book.

    `lost` is their number where it is known: those that the buffer dropped. None means that nobody
    can know: the connection was down, or not subscribed.
    """

    reason: str
    lost: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Disconnected(SessionEvent):
    """The connection ended. `code` is the close code of RFC 6455, 1006 where none came.

    `retry_in_s` is how long until the next dial, None where there will be none. `planned` is True
    where another connection had taken over before: nothing was lost.
    """

    code: int
    reason: str
    retry_in_s: float | None = None
    planned: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class SubscribeFailed(SessionEvent):
    """A subscription was refused (`definite`), or not answered in time.

    One that was refused is asked for again on the next connection and not before.
    """

    key: Hashable
    reason: str
    definite: bool


@dataclass(frozen=True, slots=True, repr=False)
class Stale(SessionEvent):
    """No message of this subscription came for `silent_s` seconds, though the connection lives."""

    key: Hashable
    silent_s: float


@dataclass(frozen=True, slots=True, repr=False)
class LoopBlocked(SessionEvent):
    """The event loop did not run for `blocked_s` seconds; the peer is not blamed for its silence.

    It goes to the hook alone.
    """

    blocked_s: float
