"""A server on loopback that can always be closed, whatever its clients do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from networkpype.errors import ConfigurationError

__all__ = ["LoopbackServer"]

_LONGEST_LINE = 1 << 16  # aiohttp's 8,190 would cut off long queries


class LoopbackServer:
    """Hand every request to one handler, raw: no routing, no decoding, no access log.

    With port 0 the system picks a free one; it is kept when the server is started again.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._handler = handler
        self.host = host
        self.port = port
        self._ssl_context = ssl_context
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def running(self) -> bool:
        return self._listener is not None

    async def start(self) -> None:
        """Listen; raise `ConfigurationError` where the address is taken."""
        self._web = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            lingering_time=0,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        # A handshake that stalls must not outlive close().
        handshake_timeout = 1.0 if self._ssl_context else None
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._web,
                self.host,
                self.port,
                ssl=self._ssl_context,
                ssl_handshake_timeout=handshake_timeout,
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error}; "
                "pass port=0 to be given a free port"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None and task not in self._tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await self._handler(request)

    async def close(self, timeout_s: float) -> None:
        """Cancel what is being answered and abort every connection, within `timeout_s` seconds."""
        listener, server = self._listener, self._web
        self._listener = self._web = None
        if listener is None or server is None:
            return
        listener.close()
        share = timeout_s / 4
        transports = [connection.transport for connection in server.connections]
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=share)
        server.pre_shutdown()
        await server.shutdown(share)
        # A transport that is closed but not aborted waits for ever on a client that does not read.
        for transport in transports:
            if transport is not None:
                transport.abort()
        abort_clients = getattr(listener, "abort_clients", None)  # Python 3.13 and up
        if abort_clients is not None:
            abort_clients()
        with suppress(TimeoutError):
            await asyncio.wait_for(listener.wait_closed(), share * 2)
        for _ in range(3):  # aborted transports let go of their sockets in the next turns
            await asyncio.sleep(0)
