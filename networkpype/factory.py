"""How it is wired: one client session, and managers that share throttler, auth and clock."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import weakref
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from yarl import URL

from networkpype._version import __version__
from networkpype.codec import JSONLoads
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook
from networkpype.rest.build import check_base_url, check_timeout
from networkpype.rest.connection import DEFAULT_MAX_BODY_BYTES, RESTConnection
from networkpype.rest.manager import DEFAULT_TIMEOUT_S, RESTManager, check_retry
from networkpype.rest.refused_clock import TimestampRefused, is_timestamp_refusal
from networkpype.rest.waits import Waits
from networkpype.retry import RetryBudget, RetryPolicy
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.transport import guard
from networkpype.websocket.connection import DEFAULT_MAX_MESSAGE_BYTES, WebSocketConnection
from networkpype.websocket.decoding import Compression, MessageDecoder
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.pacing import check_message_limit
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.checks import (
    check_connect_options,
    check_subscriptions,
    logs_in,
)
from networkpype.websocket.session.options import LinkOptions
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.sharded import ShardedSession

if TYPE_CHECKING:
    import ssl

    from networkpype.auth.base import Auth
    from networkpype.auth.patterns.base import RESTCaller
    from networkpype.circuit import CircuitBreaker
    from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor
    from networkpype.time_synchronizer import TimeSynchronizer
    from networkpype.websocket.pacing import MessageLimit
    from networkpype.websocket.processor.base import WebSocketPostProcessor, WebSocketPreProcessor
    from networkpype.websocket.session.replies import ReplyId
    from networkpype.websocket.subscriptions import Subscription

__all__ = ["ConnectionManagersFactory", "ConnectionsFactory"]

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
        for name, number in (
            ("max_connections", max_connections),
            ("max_body_bytes", max_body_bytes),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigurationError(f"{name} is {number!r}; pass a whole number above zero")
        _expect_callable(json_loads=json_loads, hook=hook)
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
        options = {"json_loads": self._json_loads, "hook": self._hook, **kwargs}
        connection = WebSocketConnection(self._open_session(), **options)
        self._web_sockets.add(connection)
        return connection

    async def update_cookies(self, cookies: Any) -> None:
        """Send these cookies (a mapping or pairs) from now on, to every host."""
        self._open_session().cookie_jar.update_cookies(cookies)

    async def close(self) -> None:
        """Disconnect every WebSocket and close the session.

        Calls that wait for capacity, or are under way, end with NotConnectedError. The next use
        opens a new one; a warning is logged unless ``async with`` was entered anew.
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
        """End the calls that wait for capacity now, with NotConnectedError."""
        self._waits.end()

    def _open_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            # A session of a loop that is gone cannot be closed any more; Python will say so.
            self._loop = loop
            if self._closed:
                _log.warning("%r is used after close(): it opens a new session", self)
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


