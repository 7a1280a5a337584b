"""A process that waits for the end of a call is told of it by the process that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from networkpype import AsyncThrottler, RateLimit, RedisLimitStore
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Batch, Call, Hold
from tests.shared.own_cluster import until
from tests.shared.own_redis import OwnRedis, needs_redis
from tests.shared.scripted import Scripted, Side

pytestmark = needs_redis

PLACE = Charge("open", 1)
PLACES = {"open": Capacity(1, 1.0, LimitKind.CONCURRENT)}
HELD = Hold.UNTIL_SETTLED


async def rung(scripted: Scripted, side: Side) -> int:
    """Return how often word was left for this process, and take it away."""
    words: list[str] = await scripted.redis.say("LPOP", side.limits._telling.bell, 9) or []
    return len(words)


@pytest.fixture
def never_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the lists to the test."""
    monkeypatch.setattr("networkpype.shared.bell.Bell.listen", lambda *_: None)
    monkeypatch.setattr("networkpype.shared.bell.Bell.is_heard", True, raising=False)


@pytest.mark.usefixtures("never_listens")
async def test_the_end_of_a_call_is_told_to_who_goes_first(scripted: Scripted) -> None:
    holder, late, early, first = (scripted.side(PLACES) for _ in range(4))
    for side in (holder, late, early, first):
        side.limits._bell.is_heard = True
    call, _ = await holder.ask(PLACE, hold=HELD)
    await early.ask(PLACE, hold=HELD)
    await scripted.advance(0.01)
    await late.ask(PLACE, hold=HELD)
    await first.ask(PLACE, hold=HELD, rank=0)
    await holder.settle(call, PLACE)
    assert [await rung(scripted, side) for side in (late, early, first)] == [0, 0, 1]
    await first.ask(PLACE, hold=HELD, rank=0, call_id=1)
    assert [await rung(scripted, side) for side in (late, early, first)] == [0, 0, 0]
    await first.settle(1, PLACE)
    assert [await rung(scripted, side) for side in (late, early)] == [0, 1]


@pytest.mark.usefixtures("never_listens")
async def test_it_is_told_once_and_as_long_as_it_waits(scripted: Scripted) -> None:
    holder, waits = scripted.side(PLACES), scripted.side(PLACES)
    for side in (holder, waits):
        side.limits._bell.is_heard = True
    call, _ = await holder.ask(PLACE, hold=HELD)
    await waits.ask(PLACE, hold=HELD)
    await holder.run(Batch(settled=[Call(call, (PLACE,))]))
    await holder.run(Batch(settled=[Call(call, (PLACE,))]))
    assert await rung(scripted, waits) == 1
    await scripted.advance(0.5)  # it has not asked for so long: it may be gone
    call, wait = await holder.ask(PLACE, hold=HELD)
    assert wait == 0
    await holder.settle(call, PLACE)
    assert await rung(scripted, waits) == 0


@pytest.mark.usefixtures("never_listens")
async def test_one_that_does_not_listen_is_not_told_and_asks_more_often(scripted: Scripted) -> None:
    holder, deaf, hears = (scripted.side(PLACES) for _ in range(3))
    deaf.limits._bell.is_heard = False
    holder.limits._bell.is_heard = hears.limits._bell.is_heard = True
    call, _ = await holder.ask(PLACE, hold=HELD)
    assert (await deaf.ask(PLACE, hold=HELD))[1] == -0.02
    assert (await hears.ask(PLACE, hold=HELD))[1] == -0.1
    await holder.settle(call, PLACE)
    assert [await rung(scripted, side) for side in (deaf, hears)] == [0, 1]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    await server.start()
    yield server
    server.kill()


def throttler_of(store: RedisLimitStore) -> AsyncThrottler:
    return AsyncThrottler([RateLimit.concurrent("open", 1)], store=store, safety_margin_pct=0)


