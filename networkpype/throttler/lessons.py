"""Believe the exchange: pause where it says so, and correct what was counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from networkpype.hooks import Hook, LimitCorrected, emit
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.learning import (
    Answer,
    Learner,
    Lesson,
    Pause,
    Remaining,
    RemainingHeader,
    Used,
    UsedHeader,
    pause_of,
)
from networkpype.throttler.store.base import Charge, Observation

__all__ = ["Departure", "Lessons"]

_log = logging.getLogger(__name__)

_LESSONS = (Used, Remaining, Pause)
_MOST_WITHOUT_HEADER = 100


class Departure(NamedTuple):
    """When a call left, and what was counted of each limit then."""

    at: float
    counted: Mapping[str, float]


class Lessons:
    """Apply what the answers of one throttler's calls tell, by its own statuses and by `learners`.

    `pause` and `observe` are what the throttler does about it. A learner that raises, returns no
    list, or names an unknown limit, is logged and forgiven: the answer is there, and its call goes
    on.
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
        self._faulty: set[tuple[int, str]] = set()
        self._unstopped: set[str] = set()
        # Answers that lacked the header, for each learner that has not seen it yet.
        self._lacked = {
            number: 0
            for number, learner in enumerate(learners)
            if isinstance(learner, (UsedHeader, RemainingHeader))
        }

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
        if self._lacked:
            self._look_for_headers(answer, own)
        paused = False
        for number, learner in enumerate(self._learners):
            try:
                for lesson in self._lessons_of(number, learner, answer, limit_id):
                    if isinstance(lesson, Pause):
                        self._pause(lesson, answer.status)
                        paused = paused or lesson.for_s >= 0
                    elif departure is not None:
                        self._correct(configuration, lesson, departure, own)
            except Exception as error:
                self._tell_failure(number, learner, answer, error)
        # Whoever reads the answer knows better than its status does, of which limits and how long.
        if not paused:
            self._pause_by_status(configuration, answer, limit_id, own)

    def _lessons_of(
        self, number: int, learner: Learner, answer: Answer, limit_id: str
    ) -> list[Lesson]:
        """Return what the learner tells; an error is logged once where that is no list of it."""
        told: object = learner(answer, limit_id)
        lessons = None
        if isinstance(told, Iterable) and not isinstance(told, (str, bytes)):
            lessons = list(told)  # of a lesson by itself its fields, which are none
        if lessons is not None and all(isinstance(each, _LESSONS) for each in lessons):
            return lessons
        if (number, "") not in self._faulty:
            self._faulty.add((number, ""))
            _log.error(
                "learner %r returned %r: return a list of Used, Remaining and Pause (an empty one "
                "for nothing); nothing is learnt from it",
                learner,
                told if lessons is None else lessons,
            )
        return []

    def _tell_failure(
        self, number: int, learner: Learner, answer: Answer, error: Exception
    ) -> None:
        """Log it, with a traceback for the first of its kind: they come with every answer."""
        kind = (number, type(error).__name__)
        is_new = kind not in self._faulty
        self._faulty.add(kind)
        _log.error(
            "learner %r failed on an answer of %d: %s: %s",
            learner,
            answer.status,
            kind[1],
            error,
            exc_info=error if is_new else None,
        )

    def _pause_by_status(
        self,
        configuration: Configuration,
        answer: Answer,
        limit_id: str,
        own: Iterable[str],
    ) -> None:
        """Stop what a refusal of this status is about, where it is one."""
        if answer.status not in (418, 429, 503):
            return
        limits = configuration.limits
        # That too much was sent is no reason to have fewer calls under way.
        names = [
            name for name in own if name in limits and limits[name].kind is not LimitKind.CONCURRENT
        ]
        longest_s = max((limits[name].time_interval for name in names), default=1.0)
        pause = pause_of(answer, tuple(names), longest_s)
        if pause is None:
            return
        if pause.limit_ids != ():
            self._pause(pause, answer.status)
        elif limit_id not in self._unstopped:
            self._unstopped.add(limit_id)
            _log.warning(
                'the exchange answered %d to a call under "%s", which has no limit that could be '
                "stopped; link it to one that counts by time, or return a Pause from a learner",
                answer.status,
                limit_id,
            )

    def _look_for_headers(self, answer: Answer, own: Iterable[str]) -> None:
        """Warn where a header never comes: its name may be wrong, and nothing is learnt then."""
        for number in list(self._lacked):
            learner = self._learners[number]
            header, limit_id = learner.header, learner.limit_id  # type: ignore[attr-defined]
            if answer.status >= 500 or (limit_id is not None and limit_id not in own):
                continue  # a proxy's own answer, or one that another limit counts
            self._lacked[number] += 1
            is_there = header in answer.headers
            if is_there or self._lacked[number] >= _MOST_WITHOUT_HEADER:
                del self._lacked[number]
            if not is_there and number not in self._lacked:
                _log.warning(
                    'header "%s", which tells of %s, was in none of the first %d answers; look '
                    "at its name: nothing was learnt from it",
                    header,
                    "the limit of each call" if limit_id is None else f'limit "{limit_id}"',
                    _MOST_WITHOUT_HEADER,
                )

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
