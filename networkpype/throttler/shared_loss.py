"""Whether the shared store is there, since when not, and when to try again."""

from __future__ import annotations

import logging

from networkpype.hooks import Hook, LimitStoreLost, LimitStoreRestored, emit
from networkpype.retry import Backoff

__all__ = ["Loss"]

_log = logging.getLogger(__name__)
_FORGOT = "it came back without its counts"
_SAID_AGAIN_S = (1.0, 10.0, 60.0)
_SAID_EVERY_S = 600.0


class Loss:
    """One loss of the store after another: an event for its begin, one for its end.

    The log repeats that it lasts, ever more rarely. `retry_at` is when to ask again, `reason` what
    was wrong last, `is_final` whether no waiting mends that. `local_share_pct` is for the event.
    """

    def __init__(self, hook: Hook | None, local_share_pct: float | None) -> None:
        self.is_on = False
        self.retry_at = 0.0
        self.reason = ""
        self.is_final = False
        self._hook = hook
        self.local_share_pct = local_share_pct
        self._backoff = Backoff(0.05, 2.0, 1.0)
        self._failures = 0
        self._since = 0.0
        self._say_at = 0.0
        self._forgot = False

    def failed(self, reason: str, now: float, is_final: bool = False) -> bool:
        """Note that the store did not answer; return whether calls may begin to go on alone."""
        self.retry_at = now + self._backoff.delay_s(self._failures)
        self._failures += 1
        was_final, self.is_final = self.is_final, is_final
        is_new = self._begin(reason, None if is_final else self.local_share_pct, now)
        if not is_new and now >= self._say_at:
            self._say(now)
        return (is_new or was_final) and not is_final

    def forgotten(self, now: float) -> None:
        """Note that the store is there without its counts: it is to be asked again at once."""
        self.is_final = False
        self._begin(_FORGOT, None, now)
        self._forgot = True
        self.retry_at = now

    def over(self, now: float, paused_s: float, forgot: bool = False) -> None:
        """Note that the store did what it was asked; limits stand still for `paused_s` at most.

        `forgot` tells that it came back without its counts.
        """
        self._forgot = self._forgot or forgot
        _log.warning(
            "the shared limit store is back after %.3f s%s; limits stand still for %g s at most",
            now - self._since,
            ", without its counts" if self._forgot else "",
            paused_s,
        )
        event = LimitStoreRestored(now - self._since, self._forgot, paused_s)
        self.is_on = self.is_final = self._forgot = False
        self._failures = 0
        emit(self._hook, event)

    def _begin(self, reason: str, local_share_pct: float | None, now: float) -> bool:
        self.reason = reason
        if self.is_on:
            return False
        self.is_on, self._since = True, now
        self._say(now)
        emit(self._hook, LimitStoreLost(reason, local_share_pct))
        return True

    def _say(self, now: float) -> None:
        lost_for_s = now - self._since
        if self.is_final:
            meanwhile = "calls fail until that is set right"
        elif self.local_share_pct is None:
            meanwhile = "calls wait until it is back (max_wait, local_share_pct)"
        else:
            meanwhile = (
                f"calls wait for an interval, and go on at {self.local_share_pct:g} % then, until "
                "it is back"
            )
        since = f" for {lost_for_s:.0f} s" if lost_for_s else ""
        _log.warning("the shared limit store is lost%s: %s; %s", since, self.reason, meanwhile)
        later = (each for each in _SAID_AGAIN_S if each > lost_for_s)
        self._say_at = self._since + next(later, (lost_for_s // _SAID_EVERY_S + 1) * _SAID_EVERY_S)
