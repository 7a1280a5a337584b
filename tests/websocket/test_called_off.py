"""What this side calls off: a dial has one error, and what certainly never left costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    ConnectionManagersFactory,
    ConnectionsFactory,
    Event,
    NotConnectedError,
    Outcome,
    RateLimit,
    ThrottleWaited,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPreProcessor,
    WebSocketRequest,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import MockVenue
from networkpype.waits import Waits
from networkpype.websocket.pacing import DialTurn
from tests.support.stage import Guest, Stage, serving

AN_HOUR = 3600.0


class OfTheUser(AsyncThrottler):
    """Says anew what a task is, so it is entered as it stands."""

    def execute_task(self, limit_id: str, **how: Any) -> Any:
        return super().execute_task(limit_id, **how)


class Gate(WebSocketPreProcessor):
    """Holds messages back while they are prepared."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
        self.reached.set()
        await self.opened.wait()
        return request


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


def message(limit_id: str | None = "messages") -> WebSocketJSONRequest:
    return WebSocketJSONRequest({"n": 1}, throttler_limit_id=limit_id)


def limits(*names: str) -> list[RateLimit]:
    return [RateLimit(name, 5, AN_HOUR) for name in names]


async def unsent(task: asyncio.Task[Any]) -> NotConnectedError:
    with pytest.raises(NotConnectedError) as caught:
        await asyncio.wait_for(task, 2.0)
    assert caught.value.outcome is Outcome.NOT_SENT
    return caught.value


