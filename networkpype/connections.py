"""One client session, the connections over it, and the end of all that they do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from yarl import URL

from networkpype._version import __version__
from networkpype.arguments import expect_callable, expect_whole
from networkpype.codec import JSONLoads
from networkpype.hooks import Hook
from networkpype.rest.connection import DEFAULT_MAX_BODY_BYTES, RESTConnection
from networkpype.transport import guard
from networkpype.waits import Waits
from networkpype.websocket.connection import WebSocketConnection

if TYPE_CHECKING:
    import ssl

__all__ = ["ConnectionsFactory"]

_CLOSE_TIMEOUT_S = 10.0
_log = logging.getLogger(__name__)


class ConnectionsFactory:
    """Make connections over one shared client session, which is opened on first use.

    Server cookies are dropped unless `store_cookies`; what `update_cookies` sets is always sent.
    Proxies and .netrc of the environment are ignored unless `trust_env`. `ssl_context` replaces the
    default verification, for a private CA or a pinned certificate. `max_connections` bounds open
    sockets, WebSockets among them; a request beyond it waits within its own deadline. `resolver` is
    aiohttp's.
    """

    def __init__(
        self,
        *,
        json_loads: JSONLoads | None = None,
        hook: Hook | None = None,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        max_connections: int = 100,
        store_cookies: bool = False,
        trust_env: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        resolver: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        expect_whole(max_connections=max_connections, max_body_bytes=max_body_bytes)
        expect_callable(json_loads=json_loads, hook=hook)
        self._json_loads = json_loads
        self._hook = hook
        self._max_body_bytes = max_body_bytes
        self._max_connections = max_connections
        self._store_cookies = store_cookies
        self._trust_env = trust_env
        self._ssl_context = ssl_context
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._web_sockets: weakref.WeakSet[WebSocketConnection] = weakref.WeakSet()
        self._waits = Waits()

    @property
    def is_closed(self) -> bool:
        """Tell whether it was closed and not used since."""
        return self._closed and self._session is None

    @property
    def json_loads(self) -> JSONLoads | None:
        """Return what parses answers and messages, None for the strict default."""
        return self._json_loads

    async def get_rest_connection(self) -> RESTConnection:
        """Return a connection for requests."""
        return RESTConnection(
            self._open_session(),
            max_body_bytes=self._max_body_bytes,
            json_loads=self._json_loads,
            waits=self._waits,
        )

    async def get_ws_connection(self, **kwargs: Any) -> WebSocketConnection:
        """Return a WebSocket that is not dialed yet; `kwargs` are those of its constructor."""
        session = self._open_session()
        options = {"json_loads": self._json_loads, "hook": self._hook, **kwargs}
        connection = WebSocketConnection(session, waits=self._waits, **options)
        self._web_sockets.add(connection)
        return connection

    async def update_cookies(self, cookies: Any) -> None:
        """Send these cookies (a mapping or pairs) from now on, to every host."""
        self._open_session().cookie_jar.update_cookies(cookies)

    async def close(self) -> None:
        """Disconnect every WebSocket and close the session.

        Calls, messages and dials that wait for capacity, and calls under way, end with
        NotConnectedError. The next use opens a new one; a warning is logged unless ``async with``
        was entered anew.
        """
        session, self._session = self._session, None
        self._closed = True
        self._waits.close()
        if session is None:
            return
        try:
            # Whatever is still closing then is dropped by its own cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await asyncio.gather(*(ws.disconnect() for ws in self._web_sockets))
        finally:
            await session.close()

    def end_waits(self) -> None:
        """End what waits now with NotConnectedError; what comes after it may wait again.

        Calls, messages and dials that wait for capacity or their turn, and calls that wait to be
        sent again; pings of a WebSocket that stays open go on waiting.
        """
        self._waits.end()

    def _open_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            # A session of a loop that is gone cannot be closed any more; Python will say so.
            self._loop = loop
            if self._closed:
                _log.warning(
                    "a ConnectionManagersFactory (or its ConnectionsFactory) is used after close() "
                    "and opens a new client session, which stays until it is closed again; enter "
                    "it again with `async with` where that is meant"
                )
            self._waits = Waits()
            jar = aiohttp.CookieJar() if self._store_cookies else GivenCookies()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    ssl=True if self._ssl_context is None else self._ssl_context,
                    resolver=self._resolver,
                ),
                cookie_jar=jar,
                headers={"User-Agent": f"networkpype/{__version__}"},
                middlewares=(guard,),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trust_env=self._trust_env,
            )
        return self._session

    async def __aenter__(self) -> Self:
        self._closed = False
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        is_open = self._session is not None and not self._session.closed
        state = "closed" if self.is_closed else "open" if is_open else "no session"
        return f"ConnectionsFactory({state})"


class GivenCookies(aiohttp.CookieJar):
    """Holds the cookies that the user set and none that a server sent."""

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Drop them: a session cookie is an identity that nobody asked for."""
