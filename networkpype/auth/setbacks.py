"""What went wrong with a login: whether it may pass, how long to wait, and what may be told."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TypeGuard

from networkpype.auth.outcome import PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    NetworkpypeError,
    Outcome,
    RateLimitedError,
)
from networkpype.redact import body_pairs, escape, scrub, secret_values
from networkpype.retry import Backoff
from networkpype.websocket.request import WebSocketRequest

__all__ = ["Setbacks", "is_final", "needs_fresh", "reason_of", "scrubbed", "wait_told_s"]

_LONGEST_WAIT_S = 86_400.0


class Setbacks:
    """Count failures, and forget them `settle_s` after something went well and stayed so."""

    __slots__ = ("_backoff", "_count", "_settle_s", "_well_since")

    def __init__(self, backoff: Backoff, settle_s: float) -> None:
        self._backoff = backoff
        self._settle_s = settle_s
        self.forget()

    def forget(self) -> None:
        """Count from nothing again."""
        self._count = 0
        self._well_since: float | None = None

    def went_well(self, now: float) -> None:
        """Note that there is nothing to complain of, from the first time after a failure."""
        if self._well_since is None:
            self._well_since = now

    def none_since(self, now: float) -> bool:
        """Tell whether every failure is forgotten by now."""
        if self._well_since is not None and now - self._well_since >= self._settle_s:
            self._count = 0
        return self._count == 0

    def next_wait_s(self, now: float, floor_s: float = 0.0) -> float:
        """Count one more failure and return how long to leave the exchange alone."""
        self.none_since(now)
        self._well_since = None
        self._count += 1
        return self._backoff.delay_s(self._count - 1, floor_s=floor_s)


def is_final(
    error: BaseException, *, renewal: bool
) -> TypeGuard[AuthenticationError | ConfigurationError]:
    """Tell whether the error of a preparation cannot pass by itself.

    A refusal ends it, and so does what is wrong on this side. Of a renewal it says only that what
    it would have prolonged is gone, or cannot be prolonged: a fresh preparation has the last word.
    Neither is one that another process was given, and that is to rest: the exchange was not asked.
    """
    if isinstance(error, AuthenticationError) and error.outcome is Outcome.NOT_SENT:
        return False
    return isinstance(error, (AuthenticationError, ConfigurationError)) and not renewal


def needs_fresh(error: BaseException) -> bool:
    """Tell whether a renewal that failed so would fail again: the exchange, or we, said no."""
    if isinstance(error, RateLimitedError):
        return False
    return isinstance(error, ConfigurationError) or (
        isinstance(error, NetworkpypeError) and error.outcome is Outcome.REJECTED
    )


def wait_told_s(told: object) -> float:
    """Return the wait that an error or a refusal asks for: a day at most, 0 for none."""
    if isinstance(told, RateLimitedError):
        told = told.retry_after
    if isinstance(told, (int, float)) and told > 0:
        return float(min(told, _LONGEST_WAIT_S))
    return 0.0


def reason_of(error: BaseException) -> str:
    """Return what may be told of an error: the text of our own, for others may hold secrets."""
    if isinstance(error, NetworkpypeError):
        return escape(f"{type(error).__name__}: {error}", limit=400)
    return type(error).__name__


def scrubbed(
    reason: str,
    pattern: WebSocketAuthPattern,
    pre_auth: PreAuth | None,
    frames: Iterable[WebSocketRequest | None],
) -> str:
    """Return the exchange's words without our keys and what it was told: some echo the token."""
    secrets: set[str] = set()
    for frame in frames:
        if frame is not None:
            secrets |= secret_values(body_pairs(frame.payload), {})
    if pre_auth is not None:
        bare, _, query = pre_auth.url.partition("?")
        path = bare.partition("://")[2].partition("/")[2]
        secrets |= secret_values((), pre_auth.headers, f"/{path}", query)
    reason = scrub(reason, secrets)
    with suppress(ConfigurationError):  # a pattern of one's own may know no identity
        reason = pattern.identity.hidden(reason)
    return escape(reason, limit=400)
