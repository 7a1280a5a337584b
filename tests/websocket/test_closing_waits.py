"""What waits for a limit ends with its connection or factory: nothing is sent, nothing is held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Event,
    NotConnectedError,
    Outcome,
    RateLimit,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPreProcessor,
    WebSocketRequest,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.factory import ConnectionsFactory
from networkpype.testing import MockVenue
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.sharded import ShardedSession
from tests.support.stage import Guest, Stage, serving, topics

AN_HOUR = 3600.0
KNOWN = {"messages", "dials", "other"}


class OfTheUser(AsyncThrottler):
    """Says anew what a task is, so it is entered as it stands."""

    def execute_task(self, limit_id: str, **how: Any) -> Any:
        return super().execute_task(limit_id, **how)


def stingy(kind: type[AsyncThrottler] = AsyncThrottler) -> AsyncThrottler:
    """Return a throttler that lets one call of each limit go, and then none for an hour."""
    return kind([RateLimit(name, 1, AN_HOUR) for name in sorted(KNOWN)], safety_margin_pct=0)


def message(number: int, limit_id: str | None = "messages") -> WebSocketJSONRequest:
    return WebSocketJSONRequest({"n": number}, throttler_limit_id=limit_id)


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110, an event would have to be woven into the throttler
            await asyncio.sleep(0)


async def until_waiting(throttler: AsyncThrottler, limit_id: str, callers: int = 1) -> None:
    await until(lambda: throttler.snapshot()[limit_id].waiting == callers)


async def ended(task: asyncio.Task[Any]) -> str:
    """Return what the NotConnectedError says that it ends with, at once and with nothing sent."""
    with pytest.raises(NotConnectedError) as caught:
        await asyncio.wait_for(task, 1.0)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert task.cancelling() == 0
    return str(caught.value)


def is_idle(throttler: AsyncThrottler) -> bool:
    usage = throttler.snapshot().values()
    return not any(each.waiting or each.held for each in usage)


async def close_factory(factory: ConnectionManagersFactory, manager: WebSocketManager) -> None:
    await factory.close()


async def close_connections(factory: ConnectionManagersFactory, manager: WebSocketManager) -> None:
    await factory._connections.close()


async def disconnect(factory: ConnectionManagersFactory, manager: WebSocketManager) -> None:
    await manager.disconnect()


Closing = Callable[[ConnectionManagersFactory, WebSocketManager], Awaitable[None]]
CLOSINGS = [close_factory, close_connections, disconnect]
closings = pytest.mark.parametrize("closing", CLOSINGS, ids=lambda each: each.__name__)
kinds = pytest.mark.parametrize("kind", [AsyncThrottler, OfTheUser])


@asynccontextmanager
async def nothing_left(throttler: AsyncThrottler) -> AsyncIterator[None]:
    """Check that no task and no reservation outlives the block."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert is_idle(throttler)


# -- messages --------------------------------------------------------------------------------------


@kinds
@closings
async def test_sends_that_wait_for_capacity_end_and_pay_nothing(
    closing: Closing, kind: type[AsyncThrottler]
) -> None:
    throttler = stingy(kind)
    factory = ConnectionManagersFactory(throttler)
    async with Stage() as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        await manager.send(message(1))
        sends = [start(manager.send(message(number))) for number in (2, 3)]
        sends.append(start(manager.subscribe(message(4))))
        await until_waiting(throttler, "messages", 3)
        await closing(factory, manager)
        told = {await ended(send) for send in sends}
        assert len(told) == 1
        assert told.pop().endswith("while the message waited for its turn, so nothing was sent")
        assert throttler.snapshot()["messages"].used == 1
        assert not factory._connections._waits._open  # nor is anything remembered
        with pytest.raises(NotConnectedError, match="not connected"):
            await manager.send(message(5))
        await factory.close()
    assert [data["n"] for _, data in stage.heard] == [1]


