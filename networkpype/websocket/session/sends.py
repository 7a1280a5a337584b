"""Send within a time, and wait for the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Hashable
from contextlib import suppress

from networkpype.errors import (
    NotConnectedError,
    Outcome,
    RequestTimeoutError,
    WebSocketClosedError,
)
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.session.events import SessionMessage
from networkpype.websocket.session.options import NO_CLOSE_FRAME
from networkpype.websocket.session.replies import Replies

__all__ = ["never_answered", "request_within", "send_within", "unless_lost"]


async def unless_lost(sending: Awaitable[None]) -> None:
    """Send where the connection stands. How it ended, the reader says when it has read so far."""
    with suppress(NotConnectedError, WebSocketClosedError):
        await sending


def never_answered() -> WebSocketClosedError:
    """Return what a request raises whose connection ended."""
    return WebSocketClosedError(
        "the connection ended before the reply came; ask the exchange whether it was done",
        code=NO_CLOSE_FRAME,
        outcome=Outcome.UNKNOWN,
    )


def _never_left(timeout_s: float | None) -> RequestTimeoutError:
    return RequestTimeoutError(
        f"it was not its turn within {timeout_s:g} s, so nothing was sent",
        outcome=Outcome.NOT_SENT,
    )


async def send_within(
    manager: WebSocketManager, request: WebSocketRequest, timeout_s: float | None
) -> None:
    """Send on this connection or not at all."""
    deadline = asyncio.timeout(timeout_s)
    departure = asyncio.Event()
    try:
        async with deadline:
            await manager.send_noted(request, departure.set, max_wait=timeout_s)
        return
    except TimeoutError:
        if not deadline.expired():
            raise
    if not departure.is_set():
        raise _never_left(timeout_s)
    raise RequestTimeoutError(
        f"the exchange did not take it within {timeout_s:g} s; ask it whether it was done",
        outcome=Outcome.UNKNOWN,
    )


async def request_within(
    manager: WebSocketManager,
    replies: Replies,
    request: WebSocketRequest,
    id: Hashable,
    timeout_s: float,
) -> SessionMessage:
    """Send and wait for the reply with this id."""
    reply = replies.expect(id)
    deadline = asyncio.timeout(timeout_s)
    departure = asyncio.Event()
    was_sent = False
    try:
        async with deadline:
            await manager.send_noted(request, departure.set, max_wait=timeout_s)
            was_sent = True
            return await reply
    except TimeoutError:
        if not deadline.expired():
            raise
    finally:
        now = asyncio.get_running_loop().time()
        replies.forget(id, reply, was_sent=was_sent, now=now)
        if reply.done() and not reply.cancelled():
            reply.exception()  # whoever asked has gone; nobody else has to hear of it
    if not departure.is_set():
        raise _never_left(timeout_s)
    raise RequestTimeoutError(
        f"no reply within {timeout_s:g} s; ask the exchange whether it was done",
        outcome=Outcome.UNKNOWN,
    )
