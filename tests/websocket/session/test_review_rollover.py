"""Changes of connections that go wrong: what is lost is told, and nothing is thrown away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from networkpype.retry import Backoff
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import (
    Connected,
    Disconnected,
    Gap,
    Ready,
    SessionEvent,
    SessionMessage,
)
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from tests.support.memory_line import MemoryExchange
from tests.support.raw_websocket import close_frame
from tests.support.stage import AT_ONCE, Guest, Stage, serving, staged, topics, watched

REFUSAL = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"


def says_so(data: Any) -> bool:
    return "maintenance" in data


def policy(**more: Any) -> Reconnect:
    return Reconnect(
        **{"backoff": AT_ONCE, "most_dials": 1000, "overlap_s": 0.05, "notice": says_so, **more}
    )


NOTICE = {"maintenance": True}


async def refused(guest: Guest) -> None:
    await guest.write(REFUSAL)
    guest.hang_up()


async def upto(session: WebSocketSession, last: type[SessionEvent]) -> AsyncIterator[Any]:
    async for item in session:
        yield item
        if isinstance(item, last):
            break


# -- a consumer who sleeps -------------------------------------------------------------------------


async def test_what_waits_in_the_socket_outlives_a_change_of_connections() -> None:
    """The buffer is full when the old one is to go: it stays until it is read."""
    guests: list[Guest] = []

    async def play(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.serve()

    async with (
        Stage(play) as stage,
        staged(
            stage.url,
            subscriptions=topics("a"),
            buffer=Buffer(20, "block"),
            reconnect=policy(overlap_s=0.2),
        ) as session,
    ):
        await session.ready(2)
        await guests[0].say(NOTICE)
        await stage.until(lambda: len(guests) == 2)
        await session.ready(2)
        for number in range(200):
            for guest in guests:
                await guest.say({"n": number})
        await asyncio.sleep(0.6)
        assert len(guests) == 2
        numbers: set[int] = set()
        events: list[SessionEvent] = []
        async with asyncio.timeout(5):
            async for item in session:
                if isinstance(item, SessionMessage):
                    numbers.add(item.data.get("n", -1))
                else:
                    events.append(item)
                if any(isinstance(event, Disconnected) for event in events):
                    break
        assert numbers == set(range(-1, 200))
        assert not any(isinstance(event, Gap) for event in events)
        assert [e.planned for e in events if isinstance(e, Disconnected)] == [True]


async def test_no_change_begins_while_the_buffer_is_full() -> None:
    guests: list[Guest] = []

    async def play(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.serve()

    async with (
        Stage(play) as stage,
        staged(
            stage.url,
            subscriptions=topics("a"),
            buffer=Buffer(20, "block"),
            reconnect=policy(rollover_s=0.2),
        ) as session,
    ):
        await session.ready(2)
        await guests[0].say(*[{"n": number} for number in range(200)])
        await asyncio.sleep(0.6)
        assert stage.connections == 1
        numbers = []
        async with asyncio.timeout(5):
            async for item in session:
                if isinstance(item, SessionMessage):
                    numbers.append(item.data["n"])
                elif isinstance(item, Connected) and item.epoch == 2:
                    break
        assert numbers == list(range(200))


@virtual_time
async def test_an_old_one_that_nobody_reads_is_ended_in_the_end_and_leaves_a_gap() -> None:
    """A minute after another took over: then what it held is lost, and said to be."""
    exchange = MemoryExchange()
    reconnect = Reconnect(rollover_s=100.0)
    async with exchange.session(reconnect=reconnect, buffer=Buffer(5, "block")) as session:
        await asyncio.sleep(100.5)
        for line in exchange.lines:
            for number in range(20):
                line.feed(f'{{"n":{number}}}')
        await asyncio.sleep(100)
        events = [item async for item in upto(session, Gap) if isinstance(item, SessionEvent)]
        ends = [each for each in events if isinstance(each, Disconnected)]
        assert [(each.epoch, each.planned) for each in ends] == [(1, False)]
        assert events[-1].epoch == 1


# -- the old one falls first -----------------------------------------------------------------------


async def test_an_old_one_that_falls_just_before_the_new_one_is_ready_leaves_a_gap() -> None:
    """Both are seen in one turn of the loop: it was no planned end."""
    guests: dict[int, Guest] = {}
    asked: dict[int, Any] = {}
    heard = asyncio.Event()

    async def first(guest: Guest) -> None:
        await guest.enter(2)
        guests[1] = guest
        await guest.serve()

    async def second(guest: Guest) -> None:
        await guest.upgrade()
        guests[2] = guest
        await guest.accept(await guest.hear())
        asked.update(await guest.hear())
        heard.set()
        await guest.serve()

    async with (
        Stage(first, second, serving) as stage,
        watched(stage.url, subscriptions=topics("a", "b"), reconnect=policy()) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        await guests[1].say(NOTICE)
        await heard.wait()
        await asyncio.sleep(0.02)
        await asyncio.gather(guests[1].write(close_frame(1012)), guests[2].accept(asked))
        await seen.until(lambda: [each for each in seen.of(Ready) if each.epoch == 3])
        ends = [(each.epoch, each.planned) for each in seen.of(Disconnected)]
        assert ends == [(1, False), (2, False)]
        assert [each.epoch for each in seen.of(Gap)] == [1, 2]


async def test_nothing_of_what_stands_after_the_gap_came_before_it() -> None:
    """Whoever throws away what he has at a gap, gets it all anew on the next connection."""

    async def first(guest: Guest) -> None:
        await guest.enter(2)
        guests.append(guest)
        await guest.say(NOTICE)
        await guest.serve()

    async def half_way(guest: Guest) -> None:
        await guest.enter()
        await guest.say({"snapshot": 2})
        await guest.hear()
        await asyncio.sleep(0.05)
        await guests[0].write(close_frame(1012))
        await guest.serve()

    async def third(guest: Guest) -> None:
        await guest.enter()
        await guest.say({"snapshot": 3})
        await guest.serve()

    guests: list[Guest] = []
    async with (
        Stage(first, half_way, third) as stage,
        watched(stage.url, subscriptions=topics("a", "b"), reconnect=policy()) as seen,
    ):
        await seen.until(lambda: [each for each in seen.of(Ready) if each.epoch == 3])
        assert seen.story[seen.story.index("Connected 2") :] == [
            "Connected 2",
            "{'snapshot': 2}",
            "Disconnected 1",
            "Gap 1",
            "Disconnected 2",
            "Gap 2",
            "Connected 3",
            "{'snapshot': 3}",
            "Ready 3",
        ]


async def test_one_that_delivered_nothing_yet_is_kept() -> None:
    """The old one falls while the new one is dialed: no third dial."""
    guests: list[Guest] = []

    async def first(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.say(NOTICE)
        await guest.serve()

    async def slow(guest: Guest) -> None:
        await guests[0].write(close_frame(1012))
        await asyncio.sleep(0.05)
        await serving(guest)

    async with (
        Stage(first, slow) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy()) as seen,
    ):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert [each.epoch for each in seen.of(Gap)] == [1]
        assert stage.connections == 2


async def test_a_new_one_that_falls_while_the_old_one_stands_leaves_no_gap() -> None:
    """The old one is the current one again, and another is tried."""

    async def says_it(guest: Guest) -> None:
        await guest.enter()
        await guest.say(NOTICE)
        await guest.serve()

    async def falls(guest: Guest) -> None:
        await guest.enter()
        await asyncio.sleep(0.05)
        guest.reset()

    async with (
        Stage(says_it, falls, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy(overlap_s=0.3)) as seen,
    ):
        await seen.until(lambda: len(seen.of(Disconnected)) == 2)
        ends = [(each.epoch, each.planned) for each in seen.of(Disconnected)]
        assert ends == [(2, False), (1, True)]
        assert not seen.of(Gap)


# -- the new one is refused ------------------------------------------------------------------------


async def test_a_new_one_that_lacks_a_subscription_does_not_take_over() -> None:
    """What the old one delivers, nobody else would: it stays, and another is tried."""

    async def play(guest: Guest) -> None:
        await guest.upgrade()
        while True:
            data = await guest.hear()
            if guest.number == 2 and data["params"] == ["b"]:
                await guest.say({"id": data["id"], "error": {"code": 2, "msg": "too many"}})
            else:
                await guest.accept(data)
                if guest.number == 1 and data["params"] == ["b"]:
                    await guest.say(NOTICE)

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a", "b"), reconnect=policy()) as seen,
    ):
        await seen.until(lambda: len(seen.of(Disconnected)) == 2)
        ends = [(each.epoch, each.planned) for each in seen.of(Disconnected)]
        assert ends == [(2, False), (1, True)]
        assert seen.of(Disconnected)[0].retry_in_s is not None
        assert not seen.of(Gap)
        assert seen.session.live == {"a", "b"}
        assert seen.session.epoch == 3


async def test_refused_changes_are_tried_again_and_not_held_against_the_old_one() -> None:
    """Fatal statuses and failures of a second dial count for themselves."""
    guests: list[Guest] = []

    async def first(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.say(NOTICE)
        await guest.serve()

    async with (
        Stage(first, refused, refused, refused, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy(most_attempts=2)) as seen,
    ):
        await seen.until(lambda: [each for each in seen.of(Disconnected) if each.planned])
        ends = [(each.epoch, each.retry_in_s is None) for each in seen.of(Disconnected)]
        assert ends == [(2, False), (3, False), (4, False), (1, True)]
        assert stage.connections == 5
        assert seen.error is None


async def test_a_fatal_code_after_a_refused_change_is_the_first_of_its_kind() -> None:
    guests: list[Guest] = []

    async def first(guest: Guest) -> None:
        await guest.enter()
        guests.append(guest)
        await guest.say(NOTICE)
        await guest.serve()

    slow = Backoff(0.2, 1.0, 0.2, jitter=lambda: 1.0)
    async with (
        Stage(first, refused, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy(backoff=slow)) as seen,
    ):
        await seen.until(lambda: seen.of(Disconnected))
        await guests[0].write(close_frame(1008, "no"))
        await seen.until(lambda: [each for each in seen.of(Ready) if each.epoch == 3])
        assert seen.error is None


# -- notices ---------------------------------------------------------------------------------------


async def test_an_exchange_that_always_says_so_is_not_dialed_for_ever() -> None:
    """The wait before each change grows as that before each dial does."""

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(NOTICE)
        await guest.serve()

    growing = Backoff(0.05, 2.0, 60.0, jitter=lambda: 1.0)
    async with (
        Stage(play) as stage,
        watched(
            stage.url, subscriptions=topics("a"), reconnect=policy(backoff=growing, overlap_s=0.0)
        ) as seen,
    ):
        await asyncio.sleep(1.0)
        assert 3 <= stage.connections <= 6, "after 0.05, 0.1, 0.2, 0.4 s"
        assert not seen.of(Gap)


async def test_a_notice_that_comes_during_a_change_is_heeded_after_it() -> None:
    """Of the connection that is not the current one yet, too."""

    async def play(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        if guest.number <= 2:
            await guest.say(NOTICE)  # before it is ready
        await guest.accept(data)
        with contextlib.suppress(ConnectionError):
            await guest.serve()

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a"), reconnect=policy()) as seen,
    ):
        await seen.until(lambda: len(seen.of(Disconnected)) == 2)
        assert [each.planned for each in seen.of(Disconnected)] == [True, True]
        assert stage.connections == 3