@closings
async def test_sends_and_pings_that_wait_for_the_connections_own_limit_end(
    closing: Closing,
) -> None:
    throttler = stingy()
    factory = ConnectionManagersFactory(throttler)
    async with Stage() as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager(message_limit=RateLimit("own", 1, AN_HOUR))
        await manager.connect(stage.url)
        pace = manager._connection.pace
        assert pace is not None
        await manager.send(message(1, None))
        waiting = [
            start(manager.send(message(2, None))),
            start(manager.send(message(3, "messages"))),  # has the one, waits for the other
            start(manager.ping(b"x")),
        ]
        await until_waiting(pace._throttler, "own", 3)
        assert throttler.snapshot()["messages"].used == 1
        await closing(factory, manager)
        for task in waiting:
            await ended(task)
        assert throttler.snapshot()["messages"].used == 0
        assert is_idle(pace._throttler)
        await factory.close()
    assert [data["n"] for _, data in stage.heard] == [1]


@pytest.mark.parametrize("limit", ["messages", "own"])
@closings
async def test_a_send_that_was_prepared_too_long_waits_anew_and_ends_too(
    closing: Closing, limit: str
) -> None:
    prepared = asyncio.Event()

    class Slow(WebSocketPreProcessor):
        async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
            await prepared.wait()
            return request

    throttler = AsyncThrottler([RateLimit("messages", 1, 0.05)], safety_margin_pct=0)
    factory = ConnectionManagersFactory(throttler, ws_pre_processors=[Slow()])
    async with Stage() as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager(message_limit=RateLimit("own", 1, 0.05))
        await manager.connect(stage.url)
        pace = manager._connection.pace
        assert pace is not None
        send = start(manager.send(message(1, "messages" if limit == "messages" else None)))
        await asyncio.sleep(0.4)  # by then its charge has expired
        slow = throttler if limit == "messages" else pace._throttler
        slow.block(AN_HOUR)
        prepared.set()
        await until_waiting(slow, limit)
        await closing(factory, manager)
        assert "waited for its turn" in await ended(send)
        assert is_idle(pace._throttler)
        await factory.close()
    assert not stage.heard


async def test_a_send_that_waits_ends_where_the_loss_of_its_connection_is_read() -> None:
    leave = asyncio.Event()

    async def leaving(guest: Guest) -> None:
        await guest.upgrade()
        await leave.wait()

    throttler = stingy()
    await throttler.acquire("messages")
    factory = ConnectionManagersFactory(throttler)
    async with Stage(leaving) as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        send = start(manager.send(message(1)))
        await until_waiting(throttler, "messages")
        leave.set()
        with pytest.raises(ConnectionError):
            await manager.receive()
        assert "the connection ended while the message waited" in await ended(send)
        await factory.close()


@pytest.mark.parametrize("limit_id", ["messages", None])
@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_send_never_goes_out_on_a_later_connection(
    limit_id: str | None, is_lost: bool
) -> None:
    """Be it that it waits when the first ends, or that it is prepared: for both the turn comes."""
    prepared = asyncio.Event()
    leave = asyncio.Event()

    class Slow(WebSocketPreProcessor):
        async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
            if request.payload["n"] == 1:
                await prepared.wait()
            return request

    async def leaving(guest: Guest) -> None:
        await guest.upgrade()
        await leave.wait()

    throttler = AsyncThrottler([RateLimit("messages", 2, 60.0)], safety_margin_pct=0)
    factory = ConnectionManagersFactory(throttler, ws_pre_processors=[Slow()])
    async with Stage(leaving if is_lost else serving, serving) as stage, factory:
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        sends = [start(manager.send(message(1, limit_id)))]
        await asyncio.sleep(0)
        if limit_id is not None:
            throttler.block(AN_HOUR)
            sends.append(start(manager.send(message(2, limit_id))))
            await until_waiting(throttler, "messages")
        if is_lost:
            leave.set()
            await until(lambda: not manager.connected)  # nobody has read it
        else:
            await manager.disconnect()
        await manager.connect(stage.url)
        throttler.unblock()
        prepared.set()
        for send in sends:
            assert "so nothing was sent" in await ended(send)
        await manager.send(message(3, limit_id))
        await stage.until(lambda: stage.heard)
        assert [(by, data["n"]) for by, data in stage.heard] == [(2, 3)]
        assert is_idle(throttler)
        await manager.disconnect()


