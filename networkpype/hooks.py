"""What happened: frozen events, and the hook that receives them.

A hook is any callable that takes one event. It runs inline, so it must be quick; when it raises,
the error is logged and the call that caused the event goes on. No event holds a secret.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from networkpype.errors import AuthenticationFailure, Outcome

__all__ = [
    "ClockStepped",
    "ClockSyncFailed",
    "ClockSynchronized",
    "Event",
    "Hook",
    "LoggedIn",
    "LoginExpired",
    "LoginFailed",
    "LoginRejected",
    "LoginRenewed",
    "RenewalFailed",
    "RequestFinished",
    "ThrottleWaited",
    "WebSocketClosed",
    "WebSocketOpened",
    "emit",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A REST request ended: answered (`status`), failed (`error`, the class name), or cancelled.

    `url` has its secret query values masked. `elapsed_s` runs from the granted capacity to the last
    byte of the body. `outcome` is None for a success.
    """

    method: str
    url: str
    status: int | None
    elapsed_s: float
    error: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class ThrottleWaited(Event):
    """A caller waited `waited_s` seconds for capacity under `limit_id`."""

    limit_id: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class ClockSynchronized(Event):
    """A sample of the server's clock was taken; `offset_ms` is the estimate that now holds.

    `round_trip_ms` is None for a sample given by hand. The true offset lies within
    `uncertainty_ms` of the estimate as far as can be known; None when it cannot.
    """

    offset_ms: float
    round_trip_ms: float | None
    uncertainty_ms: float | None


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """The local clock jumped by `step_ms` against the monotonic clock, or the machine slept."""

    step_ms: float


@dataclass(frozen=True, slots=True)
class ClockSyncFailed(Event):
    """The server's time could not be read; `offset_ms` is what stays in use, None for none."""

    error: str
    offset_ms: float | None


@dataclass(frozen=True, slots=True)
class WebSocketOpened(Event):
    """A WebSocket handshake succeeded; `url` has its secret query values masked."""

    url: str


@dataclass(frozen=True, slots=True)
class WebSocketClosed(Event):
    """A WebSocket ended; `expected` is True where this side asked for it."""

    url: str
    code: int
    reason: str
    expected: bool


@dataclass(frozen=True, slots=True)
class LoggedIn(Event):
    """The exchange knows who we are on the connection `epoch`.

    `lifetime_s` is how long that is good, None where nobody told.
    """

    epoch: int
    lifetime_s: float | None


@dataclass(frozen=True, slots=True)
class LoginRejected(Event):
    """The exchange refused who we are; `retry_in_s` is None where that is final."""

    epoch: int
    reason: str
    failure: AuthenticationFailure
    retry_in_s: float | None


@dataclass(frozen=True, slots=True)
class LoginFailed(Event):
    """A login came to no answer: no key or token to be had, no ack in time, or a line that ended.

    `retry_in_s` is None where trying again cannot help, such as without credentials.
    """

    epoch: int
    reason: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True)
class LoginRenewed(Event):
    """What the connection is logged in with was prolonged or replaced, before or after its end."""

    epoch: int
    lifetime_s: float | None


@dataclass(frozen=True, slots=True)
class LoginExpired(Event):
    """A login ended while the connection was open; a fresh one is on its way."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class RenewalFailed(Event):
    """A login could not be prolonged; what it has is still good, and is tried again in time."""

    epoch: int
    reason: str
    retry_in_s: float


class Hook(Protocol):
    """Receives every event; must be quick."""

    def __call__(self, event: Event, /) -> None: ...


def emit(hook: Hook | None, event: Event) -> None:
    """Hand the event to the hook, if there is one; a hook that raises is logged and forgiven."""
    if hook is None:
        return
    try:
        hook(event)
    except Exception:
        _log.exception("hook %r failed on %s", hook, type(event).__name__)
