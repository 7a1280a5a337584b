"""Subscriptions that are refused, answered late or out of order (F38), or too many (F39)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from networkpype import AsyncThrottler, RateLimit
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session.events import (
    Connected,
    Disconnected,
    Gap,
    Ready,
    SubscribeFailed,
)
from networkpype.websocket.session.session import WebSocketSession
from tests.support.memory_line import MemoryExchange, MemoryLine
from tests.support.stage import Guest, Seen, Stage, serving, staged, topics, watched

FIFTY = [f"c{number}" for number in range(50)]


async def test_an_ack_that_is_lost_takes_a_new_connection() -> None:
    """F38: announced as not definite; the channels that were answered are asked for again too."""

    async def lose(guest: Guest) -> None:
        await guest.enter()
        await guest.hear()
        await guest.serve()

    dialect = MethodSubscribe(ack_timeout_s=0.1)
    async with (
        Stage(lose, serving) as stage,
        watched(stage.url, subscriptions=topics("a", "b", dialect=dialect)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        (failed,) = seen.of(SubscribeFailed)
        assert (failed.epoch, failed.key, failed.definite) == (1, "b", False)
        assert stage.subscribes(2) == ["a", "b"]
        assert seen.story[1:4] == ["SubscribeFailed 1", "Disconnected 1", "Gap 1"]


async def test_a_refusal_of_one_in_fifty_is_that_ones() -> None:
    """F38: 49 are live; the one is told, not asked for again here, but on the next connection."""

    async def refuse(guest: Guest) -> None:
        await guest.upgrade()
        while True:
            data = await guest.hear()
            if data.get("method") != "SUBSCRIBE":
                return
            if data["params"] == ["c17"]:
                await guest.say({"id": data["id"], "error": {"code": 2, "msg": "unknown symbol"}})
            else:
                await guest.accept(data)

    async with (
        Stage(refuse, serving) as stage,
        watched(stage.url, subscriptions=topics(*FIFTY)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        (failed,) = seen.of(SubscribeFailed)
        assert (failed.key, failed.definite) == ("c17", True)
        assert "unknown symbol" in failed.reason
        assert seen.session.live == set(FIFTY) - {"c17"}
        assert stage.subscribes(1) == FIFTY
        await seen.session.send({"op": "leave"})
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert stage.subscribes(2) == FIFTY
        assert seen.session.live == set(FIFTY)


async def test_acks_in_any_order_and_twice() -> None:
    """F38: answered backwards, each two times; none reaches the consumer.

    The very last comes once: from then on messages are not looked into any more.
    """

    async def backwards(guest: Guest) -> None:
        await guest.upgrade()
        asked = [await guest.hear() for _ in FIFTY]
        for data in reversed(asked):
            await guest.accept(data)
            if data is not asked[0]:
                await guest.accept(data)
        await guest.say({"n": 1})
        await guest.serve()

    async with (
        Stage(backwards) as stage,
        watched(stage.url, subscriptions=topics(*FIFTY)) as seen,
    ):
        await seen.until(lambda: seen.data)
        assert seen.data == [{"n": 1}]
        assert seen.session.live == set(FIFTY)
        assert len(seen.of(Ready)) == 1


async def test_an_ack_that_comes_after_it_was_removed() -> None:
    """F38: what nobody wants any more by then is unsubscribed, once; the rest stays."""
    removed = asyncio.Event()

    async def slow(guest: Guest) -> None:
        await guest.upgrade()
        asked = [await guest.hear() for _ in range(2)]
        await removed.wait()
        for data in asked:
            await guest.accept(data)
        await guest.serve()

    a, b = topics("a", "b")
    async with Stage(slow) as stage, watched(stage.url, subscriptions=[a, b]) as seen:
        await stage.until(lambda: len(stage.heard) == 2)
        seen.session.remove(a)
        removed.set()
        await seen.session.ready(2)
        asked = [(data["method"], data["params"]) for _, data in stage.heard]
        assert asked[2:] == [("UNSUBSCRIBE", ["a"])]
        assert seen.session.live == {"b"}


async def test_an_ack_of_an_unsubscribe_that_comes_too_late() -> None:
    """F38: after its deadline, when it counts as done: the consumer does not see it."""

    async def slow(guest: Guest) -> None:
        await guest.enter()
        data = await guest.hear()
        assert data["method"] == "UNSUBSCRIBE"
        await asyncio.sleep(0.2)
        await guest.accept(data)
        await guest.say({"n": 1})
        await guest.serve()

    dialect = MethodSubscribe(ack_timeout_s=0.1)
    async with (
        Stage(slow) as stage,
        watched(stage.url, subscriptions=topics("a", dialect=dialect)) as seen,
    ):
        await seen.session.ready(2)
        seen.session.remove(*seen.session.subscriptions)
        await seen.session.ready(2)
        assert not seen.session.live
        await seen.until(lambda: seen.data)
        assert seen.data == [{"n": 1}]


async def test_data_of_a_topic_that_nobody_asked_for_is_passed_on() -> None:
    """F38: it is the consumer's to know; it breaks nothing."""

    async def talk(guest: Guest) -> None:
        await guest.enter()
        await guest.say({"channel": "never heard of"}, {"id": 987654, "result": "whose?"})
        await guest.serve()

    async with Stage(talk) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: len(seen.data) == 2)
        assert seen.data == [{"channel": "never heard of"}, {"id": 987654, "result": "whose?"}]
        assert not seen.of(Disconnected)


