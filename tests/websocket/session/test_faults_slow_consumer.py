"""Consumers that sleep while 100,000 messages come (F31), and such that fail (F45)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from networkpype import WebSocketResponse
from networkpype.errors import BufferFullError
from networkpype.websocket.processor.base import WebSocketPostProcessor
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import Disconnected, Gap, SessionEvent, SessionMessage
from networkpype.websocket.session.session import WebSocketSession
from tests.support.raw_websocket import PING, TEXT, frame
from tests.support.stage import Guest, Stage, staged, topics, watched

ALL = 100_000
SIZE = 1_000
PAD = "x" * 170
KEYS = 7
BEATS = Heartbeat(ping_s=0.1, message={"op": "ping"}, message_s=0.1, reply_s=0.1)

FRAMES = [frame(TEXT, f'{{"n":{n},"pad":"{PAD}"}}') for n in range(ALL)]


class Flood:
    """Write all the messages as fast as they go, while pings are answered."""

    def __init__(self) -> None:
        self.all_written = asyncio.Event()
        self.pings = 0

    async def play(self, guest: Guest) -> None:
        await guest.enter()
        writing = asyncio.create_task(self._write(guest))
        try:
            while True:
                data = await guest.hear()
                self.pings += data == {"op": "ping"}
        finally:
            writing.cancel()

    async def _write(self, guest: Guest) -> None:
        for first in range(0, ALL, 200):
            await guest.write(*FRAMES[first : first + 200])
            await asyncio.sleep(0)
        self.all_written.set()


async def first_message(session: WebSocketSession) -> SessionMessage:
    async for item in session:
        if isinstance(item, SessionMessage):
            return item
    raise AssertionError("it ended")


async def read_to_the_last(session: WebSocketSession) -> list[SessionMessage | SessionEvent]:
    items: list[SessionMessage | SessionEvent] = []
    async for item in session:
        items.append(item)
        if isinstance(item, SessionMessage) and item.data["n"] == ALL - 1:
            break
    return items


async def read_into(items: list[SessionMessage | SessionEvent], session: WebSocketSession) -> None:
    async for item in session:
        items.append(item)


def numbers(items: list[SessionMessage | SessionEvent]) -> list[int]:
    return [item.data["n"] for item in items if isinstance(item, SessionMessage)]


async def test_block_loses_nothing_and_the_heartbeat_lives() -> None:
    """F31: the exchange has to wait; it is pinged all the while and never taken for dead."""
    flood = Flood()
    buffer = Buffer(SIZE, "block")
    async with (
        Stage(flood.play) as stage,
        staged(stage.url, subscriptions=topics("a"), buffer=buffer, heartbeat=BEATS) as session,
    ):
        assert (await first_message(session)).data["n"] == 0
        await asyncio.sleep(0.8)  # several deadlines of the heartbeat
        assert not flood.all_written.is_set(), "the test floods too little"
        assert session.waiting <= SIZE + 3, "bounded"
        assert flood.pings >= 4
        assert len([1 for _, got in stage.controls if got.opcode == PING]) >= 1
        items = await read_to_the_last(session)
        assert numbers(items) == list(range(1, ALL))
        assert not [item for item in items if isinstance(item, SessionEvent)], "no gap, no end"


async def test_drop_oldest_announces_exactly_what_it_dropped() -> None:
    """F31: each gap stands where the messages are missing, and counts them."""
    flood = Flood()
    buffer = Buffer(SIZE, "drop oldest")
    async with (
        Stage(flood.play) as stage,
        staged(stage.url, subscriptions=topics("a"), buffer=buffer, heartbeat=BEATS) as session,
    ):
        assert (await first_message(session)).data["n"] == 0
        await flood.all_written.wait()
        items = await read_to_the_last(session)
        got, lost, at = numbers(items), 0, 0
        for item in items:
            if isinstance(item, Gap):
                assert item.lost is not None
                lost += item.lost
                at += item.lost
            elif isinstance(item, SessionMessage):
                at += 1
                assert item.data["n"] == at, "what is missing was announced right before"
        assert got == sorted(got)
        assert lost == session.dropped == ALL - 1 - len(got)
        assert lost > ALL // 2, "the test floods too little"
        assert not [item for item in items if isinstance(item, Disconnected)]


async def test_conflate_keeps_the_newest_of_each_key_and_counts_the_rest() -> None:
    """F31: whoever sleeps finds one message a key, the newest."""
    flood = Flood()
    buffer = Buffer(SIZE, "conflate", key=lambda data: data["n"] % KEYS)
    async with (
        Stage(flood.play) as stage,
        staged(stage.url, subscriptions=topics("a"), buffer=buffer, heartbeat=BEATS) as session,
    ):
        await session.ready(2)
        await flood.all_written.wait()
        got: list[SessionMessage] = []
        async for item in session:
            if isinstance(item, SessionMessage):
                got.append(item)
                if sum(1 + each.replaced for each in got) == ALL:
                    break
        newest = {each.data["n"] % KEYS: each.data["n"] for each in got}
        assert sorted(newest.values()) == list(range(ALL - KEYS, ALL))
        assert len(got) < ALL // 10
        assert session.dropped == 0


async def test_fail_ends_the_session_with_a_typed_error() -> None:
    """F31: what had found a place is delivered before."""
    flood = Flood()
    buffer = Buffer(SIZE, "fail")
    async with (
        Stage(flood.play) as stage,
        staged(stage.url, subscriptions=topics("a"), buffer=buffer, heartbeat=BEATS) as session,
    ):
        await session.ready(2)
        await asyncio.sleep(0.3)
        got: list[SessionMessage | SessionEvent] = []
        with pytest.raises(BufferFullError):
            await read_into(got, session)
        assert numbers(got) == list(range(len(numbers(got))))
        assert len(numbers(got)) >= SIZE - 5
        assert isinstance(got[-1], Gap)


async def test_a_stream_is_not_called_stale_while_nobody_reads_it() -> None:
    """F31: the buffer is full, so the silence is our own."""
    flood = Flood()
    watch = topics("a", matches=lambda data: True, stale_after_s=0.1)
    async with (
        Stage(flood.play) as stage,
        staged(stage.url, subscriptions=watch, buffer=Buffer(10), heartbeat=BEATS) as session,
    ):
        await first_message(session)
        await asyncio.sleep(0.4)
        got = [await anext(session) for _ in range(1000)]
        assert not [item for item in got if isinstance(item, SessionEvent)]


# -- F45 -------------------------------------------------------------------------------------------


async def counting(guest: Guest) -> None:
    await guest.enter()
    for n in range(300):
        await guest.say({"n": n})
        if n % 50 == 49:
            await asyncio.sleep(0.005)
    await guest.serve()


async def test_a_consumer_that_is_cancelled_again_and_again_loses_nothing() -> None:
    """F45: a deadline around each message, too short for most; with a post-processor that waits."""

    class Slow(WebSocketPostProcessor):
        async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
            await asyncio.sleep(0.0005)
            return response

    async with Stage(counting) as stage, staged(stage.url, subscriptions=topics("a")) as session:
        session._post_processors.append(Slow())
        got: list[int] = []
        cancelled = 0
        limit_s = 0.0001
        async with asyncio.timeout(10):
            while len(got) < 300:
                try:
                    async with asyncio.timeout(limit_s):
                        item = await anext(session)
                except TimeoutError:
                    cancelled += 1
                    limit_s = 0.002 if cancelled % 2 else 0.0001
                    continue
                if isinstance(item, SessionMessage):
                    got.append(item.data["n"])
                    limit_s = 0.0001
        assert cancelled > 100
        assert got == list(range(300))


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_a_callback_that_fails_is_the_consumers_own_matter(how: str) -> None:
    """F45: the session stays, keeps its heartbeat, and the stream goes on behind the gap."""

    async def fall(guest: Guest) -> None:
        await guest.enter()

    async def on_gap(gap: Gap) -> None:
        if how == "raises":
            raise ZeroDivisionError
        await asyncio.Event().wait()

    async with (
        Stage(fall, counting) as stage,
        staged(stage.url, subscriptions=topics("a"), heartbeat=Heartbeat(ping_s=0.05)) as session,
    ):

        async def consume() -> None:
            async for _ in session.messages(on_gap=on_gap):
                pass

        with pytest.raises(ZeroDivisionError if how == "raises" else TimeoutError):
            await asyncio.wait_for(consume(), 0.3)
        await session.ready(2)
        got: list[Any] = []
        told: list[Gap] = []
        async for message in session.messages(on_gap=told.append):
            got.append(message.data["n"])
            if len(got) == 300:
                break
        assert got == list(range(300))
        assert session.epoch == 2
        # What was not told to the end is told again.
        assert len(told) == (how == "hangs")


async def test_a_function_of_the_users_that_raises_is_reported_as_it_is() -> None:
    """F45: it does not look like a lost connection, and is not tried again for ever."""

    def key(data: Any) -> Any:
        return data["no such field"]

    async with (
        Stage(counting) as stage,
        watched(stage.url, subscriptions=topics("a"), buffer=Buffer(10, "conflate", key)) as seen,
    ):
        assert isinstance(await seen.end(), KeyError)
        assert stage.connections == 1


async def test_a_consumer_that_leaves_does_not_end_the_session() -> None:
    """F45: its task is cancelled in the middle; another one takes over where it was."""
    async with Stage(counting) as stage, staged(stage.url, subscriptions=topics("a")) as session:
        got: list[int] = []

        async def consume() -> None:
            async for item in session:
                if isinstance(item, SessionMessage):
                    got.append(item.data["n"])

        for _ in range(20):
            task = asyncio.create_task(consume())
            await asyncio.sleep(0.001)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        task = asyncio.create_task(consume())
        async with asyncio.timeout(5):
            while len(got) < 300:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        assert got == list(range(300))
