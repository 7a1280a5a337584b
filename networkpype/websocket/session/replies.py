"""Which answer belongs to which request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

from networkpype.errors import ConfigurationError, NetworkpypeError
from networkpype.websocket.session.events import SessionMessage

__all__ = ["Replies", "ReplyId"]

_MOST_LATE = 100
_LATE_S = 60.0

ReplyId: TypeAlias = "str | Callable[[Any], Hashable | None]"
"""The field that holds the id in requests and replies, or what finds it in a reply's data."""


class Replies:
    """The requests of one connection that wait for their reply; each future is settled once."""

    def __init__(self, reply_id: ReplyId) -> None:
        self._find = _field(reply_id) if isinstance(reply_id, str) else reply_id
        self.waiting: dict[str, asyncio.Future[SessionMessage]] = {}
        """By id; the same object as long as this lives, for the reader looks at it every time."""
        self._late: dict[str, float] = {}  # until when an id that was given up is remembered

    def expect(self, id: Hashable) -> asyncio.Future[SessionMessage]:
        """Return what the reply with this id will settle; ConfigurationError for one that waits."""
        key = str(id)
        if key in self.waiting and not self.waiting[key].done():
            raise ConfigurationError(
                f"a request with the id {key!r} waits for its reply already; nothing was sent"
            )
        future = asyncio.get_running_loop().create_future()
        self.waiting[key] = future
        self._late.pop(key, None)
        return future

    @property
    def is_awaited(self) -> bool:
        """Tell whether somebody waits for a reply."""
        return any(not future.done() for future in self.waiting.values())

    def forget(
        self, id: Hashable, reply: asyncio.Future[SessionMessage], *, was_sent: bool, now: float
    ) -> None:
        """Expect it no more: whoever asked has gone. A late reply is not for the consumer, though.

        So the id is remembered, with a future that is done, for a minute and as long as it is one
        of the last: while any is remembered, every message is looked into.
        """
        key = str(id)
        if self.waiting.get(key) is not reply:
            return  # answered, or another asks with the same id by now
        del self.waiting[key]
        if not was_sent:
            return
        reply.cancel()
        self.waiting[key] = reply
        self._late[key] = now + _LATE_S
        if len(self._late) > _MOST_LATE:
            self._no_longer(next(iter(self._late)))

    def take(self, message: SessionMessage, now: float) -> bool:
        """Settle the request that this answers; return whether it answers one."""
        found = self._find(message.data)
        key = None if found is None else str(found)
        future = None if key is None else self.waiting.pop(key, None)
        if key is not None:
            self._late.pop(key, None)
        while self._late and self._late[oldest := next(iter(self._late))] <= now:
            self._no_longer(oldest)
        if future is None:
            return False
        if not future.done():
            future.set_result(message)
        return True

    def _no_longer(self, key: str) -> None:
        del self._late[key]
        self.waiting.pop(key, None)

    def fail(self, make: Callable[[], NetworkpypeError]) -> None:
        """Fail all that wait, each with an error of its own."""
        failed = list(self.waiting.values())
        self.waiting.clear()
        self._late.clear()
        for future in failed:
            if not future.done():
                future.set_exception(make())


def _field(name: str) -> Callable[[Any], Hashable | None]:
    return lambda data: data.get(name) if isinstance(data, Mapping) else None
