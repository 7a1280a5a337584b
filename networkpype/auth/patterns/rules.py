"""What a frame means for a login, told by data: the first rule that fits decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from networkpype.auth.outcome import AuthOutcome, AuthStatus
from networkpype.errors import AuthenticationFailure
from networkpype.redact import escape

__all__ = [
    "Containing",
    "Rule",
    "Seen",
    "accepted",
    "expired",
    "judge",
    "rejected",
    "seconds_at",
    "value_at",
]


class Seen(Enum):
    """What a rule may ask of a value besides being equal to another."""

    ANY = "there, and neither null nor false"
    ABSENT = "not there, or null"
    MY_ID = "the id of the login frame"


class Containing:
    """Fits a value in whose text one of these stands, whatever the case of its letters."""

    __slots__ = ("texts",)

    def __init__(self, *texts: str) -> None:
        self.texts = tuple(text.lower() for text in texts)

    def __repr__(self) -> str:
        return f"Containing{self.texts!r}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` maps dotted paths into the frame to what must be there; all of them must fit.

    A value fits when its text equals (``0`` and ``"0"`` are one code, ``True`` is ``true``), when
    it is one of a tuple, or as `Seen` or `Containing` says. `reason` names the paths of the
    exchange's own words, of which the first that is there is taken; `lifetime` the path of a
    lifetime in seconds.
    """

    then: AuthStatus
    when: Mapping[str, object]
    reason: tuple[str, ...] = ()
    lifetime: str = ""
    failure: AuthenticationFailure = AuthenticationFailure.REJECTED
    definite: bool = True


def accepted(when: Mapping[str, object], *, lifetime: str = "") -> Rule:
    """Make a rule for an ack."""
    return Rule(AuthStatus.ACCEPTED, when, lifetime=lifetime)


def rejected(
    when: Mapping[str, object],
    *reason: str,
    failure: AuthenticationFailure = AuthenticationFailure.REJECTED,
    definite: bool = True,
) -> Rule:
    """Make a rule for a refusal; `definite` is False where waiting may help."""
    return Rule(AuthStatus.REJECTED, when, reason, failure=failure, definite=definite)


def expired(when: Mapping[str, object], *reason: str) -> Rule:
    """Make a rule for the event that a token or key has ended."""
    return Rule(AuthStatus.EXPIRED, when, reason)


def judge(frame: Any, rules: Sequence[Rule], my_id: object = None) -> AuthOutcome:
    """Return the outcome of the first rule that fits, `not_mine` where none does."""
    if not isinstance(frame, Mapping):
        return AuthOutcome.not_mine()
    for rule in rules:
        if all(_fits(value_at(frame, path), want, my_id) for path, want in rule.when.items()):
            return _outcome(rule, frame)
    return AuthOutcome.not_mine()


def value_at(frame: Any, path: str) -> Any:
    """Return what stands at a dotted path, None where nothing does; list items go by number."""
    for name in path.split("."):
        if isinstance(frame, Mapping):
            frame = frame.get(name)
        elif isinstance(frame, (list, tuple)) and name.isdecimal() and int(name) < len(frame):
            frame = frame[int(name)]
        else:
            return None
    return frame


def seconds_at(frame: Any, path: str) -> float | None:
    """Return the lifetime that stands at a dotted path, None where none above zero does."""
    return _seconds(value_at(frame, path))


def _fits(value: Any, want: object, my_id: object) -> bool:
    if want is Seen.ANY:
        return value is not None and value is not False
    if want is Seen.ABSENT:
        return value is None
    if value is None:
        return False
    if want is Seen.MY_ID:
        return my_id is not None and str(value) == str(my_id)
    if isinstance(want, Containing):
        text = _text(value).lower()
        return any(each in text for each in want.texts)
    if isinstance(want, tuple):
        return any(_text(value) == _text(each) for each in want)
    return _text(value) == _text(want)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _outcome(rule: Rule, frame: Mapping[str, Any]) -> AuthOutcome:
    if rule.then is AuthStatus.ACCEPTED:
        return AuthOutcome.accepted(seconds_at(frame, rule.lifetime))
    said = (value_at(frame, path) for path in rule.reason)
    reason = next((escape(str(each), limit=300) for each in said if each not in (None, "")), "")
    if rule.then is AuthStatus.EXPIRED:
        return AuthOutcome.expired(reason)
    return AuthOutcome.rejected(
        reason or "refused without a reason", failure=rule.failure, definite=rule.definite
    )


def _seconds(value: Any) -> float | None:
    """Return a lifetime above zero, from a number or the text of one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):  # no number, or one of hundreds of digits
        return None
    return seconds if 0 < seconds < float("inf") else None
