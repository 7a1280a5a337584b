"""The socket side of WebSocket: dial, send, receive, and one typed error for every way to end."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType

from networkpype.clock import Clock
from networkpype.codec import JSONLoads
from networkpype.errors import (
    AlreadyConnectedError,
    ConcurrentReceiveError,
    ConfigurationError,
    HTTPStatusError,
    MessageTimeoutError,
    NotConnectedError,
    Outcome,
    WebSocketClosedError,
)
from networkpype.hooks import Hook, WebSocketClosed, WebSocketOpened, emit
from networkpype.redact import mask_url
from networkpype.transport import guard_dials
from networkpype.waits import Waits
from networkpype.websocket.decoding import Compression, MessageDecoder
from networkpype.websocket.dialing import check_handshake, check_seconds, check_size, dial
from networkpype.websocket.heartbeat import Pulse, Verdict
from networkpype.websocket.line import AnyMessage, Line
from networkpype.websocket.pacing import MessageLimit, Pace, check_message_limit
from networkpype.websocket.request import WebSocketRequest, check_request
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import split_url

__all__ = ["DEFAULT_MAX_MESSAGE_BYTES", "WebSocketConnection"]

DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)

TEXT = WSMsgType.TEXT  # looked at for every message


class WebSocketConnection:
    """One WebSocket; it may be dialed again after it ended. One task reads, any task may send.

    `message_limit` is what the exchange takes on one connection: a RateLimit, or a list of them.
    Each dial begins to count anew. Pings and pongs of the protocol wait and are counted here; for
    messages the manager sees to that, and what is given to `send` itself goes at once.

    ``async for`` over it yields messages until this side disconnects.
    """

    def __init__(
        self,
        aiohttp_client_session: aiohttp.ClientSession,
        *,
        clock: Clock | None = None,
        hook: Hook | None = None,
        json_loads: JSONLoads | None = None,
        message_limit: MessageLimit | None = None,
        waits: Waits | None = None,
    ) -> None:
        if not hasattr(aiohttp_client_session, "ws_connect"):
            raise ConfigurationError(
                f"aiohttp_client_session is a {type(aiohttp_client_session).__name__}; "
                "pass an aiohttp.ClientSession, or get the connection from a ConnectionsFactory"
            )
        for name, function in (("hook", hook), ("json_loads", json_loads)):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{name} is a {type(function).__name__}; pass a callable")
        guard_dials(aiohttp_client_session)
        self._session = aiohttp_client_session
        self._clock = clock
        self._hook = hook
        self._json_loads = json_loads
        self._message_limits = check_message_limit(message_limit)
        self.waits = Waits() if waits is None else waits
        """What waits over the session: for the turn of a message, or of a dial."""
        self._url = ""
        self._dialing: object | None = None
        self._line: Line | None = None
        self._left = False
        self._now: Callable[[], float] = time.monotonic
        self._data_at = 0.0
        self._last_recv_time = 0.0  # where a clock was given

    @property
    def connected(self) -> bool:
        """Tell whether the socket is open: False as soon as the loss is known, read or not.

        A close frame that nobody has read yet is not known.
        """
        return self._line is not None and self._line.is_open

    @property
    def pulse(self) -> Pulse | None:
        """Return what is known of the peer's signs of life; None while not connected."""
        return None if self._line is None else self._line.pulse

    @property
    def pace(self) -> Pace | None:
        """Return what counts the messages of this dial; None without a limit or a connection."""
        return None if self._line is None else self._line.pace

    @property
    def line(self) -> Line | None:
        """Return what the last dial opened, until it is disconnected or its loss was told."""
        return self._line

    @property
    def base_url(self) -> str:
        """Return scheme and host of the last dial, such as ``wss://h:8443``; empty before it."""
        if not self._url:
            return ""
        parts = split_url(self._url)
        return f"{parts.scheme}://{parts.host}"

    @property
    def last_recv_time(self) -> float:
        """Return when the last data frame came, in Unix seconds of the local clock; 0 for never."""
        if self._clock is not None or not self._data_at:
            return self._last_recv_time
        # A message is stamped with the time that its watch needs anyway: one clock, not two.
        return time.time() - (self._now() - self._data_at)

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
        `kwargs` go to aiohttp: `ssl`, `server_hostname`, `proxy`, `proxy_auth`, `proxy_headers`,
        `origin`.

        Raises AlreadyConnectedError, ConnectFailedError, RequestTimeoutError, HTTPStatusError where
        the server refused the upgrade (RateLimitedError with its `retry_after`), and
        RedirectRefusedError. None leaves a socket open, but for one that the session itself keeps
        for its next request.
        """
        if self._dialing is not None or self.connected:
            raise AlreadyConnectedError(
                f"already connect{'ing' if self._dialing else 'ed'} to {mask_url(self._url)}; "
                "disconnect() first, or get another manager from the factory"
            )
        check_seconds(
            ping_timeout=ping_timeout or 1,  # None and 0 send no pings
            message_timeout=1 if message_timeout is None else message_timeout,
            dial_timeout_s=dial_timeout_s,
            close_timeout_s=close_timeout_s,
        )
        check_size(max_message_bytes)
        decoder = MessageDecoder(
            compression, max_size=max_message_bytes, json_loads=self._json_loads
        )
        headers, protocols = check_handshake(ws_url, ws_headers, subprotocols, kwargs)
        if not verify_ssl:
            _log.warning("TLS is not verified for %s: for tests only", mask_url(ws_url))
            kwargs["ssl"] = False
        if self._line is not None:
            self._ended(self._line, None)  # it was lost, and nobody has read to its end
        self._url = ws_url
        self._left = False
        dialing = self._dialing = object()
        refusal: HTTPStatusError | None = None
        ws: aiohttp.ClientWebSocketResponse[bool] | None = None
        try:
            ws = await dial(
                self._session,
                ws_url,
                dial_timeout_s,
                max_message_bytes=max_message_bytes,
                permessage_deflate=permessage_deflate,
                headers=headers,
                protocols=protocols,
                **kwargs,
            )
        except NotConnectedError:
            raise
        except Exception as error:
            # What a dial dies of that this side ended depends on how far it was, down to aiohttp's
            # assertions.
            if self._is_wanted(dialing):
                raise
            refusal = error if isinstance(error, HTTPStatusError) else None
        finally:
            was_wanted = self._is_wanted(dialing)
            if self._dialing is dialing:
                self._dialing = None
        if ws is None:
            raise self._called_off() from refusal  # which others that dial have to know
        waits = Waits(self.waits)
        line = Line(
            ws,
            url=ws_url,
            headers=headers,
            decoder=decoder,
            ping_interval_s=ping_timeout or None,
            message_timeout_s=message_timeout,
            close_timeout_s=close_timeout_s,
            waits=waits,
            pace=Pace(self._message_limits, self._hook, waits) if self._message_limits else None,
        )
        if not was_wanted:
            line.drop()
            raise self._called_off()
        self._line, self._now = line, line.now
        emit(self._hook, WebSocketOpened(line.url))

    def _is_closed(self) -> bool:
        # The one is over before the other is; one of the user's own may tell nothing.
        return self.waits.is_over or getattr(self._session, "closed", False) is True

    def _is_wanted(self, dialing: object) -> bool:
        """Tell whether neither disconnect() nor the end of the session called this dial off."""
        return self._dialing is dialing and not self._is_closed()

    def _called_off(self) -> NotConnectedError:
        why = "the client session was closed" if self._is_closed() else "disconnect() was called"
        return NotConnectedError(f"{why} while dialing; nothing is left open")

    async def disconnect(self) -> None:
        """Close within `close_timeout_s` whatever the peer does; safe to repeat.

        A task that is in `receive` gets None, one in `iter_messages` leaves its loop, and one in
        `connect` gets NotConnectedError once its dial has ended.
        """
        self._dialing = None
        line, self._line = self._line, None
        if line is None:
            return
        self._left = True
        try:
            await line.hang_up()
        finally:
            emit(self._hook, WebSocketClosed(line.url, line.close_code, "", expected=True))

    async def send(self, request: WebSocketRequest) -> None:
        """Write the request's frame as it is; the manager throttles and signs before.

        Raises NotConnectedError or, after a loss that nobody has read yet, WebSocketClosedError
        (NOT_SENT), both with nothing sent; WebSocketClosedError (UNKNOWN) when the connection broke
        on the way.
        """
        check_request(request)
        line = self.open_line()
        await line.write(request.send_with_connection(line.ws))

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping; any frame that comes back proves that the peer lives."""
        if not isinstance(payload, bytes) or len(payload) > 125:
            raise ConfigurationError("a ping's payload is at most 125 bytes (RFC 6455 section 5.5)")
        await self.open_line().ping(payload)

    def open_line(self) -> Line:
        """Return the open line; NotConnectedError, or WebSocketClosedError after a loss."""
        line = self._line
        if line is None:
            raise NotConnectedError("not connected, so nothing was sent; await connect(...) first")
        if not line.is_open:
            raise WebSocketClosedError(
                f"{line.url}: the connection was lost, so nothing was sent; "
                "receive() tells how it ended, then connect(...) again",
                code=line.close_code,
                outcome=Outcome.NOT_SENT,
            )
        return line

    async def receive(self) -> WebSocketResponse | None:
        """Wait for the next message; None when this side disconnected meanwhile.

        Raises WebSocketClosedError however the connection ended otherwise, MessageTimeoutError past
        `message_timeout`, DecodeError for a message that is broken (the next one can be received),
        ConcurrentReceiveError, and NotConnectedError.
        """
        if self._line is None:
            raise NotConnectedError("not connected; await connect(...) first")
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WebSocketResponse:
        line = self._line
        if line is None:
            if self._left:
                raise StopAsyncIteration
            raise NotConnectedError("not connected; await connect(...) first")
        ws, pulse, now = line.ws, line.pulse, line.now
        if pulse.waiting_since is not None:
            raise ConcurrentReceiveError("another task is receiving on this connection")
        pulse.waiting_since = now()
        try:
            while True:
                message = await ws.receive()
                kind = message.type
                if kind is TEXT:
                    self._data_at = pulse.frame_at = now()
                    if self._clock is not None:
                        self._last_recv_time = self._clock.time()
                    try:
                        return WebSocketResponse(line.loads(message.data))
                    except Exception:  # noqa: S110  text() says below what it is
                        pass
                    return WebSocketResponse(line.decoder.text(message.data))
                if kind is WSMsgType.BINARY:
                    self._data_at = pulse.frame_at = now()
                    if self._clock is not None:
                        self._last_recv_time = self._clock.time()
                    return WebSocketResponse(line.decoder.binary(message.data))
                await self._heed(line, message)
        except asyncio.CancelledError:
            pulse.give_up(now())
            raise
        finally:
            pulse.waiting_since = None

    async def drain(self, take: Callable[[str | bytes], Awaitable[None] | None]) -> None:
        """Hand every message to `take` as it came, until this side disconnects.

        Where `take` returns an awaitable, nothing is read until that is done. Raises what `receive`
        raises, but for DecodeError.
        """
        line = self.open_line()
        ws, pulse, now = line.ws, line.pulse, line.now
        if pulse.waiting_since is not None:
            raise ConcurrentReceiveError("another task is receiving on this connection")
        pulse.waiting_since = now()
        try:
            while True:
                message = await ws.receive()
                if message.type is not TEXT and message.type is not WSMsgType.BINARY:
                    await self._heed(line, message)
                    continue
                # One look at the clock: whoever takes at once waits again from here.
                self._data_at = pulse.frame_at = pulse.waiting_since = now()
                room = take(message.data)
                if room is not None:
                    pulse.waiting_since = None
                    await room
                    pulse.waiting_since = now()
        except asyncio.CancelledError:
            pulse.give_up(now())
            raise
        except StopAsyncIteration:
            return
        finally:
            pulse.waiting_since = None

    async def _heed(self, line: Line, message: AnyMessage) -> None:
        """Do what a message asks for that is no data, and return where another is to be awaited."""
        pulse, now = line.pulse, line.now
        if message.type is WSMsgType.PING or message.type is WSMsgType.PONG:
            pulse.frame_at = now()
            if message.type is WSMsgType.PING:
                await line.pong(message.data)
            return
        if isinstance(message.data, Verdict) and not pulse.stands(message.data, now()):
            line.watch()  # a frame came before the verdict was read
            return
        pulse.give_up(now())
        if line.left:
            raise StopAsyncIteration
        if message.data is Verdict.IDLE:
            line.watch()
            raise MessageTimeoutError(
                f"no message from {line.url} within {pulse.message_timeout_s:g} s; "
                "the connection is open: receive again, ping, or disconnect"
            )
        if message.type is WSMsgType.CLOSE:
            await line.answer_close(message.data)
        raise self._ended(line, message)

    def _ended(self, line: Line, message: AnyMessage | None) -> WebSocketClosedError:
        """Drop the line and name its end, from the last message; None where nobody read it."""
        code, reason = line.end(message)
        line.drop()
        if self._line is line:
            self._line = None
            emit(self._hook, WebSocketClosed(line.url, code, reason, expected=False))
        return WebSocketClosedError(
            f"{line.url}: closed, code {code} ({reason or 'no reason given'})",
            code=code,
            reason=reason,
        )

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        line = getattr(self, "_line", None)
        if line is not None:
            was_open = line.is_open
            line.drop()  # its timers would keep it open for ever
            if was_open:
                _warn(f"unclosed {self!r}; await disconnect()", ResourceWarning, source=self)

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"WebSocketConnection({mask_url(self._url) or 'never dialed'}, {state})"
