"""Believe the exchange: pause where it says so, and correct what was counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook, LimitCorrected, emit
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.learning import (
    Answer,
    Learner,
    Pause,
    Remaining,
    Used,
    pause_of,
)
from networkpype.throttler.store.base import Charge, Observation

__all__ = ["Departure", "Lessons"]

_log = logging.getLogger(__name__)


class Departure(NamedTuple):
    """When a call left, and what was counted of each limit then."""

    at: float
    counted: Mapping[str, float]


class Lessons:
    """Apply what the answers of one throttler's calls tell, by its own statuses and by `learners`.

    `pause` and `observe` are what the throttler does about it. A learner that raises, or names an
    unknown limit, is logged and forgiven: the answer is there, and its call goes on.
    """

    def __init__(
        self,
        learners: tuple[Learner, ...],
        pause: Callable[[Pause, int], None],
        observe: Callable[[str, Observation], tuple[float, float]],
        hook: Hook | None,
    ) -> None:
        self._learners = learners
        self._pause = pause
        self._observe = observe
        self._hook = hook
        self._prepared: dict[str, int] = {}

    @property
    def counts(self) -> bool:
        """Whether answers are read for more than their status."""
        return bool(self._learners)

    def prepares(self, charges: Iterable[Charge], sign: int) -> None:
        """Remember what is charged for a call that was not sent yet; with -1, no longer."""
        for limit_id, weight, _ in charges:
            self._prepared[limit_id] = self._prepared.get(limit_id, 0) + sign * weight

    def learn(
        self,
        configuration: Configuration,
        answer: Answer,
        limit_id: str,
        charges: Iterable[Charge],
        departure: Departure | None,
    ) -> None:
        """Read the answer to a call under `limit_id` that cost `charges`, which are still held."""
        own = {charge.limit_id: charge.weight for charge in charges}
        limits = configuration.limits
        longest_s = max((limits[name].time_interval for name in own if name in limits), default=1.0)
        pauses: list[Pause] = []
        for learner in self._learners:
            try:
                for lesson in learner(answer, limit_id):
                    if isinstance(lesson, Pause):
                        pauses.append(lesson)
                    elif departure is not None:
                        self._correct(configuration, lesson, departure, own)
            except Exception:
                _log.exception("learner %r failed on an answer of %d", learner, answer.status)
        pause = pause_of(answer, tuple(name for name in own if name in limits), longest_s)
        # A learner may know a time that Retry-After does not tell; a ban is for all in any case.
        if pause is not None and (pause.told or not pauses or pause.limit_ids is None):
            pauses.append(pause)
        for pause in pauses:
            try:
                self._pause(pause, answer.status)
            except ConfigurationError:
                _log.exception("a learner wants a pause that cannot be")

    def _correct(
        self,
        configuration: Configuration,
        lesson: Used | Remaining,
        departure: Departure,
        own: Mapping[str, int],
    ) -> None:
        name = lesson.limit_id
        if not configuration.knows(name):
            raise configuration.refusal(name)
        if name not in departure.counted:
            return  # a limit that came while the call was under way
        used = lesson.units
        if isinstance(lesson, Remaining):
            whole = configuration.whole[name] if lesson.limit is None else lesson.limit
            used = whole - lesson.units
        # Others may use what is not our share, and we do not count it. That they do, nobody says:
        # it adds nothing to our count, and takes nothing off it.
        spare = configuration.spare[name]
        capacity = configuration.capacities[name]
        if capacity.per_second:  # what is more than full would take long to drip out
            used = min(used, capacity.units + spare)
        # What is charged for a call that was not sent yet has not been counted there, and will be.
        used += self._prepared.get(name, 0)
        counted = departure.counted[name]
        seen = Observation(used, departure.at, counted, own.get(name, 0), spare)
        before, after = self._observe(name, seen)
        if after != before:
            emit(self._hook, LimitCorrected(name, before, after))