async def test_the_callers_own_cancellation_and_timeout_stay_what_they_are() -> None:
    throttler = stingy()
    await throttler.acquire("messages")
    factory = ConnectionManagersFactory(throttler)
    async with Stage() as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)

        async def goes_on() -> str:
            async with asyncio.timeout(60):
                with pytest.raises(NotConnectedError):
                    await manager.send(message(1))
                await asyncio.sleep(0.01)  # a task that was left cancelled would end here
            return "went on"

        async def is_late() -> None:
            async with asyncio.timeout(None) as deadline:
                deadlines.append(deadline)
                await manager.send(message(2))

        deadlines: list[asyncio.Timeout] = []
        cancelled, goes, late = start(manager.send(message(3))), start(goes_on()), start(is_late())
        await until_waiting(throttler, "messages", 3)
        cancelled.cancel()
        deadlines[0].reschedule(0)
        closing = start(factory.close())
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert await goes == "went on"
        with pytest.raises(TimeoutError):
            await late
        await closing
    assert not stage.heard


async def test_others_who_share_the_throttler_go_on() -> None:
    throttler = AsyncThrottler([RateLimit("messages", 1, 60.0)], safety_margin_pct=0)
    async with Stage() as stage, ConnectionManagersFactory(throttler) as other:
        theirs, another = [await other.get_ws_manager() for _ in range(2)]
        await theirs.connect(stage.url)
        await another.connect(stage.url)
        async with ConnectionManagersFactory(throttler) as factory:
            ours = await factory.get_ws_manager()
            await ours.connect(stage.url)
            throttler.block(AN_HOUR)
            sends = [start(each.send(message(n))) for n, each in enumerate((ours, another, theirs))]
            await until_waiting(throttler, "messages", 3)
            await another.disconnect()
            await ended(sends[1])
        await ended(sends[0])
        throttler.unblock()
        await sends[2]
        await stage.until(lambda: stage.heard)
        assert [data["n"] for _, data in stage.heard] == [2]
        await theirs.disconnect()


# -- dials -----------------------------------------------------------------------------------------


@kinds
@closings
async def test_a_dial_that_waits_for_its_turn_ends_and_dials_nothing(
    closing: Closing, kind: type[AsyncThrottler]
) -> None:
    throttler = stingy(kind)
    await throttler.acquire("dials")
    factory = ConnectionManagersFactory(throttler)
    async with Stage() as stage, nothing_left(throttler):
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        dial = start(manager.connect(stage.url))
        await until_waiting(throttler, "dials")
        await closing(factory, manager)
        assert "the dial waited for its turn, so nothing was dialed" in await ended(dial)
        assert throttler.snapshot()["dials"].used == 1
        await factory.close()
        with pytest.raises(NotConnectedError, match="get a new manager from the factory"):
            await asyncio.wait_for(manager.connect(stage.url), 1)
        assert throttler.snapshot()["dials"].used == 1
        assert stage.connections == 0


@closings
async def test_a_login_that_waits_for_its_dial_fetches_and_dials_nothing(
    closing: Closing,
) -> None:
    throttler = stingy()
    await throttler.acquire("dials")
    async with MockVenue("kucoin") as venue:
        auth = exchange_auth(
            exchange("kucoin").at(venue.url, venue.ws_url),
            venue.credentials,
            throttler_limit_id="other",
        )
        factory = ConnectionManagersFactory(throttler, auth)
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        login = start(manager.login(await factory.get_rest_manager()))
        await until_waiting(throttler, "dials")
        await closing(factory, manager)
        await ended(login)
        assert (throttler.snapshot()["dials"].used, throttler.snapshot()["other"].used) == (1, 0)
        assert is_idle(throttler)
        await factory.close()


