"""A server that plays a script of bytes and keeps every byte that it is sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Peer", "RawServer", "Script", "answer", "answering"]

_DEADLINE_S = 2.0


class Peer:
    """One connection, as the script of the server sees it."""

    def __init__(
        self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = server.connections
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one request to the last byte of its body, and keep it in `server.requests`."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = head + await self._reader.readexactly(length)
        self._server.requests.append(request)
        self._server.notice()
        return request

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Send a TCP reset, which a plain close is not."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def silence(self) -> None:
        """Say nothing until the client hangs up."""
        with suppress(ConnectionError):
            await self._reader.read()
        self._server.hang_ups += 1
        self._server.notice()


Script = Callable[[Peer], Awaitable[None]]


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """Write an answer; its Content-Length is right unless one, or chunks, are among `headers`."""
    framed = any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers)
    length = () if framed else (f"Content-Length: {len(body)}",)
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, *length, "", ""]).encode("latin-1") + body


def answering(*answers: bytes) -> Script:
    """Play the answers in turn, over all connections; the last one is repeated for ever."""
    left = list(answers)

    async def play(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return play


class RawServer:
    """Play `script` for every connection to a free port of loopback."""

    def __init__(self, script: Script, ssl_context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.hang_ups = 0
        self._script = script
        self._ssl_context = ssl_context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http{'s' if self._ssl_context else ''}://127.0.0.1:{self.port}"

    def notice(self) -> None:
        self._change.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition` holds; it is asked again whenever something arrived."""
        async with asyncio.timeout(_DEADLINE_S):
            while not condition():
                self._change.clear()
                await self._change.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._play(Peer(self, reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.notice()

    async def _play(self, peer: Peer) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._script(peer)
        finally:
            peer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._ssl_context
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports let go of their sockets in the next turn
