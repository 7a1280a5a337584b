"""More subscriptions than a connection takes: as many connections as are needed, read as one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from networkpype.errors import (
    ConcurrentReceiveError,
    ConfigurationError,
    NotConnectedError,
    RequestTimeoutError,
)
from networkpype.websocket.session.events import SessionEvent, SessionMessage, ShardMessage
from networkpype.websocket.session.reading import StreamReader
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.subscriptions import Subscription

__all__ = ["ShardedSession"]

_LINGER_S = 10.0  # who removes a subscription often adds another


@dataclass(slots=True, eq=False)
class _Shard:
    number: int
    session: WebSocketSession
    items: deque[Any] = field(init=False)
    closing: asyncio.TimerHandle | None = None
    is_leaving: bool = False

    def __post_init__(self) -> None:
        self.items = self.session._queue.items


class ShardedSession(StreamReader):
    """One stream over many subscriptions; get it from `factory.get_sharded_session`.

    It is used as a `WebSocketSession` is. Behind it stand sessions like `template`, the shards: a
    subscription goes to the first that has room for it within `max_subscriptions`, and stays there.
    Each dials, logs in, and comes back for itself, so that a drop concerns the subscriptions of one
    shard, which `subscriptions_of` tells. A shard that is empty for ten seconds is closed, but for
    the first.

    What comes is in order within a shard; `shard` of every message and event says which, from 1.
    Each shard has a `Buffer` of its own. Where one shard cannot go on, all end, and the error is
    raised when everything that waits is read. There is no `send` or `request`, for which connection
    would that be: take a session of its own.
    """

    def __init__(
        self,
        template: WebSocketSession,
        subscriptions: Sequence[Subscription] = (),
    ) -> None:
        super().__init__(template._post_processors)
        self._template = template
        self._wanted = Wanted()
        self._places: dict[Hashable, _Shard] = {}
        self._shards: list[_Shard] = []
        self._order: deque[_Shard] = deque()  # the next to be read stands first
        self._last_number = 0
        self._put_back: deque[SessionMessage | SessionEvent] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._has_started = False
        self._is_over = False
        self._dropped = 0
        self._new_shard()
        self.add(*subscriptions)

    # -- what the user does -----------------------------------------------------------------------

    async def open(self) -> None:
        """Begin; returns at once, for the exchange may be down. ``async with`` does it."""
        if self._is_over:
            raise ConfigurationError("the session was closed; get another from the factory")
        self._has_started = True
        for shard in self._shards:
            shard.session.begin()

    async def close(self) -> None:
        """End all shards at the same time, within a little more than `close_timeout_s`.

        Safe to repeat. What waits for the consumer already, is still delivered.
        """
        self._end()
        # In tasks of their own: a cancelled close() has begun to close them all.
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._wake()

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until every shard is logged in and everything wanted is answered.

        Raises RequestTimeoutError after `timeout_s`, and what ended the session.
        """
        now = asyncio.get_running_loop().time
        until = None if timeout_s is None else now() + timeout_s
        self._raise_if_over()
        while shard := next((each for each in self._live() if not each.session.is_settled), None):
            try:
                await shard.session.ready(None if until is None else max(0.0, until - now()))
            except RequestTimeoutError as error:
                raise RequestTimeoutError(f"not ready within {timeout_s:g} s: {error}") from None
            except NotConnectedError:
                self._raise_if_over()
                if not shard.is_leaving:
                    raise
            self._raise_if_over()

    def add(self, *subscriptions: Subscription) -> None:
        """Want these, from now on and after every reconnect; each `add` takes one `remove`.

        Opens connections where the others are full. Raises ConfigurationError, and adds none, where
        one cannot be asked for; what ended it, or NotConnectedError after `close`.
        """
        if self._is_over:
            self._raise_if_over(
                NotConnectedError(
                    f"{self!r} is closed for good, so nothing was subscribed; get another from the "
                    "factory"
                )
            )
        self._template.check(subscriptions)
        for subscription in subscriptions:
            if self._wanted.add(subscription):
                shard = self._place_for(subscription.key)
                self._keep(shard)
                self._places[subscription.key] = shard
                shard.session.add(subscription)

    def remove(self, *subscriptions: Subscription) -> None:
        """Want these no more; what nobody wants is unsubscribed. An unknown one is no error."""
        for subscription in subscriptions:
            if self._wanted.remove(subscription):
                shard = self._places.pop(subscription.key)
                shard.session.remove(subscription)
                if shard.number > 1 and not shard.session.subscriptions:
                    self._leave_soon(shard)

    @property
    def shards(self) -> tuple[int, ...]:
        """Return the numbers of the shards that are there."""
        return tuple(shard.number for shard in self._live())

    def subscriptions_of(self, shard: int) -> tuple[Subscription, ...]:
        """Return what is wanted of this shard: what a `Gap` of it concerns."""
        found = [each.session.subscriptions for each in self._shards if each.number == shard]
        return found[0] if found else ()

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return what is wanted."""
        return tuple(self._wanted)

    @property
    def live(self) -> frozenset[Hashable]:
        """Return the keys of the subscriptions that the exchange confirmed on open connections."""
        return frozenset().union(*(shard.session.live for shard in self._shards))

    @property
    def is_ready(self) -> bool:
        """Tell whether every shard has a connection that was ready since it opened."""
        return not self._is_over and all(shard.session.is_ready for shard in self._live())

    @property
    def waiting(self) -> int:
        """Return how many messages and events wait for the consumer."""
        return len(self._put_back) + sum(shard.session.waiting for shard in self._shards)

    @property
    def dropped(self) -> int:
        """Return how many messages the buffers dropped; each was announced by a `Gap`."""
        return self._dropped + sum(shard.session.dropped for shard in self._shards)

    # -- reading ----------------------------------------------------------------------------------

    def at_hand(self) -> SessionMessage | SessionEvent | None:
        """Return the next item, decoded, where one is there and the event loop had its turn."""
        self._turn -= 1
        order = self._order
        if self._turn <= 0:
            order.rotate(-1)  # the others have their turn, too
            return None
        if self._put_back:
            return self._put_back.popleft()
        for _ in range(len(order)):
            shard = order[0]
            if shard.items and (item := shard.session.taken()) is not None:
                if isinstance(item, SessionMessage):
                    return ShardMessage(item, shard.number)
                return item
            order.rotate(-1)
        return None

    def put_back(self, item: SessionMessage | SessionEvent) -> None:
        """Let it be the next item again."""
        self._put_back.appendleft(item)

    async def _arrival(self) -> None:
        if self._waiter is not None:
            raise ConcurrentReceiveError("another task is reading this session")
        self._forget_those_who_left()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            for shard in self._shards:
                shard.session._queue.waiter = self._waiter
            await self._waiter
        finally:
            self._waiter = None
            for shard in self._shards:
                shard.session._queue.waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _raise_if_nothing_comes(self) -> None:
        self._raise_if_over(StopAsyncIteration())

    def _raise_if_over(self, over: Exception | None = None) -> None:
        if self._error is not None:
            # Anew each time: its traceback would grow with every call.
            raise self._error.with_traceback(None)
        if self._is_over:
            raise over or NotConnectedError(f"{self!r} is closed")
        if not self._has_started:
            raise NotConnectedError("the session is not open; use it with async with")

    # -- shards come and go -----------------------------------------------------------------------

    def _live(self) -> list[_Shard]:
        return [shard for shard in self._shards if not shard.is_leaving]

    def _new_shard(self) -> _Shard:
        self._last_number += 1
        shard = _Shard(self._last_number, self._template.sibling(self._last_number))
        shard.session.on_failed = self._failed
        self._shards.append(shard)
        self._order.append(shard)
        if self._has_started and not self._is_over:
            shard.session.begin()
            shard.session._queue.waiter = self._waiter
        return shard

    def _place_for(self, key: Hashable) -> _Shard:
        """Return the shard that delivers it still, else the first with room, else a new one."""
        live = self._live()
        still = (shard for shard in live if key in shard.session.stuck)
        free = (shard for shard in live if shard.session.room >= 1)
        return next(still, None) or next(free, None) or self._new_shard()

    def _failed(self, error: BaseException) -> None:
        if self._is_over:
            return
        self._error = error
        self._end()
        self._wake()

    def _end(self) -> None:
        self._is_over = True
        for shard in self._shards:
            self._keep(shard)
            self._do(shard.session.close())

    def _keep(self, shard: _Shard) -> None:
        if shard.closing is not None:
            shard.closing.cancel()
            shard.closing = None

    def _leave_soon(self, shard: _Shard) -> None:
        self._keep(shard)
        if not self._has_started:
            self._shards.remove(shard)
            self._order.remove(shard)
        elif not self._is_over:
            loop = asyncio.get_running_loop()
            shard.closing = loop.call_later(_LINGER_S, self._leave, shard)

    def _leave(self, shard: _Shard) -> None:
        self._forget_those_who_left()
        shard.closing, shard.is_leaving = None, True
        self._do(shard.session.close())

    def _forget_those_who_left(self) -> None:
        """Let go of shards that are closed and read to their end."""
        for shard in [each for each in self._shards if each.is_leaving and not each.items]:
            if shard.session.has_ended:
                self._dropped += shard.session.dropped
                self._shards.remove(shard)
                self._order.remove(shard)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __repr__(self) -> str:
        state = "closed" if self._is_over else "ready" if self.is_ready else "not ready"
        shards = len(self._live())
        return (
            f"ShardedSession({self._template.url}, {state}, {len(self._wanted)} subscriptions, "
            f"{shards} shard{'s' * (shards != 1)})"
        )
