"""A connection that stays: what every connector writes by hand, once."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from networkpype.errors import (
    BufferFullError,
    ConfigurationError,
    MissingCredentialsError,
    NetworkpypeError,
    NotConnectedError,
    RequestTimeoutError,
)
from networkpype.hooks import Hook
from networkpype.redact import mask_url
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.websocket.session.buffer import Buffer, SessionQueue
from networkpype.websocket.session.checks import check_most, check_subscription
from networkpype.websocket.session.link import Link
from networkpype.websocket.session.options import LinkOptions, as_request
from networkpype.websocket.session.reading import SessionReader
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.supervisor import Dialer, Supervisor
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.subscriptions import Subscription

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.websocket.processor.base import WebSocketPostProcessor

__all__ = ["WebSocketSession"]

_log = logging.getLogger(__name__)


class WebSocketSession(SessionReader):
    """One stream over as many connections as it takes; get it from `factory.get_ws_session`.

    ``async with`` opens it and returns at once; ``async for`` over it yields `SessionMessage`s and
    `SessionEvent`s in the order in which things happened, and `messages` the former alone. It ends
    after `close`. Where it cannot go on it raises, now and whenever it is asked again:
    AuthenticationError where the exchange refused who we are, the error of the upgrade where that
    was refused for good (HTTPStatusError, RedirectRefusedError), ReconnectError where the policy
    allows no further dial, BufferFullError, ConfigurationError, and what a function of yours raised
    (`matches`, `judge`, `answers`, ...). One task reads; any task may do everything else.
    """

    def __init__(
        self,
        dialer: Dialer,
        options: LinkOptions,
        *,
        subscriptions: Sequence[Subscription] = (),
        reconnect: Reconnect | None = None,
        buffer: Buffer | None = None,
        auth: Auth | None = None,
        logs_in: bool = False,
        post_processors: Sequence[WebSocketPostProcessor] = (),
        hook: Hook | None = None,
        close_timeout_s: float = 5.0,
        max_subscriptions: int | None = None,
    ) -> None:
        queue = SessionQueue(buffer or Buffer(), options.shard)
        super().__init__(queue, options.decoder, post_processors)
        check_most("max_subscriptions", max_subscriptions)
        options = replace(options, most_subscriptions=max_subscriptions)
        self._most = max_subscriptions
        self._another = partial(
            WebSocketSession,
            dialer,
            reconnect=reconnect,
            buffer=buffer,
            auth=auth,
            logs_in=logs_in,
            post_processors=post_processors,
            hook=hook,
            close_timeout_s=close_timeout_s,
            max_subscriptions=max_subscriptions,
        )
        self.on_failed: Callable[[BaseException], None] | None = None
        """Called with what ended it, where that was not `close`."""
        self._options = options
        self._auth = auth
        self._logs_in = logs_in
        self._wanted = Wanted()
        self._supervisor = Supervisor(
            dialer,
            options,
            reconnect or Reconnect(),
            self._wanted,
            self._queue,
            auth=auth,
            logs_in=logs_in,
            hook=hook,
            overrun=self._overrun,
            on_settled=self._wake_settled,
            on_end=self._on_end,
            close_timeout_s=close_timeout_s,
        )
        self._error: BaseException | None = None
        self._is_over = False
        self._settled: list[asyncio.Future[None]] = []
        self.add(*subscriptions)

    # -- what the user does -----------------------------------------------------------------------

    async def open(self) -> None:
        """Begin; returns at once, for the exchange may be down. ``async with`` does it."""
        if self._is_over:
            raise ConfigurationError("the session was closed; get another from the factory")
        self.begin()

    def begin(self) -> None:
        """Do what `open` does, from the event loop."""
        if not self._supervisor.has_started:
            self._supervisor.start()

    async def close(self) -> None:
        """End it within a little more than `close_timeout_s`, whatever the peer does.

        Safe to repeat. What waits for the consumer already, is still delivered.
        """
        self._is_over = True
        if not self._supervisor.has_ended:
            await self._supervisor.stop()
        self._queue.wake()
        self._wake_settled()

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until it is logged in and everything wanted is answered.

        Raises RequestTimeoutError after `timeout_s`, and what ended the session.
        """
        deadline = asyncio.timeout(timeout_s)
        supervisor = self._supervisor
        try:
            async with deadline:
                while not self.is_settled:
                    self._raise_if_over()
                    await self._next_settled()
                return
        except TimeoutError:
            if not deadline.expired():
                raise
        failure = supervisor.last_failure
        why = f"; what failed last: {failure}" if failure else ""
        raise RequestTimeoutError(f"{self!r}: not ready within {timeout_s:g} s{why}")

    def add(self, *subscriptions: Subscription) -> None:
        """Want these, from now on and after every reconnect; each `add` takes one `remove`.

        Raises ConfigurationError, and adds none, where there would be more than `max_subscriptions`
        or one cannot be asked for by this session; what ended it, or NotConnectedError after
        `close`, for a session does not open again.
        """
        if self._is_over:
            self._raise_if_failed()
            raise NotConnectedError(
                f"{self!r} is closed for good, so nothing was subscribed; get another from the "
                "factory"
            )
        self.check(subscriptions)
        keys = {each.key for each in subscriptions if each.key not in self._wanted}
        if len(keys - self.stuck) > self.room:  # what is delivered still needs no other place
            raise ConfigurationError(
                f"{self!r}: {len(keys)} subscriptions besides the {len(self._wanted)} that are "
                f"there, and a connection takes {self._most}; none of them was added. Use "
                "get_sharded_session, which opens as many connections as are needed"
            )
        new = [self._wanted.add(subscription) for subscription in subscriptions]
        if any(new):
            self._supervisor.wanted_changed()

    def check(self, subscriptions: Iterable[Subscription]) -> None:
        """Refuse what this session could never ask for."""
        for subscription in subscriptions:
            check_subscription(subscription)
            if subscription.private and self._auth is None:
                raise MissingCredentialsError(
                    f"{subscription!r} is private and no auth is configured; pass auth= to "
                    "ConnectionManagersFactory"
                )
            pattern = None if self._auth is None else getattr(self._auth, "ws_pattern", None)
            if subscription.private and pattern is not None and not self._logs_in:
                raise ConfigurationError(
                    f"{subscription!r} is private and this session does not log in; pass "
                    "login=True to get_ws_session"
                )

    def remove(self, *subscriptions: Subscription) -> None:
        """Want these no more; what nobody wants is unsubscribed. An unknown one is no error."""
        gone = [self._wanted.remove(subscription) for subscription in subscriptions]
        if any(gone):
            self._supervisor.wanted_changed()

    async def send(
        self, request: WebSocketRequest | Any, *, timeout_s: float | None = 10.0
    ) -> None:
        """Send a message on the connection that is there; it is never kept for the next one.

        A payload that is no request is sent as text, bytes or JSON. Raises NotConnectedError
        (NOT_SENT) while not ready, what `WebSocketManager.send` raises, ThrottleTimeoutError
        (NOT_SENT) among it where the limits leave no room within `timeout_s`, and
        RequestTimeoutError after `timeout_s` (UNKNOWN, NOT_SENT where it waited for its turn).
        """
        await self._ready_link().send(as_request(request), timeout_s)

    async def request(
        self, request: WebSocketRequest | Any, *, id: Hashable = None, timeout_s: float = 10.0
    ) -> WebSocketResponse:
        """Send a message and return the one that answers it, which the stream then does not show.

        Without `id` a fresh one is put into the payload, a mapping, where `reply_id` says; one that
        stands there is taken. Raises ConfigurationError for an id that is waiting already,
        NotConnectedError (NOT_SENT) while not ready, ThrottleTimeoutError (NOT_SENT) where the
        limits leave no room within `timeout_s`, RequestTimeoutError without an answer in time
        (UNKNOWN, NOT_SENT where it waited for its turn), WebSocketClosedError (UNKNOWN) where the
        connection ended before it.
        """
        prepared = as_request(request)
        id = self._identified(prepared) if id is None else id
        return await self._ready_link().request(prepared, id, timeout_s)

    def sibling(self, shard: int) -> WebSocketSession:
        """Return a session like this one, not open and without subscriptions: shard so and so."""
        return self._another(replace(self._options, shard=shard))

    @property
    def room(self) -> float:
        """Return how many subscriptions more it takes; infinite without `max_subscriptions`."""
        if self._most is None:
            return math.inf
        return self._most - len(self._wanted) - sum(key not in self._wanted for key in self.stuck)

    @property
    def stuck(self) -> Set[Hashable]:
        """Return the keys of what could not be ended: the exchange goes on to deliver it."""
        link = self._supervisor.current
        return frozenset() if link is None else link.on_wire.stuck

    @property
    def url(self) -> str:
        """Return where it dials, with its secrets masked."""
        return mask_url(self._options.url) or "the login's address"

    @property
    def has_ended(self) -> bool:
        """Tell whether it is closed to the last socket."""
        return self._supervisor.has_ended

    @property
    def is_settled(self) -> bool:
        """Tell whether it is logged in now and everything wanted is answered."""
        return self._supervisor.current is not None and self._supervisor.current.is_settled

    @property
    def is_ready(self) -> bool:
        """Tell whether a connection is there that was ready since it opened: it takes sends."""
        return self._supervisor.current is not None and self._supervisor.current.is_ready

    @property
    def epoch(self) -> int:
        """Return the number of the connection that is there, or was last; 0 before the first."""
        return self._supervisor.epoch

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return what is wanted."""
        return tuple(self._wanted)

    @property
    def live(self) -> frozenset[Hashable]:
        """Return the keys of the subscriptions that the exchange confirmed on this connection."""
        link = self._supervisor.current
        return frozenset() if link is None else link.on_wire.live

    @property
    def waiting(self) -> int:
        """Return how many messages and events wait for the consumer."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Return how many messages the buffer dropped; each was announced by a `Gap`."""
        return self._queue.dropped

    # -- inside -----------------------------------------------------------------------------------

    def _overrun(self) -> BufferFullError:
        return BufferFullError(
            f"{self!r}: {self._queue.size} messages wait for the consumer and another came; read "
            "faster, or choose another Buffer"
        )

    def _wake_settled(self) -> None:
        waiting, self._settled = self._settled, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _on_end(self, error: BaseException | None) -> None:
        if error is not None:
            told = error if isinstance(error, NetworkpypeError) else ""
            _log.error("%r ended: %s %s", self, type(error).__name__, told)
            self._error = error
        self._is_over = True
        self._queue.wake()
        self._wake_settled()
        if error is not None and self.on_failed is not None:
            self.on_failed(error)

    async def _next_settled(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._settled.append(future)
        try:
            await future
        finally:
            if future in self._settled:
                self._settled.remove(future)

    def _raise_if_nothing_comes(self) -> None:
        if self._is_over:
            self._raise_if_failed()
            raise StopAsyncIteration
        if not self._supervisor.has_started:
            raise NotConnectedError("the session is not open; use it with async with")

    def _raise_if_over(self) -> None:
        if self._is_over:
            self._raise_if_failed()
            raise NotConnectedError(f"{self!r} is closed; nothing was sent")
        if not self._supervisor.has_started:
            raise NotConnectedError("the session is not open; use it with async with")

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            # Anew each time: its traceback would grow with every call.
            raise self._error.with_traceback(None)

    def _ready_link(self) -> Link:
        self._raise_if_over()
        link = self._supervisor.current
        if link is None or not link.is_ready:
            raise NotConnectedError(
                f"{self!r} is not ready, so nothing was sent; await ready(), or try again later"
            )
        return link

    def _identified(self, request: WebSocketRequest) -> Hashable:
        field, payload = self._options.reply_id, request.payload
        if not isinstance(field, str) or not isinstance(payload, Mapping):
            raise ConfigurationError(
                "this request's reply cannot be told: pass id=, or reply_id= with the name of a "
                "field in a payload that is a mapping"
            )
        if field in payload:
            found: Hashable = payload[field]
            return found
        request.payload = {**payload, field: self._supervisor.new_id()}
        return int(request.payload[field])

    def __repr__(self) -> str:
        state = "closed" if self._is_over else "ready" if self.is_ready else "not ready"
        shard = f", shard {self._options.shard}" if self._options.shard else ""
        return f"WebSocketSession({self.url}, {state}, epoch {self.epoch}{shard})"
