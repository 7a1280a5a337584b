"""Every error of networkpype, on one page.

Each carries an `Outcome`: what the caller must assume about the request, and so about the money.

```text
NetworkpypeError
├── ConfigurationError (ValueError)       a wrong argument; nothing was sent
│   ├── UnknownLimitError                 no rate limit of that name
│   ├── WeightExceedsLimitError           heavier than its limit ever allows
│   ├── MissingCredentialsError           private request, no auth
│   └── MissingExtraError                 an optional package is not installed
├── AuthenticationError                   the exchange refused who we are
├── TransportError (OSError)              the bytes did not make it, or not provably
│   ├── ConnectFailedError                DNS, TCP: nothing was sent
│   │   └── TLSError                      certificate or handshake
│   ├── RequestTimeoutError (TimeoutError)
│   ├── RedirectRefusedError              3xx; credentials never follow a redirect
│   ├── WebSocketClosedError (ConnectionError)
│   ├── SharedNonceError                  no nonce from the store; nothing was sent
│   └── SharedTokenError                  no access token from the store
├── HTTPStatusError (OSError)             the exchange answered 4xx or 5xx
│   ├── RateLimitedError                  429, 418, or 503 with Retry-After
│   └── HTTPAuthenticationError           (AuthenticationError) 401, 403 to a private one
├── ThrottleTimeoutError (TimeoutError)   no capacity within max_wait; nothing was sent
├── CircuitOpenError                      the host fails; nothing was sent
├── DecodeError (ValueError)              the answer could not be read; raw bytes kept
│   └── BodyTooLargeError
├── MessageTimeoutError (TimeoutError)    no WebSocket message came; the connection is open
├── NotConnectedError (RuntimeError)      sending or receiving on no connection
├── StreamGapError                        messages are missing between the last and the next
├── BufferFullError                       the consumer of a session is too slow
├── ReconnectError (ConnectionError)      a session gave up
├── AlreadyConnectedError (RuntimeError)  connecting twice
└── ConcurrentReceiveError (RuntimeError) two tasks reading one WebSocket
```

No message, attribute or pickle of these holds a key, signature, token or passphrase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

__all__ = [
    "AlreadyConnectedError",
    "AuthenticationError",
    "AuthenticationFailure",
    "BodyTooLargeError",
    "BufferFullError",
    "CircuitOpenError",
    "ConcurrentReceiveError",
    "ConfigurationError",
    "ConnectFailedError",
    "DecodeError",
    "HTTPAuthenticationError",
    "HTTPStatusError",
    "MessageTimeoutError",
    "MissingCredentialsError",
    "MissingExtraError",
    "NetworkpypeError",
    "NotConnectedError",
    "Outcome",
    "RateLimitedError",
    "ReconnectError",
    "RedirectRefusedError",
    "RequestTimeoutError",
    "SharedNonceError",
    "SharedTokenError",
    "StreamGapError",
    "TLSError",
    "ThrottleTimeoutError",
    "TransportError",
    "UnknownLimitError",
    "WebSocketClosedError",
    "WeightExceedsLimitError",
]


class Outcome(Enum):
    """What may have happened at the exchange when a call failed."""

    NOT_SENT = "not sent"
    """Nothing reached the exchange; sending again is safe."""
    REJECTED = "rejected"
    """The exchange answered and did not do it."""
    UNKNOWN = "unknown"
    """It may have been executed: ask the exchange before sending again."""


class NetworkpypeError(Exception):
    """Base of all errors; `outcome` says what the caller must assume.

    It is UNKNOWN where nothing is known, for subclasses of yours too: a wrong NOT_SENT would invite
    a second order.
    """

    outcome: Outcome = Outcome.UNKNOWN

    def __init__(self, message: str = "", *, outcome: Outcome | None = None) -> None:
        super().__init__(message)
        if outcome is not None:
            self.outcome = outcome


class ConfigurationError(NetworkpypeError, ValueError):
    """A wrong argument, found before anything was sent; the message names the fix."""

    outcome = Outcome.NOT_SENT


class UnknownLimitError(ConfigurationError):
    """A request names a rate limit that the throttler does not have."""

    def __init__(self, limit_id: object = "", known: Iterable[str] = ()) -> None:
        import difflib  # only a mistake needs it

        names = sorted(known)
        near = difflib.get_close_matches(str(limit_id), names, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ";"
        self._message = f'no rate limit "{limit_id}"{hint} known: {", ".join(names) or "none"}'
        if limit_id == "":
            fix = f'throttler_limit_id="{names[0] if names else "..."}"'
            self._message += (
                f"; name one: pass {fix}, to the call, or to exchange_auth(...) for the REST calls "
                "of a login"
            )
        super().__init__(self._message)
        self.args = (limit_id, tuple(names))  # what a pickle hands to __init__ again
        self.limit_id = limit_id

    def __str__(self) -> str:
        return self._message


class WeightExceedsLimitError(ConfigurationError):
    """A request weighs more than its limit admits in a whole window: it could never be sent."""


class MissingCredentialsError(ConfigurationError):
    """A private request was made where no auth is configured."""


class MissingExtraError(ConfigurationError, ImportError):
    """An optional dependency is missing; the message holds the pip command that installs it."""


class AuthenticationFailure(Enum):
    """Why the exchange refused an identity."""

    REJECTED = "rejected"
    """The key or the signature; also where the exchange does not tell."""
    PERMISSION = "permission denied"
    """The key is known and may not do this."""
    EXPIRED = "expired"
    """A token, key or session that was good once."""
    TIMESTAMP = "timestamp"
    """Too far from the exchange's clock."""
    NONCE = "nonce"
    """Not greater than the last."""


