"""What happened: frozen events, and the hook that receives them.

A hook is any callable that takes one event. It runs inline, so it must be quick; when it raises,
the error is logged and the call that caused the event goes on. No event holds a secret.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import Protocol

from networkpype.errors import AuthenticationFailure, ConfigurationError, Outcome

__all__ = [
    "CircuitClosed",
    "CircuitOpened",
    "ClockStepped",
    "ClockSyncFailed",
    "ClockSynchronized",
    "Event",
    "Hook",
    "LimitBlocked",
    "LimitCorrected",
    "LimitStoreLost",
    "LimitStoreRestored",
    "LimitUnblocked",
    "LoggedIn",
    "LoginExpired",
    "LoginFailed",
    "LoginRejected",
    "LoginRenewed",
    "RenewalFailed",
    "RequestFinished",
    "RetryScheduled",
    "ThrottleRefused",
    "ThrottleWaited",
    "WebSocketClosed",
    "WebSocketOpened",
    "emit",
    "fan_out",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A REST request ended: answered (`status`), failed (`error`, the class name), or cancelled.

    `url` has its secret query values masked. `elapsed_s` runs from the granted capacity to the last
    byte of the body. `outcome` and `error` are None for a success; an answer of 4xx or 5xx has
    those of the error that its status makes, also where `return_err` has it returned.
    """

    method: str
    url: str
    status: int | None
    elapsed_s: float
    error: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class ThrottleWaited(Event):
    """A caller waited `waited_s` seconds for capacity under `limit_id`.

    `bottleneck` is the limit that held it up when it began to wait, which may be a linked one: of
    several that were full the one that has room last. Empty where that is not known.
    """

    limit_id: str
    waited_s: float
    bottleneck: str = ""


@dataclass(frozen=True, slots=True)
class ThrottleRefused(Event):
    """A caller under `limit_id` gave up after `waited_s`, for `max_wait` could not be kept.

    It is 0 where that was known at once: the wait would have been `forecast_s` at least.
    `bottleneck` is the limit that holds it up, which may be a linked one; empty where that is not
    known.
    """

    limit_id: str
    waited_s: float
    forecast_s: float
    bottleneck: str = ""


@dataclass(frozen=True, slots=True)
class LimitBlocked(Event):
    """The exchange said to slow down (`status`, such as 429): no call of these limits for `for_s`.

    `limit_ids` are those that the refused call was charged under, or all there are after a ban.
    """

    limit_ids: tuple[str, ...]
    for_s: float
    status: int


@dataclass(frozen=True, slots=True)
class LimitUnblocked(Event):
    """`AsyncThrottler.unblock` ended a block of these limits, the longest `left_s` early."""

    limit_ids: tuple[str, ...]
    left_s: float


@dataclass(frozen=True, slots=True)
class LimitCorrected(Event):
    """What was counted of a limit, in units, was not what the exchange has counted."""

    limit_id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class LimitStoreLost(Event):
    """The store that processes share does not answer, or answers with `error`.

    Calls wait until it is back, or go on at `local_share_pct` percent of each limit.
    """

    error: str
    local_share_pct: float | None


@dataclass(frozen=True, slots=True)
class LimitStoreRestored(Event):
    """The shared store answers again after `lost_for_s`.

    `forgot` tells that it came back without its counts. Limits stand still for `paused_s` at most,
    until what may have been sent meanwhile has left every window.
    """

    lost_for_s: float
    forgot: bool
    paused_s: float


@dataclass(frozen=True, slots=True)
class RetryScheduled(Event):
    """An attempt failed and the request is sent again after `wait_s`; `attempt` counts from 1.

    `error` is the class name of what it failed with.
    """

    method: str
    url: str
    attempt: int
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True)
class CircuitOpened(Event):
    """A host failed too often: nothing is sent to it for `for_s`."""

    host: str
    failures: int
    for_s: float


@dataclass(frozen=True, slots=True)
class CircuitClosed(Event):
    """A host that was left alone answers again, or `CircuitBreaker.reset` was called."""

    host: str


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


def fan_out(*hooks: Hook) -> Hook:
    """Return one hook for several: each gets every event, in this order, whatever another raises.

    Raises ConfigurationError for what is no callable, or is a class or a coroutine function.
    """
    for hook in hooks:
        if not callable(hook) or isinstance(hook, type) or inspect.iscoroutinefunction(hook):
            raise ConfigurationError(f"a hook is a function that takes one event, got {hook!r}")

    def hand_on(event: Event, /) -> None:
        for hook in hooks:
            emit(hook, event)

    return hand_on
