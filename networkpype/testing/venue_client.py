"""One WebSocket of a mock venue: how it is spoken to, and what it is subscribed to."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from typing import Literal

from aiohttp import web

from networkpype.testing.venues.venue import Frame, Socket

__all__ = ["Encoding", "VenueClient"]

Encoding = Literal["text", "gzip", "deflate"]
"""How frames are sent: as text, or compressed in binary frames; ``deflate`` is raw."""


class VenueClient:
    """One socket: its conversation, and the logins that wait for `release`."""

    def __init__(
        self,
        number: int,
        socket: Socket,
        request: web.BaseRequest,
        response: web.WebSocketResponse,
        encoding: Encoding | None = None,
    ) -> None:
        self.number = number
        self.socket = socket
        self.response = response
        self._encoding: str = encoding or socket.encoding
        self.topics: set[str] = set()
        self.is_mute = False
        self._private: set[str] = set()
        self._transport = request.transport
        self.held: list[Frame] = []
        self.greeting: list[Frame] = []

    async def greet(self) -> None:
        """Send the greeting that was held."""
        greeting, self.greeting = self.greeting, []
        for frame in greeting:
            await self.send(frame)

    async def send(self, frame: object) -> None:
        """Send text as it is, anything else as JSON; pass over who is gone."""
        if self.is_mute:
            return
        text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
        with suppress(ConnectionError):
            if self._encoding == "gzip":
                await self.response.send_bytes(gzip.compress(text.encode()))
            elif self._encoding == "deflate":
                squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
                await self.response.send_bytes(squeeze.compress(text.encode()) + squeeze.flush())
            else:
                await self.response.send_str(text)

    async def pong(self, payload: bytes) -> None:
        """Answer a ping, unless mute."""
        if not self.is_mute:
            with suppress(ConnectionError):
                await self.response.pong(payload)

    async def leave(self, code: int | None, reason: str) -> None:
        """Close, or abort the TCP connection where there is no code."""
        if code is None and self._transport is not None:
            self._transport.abort()
        elif code is not None:
            with suppress(ConnectionError):
                await self.response.close(code=code, message=reason.encode(), drain=False)

    def subscribe(self, frame: Frame, private: bool) -> list[str]:
        """Note what the frame begins or ends; return what it begins."""
        begins, names = self.socket.topics(frame)
        if not begins:
            self.topics.difference_update(names)
            return []
        self.topics.update(names)
        if private:
            self._private.update(names)
        return names

    def wants(self, topic: str) -> bool:
        """Tell whether it is subscribed to ``order.BTCUSDT``, or to ``order`` as a whole."""
        return topic in self.topics or topic.partition(".")[0] in self.topics

    def log_out(self) -> None:
        """Forget who it is, and with that its private subscriptions."""
        self.socket.logged_in = False
        self.topics -= self._private
        self._private.clear()
