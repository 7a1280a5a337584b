"""What the connections of a session have in common, and what they tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from networkpype.errors import (
    ConfigurationError,
    HTTPStatusError,
    NetworkpypeError,
    RateLimitedError,
    ReconnectError,
    RedirectRefusedError,
    WebSocketClosedError,
)
from networkpype.hooks import Event
from networkpype.websocket.request import (
    WebSocketBinaryRequest,
    WebSocketJSONRequest,
    WebSocketPlainTextRequest,
    WebSocketRequest,
)
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import SessionEvent
from networkpype.websocket.session.replies import ReplyId

if TYPE_CHECKING:
    from networkpype.auth.patterns.base import RESTCaller
    from networkpype.websocket.decoding import MessageDecoder

__all__ = ["LinkEnd", "LinkOptions", "Outlet", "as_request", "end_of", "gave_up"]

NO_CLOSE_FRAME = 1006


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How to connect, and what to do with what comes."""

    # An address may hold a listen key, and headers a key.
    url: str = field(repr=False)
    connect: Mapping[str, Any] = field(repr=False)
    heartbeat: Heartbeat
    decoder: MessageDecoder
    reply_id: ReplyId
    limit_id: str | None
    conflates: Callable[[Any], Any] | None
    notice: Callable[[Any], bool] | None
    rest: RESTCaller | None
    shard: int = 0
    most_subscriptions: int | None = None


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """Why a connection is no more; `is_final` where no other can help."""

    reason: str
    code: int = NO_CLOSE_FRAME
    status: int | None = None
    floor_s: float = 0.0
    cause: NetworkpypeError | None = None
    is_final: bool = False


@dataclass(slots=True)
class Outlet:
    """Where connections tell what happens; the first number says which, its epoch.

    `setback` is for a login that failed before there was anything to dial: why, and for how long.
    """

    event: Callable[[SessionEvent], None]
    hook: Callable[[Event], None]
    settled: Callable[[int], None]
    notice: Callable[[int], None]
    setback: Callable[[int, str, float], None]
    overrun: Callable[[], NetworkpypeError]
    new_id: Callable[[], int]


def end_of(error: NetworkpypeError) -> LinkEnd:
    """Return what an error says of the end; whether another may follow, the policy decides."""
    if isinstance(error, WebSocketClosedError):
        code = NO_CLOSE_FRAME if error.code is None else error.code
        return LinkEnd(error.reason or str(error), code=code, cause=error)
    if isinstance(error, HTTPStatusError):
        floor_s = error.retry_after or 0.0 if isinstance(error, RateLimitedError) else 0.0
        return LinkEnd(str(error), status=error.status, floor_s=floor_s, cause=error)
    if isinstance(error, RedirectRefusedError):
        return LinkEnd(str(error), status=error.status, cause=error)
    return LinkEnd(str(error), cause=error, is_final=isinstance(error, ConfigurationError))


def gave_up(end: LinkEnd, failures: int) -> NetworkpypeError:
    """Return what a session raises that does not dial again."""
    if end.cause is not None and (end.is_final or end.status is not None):
        return end.cause
    error = ReconnectError(
        f"gave up after {failures} connection{'s' * (failures != 1)} that failed, the last "
        f"with code {end.code}: {end.reason}",
        code=end.code,
    )
    error.__cause__ = end.cause
    return error


def as_request(payload: Any) -> WebSocketRequest:
    """Return a copy of the request, or one of this text, these bytes, or this JSON."""
    if isinstance(payload, WebSocketRequest):
        return payload.__deepcopy__({})
    if isinstance(payload, str):
        return WebSocketPlainTextRequest(payload)
    if isinstance(payload, (bytes, bytearray)):
        return WebSocketBinaryRequest(payload)
    return WebSocketJSONRequest(payload)
