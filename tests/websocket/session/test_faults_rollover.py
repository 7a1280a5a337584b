"""A connection that is replaced on purpose (F41), and a thousand that were not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc

import pytest

from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import (
    Disconnected,
    Gap,
    Ready,
    SessionMessage,
)
from networkpype.websocket.session.redial import Reconnect
from tests.support.raw_websocket import open_sockets
from tests.support.stage import AT_ONCE, Guest, Seen, Stage, serving, topics, watched


class Ticking:
    """Say 0, 1, 2, ... to whoever is subscribed; connections come and go in between."""

    def __init__(self) -> None:
        self.next = 0
        self.guests: set[Guest] = set()
        self.most_guests = 0

    async def play(self, guest: Guest) -> None:
        await guest.enter()
        self.guests.add(guest)
        self.most_guests = max(self.most_guests, len(self.guests))
        try:
            await guest.serve()
        finally:
            self.guests.discard(guest)

    async def run(self, every_s: float) -> None:
        while True:
            for guest in list(self.guests):
                with contextlib.suppress(ConnectionError):
                    await guest.say({"n": self.next})
            self.next += bool(self.guests)
            await asyncio.sleep(every_s)


def told(seen: Seen) -> tuple[list[int], list[int]]:
    """Return the numbers that came for the first time, and those that were called duplicates."""
    messages = seen.of(SessionMessage)
    return (
        [each.data["n"] for each in messages if not each.duplicate],
        [each.data["n"] for each in messages if each.duplicate],
    )


@pytest.mark.parametrize("why", ["F41-age", "F41-notice"])
async def test_a_planned_change_of_connections_loses_nothing(why: str) -> None:
    """F41: before the exchange's limit or on its notice; what came twice is marked."""
    feed = Ticking()
    policy = Reconnect(
        backoff=AT_ONCE,
        most_dials=1000,
        overlap_s=0.05,
        rollover_s=0.2 if why == "F41-age" else None,
        notice=(lambda data: "maintenance" in data) if why == "F41-notice" else None,
    )
    async with (
        Stage(feed.play) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy) as seen,
    ):
        ticking = asyncio.create_task(feed.run(0.002))
        await seen.until(lambda: seen.of(Ready))
        for number in (1, 2, 3):
            if why == "F41-notice":
                (guest,) = feed.guests
                await guest.say({"n": -1, "maintenance": True})
            await seen.until(lambda number=number: len(seen.of(Disconnected)) == number)  # type: ignore[misc]
        ticking.cancel()
        last = feed.next - 1
        await seen.until(lambda: any(n == last for n in told(seen)[0]))
        first, second = told(seen)
        numbers = [n for n in first if n >= 0]
        assert sorted(numbers) == list(range(numbers[0], last + 1)), "none lost, none twice"
        assert set(second) <= set(numbers)
        assert len(second) == len(set(second)) > 0
        assert not seen.of(Gap)
        assert all(each.planned and each.retry_in_s is None for each in seen.of(Disconnected))
        assert feed.most_guests == 2
        assert stage.connections >= 4


async def test_what_came_twice_is_left_out_where_the_newest_alone_counts() -> None:
    """F41: behind something newer the copy is old, and what is new is never called a copy."""
    guests: list[Guest] = []

    async def play(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.serve()

    policy = Reconnect(
        backoff=AT_ONCE, most_dials=1000, notice=lambda data: "end" in data, overlap_s=5.0
    )
    async with (
        Stage(play) as stage,
        watched(
            stage.url,
            subscriptions=topics("a"),
            reconnect=policy,
            buffer=Buffer(50, "conflate", lambda data: data.get("k")),
        ) as seen,
    ):
        await seen.session.ready(2)
        await guests[0].say({"end": 1})
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        old, new = guests
        for n in range(3):
            await old.say({"k": "x", "n": n})
            await seen.until(lambda n=n: seen.data[-1].get("n") == n)  # type: ignore[misc]
        for n in range(3):
            await new.say({"k": "x", "n": n})
        await new.say({"k": "x", "n": 3})
        await seen.until(lambda: seen.data[-1].get("n") == 3)
        assert [each["n"] for each in seen.data[1:]] == [0, 1, 2, 3]
        assert not [each for each in seen.of(SessionMessage) if each.duplicate]


async def test_a_change_whose_new_connection_fails_keeps_the_old_one() -> None:
    """F41: the old one delivers on, and another is tried."""
    feed = Ticking()

    async def fail(guest: Guest) -> None:
        await guest.upgrade()
        guest.reset()

    policy = Reconnect(backoff=AT_ONCE, most_dials=1000, overlap_s=0.05, rollover_s=0.1)
    async with (
        Stage(feed.play, fail, fail, feed.play) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy) as seen,
    ):
        ticking = asyncio.create_task(feed.run(0.002))
        await seen.until(lambda: [each for each in seen.of(Disconnected) if each.planned])
        ticking.cancel()
        ends = [(each.epoch, each.planned) for each in seen.of(Disconnected)]
        assert ends == [(2, False), (3, False), (1, True)]
        assert not seen.of(Gap)
        numbers = sorted(told(seen)[0])
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


async def test_the_old_connection_that_falls_first_leaves_a_gap() -> None:
    """F41: the exchange hangs up before the new one is ready: a loss, and said to be one."""
    feed = Ticking()
    new = asyncio.Event()

    async def slow(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        for other in list(feed.guests):
            other.reset()
        await new.wait()
        await guest.accept(data)
        feed.guests.add(guest)
        await guest.serve()

    policy = Reconnect(backoff=AT_ONCE, most_dials=1000, overlap_s=0.05, rollover_s=0.1)
    async with (
        Stage(feed.play, slow, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy) as seen,
    ):
        await seen.until(lambda: seen.of(Gap))
        new.set()
        await seen.until(lambda: len(seen.of(Ready)) >= 2)
        first = seen.of(Disconnected)[0]
        assert (first.epoch, first.planned) == (1, False)
        assert seen.of(Gap)[0].epoch == 1
        assert seen.session.is_ready


async def test_a_thousand_reconnects_leave_nothing_behind() -> None:
    """No task, no socket, and less than 5 MB more memory than after the first hundred."""

    async def drop(guest: Guest) -> None:
        await guest.enter(2)
        await guest.say({"n": guest.number})

    policy = Reconnect(backoff=AT_ONCE, most_dials=100_000)
    async with (
        Stage(drop) as stage,
        watched(stage.url, subscriptions=topics("a", "b"), reconnect=policy) as seen,
    ):
        readings: list[tuple[int, int, int]] = []

        async def read(connections: int) -> None:
            await seen.until(lambda: seen.items and seen.items[-1].epoch >= connections, 50)
            seen.items.clear()
            stage.heard.clear()
            gc.collect()
            memory = tracemalloc.get_traced_memory()[0]
            readings.append((len(asyncio.all_tasks()), open_sockets(), memory))

        await read(50)
        tracemalloc.start()
        try:
            await read(100)
            await read(1100)
        finally:
            tracemalloc.stop()
    (_, _, _), (tasks, sockets, memory), (tasks_after, sockets_after, memory_after) = readings
    assert stage.connections >= 1100
    assert tasks_after <= tasks + 6, "as many as one connection has, here or there"
    assert sockets_after <= sockets + 4
    assert memory_after - memory < 5_000_000
    print(f"1,000 reconnects: {memory_after - memory:,} bytes")  # noqa: T201
