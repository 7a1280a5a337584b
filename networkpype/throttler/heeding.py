"""Heed what the exchange says: learn from its answers, and keep calls back where it wants none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook, LimitBlocked, emit
from networkpype.throttler.announcing import tell_unblocked
from networkpype.throttler.charging import Charging, ExchangeTime
from networkpype.throttler.checks import check_seconds
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.learning import Answer, Learner, Pause
from networkpype.throttler.lessons import Departure, Lessons
from networkpype.throttler.store.base import Account, LimitStore
from networkpype.throttler.store.shared import SharedLimitStore

__all__ = ["Heeding"]

_log = logging.getLogger(__name__)


class Heeding(Charging):
    """What answers tell, by their status and by `learners`, and what is blocked by hand."""

    def __init__(
        self,
        clock: Clock | None,
        hook: Hook | None,
        max_wait_s: float | None,
        time_provider: ExchangeTime | None,
        learners: tuple[Learner, ...],
    ) -> None:
        super().__init__(clock, hook, max_wait_s, time_provider)
        self._learners = learners

    def block(
        self, for_s: float, limit_ids: Iterable[str] | None = None, *, status: int = 0
    ) -> None:
        """Let no call under these limits go for so many seconds, under none where None.

        For what the exchange says in ways that nothing here reads. A block that lasts longer stays,
        and 0 seconds are none. `status` is the answer's, for the event. Raises UnknownLimitError,
        and ConfigurationError from another thread than that of the loop that it runs on.
        """
        check_seconds("for_s", for_s, "to be quiet")
        names = self._named(limit_ids)
        self._queue.check_thread()
        if not for_s or not names:
            return
        if self._queue.loop is None and (loop := asyncio._get_running_loop()) is not None:
            self._queue.adopt(loop)  # by whose time a block lasts
        now = self._queue.now()
        quiet_s = min((self._queue.usage(name).blocked_until - now for name in names), default=0.0)
        self._queue.block(names, for_s)
        # Whatever was under way is refused as well; that says the same once more.
        level = logging.DEBUG if quiet_s >= 0.9 * for_s else logging.WARNING
        why = f"the exchange answered {status}" if status else "block() was called"
        _log.log(level, "no call for %g s, for %s: %s", for_s, why, ", ".join(names))
        emit(self._hook, LimitBlocked(names, for_s, status))

    def unblock(self, limit_ids: Iterable[str] | None = None) -> None:
        """Let calls under these limits go again, under all where None: what is blocked is over.

        For whoever knows better than an answer did: a ban that was lifted, a header that was wrong.
        Who waits goes at once, as far as there is room: what was counted stays counted. An answer
        that asks for a pause later, be it to a call that is under way now, is obeyed again.
        LimitUnblocked tells what it ended; where nothing was blocked, nothing happens. A call that
        waits by its retry policy, be it for an answer's Retry-After, is blocked by nothing here and
        waits on.

        Limits that processes share go on in all of them, whoever blocked them: in others within a
        second, and LimitUnblocked comes with the store's answer. The pause of a store that lost its
        counts is not ended. Raises UnknownLimitError, and ConfigurationError from another thread
        than that of the loop that it runs on.
        """
        names = self._named(limit_ids)
        self._queue.check_thread()
        if self._queue.loop is None and (loop := asyncio._get_running_loop()) is not None:
            self._queue.adopt(loop)
        now = self._queue.now()
        left = {name: self._queue.usage(name).blocked_until - now for name in names}
        ended = self._queue.unblock(names)
        if not ended:
            return
        tell_unblocked(self._hook, ended, max(0.0, *(left[name] for name in ended)))

    def prepares(self, account: Account, sign: int = 1) -> None:
        """Tell that a call is charged and not sent yet; with -1, that this is over.

        The exchange cannot have counted it, whatever an answer says meanwhile.
        """
        if self._lessons.counts:
            self._lessons.prepares(account.charges, sign)

    def departure(self) -> Departure | None:
        """Return what a call that leaves now is remembered by; None where nobody will ask."""
        if not self._lessons.counts:
            return None
        counted = {name: self._queue.usage(name).used for name in self._configuration.limits}
        return Departure(self._queue.now(), counted)

    def learn(
        self, answer: Answer, limit_id: str, account: Account, departure: Departure | None = None
    ) -> None:
        """Read what the answer to a call tells; what `InFlightContext.land` does before it settles.

        `account` is what it was charged to. Without what `departure` returned when it left, nothing
        is corrected.
        """
        self._lessons.learn(self._configuration, answer, limit_id, account.charges, departure)

    def _begin(self, configuration: Configuration, store: LimitStore | SharedLimitStore) -> None:
        super()._begin(configuration, store)
        self._lessons = Lessons(self._learners, self._pause, self._queue.observe, self._hook)

    def _pause(self, pause: Pause, status: int) -> None:
        if pause.for_s < 0:  # what is over by now; not a number is refused
            pause = pause._replace(for_s=0.0)
        self.block(pause.for_s, pause.limit_ids, status=status)

    def _named(self, limit_ids: Iterable[str] | None) -> tuple[str, ...]:
        """Return these limits once each, all there are where None; refuse what is not there."""
        if isinstance(limit_ids, str):
            raise ConfigurationError(f"limit_ids is a list of names; write [{limit_ids!r}]")
        known = self._configuration
        names = tuple(known.limits) if limit_ids is None else tuple(dict.fromkeys(limit_ids))
        for name in names:
            if not known.knows(name):
                raise known.refusal(name)
        return names
