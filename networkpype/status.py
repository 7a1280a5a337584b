"""From an error status to a typed error, with nothing secret in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from multidict import CIMultiDict

from networkpype.errors import (
    AuthenticationFailure,
    HTTPAuthenticationError,
    HTTPStatusError,
    Outcome,
    RateLimitedError,
)
from networkpype.redact import escape, scrub

__all__ = ["retry_after_s", "status_error", "status_kind", "status_outcome"]

# 418 is Binance's ban after ignored 429s:
# https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits (read 2026-11-21)
_SLOW_DOWN = frozenset({418, 429})
# 408: Binance's -1007, "execution status unknown". 409: a cancel-and-replace of which one half
# was executed. https://developers.binance.com/docs/binance-spot-api-docs/rest-api/http-return-codes
# (read 2026-11-21)
_UNCERTAIN = frozenset({408, 409})
_DROPPED = frozenset({"set-cookie", "set-cookie2", "authorization"})


def status_error(
    status: int,
    headers: Mapping[str, str],
    *,
    method: str,
    url: str,
    body: str,
    private: bool,
    secrets: Collection[str] = (),
) -> HTTPStatusError:
    """Build the error for an answer, in which `secrets` are masked wherever the server echoes them.

    `url` comes masked; `private` means signed.
    """
    kept = CIMultiDict(
        (name, scrub(value, secrets))
        for name, value in headers.items()
        if name.lower() not in _DROPPED
    )
    body = escape(scrub(body, secrets))
    message = f"{method} {url}: HTTP {status}: {body or 'empty body'}"
    answer: dict[str, Any] = {
        "status": status,
        "headers": kept,
        "body": body,
        "method": method,
        "url": url,
        "outcome": status_outcome(status),
    }
    kind = status_kind(status, kept, private=private)
    if kind is RateLimitedError:
        wait = retry_after_s(kept)
        hint = "" if wait is None else f" (retry after {wait:g} s)"
        return RateLimitedError(message + hint, retry_after=wait, **answer)
    error = kind(message, **answer)
    if isinstance(error, HTTPAuthenticationError) and status == 403:
        error.reason = AuthenticationFailure.PERMISSION
    return error


def status_outcome(status: int) -> Outcome:
    """Say what an answer of 4xx or 5xx means for the request."""
    return Outcome.UNKNOWN if status >= 500 or status in _UNCERTAIN else Outcome.REJECTED


def status_kind(status: int, headers: Mapping[str, str], *, private: bool) -> type[HTTPStatusError]:
    """Return the class of the error that `status_error` builds."""
    if status in _SLOW_DOWN or (status == 503 and retry_after_s(headers) is not None):
        return RateLimitedError
    return HTTPAuthenticationError if status in (401, 403) and private else HTTPStatusError


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, in seconds or as a date; None if unusable.

    A date is compared with the answer's own Date, with the local clock where it has none.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            date = headers.get("Date")
            now = datetime.now(UTC) if date is None else parsedate_to_datetime(date)
            seconds = (until - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
