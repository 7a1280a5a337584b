"""Whose is a message: the session's own, or the consumer's?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from networkpype.auth.outcome import AuthStatus
from networkpype.errors import DecodeError
from networkpype.websocket.session.beats import Quiet
from networkpype.websocket.session.buffer import SessionQueue
from networkpype.websocket.session.events import MarkedMessage
from networkpype.websocket.session.intents import OnWire
from networkpype.websocket.session.login_driver import LoginDriver
from networkpype.websocket.session.options import LinkOptions, Outlet
from networkpype.websocket.session.overlap import Overlap
from networkpype.websocket.session.replies import Replies
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.subscriptions import Subscription

__all__ = ["Broken", "Sorter"]


@dataclass(slots=True)
class Broken:
    """Data of a message that could not be decoded; the consumer gets the error in its place."""

    error: DecodeError


class Sorter:
    """Take each message of one connection and hand it to whom it is for.

    Most are the consumer's and are not looked into: they wait for him raw. Only where something is
    awaited, or has to be found among the data, is a message decoded here, and then only once.

    `answer` sends a payload, `login` is told of every message it can matter to, `changed` is called
    where an ack or refusal changed what is subscribed, `overrun` where there is no room at all.
    """

    def __init__(
        self,
        epoch: int,
        options: LinkOptions,
        queue: SessionQueue,
        outlet: Outlet,
        wanted: Wanted,
        on_wire: OnWire,
        replies: Replies,
        login: LoginDriver | None,
        *,
        answer: Callable[[Any], None],
        changed: Callable[[], None],
        overrun: Callable[[], None],
    ) -> None:
        self._epoch = epoch
        self._options = options
        self._queue = queue
        self._outlet = outlet
        self._wanted = wanted
        self._on_wire = on_wire
        self._replies = replies
        self._login = login
        self._answer = answer
        self._changed = changed
        self._overrun = overrun
        self._overlap: Overlap | None = None
        self._texts = options.heartbeat.texts
        self._now = asyncio.get_running_loop().time
        self.quiet = Quiet()
        self.look_again()

    def look_again(self) -> None:
        """Find out anew whether every message has to be looked into."""
        options = self._options
        # Whose a message is matters only where silence is to be told.
        self._matched = [topic for topic in self._wanted if topic.stale_after_s is not None]
        self._looks_in = (
            options.heartbeat.decodes
            or (self._login is not None and self._login.reads_frames)
            or options.conflates is not None
            or options.notice is not None
            or self._overlap is not None
            or self._on_wire.is_owed
            or bool(self._matched)
        )

    def stand_beside(self, overlap: Overlap | None) -> None:
        """Compare messages with those of another connection from now on; None: no more."""
        self._overlap = overlap
        self.look_again()

    @property
    def watched(self) -> list[Subscription]:
        """Return the subscriptions whose silence is to be told."""
        live = self._on_wire.live
        return [t for t in self._wanted if t.stale_after_s is not None and t.key in live]

    def taker(self) -> Callable[[str | bytes], Awaitable[None] | None]:
        """Return what takes each frame; it returns an awaitable where there is no room."""
        # One frame of Python a message, so everything is at hand.
        queue, epoch, texts = self._queue, self._epoch, self._texts
        items, size = queue.items, queue.size
        asked, replies = self._on_wire.waiting, self._replies.waiting
        longest = max(map(len, texts), default=0)

        def take(raw: str | bytes) -> Awaitable[None] | None:
            if len(raw) <= longest and raw in texts:
                self._answer_text(str(raw))
            elif asked or replies or self._looks_in:
                message = self._sorted(raw)
                if message is not None and not queue.put(message):
                    return self._put_later(message)
            elif len(items) < size and queue.raw_epoch == epoch:
                items.append(raw)
                if queue.waiter is not None:
                    queue.wake()
            elif not queue.put_raw(raw, epoch):
                return self._put_later(raw)
            return None

        return take

    async def _put_later(self, message: str | bytes | MarkedMessage) -> None:
        if self._queue.buffer.overflow == "fail":
            self._overrun()
            await asyncio.Event().wait()  # nothing is read any more
        self.quiet.pause(self._now())
        try:
            while not self._put(message):
                await self._queue.until_room()
        finally:
            self.quiet.go_on(self._now())
        if self._matched:
            self._changed()

    def _put(self, message: str | bytes | MarkedMessage) -> bool:
        if isinstance(message, MarkedMessage):
            return self._queue.put(message)
        return self._queue.put_raw(message, self._epoch)

    def _answer_text(self, text: str) -> None:
        if (answer := self._texts[text]) is not None:
            self._answer(answer)

    def _sorted(self, raw: str | bytes) -> MarkedMessage | None:
        """Return the message where it is the consumer's; what is the session's own is done here."""
        message = MarkedMessage(raw, self._epoch)
        try:
            message.data = self._options.decoder.decode(raw)
        except DecodeError as error:
            message.data = Broken(error)
            return message
        if self._is_own(message):
            return None
        if self._overlap is not None:
            message.duplicate = self._overlap.is_second(self._epoch, raw)
        if self._options.conflates is not None:
            message.key = self._options.conflates(message.data)
        return message

    def _is_own(self, message: MarkedMessage) -> bool:
        heartbeat, data = self._options.heartbeat, message.data
        if callable(heartbeat.answers) and (answer := heartbeat.answers(data)) is not None:
            self._answer(answer)
            return True
        if callable(heartbeat.reply) and heartbeat.reply(data):
            return True
        if self._replies.waiting and self._replies.take(message, self._now()):
            return True
        login = self._login if self._login is not None and self._login.reads_frames else None
        if login is not None and login.heard(message).status is not AuthStatus.NOT_MINE:
            return True
        answered, failures = self._on_wire.received(data)
        for event in failures:
            self._outlet.event(event)
        if answered:
            self._changed()
            return True
        if self._matched and self.quiet.heard(data, self._matched, self._now()):
            self._changed()
        if self._options.notice is not None and self._options.notice(data):
            self._outlet.notice(self._epoch)
        return False