class ConnectionManagersFactory:
    """Make REST and WebSocket managers that share one throttler, auth and clock.

    Use it with ``async with``, or `close` it. An `auth` that was given no time provider uses
    `time_synchronizer`. `base_url` goes before each `endpoint_url`. `timeout_s` (30 s) bounds calls
    that bring no timeout. `json_loads` parses every answer and message (``orjson.loads`` for speed,
    `decimal_loads` for exact prices). `hook` receives the events of requests and WebSockets; the
    throttler and the time synchronizer take a `hook` of their own. `connections_factory` brings its
    own settings of the socket: proxies, certificates, cookies, sizes.

    `retry` says which REST requests are sent again, and when; without one each call is one attempt.
    Its budget is shared by the managers. `circuit_breaker` keeps them off hosts that fail; where it
    has no hook of its own, it tells this one. `timestamp_refused` knows the answers that refuse a
    timestamp, by default those of eight exchanges: `time_synchronizer`, or that of a pre-processor,
    is measured anew then.
    """

    def __init__(
        self,
        throttler: AsyncThrottler,
        auth: Auth | None = None,
        rest_pre_processors: Sequence[RESTPreProcessor] | None = None,
        rest_post_processors: Sequence[RESTPostProcessor] | None = None,
        ws_pre_processors: Sequence[WebSocketPreProcessor] | None = None,
        ws_post_processors: Sequence[WebSocketPostProcessor] | None = None,
        time_synchronizer: TimeSynchronizer | None = None,
        *,
        base_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        json_loads: JSONLoads | None = None,
        hook: Hook | None = None,
        connections_factory: ConnectionsFactory | None = None,
        retry: RetryPolicy | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        timestamp_refused: TimestampRefused = is_timestamp_refusal,
    ) -> None:
        _expect("throttler", throttler, "execute_task", "an AsyncThrottler")
        if time_synchronizer is not None:
            _expect("time_synchronizer", time_synchronizer, "time", "a TimeSynchronizer")
        if auth is not None:
            _expect("auth", auth, "rest_authenticate", "an instance of your Auth subclass")
        if connections_factory is not None:
            _expect("connections_factory", connections_factory, "get_ws_connection", "one")
        _expect_each("rest_pre_processors", rest_pre_processors, "pre_process")
        _expect_each("rest_post_processors", rest_post_processors, "post_process")
        _expect_each("ws_pre_processors", ws_pre_processors, "pre_process")
        _expect_each("ws_post_processors", ws_post_processors, "post_process")
        _expect_callable(json_loads=json_loads, hook=hook, timestamp_refused=timestamp_refused)
        if circuit_breaker is not None:
            _expect("circuit_breaker", circuit_breaker, "admit", "a CircuitBreaker")
            if hook is not None and hasattr(circuit_breaker, "adopt_hook"):
                circuit_breaker.adopt_hook(hook)
        adopt = getattr(auth, "adopt_time_provider", None)
        if time_synchronizer is not None and adopt is not None:
            adopt(time_synchronizer)
        self._throttler = throttler
        self._auth = auth
        self._rest_pre_processors = rest_pre_processors
        self._rest_post_processors = rest_post_processors
        self._ws_pre_processors = ws_pre_processors
        self._ws_post_processors = ws_post_processors
        self._time_synchronizer = time_synchronizer
        self._base_url = check_base_url(base_url)
        self._timeout_s = check_timeout(timeout_s)
        self._hook = hook
        self._retry = check_retry(retry)
        self._retry_budget = RetryBudget()
        self._circuit_breaker = circuit_breaker
        self._timestamp_refused = timestamp_refused
        self._sessions: weakref.WeakSet[WebSocketSession | ShardedSession] = weakref.WeakSet()
        if json_loads is not None and connections_factory is not None:
            raise ConfigurationError("pass json_loads to the ConnectionsFactory that you bring")
        self._connections = connections_factory or ConnectionsFactory(
            json_loads=json_loads, hook=hook
        )

    @property
    def throttler(self) -> AsyncThrottler:
        return self._throttler

    @property
    def auth(self) -> Auth | None:
        return self._auth

    @property
    def time_synchronizer(self) -> TimeSynchronizer | None:
        """Return the synchronizer that was given, None where none was."""
        return self._time_synchronizer

    async def get_rest_manager(self) -> RESTManager:
        """Return a manager for requests; cheap, and one may serve a whole connector."""
        return RESTManager(
            await self._connections.get_rest_connection(),
            self._throttler,
            self._rest_pre_processors,
            self._rest_post_processors,
            self._auth,
            base_url=self._base_url,
            timeout_s=self._timeout_s,
            hook=self._hook,
            retry=self._retry,
            retry_budget=self._retry_budget,
            circuit_breaker=self._circuit_breaker,
            time_synchronizer=self._time_synchronizer,
            timestamp_refused=self._timestamp_refused,
        )

    async def get_ws_manager(
        self, *, dial_limit_id: str | None = None, **kwargs: Any
    ) -> WebSocketManager:
        """Return a manager of one WebSocket that is not dialed yet.

        It has the auth's `for_connection`: its login is its own, and nonces and tokens are shared.
        Every dial waits for the throttler's limit `dial_limit_id`, which all managers and sessions
        share. `kwargs` go to the `WebSocketConnection`: `clock`, `hook`, `json_loads`,
        `message_limit`.
        """
        self._check_limit(dial_limit_id)
        return WebSocketManager(
            await self._connections.get_ws_connection(**kwargs),
            self._ws_pre_processors,
            self._ws_post_processors,
            _of_one_connection(self._auth),
            throttler=self._throttler,
            dial_limit_id=dial_limit_id,
        )

    def get_ws_session(
        self,
        url: str = "",
        *,
        subscriptions: Sequence[Subscription] = (),
        heartbeat: Heartbeat | None = None,
        reconnect: Reconnect | None = None,
        buffer: Buffer | None = None,
        login: bool | None = None,
        rest: RESTCaller | None = None,
        reply_id: ReplyId = "id",
        throttler_limit_id: str | None = None,
        dial_limit_id: str | None = None,
        message_limit: MessageLimit | None = None,
        max_subscriptions: int | None = None,
        json_loads: JSONLoads | None = None,
        compression: Compression | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        hook: Hook | None = None,
        close_timeout_s: float = 5.0,
        **connect: Any,
    ) -> WebSocketSession:
        """Return a stream that dials, logs in and subscribes, and does so again after every drop.

        Enter it with ``async with``. By default it sends pings of the protocol, lets 10,000
        messages wait and then the socket, and dials for ever. `login` (by default where the auth
        has a `ws_pattern` and either no `url` is given or a subscription is private) logs every
        connection in; the address is the pattern's then, or `url` where the pattern makes none of
        its own. `rest` makes the pattern's calls, by default a manager of this factory.
        `subscriptions` can be added and removed later. `throttler_limit_id` paces subscribe
        messages, and `dial_limit_id` dials, by limits of the throttler, which all sessions share
        (UnknownLimitError where there is no such limit). `message_limit`, a RateLimit or a list of
        them, is what the exchange takes on one connection: all that is sent there is counted, pings
        and logins first, then your own messages, then subscriptions. `max_subscriptions` is how
        many it takes on a connection: more are refused. `reply_id` is how
        `WebSocketSession.request` knows its reply. `connect` are the other options of
        `WebSocketConnection.connect`, such as `ws_headers` and `dial_timeout_s`.
        """
        check_connect_options(connect)
        check_subscriptions(subscriptions)
        self._check_limit(throttler_limit_id)
        self._check_limit(dial_limit_id)
        check_message_limit(message_limit)
        pattern = getattr(self._auth, "ws_pattern", None)
        login = logs_in(login, pattern, url, subscriptions)
        options = LinkOptions(
            url=url,
            connect={
                **connect,
                "max_message_bytes": max_message_bytes,
                "close_timeout_s": close_timeout_s,
            },
            heartbeat=heartbeat or Heartbeat(),
            decoder=MessageDecoder(
                compression or (getattr(pattern, "compression", None) if login else None),
                max_size=max_message_bytes,
                json_loads=json_loads or self._connections.json_loads,
            ),
            reply_id=reply_id,
            limit_id=throttler_limit_id,
            conflates=None if buffer is None else buffer.key,
            notice=None if reconnect is None else reconnect.notice,
            rest=rest,
        )
        session = WebSocketSession(
            partial(self._dial_session, dial_limit_id, message_limit),
            options,
            subscriptions=subscriptions,
            reconnect=reconnect,
            buffer=buffer,
            auth=self._auth,
            logs_in=login,
            post_processors=self._ws_post_processors or (),
            hook=hook or self._hook,
            close_timeout_s=close_timeout_s,
            max_subscriptions=max_subscriptions,
        )
        self._sessions.add(session)
        return session

    def get_sharded_session(
        self,
        url: str = "",
        *,
        max_subscriptions: int,
        subscriptions: Sequence[Subscription] = (),
        login: bool | None = None,
        **options: Any,
    ) -> ShardedSession:
        """Return a stream over as many connections as its subscriptions need.

        A connection has at most `max_subscriptions`. The other options are those of
        `get_ws_session`, and hold for each connection; `buffer` is one for each.
        """
        check_subscriptions(subscriptions)
        pattern = getattr(self._auth, "ws_pattern", None)
        template = self.get_ws_session(
            url,
            login=logs_in(login, pattern, url, subscriptions),
            max_subscriptions=max_subscriptions,
            **options,
        )
        session = ShardedSession(template, subscriptions)
        self._sessions.add(session)
        return session

    def _check_limit(self, limit_id: str | None) -> None:
        if limit_id is not None and isinstance(self._throttler, AsyncThrottler):
            self._throttler.get_related_limits(limit_id)  # refuses what it does not know

    async def _dial_session(
        self, dial_limit_id: str | None, message_limit: MessageLimit | None, auth: Auth | None
    ) -> tuple[WebSocketConnection, WebSocketManager, RESTManager]:
        """Return what one connection of a session is made of; its messages stay as they came."""
        options = {} if message_limit is None else {"message_limit": message_limit}
        connection = await self._connections.get_ws_connection(json_loads=_as_it_is, **options)
        manager = WebSocketManager(
            connection,
            self._ws_pre_processors,
            (),
            auth,
            throttler=self._throttler,
            dial_limit_id=dial_limit_id,
        )
        return connection, manager, await self.get_rest_manager()

    async def update_cookies(self, cookies: Any) -> None:
        """Send these cookies (a mapping or pairs) from now on."""
        await self._connections.update_cookies(cookies)

    async def close(self) -> None:
        """End every stream, disconnect every WebSocket and close the client session.

        REST calls that wait, for capacity or to be sent again, and those under way end with
        NotConnectedError; its outcome is UNKNOWN where a request was written.
        """
        streams = asyncio.gather(*(session.close() for session in self._sessions))
        # Their closing has the first turn: a login that waits knows then why it ends.
        self._connections.end_waits()
        await streams
        await self._connections.close()

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        auth = None if self._auth is None else type(self._auth).__name__
        return (
            f"ConnectionManagersFactory(base_url={self._base_url!r}, auth={auth}, "
            f"throttler={self._throttler!r}{', closed' * self._connections.is_closed})"
        )


def _as_it_is(text: str | bytes) -> Any:
    return text


def _of_one_connection(auth: Auth | None) -> Auth | None:
    # One that merely looks like an Auth may have its two methods and no more.
    make = getattr(auth, "for_connection", None)
    return auth if make is None else make()


def _expect(name: str, value: object, method: str, what: str) -> None:
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        shown = value.__name__ if isinstance(value, type) else type(value).__name__
        raise ConfigurationError(f"{name} is {shown}, without {method}(); pass {what}")


def _expect_each(name: str, values: Sequence[object] | None, method: str) -> None:
    if values is not None and not isinstance(values, Sequence):
        raise ConfigurationError(f"{name} is {type(values).__name__}; pass a list")
    for value in values or ():
        _expect(f"an item of {name}", value, method, f"an object with {method}")


def _expect_callable(**values: object) -> None:
    for name, value in values.items():
        if value is not None and not callable(value):
            raise ConfigurationError(f"{name} is {type(value).__name__}; pass a callable")
        if inspect.iscoroutinefunction(value):
            raise ConfigurationError(f"{name} is a coroutine function; it is called, not awaited")
