"""Signs of life: data that stops (F28), pings of all kinds (F29, F30), a blocked loop (F32)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from networkpype.hooks import Event
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import (
    Disconnected,
    LoopBlocked,
    Ready,
    SessionEvent,
    SessionMessage,
    Stale,
)
from tests.support.lag import LoopLag
from tests.support.memory_line import MemoryExchange, MemoryLine
from tests.support.raw_websocket import PING, PONG, TEXT, frame
from tests.support.stage import Guest, Script, Stage, topics, watched


def of(channel: str) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, dict) and data.get("channel") == channel


async def test_a_stream_that_stops_is_told_though_pings_are_answered() -> None:
    """F28: of two subscriptions the one that went quiet is named, once; no connection is lost."""

    async def play(guest: Guest) -> None:
        await guest.enter(2)
        await guest.say({"channel": "a"}, {"channel": "b"})

        async def talk() -> None:
            while True:
                await guest.say({"channel": "a"})
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        try:
            await guest.serve()
        finally:
            talking.cancel()

    subscriptions = [
        *topics("a", matches=of("a"), stale_after_s=0.2),
        *topics("b", matches=of("b"), stale_after_s=0.2),
    ]
    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=subscriptions, heartbeat=Heartbeat(ping_s=0.1)) as seen,
    ):
        await seen.until(lambda: {"channel": "b"} in seen.data)
        with LoopLag() as lag:
            await seen.until(lambda: seen.of(Stale))
        await asyncio.sleep(0.3)
        (stale,) = seen.of(Stale)
        assert (stale.key, stale.epoch) == ("b", 1)
        assert 0.2 <= stale.silent_s < 0.2 * 1.1 + 2 * lag.worst_s + 0.02
        assert not seen.of(Disconnected)


@virtual_time
async def test_silence_is_told_once_and_again_after_data() -> None:
    """F28: a minute at a time, and nothing of it before the exchange said yes."""
    exchange = MemoryExchange(on_message=accept)
    subscriptions = topics("a", matches=of("a"), stale_after_s=60)
    got: list[tuple[float, str]] = []
    async with exchange.session(subscriptions=subscriptions) as session:
        now = asyncio.get_running_loop().time

        async def read() -> None:
            async for item in session:
                got.append((now(), type(item).__name__))

        reading = asyncio.create_task(read())
        await asyncio.sleep(300)
        exchange.lines[0].feed('{"channel": "a"}')
        await asyncio.sleep(300)
    await reading
    times = [at for at, kind in got if kind == "Stale"]
    assert times == [60, 360]


async def accept(line: MemoryLine, payload: Any) -> None:
    line.feed(json.dumps({"id": payload["id"], "result": None}))


async def test_a_flood_of_pings_between_data_is_echoed_to_the_last() -> None:
    """F29: 5,000 with a payload each, pongs that nobody asked for, and all data in between."""
    pings = [b"%d" % number for number in range(5_000)]

    async def flood(guest: Guest) -> None:
        await guest.enter()

        async def write() -> None:
            for number, payload in enumerate(pings):
                await guest.write(
                    frame(PING, payload), frame(PONG, b"unasked"), frame(TEXT, str(number))
                )

        writing = asyncio.create_task(write())
        for _ in pings:
            guest.stage.controls.append((guest.number, await guest.read_frame()))
        await writing
        await guest.serve()

    async with Stage(flood) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: len(seen.data) == len(pings))
        await stage.until(lambda: len(stage.controls) == len(pings))
        assert seen.data == list(range(5_000))
        assert {got.opcode for _, got in stage.controls} == {PONG}
        assert [got.payload for _, got in stage.controls] == pings


@pytest.mark.parametrize(
    ("answers", "ping", "pong"),
    [
        pytest.param({"ping": "pong"}, frame(TEXT, "ping"), b"pong", id="F29-text"),
        pytest.param(
            lambda data: {"pong": data["ping"]} if "ping" in data else None,
            frame(TEXT, '{"ping": 1234567}'),
            b'{"pong":1234567}',
            id="F29-json",
        ),
    ],
)
async def test_pings_that_are_messages_are_answered_and_not_shown(
    answers: Any, ping: bytes, pong: bytes
) -> None:
    """F29: exactly as the exchange wants it; ahead of a consumer that sleeps."""

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.write(frame(TEXT, '{"n": 1}'), ping, frame(TEXT, '{"n": 2}'))
        guest.stage.controls.append((guest.number, await guest.read_frame()))
        guest.stage.notice()
        await guest.serve()

    beats = Heartbeat(answers=answers)
    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=beats) as seen,
    ):
        await stage.until(lambda: stage.controls)
        assert [(got.opcode, got.payload) for _, got in stage.controls] == [(TEXT, pong)]
        await seen.until(lambda: len(seen.data) == 2)
        assert seen.data == [{"n": 1}, {"n": 2}]


async def only_data(guest: Guest) -> None:
    """Talk without a break, and answer no ping."""
    await guest.enter()
    while True:
        await guest.say({"n": 1})
        await asyncio.sleep(0.02)


async def only_pings(guest: Guest) -> None:
    await guest.enter()
    while True:
        await guest.write(frame(PING))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "script", [pytest.param(only_data, id="F30-data"), pytest.param(only_pings, id="F29-pings")]
)
async def test_any_frame_is_as_good_as_a_pong(script: Script) -> None:
    """F29, F30: who talks lives, whatever he leaves unanswered."""
    beats = Heartbeat(ping_s=0.1, message={"op": "ping"}, message_s=0.1, reply_s=0.06)
    async with (
        Stage(script) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=beats) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        await asyncio.sleep(0.5)
        assert not seen.of(Disconnected)


@virtual_time
async def test_pings_of_the_application_keep_their_beat() -> None:
    """F29, F30: every 20 s, data or not, with an id of their own; the answers are not shown."""

    async def answer(line: MemoryLine, payload: Any) -> None:
        if payload.get("op") == "ping":
            line.feed(json.dumps({"op": "pong", "id": payload["id"]}))

    async def talk(line: MemoryLine) -> None:
        line.feed("1")

    exchange = MemoryExchange(on_open=talk, on_message=answer)
    beats = Heartbeat(
        message=lambda id: {"op": "ping", "id": id},
        reply=lambda data: isinstance(data, dict) and data.get("op") == "pong",
    )
    items = []
    async with exchange.session(heartbeat=beats) as session:

        async def read() -> None:
            async for item in session:
                items.append(item)

        reading = asyncio.create_task(read())
        await asyncio.sleep(3601)
    await reading
    ids = [payload["id"] for _, payload in exchange.heard]
    assert len(ids) == len(set(ids)) == 180
    assert [item.data for item in items if isinstance(item, SessionMessage)] == [1]
    assert len(exchange.dials) == 1


# -- F32 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beats",
    [
        pytest.param(Heartbeat(ping_s=0.1), id="F32-protocol"),
        pytest.param(
            Heartbeat(ping_s=None, message="ping", message_s=0.1, reply_s=0.05),
            id="F32-application",
        ),
    ],
)
async def test_a_blocked_loop_is_no_dead_peer(beats: Heartbeat) -> None:
    """F32: blocked for 5 deadlines and more, right after each ping; the peer answered meanwhile."""
    told: list[Event] = []

    async def play(guest: Guest) -> None:
        await guest.enter()
        while True:
            got = await guest.read_frame()
            await guest.write(frame(PONG if got.opcode == PING else TEXT, got.payload or b"0"))
            guest.stage.controls.append((guest.number, got))
            guest.stage.notice()

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=beats, hook=told.append) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        for number in range(1, 3):
            await stage.until(lambda number=number: len(stage.controls) >= number)  # type: ignore[misc]
            time.sleep(0.7)  # noqa: ASYNC251 - this is what is tested
        await asyncio.sleep(0.12)
        assert [item for item in seen.of(SessionEvent) if isinstance(item, Disconnected)] == []
    if beats.message is not None:
        blocked = [each for each in told if isinstance(each, LoopBlocked)]
        assert blocked, "the lag is reported"
        assert all(0.5 < each.blocked_s < 1.5 for each in blocked)


async def test_a_subscribe_that_was_answered_while_the_loop_was_blocked_counts() -> None:
    """F32: its deadline passed, and the ack was in the socket."""
    told: list[Event] = []

    async def play(guest: Guest) -> None:
        await guest.upgrade()
        await guest.accept(await guest.hear())
        time.sleep(0.7)  # noqa: ASYNC251 - the loop is the client's too
        await guest.serve()

    quick = MethodSubscribe(ack_timeout_s=0.1)
    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a", dialect=quick), hook=told.append) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert not seen.of(Disconnected)
        assert [type(each) for each in told].count(LoopBlocked) == 1