async def runs(redis: OwnRedis) -> int:
    told = await redis.say("INFO", "commandstats")
    return int(told["cmdstat_evalsha"]["calls"])


async def listen(redis: OwnRedis, clients: int) -> bool:
    told: str = await redis.say("CLIENT", "LIST")
    return told.count("cmd=blpop") == clients


async def is_alone(redis: OwnRedis) -> bool:
    told: str = await redis.say("CLIENT", "LIST")
    return len(told.splitlines()) == 1  # who asks


async def take_turns(one: AsyncThrottler, other: AsyncThrottler, times: int) -> None:
    async def call(throttler: AsyncThrottler) -> None:
        for _ in range(times):
            async with throttler.in_flight("open"):
                await asyncio.sleep(0.01)

    async with asyncio.timeout(30):
        await asyncio.gather(call(one), call(other))


async def test_a_process_that_waits_hardly_asks(redis: OwnRedis) -> None:
    async with (
        RedisLimitStore(redis.url, name="bell") as here,
        RedisLimitStore(redis.url, name="bell") as there,
    ):
        one, other = throttler_of(here), throttler_of(there)
        async with one.in_flight("open"):
            waits = asyncio.create_task(take_turns(other, other, 1))
            await until(lambda: listen(redis, 1))
            before = await runs(redis)
            await asyncio.sleep(1.0)
            assert await runs(redis) - before <= 25  # every 20 ms it would be 50
        async with asyncio.timeout(5):
            await waits


async def test_a_user_who_may_not_listen_gets_what_is_free_all_the_same(redis: OwnRedis) -> None:
    await redis.say("ACL", "SETUSER", "few", "on", ">sesame", "~*", "+@all", "-blpop", "-rpush")
    url = redis.url.replace("redis://", "redis://few:sesame@")
    async with (
        RedisLimitStore(url, name="bell") as here,
        RedisLimitStore(url, name="bell") as there,
    ):
        await take_turns(throttler_of(here), throttler_of(there), 10)


async def test_closing_while_it_listens_leaves_no_connection(redis: OwnRedis) -> None:
    async with RedisLimitStore(redis.url, name="bell") as here:
        one, other = throttler_of(here), throttler_of(here)
        async with one.in_flight("open"):
            waits = asyncio.create_task(take_turns(other, other, 1))
            await until(lambda: listen(redis, 1))
            waits.cancel()
            await asyncio.wait({waits})
    await until(lambda: is_alone(redis))


async def test_redis_that_goes_away_is_listened_to_again(redis: OwnRedis) -> None:
    async with (
        RedisLimitStore(redis.url, name="bell", most_paused_s=1.0) as here,
        RedisLimitStore(redis.url, name="bell", most_paused_s=1.0) as there,
    ):
        one, other = throttler_of(here), throttler_of(there)
        await take_turns(one, other, 2)
        async with one.in_flight("open"):
            waits = asyncio.create_task(take_turns(other, other, 1))
            await asyncio.sleep(0.2)
            redis.kill()
            await asyncio.sleep(0.2)
            await redis.start()
        async with asyncio.timeout(20):
            await waits
        await take_turns(one, other, 2)


async def test_those_who_wait_for_what_is_reserved_do_not_wake_each_other(redis: OwnRedis) -> None:
    limits = [RateLimit.concurrent("open", 2, reserved={Priority.CANCEL: 1})]
    async with RedisLimitStore(redis.url, name="bell") as store:
        holder, *waiting = (
            AsyncThrottler(limits, store=store, safety_margin_pct=0) for _ in range(3)
        )
        async with holder.in_flight("open"):
            tasks = [asyncio.create_task(take_turns(each, each, 1)) for each in waiting]
            await until(lambda: listen(redis, 2))
            before = await runs(redis)
            await asyncio.sleep(1.0)
            assert await runs(redis) - before <= 50  # every 100 ms each: 20; awake, thousands
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
