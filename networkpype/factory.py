"""How it is wired: managers and streams that share throttler, auth, clock and connections."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from networkpype.arguments import (
    expect,
    expect_callable,
    expect_each,
    expect_if,
    expect_kind,
)
from networkpype.codec import JSONLoads
from networkpype.connections import ConnectionsFactory  # was here in 1.1.5
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook
from networkpype.rest.build import check_base_url, check_timeout
from networkpype.rest.manager import DEFAULT_TIMEOUT_S, RESTManager, check_retry
from networkpype.rest.refused_clock import TimestampRefused, is_timestamp_refusal
from networkpype.retry import RetryBudget, RetryPolicy
from networkpype.throttler.throttler import AsyncThrottler
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
        expect("throttler", throttler, "execute_task", "an AsyncThrottler")
        expect_if("time_synchronizer", time_synchronizer, "time", "a TimeSynchronizer")
        expect_if("auth", auth, "rest_authenticate", "an instance of your Auth subclass")
        expect_if("connections_factory", connections_factory, "get_ws_connection", "one")
        expect_each("rest_pre_processors", rest_pre_processors, "pre_process")
        expect_each("rest_post_processors", rest_post_processors, "post_process")
        expect_each("ws_pre_processors", ws_pre_processors, "pre_process")
        expect_each("ws_post_processors", ws_post_processors, "post_process")
        expect_callable(json_loads=json_loads, hook=hook, timestamp_refused=timestamp_refused)
        expect_if("circuit_breaker", circuit_breaker, "admit", "a CircuitBreaker")
        adopt_hook = getattr(circuit_breaker, "adopt_hook", None)
        if hook is not None and adopt_hook is not None:
            adopt_hook(hook)
        adopt = getattr(auth, "adopt_time_provider", None)
        if time_synchronizer is not None and adopt is not None:
            adopt(time_synchronizer)
        self._throttler = throttler
        self._auth = auth
        self._ws_pre_processors = ws_pre_processors
        self._ws_post_processors = ws_post_processors
        self._time_synchronizer = time_synchronizer
        self._base_url = check_base_url(base_url)
        self._hook = hook
        self._make_rest_manager = partial(
            RESTManager,
            throttler=throttler,
            rest_pre_processors=rest_pre_processors,
            rest_post_processors=rest_post_processors,
            auth=auth,
            base_url=self._base_url,
            timeout_s=check_timeout(timeout_s),
            hook=hook,
            retry=check_retry(retry),
            retry_budget=RetryBudget(),
            circuit_breaker=circuit_breaker,
            time_synchronizer=time_synchronizer,
            timestamp_refused=timestamp_refused,
        )
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
        return self._make_rest_manager(await self._connections.get_rest_connection())

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
        expect_kind(Heartbeat, heartbeat=heartbeat)
        expect_kind(Reconnect, reconnect=reconnect)
        expect_kind(Buffer, buffer=buffer)
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
                json_loads=json_loads or getattr(self._connections, "json_loads", None),
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

        What waits, for capacity, for its turn to dial or to be sent (again), and what is under way
        ends with NotConnectedError; its outcome is UNKNOWN where a request was written. Cancelled,
        it closes the sockets all the same, within 10 seconds, before it ends.
        """
        # In tasks of their own, which no cancellation of this one keeps from their first step.
        streams = [asyncio.ensure_future(session.close()) for session in self._sessions]
        try:
            # Their closing has the first turn: a login that waits knows then why it ends.
            end_waits = getattr(self._connections, "end_waits", None)
            if end_waits is not None:  # one of the user's own may have none
                end_waits()
            if streams:
                await asyncio.wait(streams)
        finally:
            # Also where this is cancelled, which is how a deadline ends it.
            await self._connections.close()
            if streams:
                await asyncio.wait(streams)  # which have no sockets any more
        for stream in streams:
            stream.result()

    async def __aenter__(self) -> Self:
        enter = getattr(self._connections, "__aenter__", None)
        if enter is not None:  # one of the user's own may have none
            await enter()
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
        is_closed = bool(getattr(self._connections, "is_closed", False))
        return (
            f"ConnectionManagersFactory(base_url={self._base_url!r}, auth={auth}, "
            f"throttler={self._throttler!r}{', closed' * is_closed})"
        )


def _as_it_is(text: str | bytes) -> Any:
    return text


def _of_one_connection(auth: Auth | None) -> Auth | None:
    # One that merely looks like an Auth may have its two methods and no more.
    make = getattr(auth, "for_connection", None)
    return auth if make is None else make()
