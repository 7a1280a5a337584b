"""Between our errors and aiohttp: what both connections share.

`Flight` is one request under way. As a client middleware it switches off aiohttp's hidden second
send (aiohttp repeats GET, PUT and DELETE once when a pooled connection dies after the request was
written, so the exchange would execute twice), and it knows whether the request was written, which
is what tells NOT_SENT from UNKNOWN.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from typing import Any

import aiohttp

from networkpype.errors import (
    ConnectFailedError,
    Outcome,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from networkpype.redact import escape

__all__ = [
    "Flight",
    "LostError",
    "RedirectedError",
    "StaleConnectionError",
    "dialing",
    "guard",
    "guard_dials",
    "transport_error",
]

REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})
_QUOTE = re.compile(r":?\s*b?['\"]")
# After these a server has, by their definition, not acted on the request.
_UNACTED_REDIRECTS = frozenset({301, 307, 308})


class LostError(Exception):
    """Carries a lost connection past aiohttp's retry; no OSError, which aiohttp would wrap."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.reason = describe(cause)


class RedirectedError(Exception):
    """Carries a 3xx answer out of aiohttp before it could be followed."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class StaleConnectionError(Exception):
    """A pooled connection holds bytes that no request asked for; nothing was written to it."""


class Flight:
    """One request under way: `written` is True from the moment its first byte may leave."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = False

    def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        send = request.send

        def send_and_note(connection: Any) -> Awaitable[aiohttp.ClientResponse]:
            if connection.protocol.should_close:
                raise StaleConnectionError
            self.written = True
            return send(connection)

        # aiohttp connects and writes in one step; an instance attribute is the one place between
        # the two that works for every session and costs no trace objects.
        request.send = send_and_note  # type: ignore[method-assign, assignment]
        return guard(request, handler)  # no coroutine around it: this is on the path of every call


async def guard(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType, *, redials: int = 2
) -> aiohttp.ClientResponse:
    """Client middleware: no second send, no redirect."""
    try:
        response = await handler(request)
    except StaleConnectionError:
        # aiohttp would take what lies there for the answer to this request. It has closed that
        # connection and gives another; a server that talks first on each is soon left alone.
        if not redials:
            raise
        return await guard(request, handler, redials=redials - 1)
    except aiohttp.ClientConnectorError:
        raise  # never connected, and aiohttp does not repeat it
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        lost = LostError(error)
    else:
        if response.status not in REDIRECTS:
            return response
        response.close()
        raise RedirectedError(response.status)
    raise lost  # outside the handler, so that no context keeps the URL and headers alive


dialing: ContextVar[bool] = ContextVar("dialing", default=False)
"""True while a WebSocket of ours is being dialed, through whatever session."""


def guard_dials(session: aiohttp.ClientSession) -> None:
    """Let a session of the user's own refuse redirects of our WebSocket handshakes.

    `ws_connect` takes no middleware and no switch for redirects, and the target of one would get
    the headers. The session's other requests are left as they are.
    """
    if isinstance(session, aiohttp.ClientSession):
        middlewares = session._middlewares
        if guard not in middlewares and _guard_ours not in middlewares:
            session._middlewares = (*middlewares, _guard_ours)


async def _guard_ours(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    return await (guard(request, handler) if dialing.get() else handler(request))


def redirect_outcome(status: int) -> Outcome:
    """Say what a refused redirect means: 302 and 303 also follow requests that were executed."""
    return Outcome.REJECTED if status in _UNACTED_REDIRECTS else Outcome.UNKNOWN


def describe(error: BaseException) -> str:
    """Name an error without its URL, headers or proxy credentials."""
    name = type(error).__name__
    if isinstance(error, StaleConnectionError):
        return "the server talks before it is asked"
    if isinstance(error, aiohttp.ClientConnectorError):
        return escape(f"{name}: {_reason(error.os_error) or type(error.os_error).__name__}")
    if isinstance(error, OSError):
        return escape(f"{name}: {_reason(error)}") if _reason(error) else name
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        return name
    if isinstance(error, aiohttp.ClientResponseError):
        # Behind a quote comes what the server wrote: perhaps an echo of what it was sent.
        return escape(f"{name}: {_QUOTE.split(error.message)[0]}", limit=200)
    return name


def _reason(error: OSError) -> str:
    # asyncio puts the address where the reason belongs; name resolution has numbers of its own.
    if not error.errno or isinstance(error, (ssl.SSLError, socket.gaierror)):
        return error.strerror or ""
    return os.strerror(error.errno)


def transport_error(error: BaseException, what: str, *, written: bool) -> TransportError:
    """Turn any failure below into a typed error; `what` is the redacted request."""
    outcome = Outcome.UNKNOWN if written else Outcome.NOT_SENT
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"{what}: timed out", outcome=outcome)
    if isinstance(error, LostError):
        return TransportError(f"{what}: connection lost ({error.reason})", outcome=outcome)
    reason = describe(error)
    if not written and isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        detail = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
        text = getattr(detail, "verify_message", "") or getattr(detail, "reason", "")
        return TLSError(f"{what}: TLS failed ({escape(str(text or type(detail).__name__))})")
    if not written:
        return ConnectFailedError(f"{what}: no connection ({reason})")
    return TransportError(f"{what}: {reason}", outcome=outcome)
