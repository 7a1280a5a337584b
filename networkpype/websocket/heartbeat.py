"""Is the peer still there? A decision without a timer: it is told what happened and asked when."""

from __future__ import annotations

from enum import Enum

__all__ = ["Pulse", "Verdict"]


class Verdict(Enum):
    """What to do now."""

    WAIT = "wait"
    PING = "send a ping"
    DEAD = "no pong came"
    IDLE = "no message came"


class Pulse:
    """Watch one connection; all times are monotonic seconds.

    `ping_interval_s`: after so much silence a ping is due. `pong_timeout_s`: silence after a ping,
    while somebody is reading, that means the peer is gone. `message_timeout_s`: how long a reader
    may wait for data; pings and pongs are no data. None switches each off.

    Only a waiting reader can see frames, so nothing is held against the peer while nobody reads:
    a message is awaited from the moment the reader began to wait, and for a pong only the time that
    readers waited counts. Whoever reads sets `waiting_since`, and `frame_at` as frames come.
    """

    __slots__ = (
        "_waited_s",
        "frame_at",
        "message_timeout_s",
        "ping_at",
        "ping_interval_s",
        "pong_timeout_s",
        "waiting_since",
    )

    def __init__(
        self,
        now: float,
        *,
        ping_interval_s: float | None,
        pong_timeout_s: float | None,
        message_timeout_s: float | None,
    ) -> None:
        self.ping_interval_s = ping_interval_s
        self.pong_timeout_s = pong_timeout_s
        self.message_timeout_s = message_timeout_s
        self.frame_at = now
        self.ping_at: float | None = None
        self.waiting_since: float | None = None
        self._waited_s = 0.0

    def poll(self, now: float) -> tuple[Verdict, float | None]:
        """Return what to do and when to ask again; None where nothing is watched."""
        verdict, pulse_at = self._pulse(now)
        if verdict is Verdict.DEAD:
            return verdict, None
        idle_at = self._idle_at(now)
        if verdict is Verdict.WAIT and idle_at is not None and now >= idle_at:
            return Verdict.IDLE, None
        return verdict, min((at for at in (idle_at, pulse_at) if at is not None), default=None)

    def stands(self, verdict: Verdict, now: float) -> bool:
        """Tell whether DEAD or IDLE, given a moment ago, still holds."""
        if verdict is Verdict.IDLE:
            idle_at = self._idle_at(now)
            return idle_at is not None and now >= idle_at
        answer_by = self._answer_by()
        return answer_by is not None and now >= answer_by

    def give_up(self, now: float) -> None:
        """Note that the reader stopped waiting without a message.

        Such waits add up: a reader who is always cancelled before the pong is due would otherwise
        never find out that the peer is gone.
        """
        if self.ping_at is not None and self.waiting_since is not None:
            self._waited_s += now - max(self.ping_at, self.waiting_since)
        self.waiting_since = None

    def _idle_at(self, now: float) -> float | None:
        if self.message_timeout_s is None:
            return None
        # While nobody waits, ask again within the timeout: whoever begins to wait in between is
        # then seen before his own deadline.
        since = now if self.waiting_since is None else self.waiting_since
        return since + self.message_timeout_s

    def _pulse(self, now: float) -> tuple[Verdict, float | None]:
        interval = self.ping_interval_s
        if interval is None:
            return Verdict.WAIT, None
        answer_by = self._answer_by()
        if answer_by is not None:
            return (Verdict.DEAD, None) if now >= answer_by else (Verdict.WAIT, answer_by)
        # No ping is open, or nobody reads: then the line is kept warm, for the peer has its own
        # idle limit.
        ping_due = (self.frame_at if self.ping_at is None else self.ping_at) + interval
        if now < ping_due:
            return Verdict.WAIT, ping_due
        self.ping_at = now
        return Verdict.PING, self._answer_by() or now + interval

    def _answer_by(self) -> float | None:
        """Return when the open ping must have been answered; None while nobody could see it."""
        if self.ping_at is not None and self.frame_at >= self.ping_at:
            self.ping_at = None  # any frame is as good as a pong
            self._waited_s = 0.0
        if self.ping_at is None or self.pong_timeout_s is None or self.waiting_since is None:
            return None
        return max(self.ping_at, self.waiting_since) + self.pong_timeout_s - self._waited_s
