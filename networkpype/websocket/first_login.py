"""Dial and log in once, and keep what comes before the ack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern, no_outcome
from networkpype.auth.setbacks import scrubbed
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    NotConnectedError,
    RequestTimeoutError,
)
from networkpype.origins import is_loopback
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import split_url

if TYPE_CHECKING:
    from networkpype.auth.base import Auth

__all__ = ["Wire", "check_socket", "exchange_time", "log_in"]


class Wire(Protocol):
    """The part of a WebSocket that a login uses."""

    async def connect(self, ws_url: str, **options: Any) -> None: ...

    async def send(self, request: WebSocketRequest) -> None: ...

    async def receive(self) -> WebSocketResponse | None: ...

    async def disconnect(self) -> None: ...


async def log_in(
    wire: Wire,
    pattern: WebSocketAuthPattern,
    auth: Auth,
    rest: RESTCaller | None,
    ack_timeout_s: float,
    options: dict[str, Any],
) -> list[WebSocketResponse]:
    """Return once the exchange has accepted, with the messages before the ack that are not its.

    Where the pattern sends no frame, an open connection is all there is to wait for. However it
    fails, the connection is closed again.
    """
    pattern.reset()
    pre_auth = await pattern.pre_auth(rest)
    check_socket(auth, pre_auth.url)
    headers = {**(options.pop("ws_headers", None) or {}), **pre_auth.headers}
    if pattern.compression is not None:
        options = {"compression": pattern.compression, **options}
    await wire.connect(pre_auth.url, ws_headers=headers, **options)
    deadline = asyncio.timeout(ack_timeout_s)
    try:
        frame = pattern.build_auth_message(exchange_time(pattern, auth))
        if frame is None and not pattern.greets:
            return []
        async with deadline:
            return await _exchange_frames(wire, pattern, pre_auth, frame)
    except BaseException as error:
        await wire.disconnect()
        # Only our own deadline is translated.
        if not (isinstance(error, TimeoutError) and deadline.expired()):
            raise
    raise RequestTimeoutError(
        f"no answer to the login within {ack_timeout_s:g} s; the connection is closed"
    )


def check_socket(auth: Auth, url: str) -> None:
    """Raise ConfigurationError where no login may go to this URL, be it for the auth or for all."""
    # One that merely looks like an Auth may have its two methods and no more.
    check = getattr(auth, "check_socket", None)
    if check is not None:
        check(url)
    parts = split_url(url)
    if parts.scheme not in ("wss", "https") and not is_loopback(parts.host):
        raise ConfigurationError(
            f"{parts.scheme}://{parts.host} would show the login to the network; use wss://"
        )


def exchange_time(pattern: WebSocketAuthPattern, auth: Auth) -> float:
    """Return the time of whoever logs in; a pattern of one's own may know no identity."""
    try:
        identity = pattern.identity
    except ConfigurationError:
        return auth.time_provider.time()
    # The auth may be older than the clock that its identity has by now.
    return identity.time()


async def _exchange_frames(
    wire: Wire, pattern: WebSocketAuthPattern, pre_auth: PreAuth, frame: WebSocketRequest | None
) -> list[WebSocketResponse]:
    early: list[WebSocketResponse] = []
    sent = [] if frame is None else [frame]
    if frame is not None:
        await wire.send(frame)
    while True:
        response = await wire.receive()
        if response is None:
            raise NotConnectedError("disconnected while the login was waiting for its answer")
        outcome = pattern.handle_auth_response(response)
        if not isinstance(outcome, AuthOutcome):
            raise no_outcome(pattern, outcome)
        match outcome.status:
            case AuthStatus.NOT_MINE:
                early.append(response)
            case AuthStatus.CHALLENGE if outcome.answer is not None:
                sent.append(outcome.answer)
                await wire.send(outcome.answer)
            case AuthStatus.ACCEPTED | AuthStatus.CHALLENGE:
                return early
            case _:
                reason = scrubbed(outcome.reason, pattern, pre_auth, sent)
                message = f"the exchange refused the login: {reason}"
                if outcome.failure is None:
                    raise AuthenticationError(message)
                raise AuthenticationError(message, reason=outcome.failure)
