"""Shall it be tried again, when, and how often in all? Decided without a clock."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimitedError,
    RedirectRefusedError,
    TLSError,
    TransportError,
    WebSocketClosedError,
)
from networkpype.status import retry_after_s

__all__ = ["Backoff", "RetryBudget", "RetryDecision", "RetryPolicy", "check_idempotency_key"]

# Everything else below 500 says that the request itself is wrong, and so it would be again. 425 is
# the answer to data that came before the handshake's end (RFC 8470, section 5.2).
_PASSING = frozenset({408, 418, 425, 429})
# Those of RESTMethod, which is not known this far below.
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: anything from nothing to a wait that grows.

    The longest wait before try n (from 0) is ``initial_s * factor ** n``, at most `cap_s`. `jitter`
    returns numbers from 0 to 1, the share of it that is waited: clients that failed together do not
    come again together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter,
    read 2026-07). It remembers nothing: whoever counts the tries owns the count.
    """

    initial_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0
    jitter: Callable[[], float] = field(default_factory=lambda: random.random, repr=False)

    def __post_init__(self) -> None:
        # Not "value < least": a nan must not pass.
        if not 0 < self.initial_s < math.inf:
            raise ConfigurationError(f"initial_s is {self.initial_s!r}; pass more than 0")
        for name, least in (("factor", 1.0), ("cap_s", self.initial_s)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                finite = "a finite number of " if value == math.inf else ""
                raise ConfigurationError(f"{name} is {value!r}; pass {finite}at least {least:g}")
        if not callable(self.jitter):
            raise ConfigurationError(
                f"jitter is {self.jitter!r}; pass a function that returns a number from 0 to 1"
            )

    def longest_s(self, attempt: int) -> float:
        """Return the longest wait before this try; the first is 0."""
        try:
            return min(self.cap_s, self.initial_s * self.factor ** max(0, attempt))
        except OverflowError:
            return self.cap_s

    def delay_s(self, attempt: int, *, floor_s: float = 0.0) -> float:
        """Return the seconds to wait before this try.

        `floor_s`, such as a Retry-After, is waited in any case and the back-off comes on top, for
        all who were told the same floor would come again together.
        """
        share = min(1.0, max(0.0, self.jitter()))
        return max(0.0, floor_s) + share * self.longest_s(attempt)


class RetryBudget:
    """Hold the retries of many calls to a share of them, so that an outage is no storm.

    A call adds `share` of a retry, up to `burst`, which is what there is at first; a retry takes
    one. So n calls cause ``burst + share * n`` retries at most. It counts and needs no clock.
    """

    def __init__(self, share: float = 0.2, burst: int = 10) -> None:
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ConfigurationError(f"share is {share!r}; pass a number from 0 to 1")
        if type(burst) is not int or burst < 0:
            raise ConfigurationError(f"burst is {burst!r}; pass a whole number, at least 0")
        self._share = share
        self._burst = burst
        self._left: float = burst

    @property
    def left(self) -> int:
        """Return how many retries there are now."""
        return int(self._left)

    def deposit(self) -> None:
        """Count a call."""
        self._left = min(self._burst, self._left + self._share)

    def withdraw(self) -> bool:
        """Count a retry, and return True, if there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def __repr__(self) -> str:
        return f"RetryBudget(share={self._share:g}, burst={self._burst}, left={self.left})"


class RetryDecision(NamedTuple):
    """Wait `wait_s` seconds and send again, or stop where it is None, for this `reason`."""

    wait_s: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """What may be sent again, after which wait, and when it is enough.

    A call makes at most `attempts`. Before each further one it waits by `backoff`, on top of a
    Retry-After. One that is longer than `longest_wait_s` ends the call at once. The last attempt
    has ended `max_elapsed_s` after the first was granted capacity: no wait is begun that would end
    later, and the timeouts of the attempts are cut to what is left.

    What was not sent (no connection, none free in time) may be sent, whatever its method. What may
    have been executed, or was answered with one of `statuses`, is sent again where its method is
    one of `methods` or the caller said that a repeat does no harm (`idempotent=True`, or an
    `idempotency_key`, which goes into the header `idempotency_header`). DELETE and PUT belong to
    `methods` only where the exchange takes a second one as it took the first.

    Never sent again: what the exchange refused (4xx other than 408, 418, 425 and 429), an answer
    that could not be read, a redirect, a TLS failure, and what fails on this side. 418, a ban, is
    not among the `statuses` by default.

    `budget` bounds the retries of all calls together; None for that of the factory, or of the
    manager where no factory made it.
    """

    attempts: int = 3
    backoff: Backoff = field(default_factory=lambda: Backoff(initial_s=0.25, cap_s=10.0))
    methods: Collection[object] = frozenset({"GET", "HEAD", "OPTIONS"})
    statuses: Collection[int] = frozenset({408, 429, 500, 502, 503, 504})
    longest_wait_s: float = 30.0
    max_elapsed_s: float = 60.0
    idempotency_header: str = "Idempotency-Key"
    budget: RetryBudget | None = None

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise ConfigurationError(
                f"attempts is {self.attempts!r}; pass a whole number, at least 1"
            )
        for name in ("longest_wait_s", "max_elapsed_s"):
            seconds = getattr(self, name)
            number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
            if not number or not 0 < seconds < math.inf:
                raise ConfigurationError(f"{name} is {seconds!r}; pass seconds above zero")
        for name, kind in (("backoff", Backoff), ("budget", RetryBudget | None)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}; pass a {kind}")
        if isinstance(self.methods, str) or isinstance(self.statuses, str):
            raise ConfigurationError("methods and statuses are collections; pass sets")
        methods = frozenset(str(each).upper() for each in self.methods)
        object.__setattr__(self, "methods", methods)
        unknown = sorted(methods - _METHODS)
        if unknown:
            raise ConfigurationError(
                f"methods has {unknown[0]!r}; pass some of {', '.join(sorted(_METHODS))}"
            )
        object.__setattr__(self, "statuses", frozenset(self.statuses))
        for status in self.statuses:
            if type(status) is not int or not (status in _PASSING or 500 <= status <= 599):
                raise ConfigurationError(
                    f"status {status!r} says that the request itself was refused, and it would be "
                    f"again; pass some of {sorted(_PASSING)} and 500 to 599"
                )
        header = self.idempotency_header
        if not isinstance(header, str) or not _TOKEN.fullmatch(header):
            raise ConfigurationError(f"idempotency_header {header!r} is no name of a header")

    def may_repeat(self, method: object, idempotent: bool) -> bool:
        """Tell whether a request may be sent again that may have been executed."""
        return idempotent or str(method) in self.methods

    def decide(
        self,
        error: BaseException,
        attempt: int,
        *,
        method: object = "GET",
        idempotent: bool = False,
        elapsed_s: float = 0.0,
        clock_mended: bool = False,
    ) -> RetryDecision:
        """Say whether to send again after attempt number `attempt`, from 1, failed with `error`.

        `elapsed_s` counts from the first attempt's capacity. `clock_mended` says that a timestamp
        was refused and that the next one will come from a clock that was set since.
        """
        late = _is_timestamp(error)
        if late and not clock_mended:
            return RetryDecision(None, "its timestamp was refused and the clock cannot be mended")
        if not late and not self._may_pass(error):
            return RetryDecision(None, f"a {type(error).__name__} is not cured by sending again")
        unsent = isinstance(error, NetworkpypeError) and error.outcome is Outcome.NOT_SENT
        if not unsent and not self.may_repeat(method, idempotent):
            return RetryDecision(
                None,
                f"a {method} is not sent twice without the caller's word: idempotent=True, or an "
                "idempotency_key",
            )
        if attempt >= self.attempts:
            return RetryDecision(None, f"the policy's attempts={self.attempts} are used up")
        told_s = _told_s(error)
        if told_s is not None and told_s > self.longest_wait_s:
            return RetryDecision(
                None,
                f"a wait of {told_s:g} s is longer than longest_wait_s={self.longest_wait_s:g}",
            )
        wait_s = 0.0 if late else self.backoff.delay_s(attempt - 1, floor_s=told_s or 0.0)
        if elapsed_s + wait_s >= self.max_elapsed_s:
            return RetryDecision(
                None,
                f"after a wait of {wait_s:.3g} s the call would be older than "
                f"max_elapsed_s={self.max_elapsed_s:g}",
            )
        return RetryDecision(wait_s)

    def _may_pass(self, error: BaseException) -> bool:
        """Tell whether another attempt could end otherwise."""
        if isinstance(error, HTTPStatusError):
            return error.status in self.statuses
        final = (TLSError, RedirectRefusedError, WebSocketClosedError)
        return isinstance(error, TransportError) and not isinstance(error, final)


def check_idempotency_key(key: object) -> str:
    """Return the key; raise ConfigurationError for what no header can carry."""
    if not isinstance(key, str) or not _VISIBLE.fullmatch(key):
        # Not the key itself: an exchange may take it for a secret.
        raise ConfigurationError(
            f"idempotency_key is a {type(key).__name__} that is empty or has a character that is "
            "not visible ASCII; pass such as str(uuid.uuid4())"
        )
    return key


def _told_s(error: BaseException) -> float | None:
    """Return the wait that the exchange told, be it with 429 or, as proxies do, with 502."""
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return error.retry_after
    return retry_after_s(error.headers) if isinstance(error, HTTPStatusError) else None


def _is_timestamp(error: BaseException) -> bool:
    return (
        isinstance(error, AuthenticationError) and error.reason is AuthenticationFailure.TIMESTAMP
    )
