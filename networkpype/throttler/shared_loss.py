"""Whether the shared store is there, since when not, and when to try again."""

from __future__ import annotations

import logging

from networkpype.hooks import Hook, LimitStoreLost, LimitStoreRestored, emit
from networkpype.retry import Backoff

__all__ = ["Loss"]

_log = logging.getLogger(__name__)
_FORGOT = "it came back without its counts"


class Loss:
    """One loss of the store after another: an event for its begin, one for its end.

    `retry_at` is when to ask again. `local_share_pct` is for the event.
    """

    def __init__(self, hook: Hook | None, local_share_pct: float | None) -> None:
        self.is_on = False
        self.retry_at = 0.0
        self._hook = hook
        self._local_share_pct = local_share_pct
        self._backoff = Backoff(0.05, 2.0, 1.0)
        self._failures = 0
        self._since = 0.0
        self._forgot = False

    def failed(self, reason: str, now: float) -> bool:
        """Note that the store did not answer; return whether that is news."""
        self.retry_at = now + self._backoff.delay_s(self._failures)
        self._failures += 1
        return self._begin(reason, self._local_share_pct, now)

    def forgotten(self, now: float) -> None:
        """Note that the store is there without its counts: it is to be asked again at once."""
        self._begin(_FORGOT, None, now)
        self._forgot = True
        self.retry_at = now

    def over(self, now: float, paused_s: float) -> None:
        """Note that the store did what it was asked; limits stand still for `paused_s` at most."""
        _log.warning(
            "the shared limit store is back after %.3f s%s; limits stand still for %g s at most",
            now - self._since,
            ", without its counts" if self._forgot else "",
            paused_s,
        )
        event = LimitStoreRestored(now - self._since, self._forgot, paused_s)
        self.is_on = self._forgot = False
        self._failures = 0
        emit(self._hook, event)

    def _begin(self, reason: str, local_share_pct: float | None, now: float) -> bool:
        if self.is_on:
            return False
        self.is_on, self._since = True, now
        _log.warning("the shared limit store is lost: %s", reason)
        emit(self._hook, LimitStoreLost(reason, local_share_pct))
        return True
