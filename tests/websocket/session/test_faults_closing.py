"""Leaving: `close` in every situation (F44)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory
from networkpype.errors import NotConnectedError, StreamGapError
from networkpype.hooks import Event
from networkpype.retry import Backoff
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import Connected, Disconnected, Gap, Ready
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from tests.support.lag import LoopLag
from tests.support.raw_websocket import CLOSE, close_frame
from tests.support.stage import Guest, Script, Stage, serving, staged, topics, watched

CLOSE_S = 0.3


async def silent(guest: Guest) -> None:
    await guest.enter()
    await guest.read_end()


async def talkative(guest: Guest) -> None:
    await guest.enter()
    while True:
        await guest.say({"n": 1})
        await asyncio.sleep(0)


async def deaf(guest: Guest) -> None:
    await guest.enter()
    guest.pause_reading()
    await asyncio.Event().wait()


async def closing_too(guest: Guest) -> None:
    await guest.enter()
    await guest.hear()
    await guest.write(close_frame(1001))
    await guest.read_end()


async def stalled(guest: Guest) -> None:
    await guest.read_head()
    await guest.read_end()


async def not_answering(guest: Guest) -> None:
    await guest.upgrade()
    await guest.hear()
    await guest.read_end()


async def leaving(guest: Guest) -> None:
    await guest.upgrade()


async def timed(leave: Awaitable[object]) -> float:
    """Return how long it took, less what a busy machine may have added."""
    began = asyncio.get_running_loop().time()
    with LoopLag() as lag:
        await leave
    return asyncio.get_running_loop().time() - began - 2 * lag.worst_s


@pytest.mark.parametrize(
    ("peer", "state"),
    [
        pytest.param(silent, "ready", id="F44-silent-peer"),
        pytest.param(talkative, "ready", id="F44-talkative-peer"),
        pytest.param(deaf, "ready", id="F44-peer-that-does-not-read"),
        pytest.param(closing_too, "ready", id="F44-peer-closes-too"),
        pytest.param(serving, "ready", id="F44-good-peer"),
        pytest.param(stalled, "dialing", id="F44-while-dialing"),
        pytest.param(not_answering, "connected", id="F44-while-subscribing"),
        pytest.param(leaving, "waiting", id="F44-while-backing-off"),
    ],
)
async def test_close_keeps_its_deadline_whatever_the_peer_does(peer: Script, state: str) -> None:
    """That no task and no socket is left, the fixtures of every test find out."""
    waits = Reconnect(backoff=Backoff(100.0, 1.0, 100.0, jitter=lambda: 1.0))
    async with (
        Stage(peer) as stage,
        watched(
            stage.url,
            subscriptions=topics("a"),
            close_timeout_s=CLOSE_S,
            reconnect=waits,
            buffer=Buffer(50, "drop oldest"),
        ) as seen,
    ):
        reached: dict[str, Callable[[], object]] = {
            "ready": lambda: seen.of(Ready),
            "connected": lambda: seen.of(Connected),
            "waiting": lambda: seen.of(Disconnected),
        }
        if state == "dialing":
            await stage.until(lambda: stage.connections)
        else:
            await seen.until(reached[state])
        if peer is closing_too:
            await seen.session.send({"op": "close, please"})
        assert await timed(seen.session.close()) < CLOSE_S * 1.1 + 0.05
        await seen.task
        assert seen.error is None
        assert await timed(seen.session.close()) < 0.05, "again"
        with pytest.raises(NotConnectedError):
            await seen.session.send({})


async def test_a_peer_that_answers_is_not_waited_for_longer() -> None:
    """F44: nor is it cut off: it gets the close frame."""
    async with Stage() as stage, watched(stage.url, close_timeout_s=5.0) as seen:
        await seen.until(lambda: seen.of(Ready))
        assert await timed(seen.session.close()) < 1.0
        assert [got.opcode for _, got in stage.controls] == [CLOSE]


async def test_close_twice_at_the_same_time() -> None:
    """F44: both return when all is over, and the handshake is not cut short by the second."""

    async def slow(guest: Guest) -> None:
        await guest.enter()
        got = await guest.read_frame()
        await asyncio.sleep(0.1)
        await guest.write(close_frame(got.close_code))
        await guest.read_end()

    async with (
        Stage(slow) as stage,
        watched(stage.url, subscriptions=topics("a"), close_timeout_s=2.0) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        before = asyncio.all_tasks()
        first = asyncio.create_task(timed(seen.session.close()))
        await asyncio.sleep(0)
        second = asyncio.create_task(timed(seen.session.close()))
        assert await second > 0.05
        assert await first > 0.05
        gone = before - asyncio.all_tasks()
        assert len(gone) >= 4, "the supervisor, the connection, its reader and its writer"


async def test_close_that_is_cancelled_goes_on_by_itself() -> None:
    """F44: and the next one waits for the rest."""
    async with (
        Stage(silent) as stage,
        watched(stage.url, subscriptions=topics("a"), close_timeout_s=CLOSE_S) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        closing = asyncio.create_task(seen.session.close())
        await asyncio.sleep(0.02)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert await timed(seen.session.close()) < CLOSE_S * 1.1 + 0.05


async def test_close_from_the_consumer_and_from_its_callback() -> None:
    """F44: whoever reads may close, and finds the end of the stream."""

    async def say_and_leave(guest: Guest) -> None:
        await guest.enter()
        await guest.say({"n": 1})
        await guest.hear()

    async with Stage(say_and_leave) as stage:
        async with staged(stage.url, subscriptions=topics("a")) as session:
            got = []
            async for message in session.messages():
                got.append(message.data)
                await session.close()
            assert got == [{"n": 1}]

        async def on_gap(gap: Gap) -> None:
            await other.close()

        async with staged(stage.url, subscriptions=topics("a")) as other:
            await other.ready(2)
            await other.send({"op": "leave"})
            async for _ in other.messages(on_gap=on_gap):
                pass
            assert "closed" in repr(other)


async def test_close_from_a_hook() -> None:
    """F44: which runs within the session's own tasks, so it can only start a task for it."""
    tasks: list[asyncio.Task[None]] = []

    def hook(event: Event) -> None:
        if isinstance(event, Disconnected):
            tasks.append(asyncio.create_task(session.close()))

    async with (
        Stage(leaving) as stage,
        staged(stage.url, subscriptions=topics("a"), hook=hook) as session,
    ):
        with pytest.raises(StreamGapError):
            async for _ in session.messages():
                pass
        await asyncio.gather(*tasks)


async def test_a_session_that_was_never_opened_closes() -> None:
    """F44."""
    async with Stage() as stage:
        async with staged(stage.url) as session:
            other: WebSocketSession = session
        await other.close()
        assert [item async for item in other if not isinstance(item, (Connected, Ready))] == []


async def test_a_factory_that_is_closed_ends_its_sessions() -> None:
    """F44: the other order of leaving; the consumer finds the end of the stream."""
    async with Stage() as stage, ConnectionManagersFactory(AsyncThrottler([])) as factory:
        session = factory.get_ws_session(stage.url, subscriptions=topics("a"))
        await session.open()
        await session.ready(2)
        await factory.close()
        async with asyncio.timeout(2):
            assert [type(item) async for item in session] == [Connected, Ready]
        assert stage.connections == 1