class AuthenticationError(NetworkpypeError):
    """The exchange refused a signature, key, token, timestamp or nonce.

    `skew_ms` is how far the timestamp was off, None unless whoever raised this knew it.
    """

    outcome = Outcome.REJECTED

    def __init__(
        self,
        message: str = "",
        *,
        reason: AuthenticationFailure = AuthenticationFailure.REJECTED,
        skew_ms: float | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message, outcome=outcome)
        self.reason = reason
        self.skew_ms = skew_ms


class TransportError(NetworkpypeError, OSError):
    """The request or its answer was lost on the way."""

    outcome = Outcome.UNKNOWN


class ConnectFailedError(TransportError, ConnectionError):
    """No connection could be made: name resolution, TCP, proxy or TLS. Nothing was sent."""

    outcome = Outcome.NOT_SENT


class TLSError(ConnectFailedError):
    """The TLS handshake or the certificate failed. Never retried without verification."""


class RequestTimeoutError(TransportError, TimeoutError):
    """The deadline passed: NOT_SENT while still connecting, UNKNOWN once it was written."""


class RedirectRefusedError(TransportError):
    """The exchange answered 3xx; never followed, for the target would see the signature."""

    def __init__(
        self, message: str = "", *, status: int = 0, outcome: Outcome | None = None
    ) -> None:
        super().__init__(message, outcome=outcome)
        self.status = status


class WebSocketClosedError(TransportError, ConnectionError):
    """The WebSocket ended and this side did not ask for it.

    `code` is the peer's close code (RFC 6455 section 7.4), 1005 for a close frame without one and
    1006 where no close frame came; `reason` is the peer's text, escaped, or what was seen instead.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: int = 1006,
        reason: str = "",
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message, outcome=outcome)
        self.code = code
        self.reason = reason


class SharedNonceError(TransportError):
    """Redis gave no nonce in time; nothing was signed or sent, and none is made up here.

    `reason` is what failed, in a few words.
    """

    outcome = Outcome.NOT_SENT

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no nonce came from Redis ({reason}); nothing was signed or sent, for one that is "
            "made here could be another process's too; check that Redis runs and takes writes",
            outcome=Outcome.NOT_SENT,
        )
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


class SharedTokenError(TransportError):
    """An access token could not be had from Redis, or not be kept there.

    NOT_SENT: the exchange was not asked for one. UNKNOWN: it gave one, which this process uses and
    the others do not have until its next renewal; where a refresh token is good for one use they
    may be refused until then. `reason` is what failed, in a few words.
    """

    def __init__(self, reason: str, outcome: Outcome = Outcome.NOT_SENT) -> None:
        done = (
            "was not refreshed, for another process may be about to"
            if outcome is Outcome.NOT_SENT
            else "was refreshed and could not be kept for the other processes"
        )
        super().__init__(f"the access token {done}: {reason}", outcome=outcome)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.outcome)


class HTTPStatusError(NetworkpypeError, OSError):
    """The exchange answered with an error status.

    `status`, `headers` (without cookies), `body` (text, truncated, echoed secrets masked), `method`
    and `url` (secret query values masked). 4xx is REJECTED; 408, 409 and 5xx are UNKNOWN.
    """

    outcome = Outcome.REJECTED

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        method: str = "",
        url: str = "",
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message, outcome=outcome)
        self.status = status
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.body = body
        self.method = method
        self.url = url


class RateLimitedError(HTTPStatusError):
    """The exchange said to slow down; `retry_after` is its wait in seconds, None when not told."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **answer: Any
    ) -> None:
        super().__init__(message, **answer)
        self.retry_after = retry_after


