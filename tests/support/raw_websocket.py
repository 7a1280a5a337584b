"""A WebSocket server by hand: it does nothing that a test does not tell it to do.

Whoever connects waits in a line; the test takes each as a `Peer`, shakes hands or does not, and
writes frames or any other bytes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from networkpype.websocket.connection import WebSocketConnection

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
RSV1 = 0x40

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@dataclass(frozen=True)
class Frame:
    """One frame as it came from the client, unmasked."""

    opcode: int
    payload: bytes
    first_byte: int

    @property
    def close_code(self) -> int:
        """The code of a close frame; 1005 where it has none."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Build a server's frame: unmasked, final unless told otherwise."""
    body = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | rsv | opcode
    if len(body) < 126:
        return struct.pack("!BB", first, len(body)) + body
    if len(body) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(body)) + body
    return struct.pack("!BBQ", first, 127, len(body)) + body


def close_frame(code: int | None = None, reason: str = "") -> bytes:
    """Build a close frame; without a code its payload is empty."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.head = b""

    async def read_head(self) -> bytes:
        """Read the client's request up to its empty line."""
        self.head = await self._reader.readuntil(b"\r\n\r\n")
        return self.head

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        for line in self.head.decode().split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    async def upgrade(self, *extra: str, accept: str | None = None, then: bytes = b"") -> None:
        """Read the request and answer 101 with these lines added, and `then` in the same piece."""
        await self.read_head()
        key = (self.header("Sec-WebSocket-Key") or "").encode()
        proof = accept or base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        await self.answer(
            "101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {proof}",
            *extra,
            then=then,
        )

    async def answer(self, status: str, *lines: str, then: bytes = b"") -> None:
        """Answer the request, read or not, with this status and these header lines."""
        await self.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + then)

    async def write(self, *data: bytes) -> None:
        self._writer.write(b"".join(data))
        await self._writer.drain()

    async def read_frame(self) -> Frame:
        """Read and unmask the client's next frame."""
        first, second = await self._reader.readexactly(2)
        assert second & 0x80, "a client masks every frame (RFC 6455 section 5.3)"
        size = second & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await self._reader.readexactly(width), "big")
        mask = await self._reader.readexactly(4)
        masked = await self._reader.readexactly(size)
        whole = (mask * (size // 4 + 1))[:size]
        body = (int.from_bytes(masked, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        return Frame(first & 0x0F, body, first)

    async def read_end(self) -> bytes:
        """Read until the client has let go of the socket; return what still came."""
        with suppress(ConnectionError):
            return await self._reader.read()
        return b""

    def hang_up(self) -> None:
        """End the TCP connection in order (FIN), without a close frame."""
        self._writer.close()

    def reset(self) -> None:
        """Break the TCP connection (RST)."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def pause_reading(self) -> None:
        """Take nothing more from the client."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()


class RawServer:
    """Listens on loopback; `accept` hands out those who connected, in order."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Peer] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await _turns()  # of those who are at the door
        for writer in self._writers:
            writer.transport.abort()
        await _turns()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._waiting.put_nowait(Peer(reader, writer))

    async def accept(self) -> Peer:
        async with asyncio.timeout(5):
            return await self._waiting.get()

    async def meet(self, connection: WebSocketConnection, **options: Any) -> Peer:
        """Connect with these options, shake hands, and return the server's end.

        The close timeout is short, for this server answers a close frame only when told to.
        """
        options = {"close_timeout_s": 0.05, **options}
        dial = asyncio.create_task(connection.connect(self.url, **options))
        peer = await self.accept()
        await peer.upgrade()
        await dial
        return peer


async def next_data(connection: WebSocketConnection) -> Any:
    """Return the data of the next message, which has to come soon."""
    async with asyncio.timeout(5):
        response = await connection.receive()
    assert response is not None, "this side disconnected"
    return response.data


async def ended_in_time(task: asyncio.Task[Any], limit_s: float) -> None:
    """Assert that the task ends no earlier than `limit_s` from now and at most 5 % later.

    It runs against a timer of the same loop, so a busy machine delays both; then come some short
    turns for what follows from its own timer.
    """
    now = asyncio.get_running_loop().time
    started = now()
    ended: list[float] = []
    task.add_done_callback(lambda _: ended.append(now()))
    await asyncio.sleep(limit_s * 1.05)
    for _ in range(10):
        await asyncio.sleep(0.002)
    assert ended, f"not over after {limit_s * 1.05:g} s"
    assert ended[0] - started >= limit_s * 0.98, "too early"


async def until_lost(connection: WebSocketConnection) -> None:
    """Wait until the connection knows that its peer is gone, without reading from it."""
    async with asyncio.timeout(5):
        while connection.connected:  # noqa: ASYNC110 - to see that nobody need be told
            await asyncio.sleep(0)


async def _turns() -> None:
    """Let asyncio finish what it has begun to open or to close; it does not tell when."""
    for _ in range(5):
        await asyncio.sleep(0)


def open_sockets() -> int:
    """Count this process's open sockets."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += os.readlink(entry).startswith("socket:")
    return count


@contextmanager
def no_socket_left() -> Iterator[None]:
    """Assert that as many sockets are open afterwards as before."""
    if sys.platform != "linux":
        pytest.skip("open sockets are counted in /proc/self/fd, which only Linux has")
    before = open_sockets()
    yield
    assert open_sockets() == before
