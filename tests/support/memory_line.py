"""Connections of a session without sockets, for tests in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from networkpype import AsyncThrottler, Auth, WebSocketClosedError, WebSocketManager
from networkpype.auth.patterns.base import RESTCaller
from networkpype.errors import NotConnectedError
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.decoding import MessageDecoder
from networkpype.websocket.heartbeat import Pulse
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.options import LinkOptions
from networkpype.websocket.session.session import WebSocketSession

__all__ = ["MemoryExchange", "MemoryLine"]


class MemoryLine:
    """One connection, both ends of it: the session's, and `feed` and `hang_up` for the exchange."""

    base_url = "ws://memory"
    last_recv_time = 0.0

    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange
        self._frames: asyncio.Queue[str | WebSocketClosedError] = asyncio.Queue()
        self.pulse: Pulse | None = None
        self.number = 0

    @property
    def connected(self) -> bool:
        return self.pulse is not None

    def feed(self, text: str) -> None:
        self._frames.put_nowait(text)

    def hang_up(self, code: int = 1006, reason: str = "") -> None:
        self._frames.put_nowait(WebSocketClosedError("closed", code=code, reason=reason))

    # -- what a session calls ---------------------------------------------------------------------

    async def connect(self, url: str, **options: Any) -> None:
        await self._exchange.dialed(self)
        now = asyncio.get_running_loop().time()
        self.pulse = Pulse(now, ping_interval_s=None, pong_timeout_s=None, message_timeout_s=None)
        await self._exchange.on_open(self)

    def open_line(self) -> None:
        if self.pulse is None:
            raise NotConnectedError("not connected")

    async def send(self, request: WebSocketRequest) -> None:
        self.open_line()
        assert isinstance(request, WebSocketJSONRequest)
        self._exchange.heard.append((self.number, request.payload))
        await self._exchange.on_message(self, request.payload)

    async def receive(self) -> None:
        raise AssertionError("a session drains")

    async def drain(self, take: Callable[[str | bytes], Awaitable[None] | None]) -> None:
        assert self.pulse is not None
        while True:
            self.pulse.waiting_since = asyncio.get_running_loop().time()
            got = await self._frames.get()
            if isinstance(got, WebSocketClosedError):
                self.pulse = None
                raise got
            self.pulse.frame_at = asyncio.get_running_loop().time()
            if (room := take(got)) is not None:
                await room

    async def disconnect(self) -> None:
        self.pulse = None


async def _nothing(*_: Any) -> None:
    return None


class MemoryExchange:
    """Gives sessions their connections, and notes when each was dialed.

    `on_dial` may raise or wait, `on_open` and `on_message` are the exchange's part.
    """

    def __init__(
        self,
        *,
        on_dial: Callable[[MemoryLine], Awaitable[None]] = _nothing,
        on_open: Callable[[MemoryLine], Awaitable[None]] = _nothing,
        on_message: Callable[[MemoryLine, Any], Awaitable[None]] = _nothing,
        throttler: AsyncThrottler | None = None,
    ) -> None:
        self.on_dial = on_dial
        self.on_open = on_open
        self.on_message = on_message
        self.dials: list[float] = []
        self.lines: list[MemoryLine] = []
        self.heard: list[tuple[int, Any]] = []
        self._throttler = throttler

    async def dialed(self, line: MemoryLine) -> None:
        self.dials.append(asyncio.get_running_loop().time())
        self.lines.append(line)
        line.number = len(self.lines)
        await self.on_dial(line)

    async def dialer(
        self, auth: Auth | None
    ) -> tuple[WebSocketConnection, WebSocketManager, RESTCaller]:
        connection = cast("WebSocketConnection", MemoryLine(self))
        manager = WebSocketManager(connection, auth=auth, throttler=self._throttler)
        return connection, manager, cast("RESTCaller", None)

    def session(self, *, limit_id: str | None = None, **options: Any) -> WebSocketSession:
        link = LinkOptions(
            url="ws://memory/ws",
            connect={},
            heartbeat=options.pop("heartbeat", Heartbeat()),
            decoder=MessageDecoder(None, max_size=1 << 20, json_loads=None),
            reply_id="id",
            limit_id=limit_id,
            conflates=None,
            notice=None,
            rest=None,
        )
        return WebSocketSession(self.dialer, link, **options)