class HTTPAuthenticationError(HTTPStatusError, AuthenticationError):
    """The exchange answered a private request with 401 (rejected) or 403 (permission denied)."""


class ThrottleTimeoutError(NetworkpypeError, TimeoutError):
    """The limits leave no room within the caller's `max_wait`; nothing was sent.

    `limit_id` names the limit of the call, `bottleneck` the one that is full or blocked, which may
    be a linked one; empty where that is not known. `forecast_s` is how long it would have waited at
    least, as things stood.
    """

    outcome = Outcome.NOT_SENT

    def __init__(
        self,
        message: str = "",
        *,
        limit_id: str = "",
        forecast_s: float | None = None,
        bottleneck: str = "",
    ) -> None:
        super().__init__(message)
        self.limit_id = limit_id
        self.forecast_s = forecast_s
        self.bottleneck = bottleneck


class CircuitOpenError(NetworkpypeError, ConnectionError):
    """The host failed too often and is left alone for `retry_after` seconds; nothing was sent."""

    outcome = Outcome.NOT_SENT

    def __init__(
        self, message: str = "", *, host: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.host = host
        self.retry_after = retry_after


class DecodeError(NetworkpypeError, ValueError):
    """The answer arrived but could not be read; `raw` holds its first bytes.

    The request itself was executed or refused by then: the outcome is UNKNOWN, never NOT_SENT. A
    pickle leaves `raw` out.
    """

    outcome = Outcome.UNKNOWN

    def __init__(self, message: str = "", *, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw

    def __reduce__(self) -> tuple[Any, ...]:
        # The answer may have been a login with a token in it; it stays in this process.
        state = {name: value for name, value in self.__dict__.items() if name != "raw"}
        return type(self), self.args, state


class BodyTooLargeError(DecodeError):
    """A body or message, after decompression, is larger than the configured limit."""


class MessageTimeoutError(NetworkpypeError, TimeoutError):
    """No message came within `message_timeout`; the connection is still open."""

    outcome = Outcome.NOT_SENT


class NotConnectedError(NetworkpypeError, RuntimeError):
    """The WebSocket is not connected, or the session was closed; nothing was sent."""

    outcome = Outcome.NOT_SENT


class AlreadyConnectedError(NetworkpypeError, RuntimeError):
    """`connect` was called on a WebSocket that is connected or connecting."""

    outcome = Outcome.NOT_SENT


class ConcurrentReceiveError(NetworkpypeError, RuntimeError):
    """Two tasks read one WebSocket: each would get some of the messages. Read in one and share."""

    outcome = Outcome.NOT_SENT


class StreamGapError(NetworkpypeError):
    """Messages of a session are missing here; `lost` is their number, None where it is not known.

    The session goes on: rebuild what is built from its messages, and read on.
    """

    outcome = Outcome.NOT_SENT

    def __init__(self, message: str = "", *, lost: int | None = None) -> None:
        super().__init__(message)
        self.lost = lost


class BufferFullError(NetworkpypeError):
    """The consumer of a session is too slow for its buffer, which had to fail; it ended."""

    outcome = Outcome.NOT_SENT


class ReconnectError(NetworkpypeError, ConnectionError):
    """A session ended, for its policy allows no further dial.

    `code` is the close code of the last connection, or `status` that of its refused upgrade.
    """

    outcome = Outcome.NOT_SENT

    def __init__(
        self, message: str = "", *, code: int | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
