"""What touches aiohttp's WebSocket: dialing it, dropping it, and reading how it ended."""

from __future__ import annotations

import asyncio
import math
from typing import Any, TypeAlias

import aiohttp
from aiohttp import WSMsgType
from yarl import URL

from networkpype.errors import (
    ConfigurationError,
    ConnectFailedError,
    NetworkpypeError,
    Outcome,
    RedirectRefusedError,
)
from networkpype.redact import escape, mask_url
from networkpype.status import status_error
from networkpype.transport import LostError, RedirectedError, transport_error
from networkpype.wire import split_url

AnyMessage: TypeAlias = "aiohttp.WSMessage | aiohttp.http.WSMessageTextBytes"

__all__ = ["NO_CLOSE_FRAME", "AnyMessage", "abort", "check_positive", "closing", "dial"]

NO_CODE = 1005  # RFC 6455 section 7.4.1: a close frame came without a code
NO_CLOSE_FRAME = 1006
TOO_BIG = 1009


async def dial(
    session: aiohttp.ClientSession, ws_url: str, limit_s: float, **options: Any
) -> aiohttp.ClientWebSocketResponse[bool]:
    """Dial within `limit_s`; every failure is typed and leaves nothing open."""
    parts = split_url(ws_url)
    url = URL.build(
        scheme=parts.scheme,
        authority=parts.host,
        path=parts.path,
        query_string=parts.query,
        encoded=True,
    )
    failure: BaseException
    try:
        async with asyncio.timeout(limit_s):
            ws: aiohttp.ClientWebSocketResponse[bool] = await session.ws_connect(url, **options)
            return ws
    except NetworkpypeError:
        raise
    except (OSError, aiohttp.ClientError, LostError, RedirectedError) as error:
        failure = error
    # Raised out here so that no chained traceback shows aiohttp's URL and headers.
    raise _dial_error(failure, f"WebSocket {mask_url(ws_url)}", mask_url(ws_url), limit_s)


def abort(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    """Drop the socket at once, without a handshake; harmless when it is closed already."""
    # aiohttp has no public way to give up on a WebSocket without awaiting the peer.
    ws._response.close()


def closing(message: AnyMessage | None) -> tuple[int, str]:
    """Tell code and reason of the end from the last message that aiohttp gave."""
    if message is None:
        return NO_CLOSE_FRAME, "no pong came in time"
    if message.type is WSMsgType.CLOSE:
        return message.data or NO_CODE, escape(message.extra or "", limit=200)
    if message.type is WSMsgType.ERROR:
        # A frame that breaks the protocol, or is too large: this side sent the close frame.
        code = int(getattr(message.data, "code", NO_CLOSE_FRAME))
        fix = "; raise max_message_bytes if that is expected" if code == TOO_BIG else ""
        return code, escape(str(message.data), limit=200) + fix
    return NO_CLOSE_FRAME, "the connection was lost without a close frame"


def check_positive(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:  # type: ignore[operator]
        raise ConfigurationError(f"{name} is {value!r}; pass a number above zero")


def _dial_error(error: BaseException, what: str, url: str, limit_s: float) -> NetworkpypeError:
    if isinstance(error, RedirectedError):
        return RedirectRefusedError(
            f"{what}: HTTP {error.status} redirect refused; use the address it points to",
            status=error.status,
            outcome=Outcome.NOT_SENT,
        )
    if isinstance(error, aiohttp.WSServerHandshakeError):
        if error.status >= 400:
            return status_error(
                error.status,
                error.headers or {},
                method="WebSocket",
                url=url,
                body=escape(error.message, limit=200),
                private=True,
            )
        return ConnectFailedError(f"{what}: handshake failed ({escape(error.message, limit=200)})")
    failure = transport_error(error, what, written=False)
    if isinstance(error, TimeoutError):
        failure.args = (f"{what}: not connected within {limit_s:g} s",)
    return failure
