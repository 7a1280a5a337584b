"""What an exchange's answers tell about its limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.status import retry_after_s

__all__ = [
    "Answer",
    "Learner",
    "Lesson",
    "Pause",
    "Remaining",
    "RemainingHeader",
    "Used",
    "UsedHeader",
    "check_learners",
    "pause_of",
]

LONGEST_PAUSE_S = 3 * 86_400.0
"""Binance's longest ban; a Retry-After beyond it is a mistake.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits (read 2026-11-21)
"""
_UNTOLD_PAUSE_S = 60.0


class Answer(NamedTuple):
    """What came back for a call: status, headers by any case of their names, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Used(NamedTuple):
    """The exchange has counted so many units of this limit."""

    limit_id: str
    units: int


class Remaining(NamedTuple):
    """So many units of this limit are left; of `limit`, or of what the throttler was told."""

    limit_id: str
    units: int
    limit: int | None = None


class Pause(NamedTuple):
    """No call under these limits for so long, under none at all where None.

    From a learner it takes the place of what the answer's status would do by itself: a 429 that
    concerns one limit alone need not stop the others. ``Pause((), 0)`` is no pause at all. `told`
    is false where the exchange gave no time, and this one is made up here.
    """

    limit_ids: tuple[str, ...] | None
    for_s: float
    told: bool = True


Lesson: TypeAlias = "Used | Remaining | Pause"
Learner: TypeAlias = Callable[[Answer, str], Iterable[Lesson]]
"""Is given an answer and the limit id of its call; returns a list of what is to be learnt from it.

The list is empty where that is nothing.
"""


@dataclass(frozen=True)
class UsedHeader:
    """Learn how much of a limit is used up from a header such as Binance's.

    ::

        UsedHeader("X-MBX-USED-WEIGHT-1M", "ip")

    (https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits, read 2026-11-21).
    `limit_id` is that of the call where it is None. Raises ConfigurationError for an empty header.
    """

    header: str
    limit_id: str | None = None

    def __post_init__(self) -> None:
        _check_header("header", self.header, "X-MBX-USED-WEIGHT-1M")

    def __call__(self, answer: Answer, limit_id: str) -> Iterable[Lesson]:
        units = _number(answer.headers, self.header)
        return () if units is None else (Used(self.limit_id or limit_id, math.ceil(units)),)


@dataclass(frozen=True)
class RemainingHeader:
    """Learn how much of a limit is left from a header such as Bybit's.

    ::

        RemainingHeader("X-Bapi-Limit-Status", limit_header="X-Bapi-Limit")

    (https://bybit-exchange.github.io/docs/v5/rate-limit, read 2026-11-21). `limit_id` is that of
    the call where it is None; without `limit_header` the limit is what the throttler was told.
    Raises ConfigurationError for an empty header.
    """

    header: str
    limit_id: str | None = None
    limit_header: str | None = None

    def __post_init__(self) -> None:
        _check_header("header", self.header, "X-Bapi-Limit-Status")
        if self.limit_header is not None:
            _check_header("limit_header", self.limit_header, "X-Bapi-Limit")

    def __call__(self, answer: Answer, limit_id: str) -> Iterable[Lesson]:
        units = _number(answer.headers, self.header)
        if units is None:
            return ()
        limit = None if self.limit_header is None else _number(answer.headers, self.limit_header)
        whole = None if limit is None else math.floor(limit)
        return (Remaining(self.limit_id or limit_id, math.floor(units), whole),)


def pause_of(answer: Answer, limit_ids: tuple[str, ...], longest_s: float) -> Pause | None:
    """Read from status and Retry-After for how long to be quiet; None where nothing says so.

    After 429, and 503 with a Retry-After, `limit_ids`, which the call was charged under (none where
    there are none); after 418, a ban of the address, all. Where no wait is told or it is 0,
    `longest_s`, the longest interval of these limits, but no more than a minute.
    """
    if answer.status not in (418, 429, 503):
        return None
    told_s = retry_after_s(answer.headers)
    if answer.status == 503 and not told_s:
        return None
    for_s = min(told_s or min(longest_s, _UNTOLD_PAUSE_S), LONGEST_PAUSE_S)
    return Pause(None if answer.status == 418 else limit_ids, for_s, bool(told_s))


def check_learners(learners: object) -> tuple[Learner, ...]:
    """Return the learners; raise ConfigurationError for what is none."""
    if not isinstance(learners, Iterable) or isinstance(learners, (str, bytes)):
        raise ConfigurationError(f"learn_from is a list of learners, got {learners!r}")
    checked = tuple(learners)
    for learner in checked:
        if not callable(learner):
            raise ConfigurationError(
                f"learn_from holds {learner!r}; pass functions of (answer, limit_id), "
                'such as UsedHeader("X-MBX-USED-WEIGHT-1M", "ip")'
            )
    return checked


def _check_header(name: str, header: object, example: str) -> None:
    if not isinstance(header, str) or not header.strip():
        raise ConfigurationError(
            f'{name} is the name of a header such as "{example}", got {header!r}'
        )


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