@pytest.mark.parametrize("drops", [1, 3])
async def test_changes_while_it_is_away_hold_on_the_next_connection(drops: int) -> None:
    """F38: added and removed between connections, twice the same among them."""
    a, b, c, d = topics("a", "b", "c", "d")

    async def drop(guest: Guest) -> None:
        await guest.upgrade()
        if guest.number > 1:
            return
        await guest.accept(await guest.hear())
        await guest.accept(await guest.hear())
        await guest.hear()

    scripts = [drop] * (drops + 1) + [serving]
    async with Stage(*scripts) as stage, staged(stage.url, subscriptions=[a, b]) as session:
        await session.ready(2)
        session.add(b)  # twice wanted from now on
        await session.send({"op": "leave"})
        async for item in session:
            if isinstance(item, Disconnected):
                session.add(c, d)
                session.remove(a, b, d)
                break
        seen = Seen(session)
        await seen.until(lambda: session.epoch == drops + 2 and seen.of(Ready))
        assert stage.subscribes(drops + 2) == ["b", "c"]
        assert session.live == {"b", "c"}
        await session.close()
        await seen.task


# -- F39 -------------------------------------------------------------------------------------------


async def accept(line: MemoryLine, payload: Any) -> None:
    line.feed(json.dumps({"id": payload["id"], "result": None}))


async def run_to_the_end(session: WebSocketSession) -> None:
    async for _ in session:
        pass


@virtual_time
async def test_resubscribing_keeps_the_exchanges_rate() -> None:
    """F39: 5 messages a second, on every connection; 50 channels are ready then."""
    sent: list[tuple[float, int]] = []

    async def note(line: MemoryLine, payload: Any) -> None:
        sent.append((asyncio.get_running_loop().time(), line.number))
        await accept(line, payload)

    throttler = AsyncThrottler([RateLimit("ws", limit=5, time_interval=1.0)])
    exchange = MemoryExchange(on_message=note, throttler=throttler)
    async with exchange.session(subscriptions=topics(*FIFTY), limit_id="ws") as session:
        reading = asyncio.create_task(run_to_the_end(session))
        await session.ready(20)
        assert 9 <= asyncio.get_running_loop().time() < 13
        exchange.lines[0].hang_up()
        await asyncio.sleep(20)
        assert session.is_ready
    await reading
    assert len(sent) == 100
    times = [at for at, _ in sent]
    most = max(sum(at <= other < at + 1.0 for other in times) for at in times)
    assert 4 <= most <= 5


@virtual_time
async def test_messages_hold_as_many_channels_as_the_exchange_takes() -> None:
    """F39: 50 channels in messages of 20."""
    exchange = MemoryExchange(on_message=accept)
    dialect = MethodSubscribe(batch=20)
    async with exchange.session(subscriptions=topics(*FIFTY, dialect=dialect)) as session:
        reading = asyncio.create_task(run_to_the_end(session))
        await session.ready(20)
    await reading
    assert [len(payload["params"]) for _, payload in exchange.heard] == [20, 20, 10]
    assert [each for _, payload in exchange.heard for each in payload["params"]] == FIFTY


# -- F40 -------------------------------------------------------------------------------------------


async def test_sequence_numbers_are_passed_through_and_the_gap_stands_where_it_is() -> None:
    """F40: duplicate, reordered and skipped; whoever keeps a book takes a new snapshot there."""

    async def first(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*({"u": number} for number in (1, 2, 2, 4, 3)))

    async def second(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*({"u": number} for number in (4, 9)))
        await guest.serve()

    async with (
        Stage(first, second) as stage,
        staged(stage.url, subscriptions=topics("book")) as session,
    ):
        book: list[Any] = []

        async def snapshot(gap: Gap) -> None:
            await asyncio.sleep(0)
            book.append(f"snapshot after {gap.epoch}")

        async for message in session.messages(on_gap=snapshot):
            book.append((message.epoch, message.data["u"]))
            if message.data["u"] == 9:
                break
        assert book == [
            *((1, 1), (1, 2), (1, 2), (1, 4), (1, 3)),
            "snapshot after 1",
            *((2, 4), (2, 9)),
        ]


async def test_every_connection_says_which_it_is() -> None:
    """F40: what came on the old one is never mixed with the new one's."""

    async def count(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*range(100))
        if guest.number == 5:
            await guest.serve()

    async with Stage(count) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: len(seen.data) == 500)
        epoch = 0
        for item in seen.items:
            if isinstance(item, Connected):
                epoch += 1
            assert item.epoch == epoch
        assert seen.data == [*range(100)] * 5
        assert len(seen.of(Gap)) == len(seen.of(Disconnected)) == 4
