"""Nonces of one key over processes, restarts of Redis, and clocks that are set back."""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
import sys
import threading
from pathlib import Path

import pytest

from networkpype.errors import ConfigurationError, Outcome, SharedNonceError
from networkpype.shared.nonces import RedisNonces
from networkpype.signing.nonces import NonceUnit
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

_WORKER = """
import asyncio, json, sys
from networkpype.shared.nonces import RedisNonces

async def main():
    nonces = RedisNonces(sys.argv[1], name="k", unit="us", timeout_s=15)
    given = []
    async def take(n):
        for _ in range(n):
            given.append(await nonces.reserve())
            await asyncio.sleep(0.002)
    await asyncio.gather(*(take(50) for _ in range(10)))
    await nonces.close()
    print(json.dumps(given))

asyncio.run(main())
"""


class Clock:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds


def is_rising(nonces: list[int]) -> bool:
    return all(earlier < later for earlier, later in itertools.pairwise(nonces))


async def asked(redis: OwnRedis) -> int:
    """Return how many nonces the server was asked for since it was started."""
    stats = await redis.say("INFO", "commandstats")
    return sum(stats.get(f"cmdstat_{each}", {}).get("calls", 0) for each in ("eval", "evalsha"))


async def workers(url: str, count: int) -> list[list[int]]:
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WORKER, url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(count)
    ]
    outs = await asyncio.gather(*(run.communicate() for run in runs))
    assert [run.returncode for run in runs] == [0] * count
    return [json.loads(out) for out, _ in outs]


async def test_eight_processes_never_share_a_nonce(redis: OwnRedis) -> None:
    given = await workers(redis.url, 8)
    assert [len(each) for each in given] == [500] * 8
    assert all(is_rising(each) for each in given)
    assert len({nonce for each in given for nonce in each}) == 4000


@pytest.mark.parametrize("keeps_data", [True, False])
async def test_redis_is_killed_and_started_again_under_four_processes(
    keeps_data: bool, tmp_path: Path
) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always") if keeps_data else ()
    redis = OwnRedis(tmp_path, *options)
    await redis.start()
    try:
        async with RedisNonces(redis.url, name="k", unit="us") as nonces:
            await nonces.reserve()
        running = asyncio.create_task(workers(redis.url, 4))
        while await asked(redis) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        before = await asked(redis)
        redis.kill()
        await redis.start()
        given = await running
        # It was in the middle.
        assert 100 <= before < 2000
        assert await asked(redis) > 100
    finally:
        redis.kill()
    assert all(is_rising(each) for each in given)
    assert len({nonce for each in given for nonce in each}) == 2000