async def test_a_manager_that_disconnected_while_its_dial_waited_may_dial_again() -> None:
    throttler = AsyncThrottler([RateLimit("dials", 1, 60.0)], safety_margin_pct=0)
    async with Stage() as stage, ConnectionManagersFactory(throttler) as factory:
        throttler.block(AN_HOUR)
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        dial = start(manager.connect(stage.url))
        await until_waiting(throttler, "dials")
        await manager.disconnect()
        await ended(dial)
        throttler.unblock()
        await manager.connect(stage.url)
        await manager.send(message(1, None))
        await stage.until(lambda: stage.heard)
        assert stage.connections == 1
        await manager.disconnect()


# -- sessions --------------------------------------------------------------------------------------


def one(factory: ConnectionManagersFactory, url: str, **options: Any) -> WebSocketSession:
    return factory.get_ws_session(url, subscriptions=topics("a"), **options)


def several(factory: ConnectionManagersFactory, url: str, **options: Any) -> ShardedSession:
    return factory.get_sharded_session(
        url, subscriptions=topics("a", "b"), max_subscriptions=1, **options
    )


@pytest.mark.parametrize("make", [one, several])
async def test_a_session_that_waits_for_its_dials_closes_at_once(make: Any) -> None:
    throttler = stingy()
    told: list[Event] = []
    factory = ConnectionManagersFactory(throttler, hook=told.append)
    async with Stage() as stage, nothing_left(throttler):
        await throttler.acquire("dials")
        session = make(factory, stage.url, dial_limit_id="dials")
        await session.open()
        await until_waiting(throttler, "dials", 1 if make is one else 2)
        ready = start(session.ready())
        await asyncio.sleep(0)
        await asyncio.wait_for(factory.close(), 1)
        assert "is closed" in await ended(ready)
        assert throttler.snapshot()["dials"].used == 1
    assert stage.connections == 0
    assert told == []  # nothing was lost that had been there


@pytest.mark.parametrize("closes", ["factory", "session"])
async def test_what_a_session_was_given_to_send_ends_with_it(closes: str) -> None:
    throttler = stingy()
    factory = ConnectionManagersFactory(throttler)
    async with Stage() as stage, nothing_left(throttler):
        session = one(factory, stage.url, close_timeout_s=0.5)
        await session.open()
        await session.ready(5)
        await session.send(message(1))
        waiting = [
            start(session.send(message(2), timeout_s=None)),
            start(session.request(message(3), timeout_s=1e6)),
        ]
        await until_waiting(throttler, "messages", 2)
        closing = start(factory.close() if closes == "factory" else session.close())
        for task in waiting:
            await ended(task)
        await closing
        await factory.close()
        assert throttler.snapshot()["messages"].used == 1
    assert [data["n"] for _, data in stage.heard if "n" in data] == [1]


async def test_connections_of_another_session_of_the_factory_are_left_alone() -> None:
    """A factory that was closed and is used anew does not end what waits there."""
    throttler = AsyncThrottler([RateLimit("messages", 1, 0.2)], safety_margin_pct=0)
    async with Stage() as stage, ConnectionsFactory() as connections:
        first = WebSocketManager(await connections.get_ws_connection(), throttler=throttler)
        await connections.close()
        async with connections:
            second = WebSocketManager(await connections.get_ws_connection(), throttler=throttler)
            await second.connect(stage.url)
            with pytest.raises(NotConnectedError):
                await first.connect(stage.url)
            await second.send(message(1))
            await stage.until(lambda: stage.heard)
    assert json.dumps(stage.heard) == '[[1, {"n": 1}]]'
