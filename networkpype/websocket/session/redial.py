"""When to dial again, and when to stop: decided without a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.retry import Backoff

__all__ = ["Reconnect", "Redial"]

# 1008: policy violation. 1003, 1007 and 1010 say that what we send can never be right.
_FATAL_CODES = frozenset({1003, 1007, 1008, 1010})
# An answer that another dial to the same address with the same key cannot change. The redirects
# that call themselves temporary are none: a host under maintenance sends them.
_FATAL_STATUSES = frozenset({301, 308, 400, 401, 403, 404, 405, 410, 426})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How a session comes back.

    The wait before a dial grows by `backoff` with each one that follows, and begins anew only after
    a connection was ready for `healthy_after_s`. There are at most `most_dials` in any `window_s`
    seconds, whatever happens. `most_attempts` failures in a row end the session, None for no end.

    `fatal_codes` of a close frame and `fatal_statuses` of a refused upgrade end it too, when they
    come twice in a row: the second time the token was fresh. `rollover_s` is the age at which a
    connection is replaced before the exchange ends it (many do after 24 hours), while the old one
    still delivers; None for never. Both stand side by side for `overlap_s`. `notice` tells from a
    message's data that the exchange is about to end the connection: then it is replaced at once,
    or after the back-off where it was ready for less than `healthy_after_s`. Such changes count
    their failures apart, within the same budget of dials, and never end the session.
    """

    backoff: Backoff = field(default_factory=Backoff)
    healthy_after_s: float = 30.0
    most_dials: int = 20
    window_s: float = 60.0
    most_attempts: int | None = None
    fatal_codes: Collection[int] = _FATAL_CODES
    fatal_statuses: Collection[int] = _FATAL_STATUSES
    rollover_s: float | None = None
    overlap_s: float = 1.0
    notice: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        for name in ("healthy_after_s", "window_s", "rollover_s", "overlap_s"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds < float("inf"):
                raise ConfigurationError(f"{name} is {seconds!r}; pass seconds")
        if self.rollover_s == 0:
            raise ConfigurationError("rollover_s is 0; pass more than that, or None for never")
        for name in ("most_dials", "most_attempts"):
            count = getattr(self, name)
            if count is not None and (type(count) is not int or count < 1):
                raise ConfigurationError(f"{name} is {count!r}; pass a whole number above zero")


class Redial:
    """Count the dials and failures of one session; all times are monotonic seconds."""

    __slots__ = ("_dials", "_failures", "_not_before", "_policy", "_ready_at", "_was_fatal")

    def __init__(self, policy: Reconnect, dials: deque[float] | None = None) -> None:
        self._policy = policy
        self._dials = deque(maxlen=policy.most_dials) if dials is None else dials
        self._failures = 0
        self._ready_at: float | None = None
        self._not_before = 0.0
        self._was_fatal = False

    def beside(self) -> Redial:
        """Return another count of failures; the budget of dials is the same."""
        return Redial(self._policy, self._dials)

    def hold(self, until: float) -> None:
        """Dial not before that."""
        self._not_before = max(self._not_before, until)

    @property
    def failures(self) -> int:
        """Return how many connections failed since one was healthy."""
        return self._failures

    def next_dial_at(self, now: float) -> float:
        """Return when the next dial may begin: now, or later."""
        at = max(now, self._not_before)
        if len(self._dials) == self._policy.most_dials:
            at = max(at, self._dials[0] + self._policy.window_s)
        return at

    def dialed(self, now: float) -> None:
        """Note that a dial begins."""
        self._forgive(now)
        self._dials.append(now)

    def ready(self, now: float) -> None:
        """Note that the connection is ready, from the first time on."""
        self._was_fatal = False
        if self._ready_at is None:
            self._ready_at = now

    def lost(
        self,
        now: float,
        *,
        floor_s: float = 0.0,
        code: int | None = None,
        status: int | None = None,
    ) -> bool:
        """Note that a connection ended or could not be made; return whether to go on.

        `floor_s` is the wait that the exchange asked for, `code` the close code, `status` that of a
        refused upgrade.
        """
        policy = self._policy
        self._forgive(now)
        wait_s = policy.backoff.delay_s(self._failures, floor_s=floor_s)
        self.hold(now + wait_s)
        self._failures += 1
        is_fatal = code in policy.fatal_codes or status in policy.fatal_statuses
        was_fatal, self._was_fatal = self._was_fatal, is_fatal
        if is_fatal and was_fatal:
            return False
        return policy.most_attempts is None or self._failures < policy.most_attempts

    def _forgive(self, now: float) -> None:
        """Begin to count anew where the last connection was healthy."""
        if self._ready_at is not None and now - self._ready_at >= self._policy.healthy_after_s:
            self._failures = 0
        self._ready_at = None

    def __repr__(self) -> str:
        return f"Redial({self._failures} failures)"