@pytest.mark.parametrize(
    ("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
async def test_nonces_are_near_the_time_of_redis(
    unit: NonceUnit, per_second: int, redis: OwnRedis
) -> None:
    seconds, _ = await redis.say("TIME")
    async with RedisNonces(redis.url, name="k", unit=unit) as nonces:
        given = [await nonces.reserve() for _ in range(5)]
    assert is_rising(given)
    assert len(str(given[0])) == len(str(int(seconds) * per_second))
    # The first of a server is a second ahead, for it may have been started again.
    assert 0 <= given[0] / per_second - int(seconds) < 30


async def test_nanoseconds_differ_in_their_last_digit(redis: OwnRedis) -> None:
    clock = Clock(1_700_000_000.0)
    async with RedisNonces(redis.url, name="k", unit="ns", time_provider=clock) as nonces:
        given = [await nonces.reserve() for _ in range(3)]
    assert given == [1_700_000_001_000_000_000 + each for each in range(3)]


async def test_a_time_with_one_digit_more_is_later(redis: OwnRedis) -> None:
    clock = Clock(5.0)
    async with RedisNonces(redis.url, name="k", unit="s", time_provider=clock) as nonces:
        assert await nonces.reserve() == 6
        clock.seconds = 12.0
        assert await nonces.reserve() == 12


async def test_an_exchange_clock_that_is_set_back_an_hour(redis: OwnRedis) -> None:
    clock = Clock(1_700_000_000.0)
    given = []
    for _ in range(2):  # the second one is another process
        async with RedisNonces(redis.url, name="k", time_provider=clock) as nonces:
            for step in (0, 10, -3600, 1, 7200):
                clock.seconds += step
                given.append(await nonces.reserve())
        clock.seconds -= 9000
    assert is_rising(given)
    assert given[4] == 1_700_003_611_000


async def test_no_data_no_run_id_and_what_the_process_knows(redis: OwnRedis) -> None:
    """FLUSHALL with the clock set back: what this process was given is never given again."""
    clock = Clock(1_700_000_000.0)
    async with RedisNonces(redis.url, name="k", time_provider=clock) as nonces:
        first = [await nonces.reserve() for _ in range(3)]
        await redis.say("FLUSHALL")
        clock.seconds -= 3600
        assert await nonces.reserve() == first[-1] + 1001


async def test_a_second_of_the_former_server_is_left_out(redis: OwnRedis) -> None:
    """Another process got 500 more than this one knows of, within one ms, and Redis forgot."""
    clock = Clock(1_700_000_000.0)
    one = RedisNonces(redis.url, name="k", time_provider=clock)
    two = RedisNonces(redis.url, name="k", time_provider=clock)
    await one.reserve()
    seen = [await two.reserve() for _ in range(500)]
    redis.kill()
    await redis.start()
    assert await one.reserve() > seen[-1]
    await one.close()
    await two.close()


async def test_one_round_trip_each(redis: OwnRedis) -> None:
    async with RedisNonces(redis.url, name="k") as nonces:
        await nonces.reserve()
        before = await redis.say("INFO", "commandstats")
        for _ in range(100):
            await nonces.reserve()
        after = await redis.say("INFO", "commandstats")
    more = {
        name: stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
    }
    in_the_script = {"cmdstat_hmget", "cmdstat_time", "cmdstat_hset", "cmdstat_hincrby"}
    in_the_script |= {"cmdstat_hget"}
    by_this_test = {"cmdstat_info", "cmdstat_hello", "cmdstat_client|setinfo"}
    by_this_test |= {"cmdstat_client|maint_notifications"}
    told = {name: calls for name, calls in more.items() if calls}
    assert told.keys() - in_the_script - by_this_test == {"cmdstat_evalsha"}
    assert told["cmdstat_evalsha"] == 100


@pytest.mark.parametrize("decodes", [False, True])
async def test_a_client_of_the_users_own(decodes: bool, redis: OwnRedis) -> None:
    from redis.asyncio import Redis

    client = Redis(port=redis.port, decode_responses=decodes)
    async with (
        RedisNonces(client, name="k") as nonces,
        RedisNonces(redis.url, name="k", unit="us") as other,
    ):
        assert is_rising([await nonces.reserve() for _ in range(3)])
        with pytest.raises(ConfigurationError, match='"k" counts in ms'):
            await other.reserve()
    assert await client.ping()  # still open, and his to close
    await client.aclose()


async def test_redis_away_is_an_error_and_no_nonce(redis: OwnRedis) -> None:
    nonces = RedisNonces(redis.url, name="k", timeout_s=0.3)
    last = await nonces.reserve()
    redis.kill()
    began = asyncio.get_running_loop().time()
    results = await asyncio.gather(*(nonces.reserve() for _ in range(20)), return_exceptions=True)
    assert asyncio.get_running_loop().time() - began < 2
    assert {type(each) for each in results} == {SharedNonceError}
    error = results[0]
    assert isinstance(error, SharedNonceError)
    assert error.outcome is Outcome.NOT_SENT
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, again.outcome) == (error.reason, Outcome.NOT_SENT)
    await redis.start()
    assert await nonces.reserve() > last
    await nonces.close()


async def test_who_is_cancelled_costs_a_number_and_no_more(redis: OwnRedis) -> None:
    async with RedisNonces(redis.url, name="k", unit="us") as nonces:
        tasks = [asyncio.create_task(nonces.reserve()) for _ in range(100)]
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        given = [each for each in done if isinstance(each, int)]
        assert len(given) >= 60
        assert is_rising([*given, await nonces.reserve()])


async def test_event_loops_of_two_threads(redis: OwnRedis) -> None:
    given: list[list[int]] = [[], []]

    async def take(mine: list[int]) -> None:
        async with RedisNonces(redis.url, name="k") as nonces:
            for _ in range(200):
                mine.append(await nonces.reserve())

    threads = [threading.Thread(target=lambda m=mine: asyncio.run(take(m))) for mine in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert all(is_rising(each) for each in given)
    assert len({*given[0], *given[1]}) == 400


async def test_another_unit_under_the_same_name_is_an_error(redis: OwnRedis) -> None:
    async with (
        RedisNonces(redis.url, name="k", unit="us") as first,
        RedisNonces(redis.url, name="k") as second,
    ):
        await first.reserve()
        with pytest.raises(ConfigurationError, match='"k" counts in us, and these nonces in ms'):
            await second.reserve()


async def test_a_password_is_never_shown(tmp_path: Path) -> None:
    secret = "planted-redis-password"
    redis = OwnRedis(tmp_path, "--requirepass", secret)
    await redis.start()
    try:
        good = RedisNonces(f"redis://:{secret}@127.0.0.1:{redis.port}", name="k")
        assert await good.reserve() > 0
        await good.close()
        for password in (f"{secret}2", ""):
            wrong = RedisNonces(
                f"redis://:{password}@127.0.0.1:{redis.port}", name="k", timeout_s=0.1
            )
            with pytest.raises(ConfigurationError, match="wrong user or password") as caught:
                await wrong.reserve()
            assert secret not in f"{caught.value!r} {caught.value} {wrong!r}"
            await wrong.close()
        # What has worked once is not wrongly set up.
        once = RedisNonces(f"redis://:{secret}@127.0.0.1:{redis.port}", name="k", timeout_s=0.1)
        assert await once.reserve() > 0
        await once.close()
        redis.kill()
        redis = OwnRedis(tmp_path, "--requirepass", "another", port=redis.port)
        await redis.start()
        with pytest.raises(SharedNonceError, match="wrong user or password") as refused:
            await once.reserve()
        assert secret not in f"{refused.value!r} {refused.value}"
        await once.close()
    finally:
        redis.kill()


@pytest.mark.parametrize("name", ["", "a{b}", None])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name is what the processes call the API key"):
        RedisNonces("redis://127.0.0.1:1", name=name)


def test_a_clock_and_a_unit_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match='pass one of "s", "ms", "us", "ns"'):
        RedisNonces("redis://127.0.0.1:1", name="k", unit="h")  # type: ignore[arg-type]


async def test_a_clock_that_tells_no_time(redis: OwnRedis) -> None:
    clock = Clock(float("nan"))
    async with RedisNonces(redis.url, name="k", time_provider=clock) as nonces:
        with pytest.raises(ConfigurationError, match="the clock says nan"):
            await nonces.reserve()
