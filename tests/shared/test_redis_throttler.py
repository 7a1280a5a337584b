"""Throttlers that share a Redis: round trips, exactness, restarts, and what is left behind."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from networkpype import AsyncThrottler, RateLimit
from networkpype.errors import ConfigurationError, ThrottleTimeoutError
from networkpype.hooks import (
    Event,
    LimitStoreLost,
    LimitStoreRestored,
    LimitUnblocked,
    ThrottleWaited,
)
from networkpype.shared.limits import RedisLimitStore
from networkpype.shared.link import RedisLostError
from networkpype.throttler.rate_limit import LinkedLimitWeightPair
from networkpype.throttler.store.shared import Batch, StoreLostError
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

Made = tuple[AsyncThrottler, list[Event]]


@asynccontextmanager
async def store_of(redis: OwnRedis, **options: object) -> AsyncIterator[RedisLimitStore]:
    store = RedisLimitStore(redis.url, name="test", **options)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        await store.close()


def make(store: RedisLimitStore, *limits: RateLimit, **options: object) -> Made:
    events: list[Event] = []
    throttler = AsyncThrottler(
        list(limits),
        safety_margin_pct=0,
        store=store,
        hook=events.append,
        **options,  # type: ignore[arg-type]
    )
    return throttler, events


async def scripts_run(redis: OwnRedis) -> int:
    from redis.asyncio import Redis

    async with Redis(port=redis.port) as client:
        stats = await client.info("commandstats")
    return sum(each["calls"] for name, each in stats.items() if name.startswith("cmdstat_eval"))


def early(times: list[float], since: float, units: int, interval_s: float) -> list[int]:
    """Return which came before their turn, where so many go in each interval from `since` on."""
    interval_s *= 0.99  # Redis has a clock of its own
    return [
        number
        for number, at in enumerate(sorted(times))
        if at - since < number // units * interval_s
    ]


async def until(happened: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_an_uncontended_acquire_is_one_round_trip(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, events = make(
            store,
            RateLimit("order", 1_000, 60, linked_limits=[LinkedLimitWeightPair("ip", 2)]),
            RateLimit("ip", 6_000, 60),
        )
        await throttler.acquire("order")
        before = await scripts_run(redis)
        for _ in range(50):
            await throttler.acquire("order")
        assert await scripts_run(redis) - before == 50
        assert throttler.snapshot()["ip"].used == 102
        assert events == []


async def test_those_that_come_together_go_together(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, _ = make(store, RateLimit("order", 1_000, 60))
        await throttler.acquire("order")
        before = await scripts_run(redis)
        await asyncio.gather(*(throttler.acquire("order") for _ in range(200)))
        assert await scripts_run(redis) - before <= 8
        assert throttler.snapshot()["order"].used == 201


async def test_two_throttlers_share_a_window(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttlers = [make(store, RateLimit("order", 10, 0.25))[0] for _ in range(2)]
        loop = asyncio.get_running_loop()
        granted: list[float] = []

        async def call(throttler: AsyncThrottler) -> None:
            async with throttler.execute_task("order"):
                granted.append(loop.time())

        began = loop.time()
        await asyncio.gather(*(call(throttlers[number % 2]) for number in range(60)))
        # A grant is heard of some time later, however busy this process is, and never before.
        assert not early(granted, began, 10, 0.25)
        assert len(granted) == 60


async def test_a_call_in_flight_counts_in_every_process_until_it_is_over(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        one, other = (make(store, RateLimit("order", 1, 0.2))[0] for _ in range(2))
        loop = asyncio.get_running_loop()
        async with one.in_flight("order"):
            waiting = asyncio.create_task(other.acquire("order"))
            await asyncio.sleep(0.4)
            assert not waiting.done()
            assert one.snapshot()["order"].held == 1
            over_at = loop.time()
        await waiting
        assert loop.time() - over_at >= 0.19


async def test_places_go_to_another_process_at_once(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        one, other = (make(store, RateLimit.concurrent("order", 1))[0] for _ in range(2))
        async with one.in_flight("order"):
            waiting = asyncio.create_task(_fly(other))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        # Long before the lease of the one that is over.
        await asyncio.wait_for(waiting, 5)


async def _fly(throttler: AsyncThrottler) -> None:
    async with throttler.in_flight("order"):
        pass


async def test_what_prepares_a_call_may_need_the_same_limit(redis: OwnRedis) -> None:
    async with store_of(redis, timeout_s=0.3) as store:
        throttler, _ = make(store, RateLimit("order", 1, 0.2))
        async with asyncio.timeout(5), throttler.in_flight("order", departed=False) as flight:
            await throttler.acquire("order")  # would be a deadlock
            await flight.depart()


async def test_a_call_that_was_prepared_and_never_sent_gives_its_place_back(
    redis: OwnRedis,
) -> None:
    async with store_of(redis) as store:
        throttler, _ = make(store, RateLimit("order", 1, 60))
        for _ in range(3):
            async with asyncio.timeout(3), throttler.in_flight("order", departed=False):
                pass


async def test_a_cancelled_waiter_pays_nothing(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, _ = make(store, RateLimit("order", 2, 0.5))
        await throttler.acquire("order")
        await throttler.acquire("order")
        waiters = [asyncio.create_task(throttler.acquire("order")) for _ in range(3)]
        await asyncio.sleep(0.1)
        for each in waiters:
            each.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        await asyncio.sleep(0.5)
        await throttler.acquire("order", max_wait=0)
        await throttler.acquire("order", max_wait=0)


async def test_one_cancelled_on_its_way_gets_its_charge_back(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, _ = make(store, RateLimit("order", 1, 60))
        for _ in range(5):
            task = asyncio.create_task(throttler.acquire("order"))
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(3):
            await throttler.acquire("order")


async def test_a_wait_that_cannot_be_kept_is_refused_at_once(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, _ = make(store, RateLimit("order", 1, 5))
        await throttler.acquire("order", max_wait=0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for max_wait in (0, 0.001, 2):
            with pytest.raises(ThrottleTimeoutError):
                await throttler.acquire("order", max_wait=max_wait)
        assert loop.time() - began < 2


async def test_the_script_cache_may_be_flushed(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, events = make(store, RateLimit("order", 1_000, 60))
        for _ in range(3):
            await throttler.acquire("order")
            await redis.say("SCRIPT", "FLUSH")
            await asyncio.gather(throttler.acquire("order"), throttler.acquire("order"))
            await redis.say("SCRIPT", "FLUSH")
        assert throttler.snapshot()["order"].used == 9
        assert events == []


async def test_a_connection_that_redis_closed_is_no_loss(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        throttler, events = make(store, RateLimit("order", 1_000, 60))
        for _ in range(3):
            await throttler.acquire("order")
            await redis.say("CLIENT", "KILL", "TYPE", "normal")
        await throttler.acquire("order")
        assert events == []
        assert throttler.snapshot()["order"].used == 4


async def test_redis_killed_and_started_again_without_its_data(redis: OwnRedis) -> None:
    async with store_of(redis, timeout_s=0.3) as store:
        throttler, events = make(store, RateLimit("order", 5, 1))
        loop = asyncio.get_running_loop()
        granted: list[float] = []

        async def call() -> None:
            async with throttler.execute_task("order"):
                granted.append(loop.time())

        began = loop.time()
        calls = [asyncio.create_task(call()) for _ in range(20)]
        await until(lambda: len(granted) >= 8)
        redis.kill()
        await until(lambda: any(isinstance(event, LimitStoreLost) for event in events))
        before = len(granted)
        await asyncio.sleep(0.2)
        assert len(granted) == before
        back = loop.time()
        await redis.start()
        await asyncio.gather(*calls)
    assert len(granted) == 20
    assert not early(granted[:before], began, 5, 1)
    assert not early(granted[before:], back + 1.9, 5, 1)
    changes = [event for event in events if not isinstance(event, ThrottleWaited)]
    assert [type(event) for event in changes] == [LimitStoreLost, LimitStoreRestored]
    restored = changes[1]
    assert isinstance(restored, LimitStoreRestored)
    assert restored.forgot
    # 1 s would do for the window; the others have 2 s and a deadline to come back.
    assert 1.9 <= restored.paused_s <= 2.3
    assert restored.lost_for_s > 0.2


async def test_calls_under_way_outlive_a_restart(redis: OwnRedis) -> None:
    async with store_of(redis, timeout_s=0.3) as store:
        one, events = make(store, RateLimit("order", 1, 0.2))
        other, _ = make(store, RateLimit("order", 1, 0.2))
        async with one.in_flight("order"):
            redis.kill()
            await redis.start()
            asked = asyncio.create_task(one.acquire("order"))
            await until(lambda: any(isinstance(event, LimitStoreRestored) for event in events))
            waiting = asyncio.create_task(other.acquire("order"))
            await asyncio.sleep(1.6)  # longer than the pause and the interval
            assert not waiting.done()
            assert not asked.done()
        await asyncio.wait_for(asyncio.gather(waiting, asked), 3)


async def test_an_answer_that_never_comes_is_a_loss_and_charged_once(redis: OwnRedis) -> None:
    async with store_of(redis, timeout_s=0.2) as store:
        throttler, events = make(store, RateLimit("order", 3, 60))
        await throttler.acquire("order")
        # It hears nothing of it, and yet it is done, later.
        await redis.say("CLIENT", "PAUSE", "500", "WRITE")
        await throttler.acquire("order")
        assert [type(each) for each in events] == [
            LimitStoreLost,
            LimitStoreRestored,
            ThrottleWaited,
        ]
        assert throttler.snapshot()["order"].used == 2


async def test_a_local_share_goes_on_after_an_interval_of_quiet(redis: OwnRedis) -> None:
    async with store_of(redis, timeout_s=0.2, local_share_pct=50) as store:
        throttler, events = make(store, RateLimit("order", 4, 1))
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await throttler.acquire("order")
        last = loop.time()
        redis.kill()
        await throttler.acquire("order")
        assert loop.time() - last >= 1.99  # an interval, and a preparation
        await throttler.acquire("order", max_wait=0)
        await throttler.acquire("order")
        assert loop.time() - last >= 2.98
        assert isinstance(events[0], LimitStoreLost)
        assert events[0].local_share_pct == 50
        back = loop.time()
        await redis.start()
        await until(lambda: any(isinstance(event, LimitStoreRestored) for event in events))
        await throttler.acquire("order")
        assert loop.time() - back >= 0.99  # what went out alone has to leave the window
        restored = next(each for each in events if isinstance(each, LimitStoreRestored))
        assert restored.paused_s == 1.25


async def test_nobody_sees_the_password(redis: OwnRedis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = redis.url.replace("redis://", "redis://someone:open-sesame@")
    store = RedisLimitStore(url, name="test")
    events: list[Event] = []
    throttler = AsyncThrottler([RateLimit("order", 4, 1)], store=store, hook=events.append)
    waiting = asyncio.create_task(throttler.acquire("order"))
    await until(lambda: events)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    link = store.join()
    with pytest.raises(StoreLostError) as raised:
        await link.run(Batch(), asyncio.get_running_loop().time)
    await store.close()
    ours = [each for each in caplog.records if each.name.startswith("networkpype")]
    said = [repr(store), repr(throttler), repr(link), repr(events), repr(raised.value)]
    said += [each.getMessage() for each in ours]
    assert "LimitStoreLost" in repr(events)
    assert not [each for each in said if "sesame" in each]
    assert raised.value.__cause__ is None


def test_an_error_of_the_link_is_pickled_and_says_what_to_do() -> None:
    error = pickle.loads(pickle.dumps(RedisLostError("ReadOnlyError READONLY")))
    assert error.reason == "ReadOnlyError READONLY"
    assert "takes writes" in str(error)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": ""}, "without braces"),
        ({"name": "a{b}"}, "without braces"),
        ({"lease_s": 0.5}, "lease_s is seconds of at least 1"),
        ({"lease_s": float("inf")}, "finite"),
        ({"timeout_s": 0}, "timeout_s is seconds above 0"),
        ({"local_share_pct": 0}, "local_share_pct is a percentage"),
        ({"most_paused_s": 0}, "most_paused_s is seconds"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RedisLimitStore("redis://127.0.0.1", **{"name": "x", **options})  # type: ignore[arg-type]


def test_a_wrong_redis_is_refused_without_its_words() -> None:
    with pytest.raises(ConfigurationError) as raised:
        RedisLimitStore("http://:open-sesame@127.0.0.1", name="x")
    assert "sesame" not in str(raised.value)
    assert raised.value.__context__ is None or "sesame" not in str(raised.value.__context__)
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio, got int"):
        RedisLimitStore(5, name="x")  # type: ignore[arg-type]


async def test_limits_that_differ_in_kind_or_interval_are_told_of(
    redis: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with store_of(redis) as store:
        made = [
            make(store, RateLimit("order", 10, 60.0), RateLimit("ip", 10, 1.0)),
            make(store, RateLimit("order", 5, 60.0), RateLimit("ip", 10, 1.0)),  # a share of it
            make(store, RateLimit("order", 10, 6.0), RateLimit.token_bucket("ip", 10, 1.0)),
        ]
        for throttler, _ in made:
            await throttler.acquire("order")
            await throttler.acquire("ip")
            await throttler.acquire("ip")
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [each.partition(":")[0] for each in said] == [
        'limit "order" is a rolling window of 6 s here and a rolling window of 60 s in another '
        'process that shares "test"',
        'limit "ip" is a token bucket here and a rolling window of 1 s in another process that '
        'shares "test"',
    ]


async def test_a_block_that_this_process_never_heard_of_is_ended(redis: OwnRedis) -> None:
    async with store_of(redis) as store:
        one, _ = make(store, RateLimit("order", 10, 1.0))
        await one.acquire("order")
        one.block(3600.0)
        await store.ping()
        operator, events = make(store, RateLimit("order", 10, 1.0))
        operator.unblock()
        await until(lambda: any(isinstance(event, LimitUnblocked) for event in events))
        await one.acquire("order", max_wait=0.5)