# -- dials -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "disconnect"])
async def test_a_dial_that_is_called_off_says_so_wherever_it_was(how: str) -> None:
    async with Stage() as stage:
        for turns in range(1, 200):
            factory = ConnectionManagersFactory(AsyncThrottler([]))
            manager = await factory.get_ws_manager()
            dial = start(manager.connect(stage.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            done = dial.done()
            await (factory.close() if how == "close" else manager.disconnect())
            if done:
                await dial
            else:
                assert "while dialing" in str(await unsent(dial)), turns
            assert not manager.connected
            await factory.close()
            if done:
                return
    pytest.fail("the dial never ended")


async def test_others_heed_the_refusal_of_a_dial_that_was_called_off() -> None:
    async def refusing(guest: Guest) -> None:
        await guest.read_head()
        reached.set()
        await let_go.wait()
        await guest.write(b"HTTP/1.1 429 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")

    reached, let_go = asyncio.Event(), asyncio.Event()
    throttler = AsyncThrottler(limits("dials"))
    async with Stage(refusing) as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        dial = start(manager.connect(stage.url))
        await reached.wait()
        await manager.disconnect()
        let_go.set()
        await unsent(dial)
        assert throttler.snapshot()["dials"].blocked_s > 50


@pytest.mark.parametrize("kind", [AsyncThrottler, OfTheUser])
async def test_a_login_that_was_called_off_waits_for_no_dial(kind: type[AsyncThrottler]) -> None:
    throttler = kind([RateLimit("dials", 1, AN_HOUR), RateLimit("other", 9, AN_HOUR)])
    fetching, let_go = asyncio.Event(), asyncio.Event()
    async with MockVenue("kucoin") as venue:
        profile = exchange("kucoin").at(venue.url, venue.ws_url)
        auth = exchange_auth(profile, venue.credentials, throttler_limit_id="other")
        async with ConnectionManagersFactory(throttler, auth) as factory:
            rest = await factory.get_rest_manager()

            class Slow:
                async def execute_request(self, *args: Any, **options: Any) -> Any:
                    fetching.set()
                    await let_go.wait()
                    return await rest.execute_request(*args, **options)

                async def call(self, *args: Any, **options: Any) -> Any:
                    fetching.set()
                    await let_go.wait()
                    return await rest.call(*args, **options)

            manager = await factory.get_ws_manager(dial_limit_id="dials")
            used = 0
            if kind is OfTheUser:  # which is asked for a turn at the dial alone
                await throttler.acquire("dials")
                used = 1
            login = start(manager.login(Slow()))
            await fetching.wait()
            if kind is AsyncThrottler:
                throttler.block(AN_HOUR, ["dials"])
            await manager.disconnect()
            let_go.set()
            await unsent(login)
            assert throttler.snapshot()["dials"].used == used


async def test_two_that_wait_for_one_turn_of_a_manager_leave_no_charge_behind() -> None:
    throttler = AsyncThrottler(limits("dials"), safety_margin_pct=0)
    turn = DialTurn(throttler, "dials", Waits())
    throttler.block(AN_HOUR)
    both = [start(turn.wait()), start(turn.wait())]
    await asyncio.sleep(0)
    throttler.unblock()
    await asyncio.gather(*both)
    assert throttler.snapshot()["dials"].used == 1
    turn.give_up()
    assert throttler.snapshot()["dials"].used == 0


# -- messages --------------------------------------------------------------------------------------


async def test_a_message_whose_connection_ended_while_it_was_prepared_costs_nothing() -> None:
    gate = Gate()
    throttler = AsyncThrottler(limits("messages"))
    async with (
        Stage() as stage,
        ConnectionManagersFactory(throttler, ws_pre_processors=[gate]) as factory,
    ):
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        sending = start(manager.send(message()))
        await gate.reached.wait()
        await manager.disconnect()
        gate.opened.set()
        await unsent(sending)
        assert throttler.snapshot()["messages"].used == 0
        assert stage.heard == []


async def test_a_message_that_may_go_under_one_limit_and_not_the_other_costs_nothing() -> None:
    gate = Gate()
    throttler = AsyncThrottler(limits("messages"))
    async with (
        Stage() as stage,
        ConnectionManagersFactory(throttler, ws_pre_processors=[gate]) as factory,
    ):
        manager = await factory.get_ws_manager(message_limit=RateLimit("own", 1, AN_HOUR))
        await manager.connect(stage.url)
        sending = start(manager.send(message()))
        await gate.reached.wait()
        own = manager._connection.pace._throttler  # type: ignore[union-attr]
        own.block(AN_HOUR)
        gate.opened.set()
        async with asyncio.timeout(2):
            while not own.snapshot()["own"].waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert throttler.snapshot()["messages"].held == 1
        await manager.disconnect()
        await unsent(sending)
        usage = throttler.snapshot()["messages"]
        assert (usage.used, usage.held, stage.heard) == (0, 0, [])


async def test_a_message_that_was_sent_is_paid_for() -> None:
    throttler = AsyncThrottler(limits("messages"))
    async with Stage() as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        await manager.send(message())
        await stage.until(lambda: stage.heard)
        usage = throttler.snapshot()["messages"]
        assert (usage.used, usage.held) == (1, 0)


async def test_a_hook_may_end_the_wait_that_it_is_told_of() -> None:
    def end(event: Event) -> None:
        if isinstance(event, ThrottleWaited):
            connections.end_waits()

    connections = ConnectionsFactory()
    throttler = AsyncThrottler([RateLimit("messages", 1, 0.05)], safety_margin_pct=0, hook=end)
    factory = ConnectionManagersFactory(throttler, connections_factory=connections)
    async with Stage() as stage, factory:
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)

        async def work() -> str:
            await manager.send(message())
            with pytest.raises(NotConnectedError):
                await manager.send(message())
            await asyncio.sleep(0.01)  # where a cancellation that stayed would come out
            return "done"

        task = start(work())
        assert await asyncio.wait_for(task, 5.0) == "done"
        assert task.cancelling() == 0
        assert len(stage.heard) == 1
        assert throttler.snapshot()["messages"].held == 0


# -- objects of the user's own ---------------------------------------------------------------------


class OldTerms(AsyncThrottler):
    def in_flight(self, limit_id: str, *, departed: bool = True) -> Any:  # type: ignore[override]
        return super().in_flight(limit_id, departed=departed)


async def test_a_throttler_with_an_in_flight_of_its_own_serves_web_sockets() -> None:
    throttler = OldTerms(limits("messages"))
    async with Stage() as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(dial_limit_id="messages")
        await manager.connect(stage.url)
        await manager.send(message())
        await stage.until(lambda: stage.heard)
        assert throttler.snapshot()["messages"].used == 2
        with pytest.raises(ConfigurationError, match="OldTerms knows no max_wait"):
            await manager.send(message(), max_wait=1.0)
        async with factory.get_ws_session(stage.url) as session:
            await session.ready()
            await session.send(message(), timeout_s=1.0)  # its deadline is its own
        assert throttler.snapshot()["messages"].used == 3


class Old:
    """A connection of 1.1.5's shape."""

    connected = True
    last_recv_time = 0.0

    def __init__(self) -> None:
        self.did: list[Any] = []

    async def connect(self, *args: Any, **options: Any) -> None: ...

    async def disconnect(self) -> None: ...

    async def send(self, request: WebSocketRequest) -> None:
        self.did.append(request.payload)

    async def ping(self) -> None:
        self.did.append("ping")

    async def receive(self) -> None: ...


async def test_a_connection_of_the_old_shape_sends_under_a_limit_and_pings() -> None:
    connection: Any = Old()
    manager = WebSocketManager(connection, throttler=AsyncThrottler(limits("messages")))
    await manager.connect("ws://x")
    await manager.send(message())
    await manager.ping()
    assert connection.did == [{"n": 1}, "ping"]


# -- the end of a factory --------------------------------------------------------------------------


class OldConnections:
    """What is enough where a factory is made."""

    def __init__(self) -> None:
        self.inner = ConnectionsFactory()

    async def get_rest_connection(self) -> Any:
        return await self.inner.get_rest_connection()

    async def get_ws_connection(self, **options: Any) -> Any:
        return await self.inner.get_ws_connection(**options)

    async def close(self) -> None:
        await self.inner.close()


async def test_connections_of_the_users_own_are_closed() -> None:
    connections: Any = OldConnections()
    factory = ConnectionManagersFactory(AsyncThrottler([]), connections_factory=connections)
    async with Stage() as stage, factory:
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        async with factory.get_ws_session(stage.url) as session:
            await session.ready()
            assert "ConnectionManagersFactory(" in repr(factory)
            assert session.is_settled
    assert connections.inner.is_closed
    assert not manager.connected


async def stubborn(guest: Guest) -> None:
    """Answer no close frame."""
    await guest.upgrade()
    await asyncio.sleep(AN_HOUR)


@pytest.mark.parametrize("turns", [0, 1, 2, 20])
async def test_a_cancelled_close_leaves_no_socket_open(turns: int) -> None:
    async with Stage(stubborn, serving) as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]))
        session = factory.get_ws_session(stage.url, close_timeout_s=0.2)
        await session.open()
        await stage.until(lambda: stage.connections == 1)
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        before = asyncio.all_tasks()
        closing = start(factory.close())
        await asyncio.sleep(0)  # it has begun
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert not manager.connected
        assert factory._connections.is_closed
        assert session._supervisor.has_ended
        assert asyncio.all_tasks() <= before


async def test_a_stream_that_fails_to_close_keeps_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail() -> None:
        raise OSError("no room")

    async with Stage() as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]))
        session = factory.get_ws_session(stage.url)
        manager = await factory.get_ws_manager()
        await manager.connect(stage.url)
        monkeypatch.setattr(session, "close", fail)
        with pytest.raises(OSError, match="no room"):
            await factory.close()
        assert not manager.connected
        assert factory._connections.is_closed
