"""From an error status to a typed error, with nothing secret in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
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

__all__ = ["retry_after_s", "status_error"]

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
    outcome = Outcome.UNKNOWN if status >= 500 or status in _UNCERTAIN else Outcome.REJECTED
    answer: dict[str, Any] = {
        "status": status,
        "headers": kept,
        "body": body,
        "method": method,
        "url": url,
        "outcome": outcome,
    }
    wait = retry_after_s(kept)
    if status in _SLOW_DOWN or (status == 503 and wait is not None):
        hint = "" if wait is None else f" (retry after {wait:g} s)"
        return RateLimitedError(message + hint, retry_after=wait, **answer)
    if status in (401, 403) and private:
        error = HTTPAuthenticationError(message, **answer)
        if status == 403:
            error.reason = AuthenticationFailure.PERMISSION
        return error
    return HTTPStatusError(message, **answer)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, in seconds or as a date against the answer's own Date; None if unusable."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            seconds = (until - parsedate_to_datetime(headers["Date"])).total_seconds()
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
