"""Signs of life beyond the protocol's own: an application's pings, and streams that went quiet."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.websocket.heartbeat import Pulse, Verdict
from networkpype.websocket.session.events import Stale
from networkpype.websocket.subscriptions import Subscription

__all__ = ["AppPulse", "Heartbeat", "Quiet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How a session knows that the exchange is there, and shows that it is there itself.

    `ping_s`: seconds of silence before a ping of the protocol; without any frame within half of
    that the connection is dead. None sends none.

    `message` is the exchange's own ping: a text or JSON payload, a WebSocketRequest, or a function
    of a fresh id that returns one. It is sent every `message_s` seconds, whatever else goes on.
    Without any frame within `reply_s` the connection is dead. `reply` tells its answer from data
    and keeps it from the consumer: the text itself, or a function of the decoded message.

    `answers` is for pings of the exchange's that are messages: what to send for a text, or a
    function of the decoded message that returns the payload to send, and None for all that is no
    ping.
    """

    ping_s: float | None = 20.0
    message: Any = None
    message_s: float = 20.0
    reply: str | Callable[[Any], bool] | None = None
    reply_s: float = 10.0
    answers: Mapping[str, Any] | Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("ping_s", "message_s", "reply_s"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds < math.inf:
                raise ConfigurationError(f"{name} is {seconds!r}; pass seconds above zero")
        if self.reply is not None and self.message is None:
            raise ConfigurationError("reply= is the answer to message=, and there is no message")

    @property
    def decodes(self) -> bool:
        """Tell whether every message has to be decoded to find out what it is."""
        return callable(self.reply) or callable(self.answers)

    @property
    def texts(self) -> dict[str, Any]:
        """Return the frames known by their text, and what to send for each, None for nothing."""
        replies = {self.reply: None} if isinstance(self.reply, str) else {}
        answers = self.answers if isinstance(self.answers, Mapping) else {}
        return {**replies, **answers}


class AppPulse:
    """When the next ping of the application is due, and whether the last one was in vain."""

    __slots__ = ("_next_at", "_sent_at", "heartbeat")

    def __init__(self, heartbeat: Heartbeat, now: float) -> None:
        self.heartbeat = heartbeat
        self._next_at = now + heartbeat.message_s
        self._sent_at: float | None = None

    def poll(self, now: float, pulse: Pulse) -> tuple[Verdict, float]:
        """Return what to do and when to ask again; `pulse` knows when frames came.

        Nothing is held against the peer while nobody reads.
        """
        if self._sent_at is not None and pulse.frame_at >= self._sent_at:
            self._sent_at = None
        answer_by = self._answer_by(pulse)
        if answer_by is not None and now >= answer_by:
            return Verdict.DEAD, answer_by
        verdict = Verdict.WAIT
        if now >= self._next_at:
            verdict = Verdict.PING
            self._next_at = now + self.heartbeat.message_s
            if self._sent_at is None:
                self._sent_at = now
                answer_by = self._answer_by(pulse)
        return verdict, self._next_at if answer_by is None else min(self._next_at, answer_by)

    def _answer_by(self, pulse: Pulse) -> float | None:
        if self._sent_at is None or pulse.waiting_since is None:
            return None
        return max(self._sent_at, pulse.waiting_since) + self.heartbeat.reply_s


class Quiet:
    """Which subscriptions have had no message for too long; each is told once a silence."""

    def __init__(self) -> None:
        self._heard_at: dict[Hashable, float] = {}
        self._told: set[Hashable] = set()
        self._paused_at: float | None = None
        self._paused_s = 0.0
        self._reads_since = -math.inf
        self.on_reading: Callable[[], None] | None = None
        """Called when somebody reads again."""

    @property
    def is_paused(self) -> bool:
        """Tell whether nobody reads, for there is no room."""
        return self._paused_at is not None

    def since(self, now: float) -> float:
        """Return for how long somebody has been reading all the time; 0 while nobody does."""
        return 0.0 if self._paused_at is not None else now - self._reads_since

    def reading_time(self, now: float) -> float:
        """Return a time that stands still while nobody reads."""
        return (now if self._paused_at is None else self._paused_at) - self._paused_s

    def heard(self, data: Any, live: Sequence[Subscription], now: float) -> bool:
        """Note whose message this is; return whether a silence that was told has ended."""
        ended = False
        for topic in live:
            if topic.matches is not None and topic.matches(data):
                self._heard_at[topic.key] = now
                ended = ended or topic.key in self._told
                self._told.discard(topic.key)
        return ended

    def pause(self, now: float) -> None:
        """Hold nothing against the exchange from now on, for nobody reads."""
        self._paused_at = now

    def go_on(self, now: float) -> None:
        """Count again from where it was when paused."""
        if self._paused_at is not None:
            for key in self._heard_at:
                self._heard_at[key] += now - self._paused_at
            self._paused_s += now - self._paused_at
            self._paused_at, self._reads_since = None, now
            if self.on_reading is not None:
                self.on_reading()

    def tick(
        self, live: Sequence[Subscription], now: float, epoch: int
    ) -> tuple[list[Stale], float | None]:
        """Return what went quiet, and when to look again."""
        for key in self._heard_at.keys() - {topic.key for topic in live}:
            del self._heard_at[key]  # it begins anew where it comes again
            self._told.discard(key)
        if self._paused_at is not None:
            return [], None
        events: list[Stale] = []
        next_at = math.inf
        for topic in live:
            if topic.stale_after_s is None:
                continue
            heard_at = self._heard_at.setdefault(topic.key, now)
            if topic.key in self._told:
                continue
            if now - heard_at >= topic.stale_after_s:
                self._told.add(topic.key)
                events.append(Stale(epoch, topic.key, now - heard_at))
            else:
                next_at = min(next_at, heard_at + topic.stale_after_s)
        return events, None if next_at == math.inf else next_at
