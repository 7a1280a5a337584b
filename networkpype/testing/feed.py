"""The WebSocket side of the mock exchange: connections, pushes, drops."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal, get_args

from aiohttp import web

from networkpype.errors import ConfigurationError
from networkpype.testing.market import Market
from networkpype.testing.subscriber import Subscriber
from networkpype.testing.wire import ReceivedFrame

__all__ = ["Feed", "Frames"]

Frames = Literal["text", "gzip", "deflate", "zlib"]
"""How pushes are sent: as text, or compressed in binary frames; ``deflate`` has no zlib header."""

_POLLS = 25
_CLOSE_GRACE_S = 0.25  # one for the close frame, one for the client to answer it


class Feed:
    """All WebSocket connections of an exchange.

    `received` holds the data frames that came, `pings` and `pongs` the payloads of control frames.
    `on_change` is called after each, and when a client comes or goes.
    """

    def __init__(
        self,
        market: Market,
        new_subscriber: Callable[[], Subscriber],
        monotonic: Callable[[], float],
        on_change: Callable[[], None],
        frames: Frames = "text",
    ) -> None:
        if frames not in get_args(Frames):
            raise ConfigurationError(f"frames is one of {get_args(Frames)}, got {frames!r}")
        self.received: list[ReceivedFrame] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self._market = market
        self._new_subscriber = new_subscriber
        self._monotonic = monotonic
        self._on_change = on_change
        self._frames: Frames = frames
        self._clients: set[_Client] = set()
        self._connections = 0

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self._clients)

    async def serve(self, request: web.BaseRequest) -> web.WebSocketResponse:
        """Upgrade the request and talk with this client until either side ends it."""
        # Pings are answered below rather than by aiohttp, which would hide the pongs from us.
        response = web.WebSocketResponse(autoping=False, timeout=_CLOSE_GRACE_S)
        try:
            await response.prepare(request)
        except ConnectionError:
            return response
        self._connections += 1
        client = _Client(self._connections, request, response, self._new_subscriber())
        self._clients.add(client)
        self._on_change()
        try:
            await self._converse(client)
        finally:
            self._clients.discard(client)
            client.cancel_sends()
            self._on_change()
        return response

    async def _converse(self, client: _Client) -> None:
        async for message in client.response:
            data = message.data
            if message.type is web.WSMsgType.PING:
                self.pings.append(bytes(data))
                await client.pong(data)
            elif message.type is web.WSMsgType.PONG:
                self.pongs.append(bytes(data))
            elif message.type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                self.received.append(ReceivedFrame(client.number, data, self._monotonic()))
                await client.send(json.dumps(client.subscriber.reply(data)))
            else:
                return
            self._on_change()

    async def run_market(self, interval_s: float) -> None:
        """Push tickers and trades for ever, every `interval_s` seconds.

        A client that has not taken its last frames yet misses this one, as on a real exchange.
        """
        while True:
            await asyncio.sleep(interval_s)
            self._market.tick()
            frames: dict[str, str | bytes | None] = {}
            for client in self._clients:
                if client.unsent:
                    continue
                for topic in client.topics:
                    if topic not in frames:
                        frames[topic] = self._market_frame(topic)
                    frame = frames[topic]
                    if frame is not None:
                        client.post(frame)

    def _market_frame(self, topic: str) -> str | bytes | None:
        symbol, _, channel = topic.partition("@")
        if channel == "ticker":
            return self._encode(topic, self._market.ticker(symbol.upper()))
        if channel == "trade":
            return self._encode(topic, self._market.trade(symbol.upper()))
        return None

    def publish(self, stream: str, data: object) -> None:
        """Push to the stream's subscribers without waiting for slow ones."""
        clients = self._subscribed(stream)
        if clients:
            frame = self._encode(stream, data)
            for client in clients:
                client.post(frame)

    async def push(self, stream: str, data: object) -> int:
        """Push to the stream's subscribers; wait while their buffers are full; count them."""
        clients = self._subscribed(stream)
        if clients:
            frame = self._encode(stream, data)
            await asyncio.gather(*(client.send(frame) for client in clients))
        return len(clients)

    async def ping(self, payload: bytes) -> int:
        """Send a WebSocket ping, at most 125 bytes, to every client; count them."""
        if not isinstance(payload, bytes) or len(payload) > 125:
            raise ConfigurationError("a ping's payload is at most 125 bytes")
        clients = list(self._clients)
        await asyncio.gather(*(client.ping(payload) for client in clients))
        return len(clients)

    async def drop(self, code: int | None, reason: str = "") -> int:
        """Close every connection with `code`, or abort its TCP where that is None; count them.

        A client that does not take its close frame within half a second is aborted.
        """
        if code is not None and not (isinstance(code, int) and 1000 <= code <= 4999):
            raise ConfigurationError(f"a close code is between 1000 and 4999, got {code!r}")
        if len(reason.encode()) > 123:
            raise ConfigurationError("a close reason is at most 123 bytes (RFC 6455 section 5.5)")
        clients = list(self._clients)
        if code is not None and clients:
            closing = [asyncio.create_task(client.close(code, reason)) for client in clients]
            _, stuck = await asyncio.wait(closing, timeout=_CLOSE_GRACE_S)
            for task in stuck:
                task.cancel()
            await _wait_until_gone(clients)
        for client in clients:
            if not client.gone:
                client.abort()
        await _wait_until_gone(clients)
        return len(clients)

    def _subscribed(self, stream: str) -> list[_Client]:
        return [client for client in self._clients if stream in client.topics]

    def _encode(self, stream: str, data: object) -> str | bytes:
        text = json.dumps({"stream": stream, "data": data})
        if self._frames == "gzip":
            return gzip.compress(text.encode())
        if self._frames == "zlib":
            return zlib.compress(text.encode())
        if self._frames == "deflate":
            deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            return deflate.compress(text.encode()) + deflate.flush()
        return text


