"""The socket side of WebSocket: dial, send, receive, and one typed error for every way to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import aiohttp
from aiohttp import WSMsgType

from networkpype.clock import Clock, SystemClock
from networkpype.codec import JSONLoads
from networkpype.errors import (
    AlreadyConnectedError,
    ConcurrentReceiveError,
    ConfigurationError,
    MessageTimeoutError,
    NotConnectedError,
    Outcome,
    WebSocketClosedError,
)
from networkpype.hooks import Hook, WebSocketClosed, WebSocketOpened, emit
from networkpype.redact import mask_url
from networkpype.transport import describe
from networkpype.websocket.decoding import Compression, MessageDecoder
from networkpype.websocket.dialing import (
    NO_CLOSE_FRAME,
    AnyMessage,
    abort,
    check_positive,
    closing,
    dial,
)
from networkpype.websocket.heartbeat import Pulse, Verdict
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import check_headers, split_url

# A coroutine runs in a task, so this is never None; the cast costs nothing on the hot path.
current_task = cast("Callable[[], asyncio.Task[Any]]", asyncio.current_task)

__all__ = ["DEFAULT_MAX_MESSAGE_BYTES", "WebSocketConnection"]

DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)
_DEFLATE_WINDOW_BITS = 15


class WebSocketConnection:
    """One WebSocket; it may be dialed again after it ended. One task reads, any task may send."""

    def __init__(
        self,
        aiohttp_client_session: aiohttp.ClientSession,
        *,
        clock: Clock | None = None,
        hook: Hook | None = None,
        json_loads: JSONLoads | None = None,
    ) -> None:
        self._session = aiohttp_client_session
        self._clock = clock or SystemClock()
        self._hook = hook
        self._json_loads = json_loads
        self._ws: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._url = ""
        self._dialing = False
        self._close_timeout_s = 5.0
        self._last_recv_time = 0.0
        self._decoder = MessageDecoder(max_size=DEFAULT_MAX_MESSAGE_BYTES)
        self._now = time.monotonic  # what asyncio's timers run on
        self._pulse: Pulse | None = None
        self._timer: asyncio.Handle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._verdict: Verdict | None = None

    @property
    def connected(self) -> bool:
        """Tell whether the socket is open: False as soon as the loss is known, read or not."""
        ws = self._ws
        return ws is not None and not ws.closed and ws.get_extra_info("peername") is not None

    @property
    def last_recv_time(self) -> float:
        """Return when the last data frame came, in Unix seconds of the local clock; 0 for never."""
        return self._last_recv_time

    async def connect(
        self,
        ws_url: str,
        ping_timeout: float | None = 10,
        auto_ping: bool = False,
        message_timeout: float | None = None,
        ws_headers: Mapping[str, str] | None = None,
        verify_ssl: bool = True,
        *,
        dial_timeout_s: float = 10.0,
        close_timeout_s: float = 5.0,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        permessage_deflate: bool = False,
        compression: Compression | None = None,
        subprotocols: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        """Dial: name, TCP, TLS and upgrade within `dial_timeout_s`.

        `ping_timeout`: seconds of silence after which a ping is sent; without any frame within half
        of that while somebody reads, the connection is dead. None or 0 sends none. `auto_ping` is
        kept from 1.1.5: a server's ping is echoed with its payload in either case.
        `message_timeout`: seconds that `receive` waits for data before MessageTimeoutError.
        `permessage_deflate` offers RFC 7692. `compression` declares how binary frames are packed.
        `kwargs` go to aiohttp (`ssl`, `proxy`, `origin`, ...).

        Raises AlreadyConnectedError, ConnectFailedError, RequestTimeoutError, HTTPStatusError where
        the server refused the upgrade (RateLimitedError with its `retry_after`), and
        RedirectRefusedError; all of them with nothing left open.
        """
        if self._dialing or self.connected:
            raise AlreadyConnectedError(
                f"already connect{'ing' if self._dialing else 'ed'} to {mask_url(self._url)}; "
                "disconnect() first, or get another manager from the factory"
            )
        check_positive("ping_timeout", ping_timeout or 1)  # None and 0 send no pings
        check_positive("message_timeout", 1 if message_timeout is None else message_timeout)
        check_positive("dial_timeout_s", dial_timeout_s)
        check_positive("close_timeout_s", close_timeout_s)
        check_positive("max_message_bytes", max_message_bytes)
        decoder = MessageDecoder(
            compression, max_size=max_message_bytes, json_loads=self._json_loads
        )
        host = split_url(ws_url).host
        headers = dict(ws_headers or {})
        check_headers(headers)
        if not verify_ssl:
            _log.warning("TLS certificate of %s is not verified: for tests only", host)
            kwargs["ssl"] = False
        self._forget()
        self._url = ws_url
        self._dialing = True
        try:
            ws = await dial(
                self._session,
                ws_url,
                dial_timeout_s,
                headers=headers,
                autoping=False,
                heartbeat=None,
                compress=_DEFLATE_WINDOW_BITS if permessage_deflate else 0,
                max_msg_size=max_message_bytes,
                protocols=tuple(subprotocols),
                timeout=aiohttp.ClientWSTimeout(ws_close=close_timeout_s),
                **kwargs,
            )
        finally:
            self._dialing = False
        self._ws = ws
        self._decoder = decoder
        self._close_timeout_s = close_timeout_s
        self._now = asyncio.get_running_loop().time
        self._pulse = Pulse(
            self._now(),
            ping_interval_s=ping_timeout or None,
            pong_timeout_s=ping_timeout / 2 if ping_timeout else None,
            message_timeout_s=message_timeout,
        )
        self._poll()
        emit(self._hook, WebSocketOpened(mask_url(ws_url)))

    async def disconnect(self) -> None:
        """Close within `close_timeout_s` whatever the peer does; safe to repeat.

        A task that is in `receive` gets None, one in `iter_messages` leaves its loop.
        """
        ws, self._ws = self._ws, None
        self._stop_pulse()
        if ws is None:
            return
        try:
            # A peer may talk on for ever instead of closing; then it is aborted below.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._close_timeout_s):
                    await ws.close()
        finally:
            abort(ws)
            code = ws.close_code or NO_CLOSE_FRAME
            emit(self._hook, WebSocketClosed(mask_url(self._url), code, "", expected=True))

    async def send(self, request: WebSocketRequest) -> None:
        """Write the request's frame as it is; the manager throttles and signs before.

        Raises NotConnectedError when nothing was sent, WebSocketClosedError (UNKNOWN) when the
        connection broke on the way.
        """
        ws = self._open_socket()
        lost = ""
        try:
            await request.send_with_connection(ws)
        except UnicodeEncodeError:
            raise ConfigurationError("the message holds half of a surrogate pair") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            lost = describe(error)
        if lost:
            raise WebSocketClosedError(
                f"{mask_url(self._url)}: the connection broke while sending ({lost})",
                reason=lost,
                outcome=Outcome.UNKNOWN,
            )

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping; any frame that comes back proves that the peer lives."""
        if len(payload) > 125:
            raise ConfigurationError("a ping's payload is at most 125 bytes (RFC 6455 section 5.5)")
        await self._open_socket().ping(payload)

    def _open_socket(self) -> aiohttp.ClientWebSocketResponse[bool]:
        ws = self._ws
        if ws is None or not self.connected:
            raise NotConnectedError("not connected, so nothing was sent; await connect(...) first")
        return ws

    async def receive(self) -> WebSocketResponse | None:
        """Wait for the next message; None when this side disconnected meanwhile.

        Raises WebSocketClosedError however the connection ended otherwise, MessageTimeoutError past
        `message_timeout`, DecodeError for a message that is broken (the next one can be received),
        ConcurrentReceiveError, and NotConnectedError.
        """
        ws, pulse = self._ws, self._pulse
        if ws is None or pulse is None:
            raise NotConnectedError("not connected; await connect(...) first")
        if self._reader is not None:
            raise ConcurrentReceiveError("another task is receiving on this connection")
        reader = self._reader = current_task()
        cancels_before = reader.cancelling()
        now = self._now
        pulse.waiting_since = now()
        message = None
        try:
            while True:
                message = await ws.receive()
                pulse.frame_at = now()
                kind = message.type
                if kind is WSMsgType.TEXT:
                    self._last_recv_time = self._clock.time()
                    return WebSocketResponse(self._decoder.text(message.data))
                if kind is WSMsgType.BINARY:
                    self._last_recv_time = self._clock.time()
                    return WebSocketResponse(self._decoder.binary(message.data))
                if kind is WSMsgType.PING:
                    await self._pong(ws, message.data)
                elif kind is not WSMsgType.PONG:
                    break
        except asyncio.CancelledError:
            # As asyncio.timeout does: ours only where nobody else cancelled this task meanwhile.
            if self._verdict is None or reader.uncancel() > cancels_before:
                raise
        finally:
            self._reader = None
            pulse.waiting_since = None
        if self._ws is not ws:
            return None  # this side disconnected
        verdict, self._verdict = self._verdict, None
        if verdict is Verdict.IDLE:
            self._poll()
            raise MessageTimeoutError(
                f"no message from {mask_url(self._url)} within {pulse.message_timeout_s:g} s; "
                "the connection is open: receive again, ping, or disconnect"
            )
        raise self._ended(ws, message)

    async def _pong(self, ws: aiohttp.ClientWebSocketResponse[bool], payload: bytes) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await ws.pong(payload)  # a peer that is closing says so in the next receive

    def _ended(
        self, ws: aiohttp.ClientWebSocketResponse[bool], message: AnyMessage | None
    ) -> WebSocketClosedError:
        """Forget the socket and name its end, from the last message; None means no pong came."""
        code, reason = closing(message)
        self._forget()
        emit(self._hook, WebSocketClosed(mask_url(self._url), code, reason, expected=False))
        return WebSocketClosedError(
            f"{mask_url(self._url)}: closed, code {code} ({reason or 'no reason given'})",
            code=code,
            reason=reason,
        )

    def _forget(self) -> None:
        ws, self._ws = self._ws, None
        self._stop_pulse()
        if ws is not None:
            abort(ws)

    def _poll(self) -> None:
        """Ask the pulse what to do, do it, and set the timer for the next time."""
        pulse, ws = self._pulse, self._ws
        if pulse is None or ws is None:
            return
        loop = asyncio.get_running_loop()
        verdict, next_at = pulse.poll(self._now())
        if verdict is Verdict.PING:
            self._pinging = loop.create_task(self._keep_warm(ws))
        elif verdict is not Verdict.WAIT:
            # A loop that was blocked runs this timer before the reader has seen what lies in the
            # socket. One more turn, and it has.
            seen = (pulse.waiting_since, pulse.frame_at)
            self._timer = loop.call_soon(self._confirm, verdict, seen)
            return
        self._timer = None if next_at is None else loop.call_at(next_at, self._poll)

    def _confirm(self, verdict: Verdict, seen: tuple[float | None, float]) -> None:
        pulse, reader = self._pulse, self._reader
        if pulse is None:
            return
        if reader is None or (pulse.waiting_since, pulse.frame_at) != seen:
            self._poll()
            return
        self._timer = None
        self._verdict = verdict
        reader.cancel()

    async def _keep_warm(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await ws.ping()  # the reader will say how a broken connection ended

    def _stop_pulse(self) -> None:
        self._pulse = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"WebSocketConnection({mask_url(self._url) or 'never dialed'}, {state})"