class _Client:
    """One connection: its socket, its conversation, and what is still being sent to it."""

    def __init__(
        self,
        number: int,
        request: web.BaseRequest,
        response: web.WebSocketResponse,
        subscriber: Subscriber,
    ) -> None:
        self.number = number
        self.response = response
        self.subscriber = subscriber
        self._task = asyncio.current_task()
        self._transport = request.transport
        self._sends: set[asyncio.Task[None]] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        return self.subscriber.topics

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client to read."""
        if self._transport is not None:
            # A TLS transport that was closed twice has lost the protocol that it would ask.
            with suppress(AttributeError):
                return self._transport.get_write_buffer_size()
        return 0

    def post(self, frame: str | bytes) -> None:
        """Send without waiting; posts keep their order."""
        task = asyncio.create_task(self.send(frame))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)

    async def send(self, frame: str | bytes) -> None:
        """Send text or binary and wait while the buffers are full; pass over who is gone."""
        with suppress(ConnectionError):
            if isinstance(frame, str):
                await self.response.send_str(frame)
            else:
                await self.response.send_bytes(frame)

    async def ping(self, payload: bytes) -> None:
        with suppress(ConnectionError):
            await self.response.ping(payload)

    async def pong(self, payload: bytes) -> None:
        with suppress(ConnectionError):
            await self.response.pong(payload)

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame and hang up."""
        with suppress(ConnectionError):
            await self.response.close(code=code, message=reason.encode(), drain=False)

    @property
    def gone(self) -> bool:
        """Whether the connection ended and nothing is left to be sent."""
        return self._task is not None and self._task.done() and not self.unsent

    def abort(self) -> None:
        """End the TCP connection at once; what was not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()

    def cancel_sends(self) -> None:
        for task in self._sends:
            task.cancel()


async def _wait_until_gone(clients: Iterable[_Client]) -> None:
    """Wait at most the grace; asyncio does not tell when a closing transport has sent its last."""
    for _ in range(_POLLS):
        if all(client.gone for client in clients):
            return
        await asyncio.sleep(_CLOSE_GRACE_S / _POLLS)
