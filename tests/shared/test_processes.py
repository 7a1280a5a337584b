"""What arrives from processes that share a limit, also where Redis crashes in the middle."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

UNITS, INTERVAL_S = 60, 0.5
_WORKER = f"""
import asyncio, json, random, sys, time
from networkpype import AsyncThrottler, RateLimit
from networkpype.shared.limits import RedisLimitStore

async def main(url, calls, until):
    events, arrived = [], []
    store = RedisLimitStore(url, name="shared", timeout_s=0.5)
    throttler = AsyncThrottler(
        [RateLimit("order", {UNITS}, {INTERVAL_S})], safety_margin_pct=0, store=store,
        hook=lambda event: events.append(type(event).__name__),
    )

    async def call():
        async with throttler.in_flight("order", departed=False) as flight:
            await flight.depart()
            await asyncio.sleep(random.uniform(0, 0.01))
            arrived.append(time.monotonic())
            if len(arrived) == 20:
                print("going", flush=True)
            await asyncio.sleep(random.uniform(0, 0.01))

    async def work():
        for _ in range(calls // 10):
            await call()
        while until and until not in events:
            await call()

    await asyncio.gather(*(work() for _ in range(10)))
    await store.close()
    print(json.dumps([arrived, [each for each in events if each != "ThrottleWaited"]]))

print("ready", flush=True)
sys.stdin.readline()  # all begin together, however long one took to start
asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


async def start(
    redis: OwnRedis, processes: int, calls: int, until: str = ""
) -> list[asyncio.subprocess.Process]:
    """Start workers that make so many calls each, and more until they had an event of that name."""
    pipe = asyncio.subprocess.PIPE
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WORKER, redis.url, str(calls), until, stdin=pipe, stdout=pipe
        )
        for _ in range(processes)
    ]
    await until_all_say(b"ready\n", workers)
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"\n")
    return workers


async def until_all_say(word: bytes, workers: Sequence[asyncio.subprocess.Process]) -> None:
    async with asyncio.timeout(30):
        for worker in workers:
            assert worker.stdout is not None
            assert await worker.stdout.readline() == word


async def finish(
    workers: Sequence[asyncio.subprocess.Process],
) -> tuple[list[list[float]], list[list[str]]]:
    try:
        async with asyncio.timeout(45):
            told = await asyncio.gather(*(worker.communicate() for worker in workers))
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
    answers = [json.loads(out) for out, _ in told]
    return [arrived for arrived, _ in answers], [events for _, events in answers]


def most_in_a_window(arrivals: Sequence[Sequence[float]]) -> int:
    times = sorted(at for each in arrivals for at in each)
    most = first = 0
    for index, at in enumerate(times):
        while times[first] <= at - INTERVAL_S:
            first += 1
        most = max(most, index - first + 1)
    return most


async def test_what_arrives_from_four_processes_keeps_the_window_and_is_fair(
    redis: OwnRedis,
) -> None:
    workers = await start(redis, 4, 100)
    await until_all_say(b"going\n", workers)
    arrivals, events = await finish(workers)
    assert [len(each) for each in arrivals] == [100] * 4
    assert most_in_a_window(arrivals) <= UNITS
    assert events == [[]] * 4
    # The first interval may be all of one's, for who comes when nobody waits takes what there is.
    # After it each has its share of those that the first to end needs for the rest.
    first_end = min(max(each) for each in arrivals)
    intervals = (100 - UNITS) // (UNITS // 4)
    assert min(sum(at <= first_end for at in each) for each in arrivals) >= intervals * UNITS // 4


@pytest.mark.parametrize("keeps", [True, False], ids=["with its data", "without its data"])
async def test_redis_that_crashes_and_comes_back_breaks_no_limit(
    tmp_path: Path, keeps: bool
) -> None:
    options = ["yes", "--appendfsync", "always"] if keeps else ["no"]
    redis = OwnRedis(tmp_path, "--appendonly", *options)
    await redis.start()
    try:
        workers = await start(redis, 3, 80, "LimitStoreRestored")
        await until_all_say(b"going\n", workers)
        redis.kill()
        await asyncio.sleep(0.3)
        await redis.start()
        arrivals, events = await finish(workers)
    finally:
        redis.kill()
    assert min(len(each) for each in arrivals) >= 80
    assert most_in_a_window(arrivals) <= UNITS
    assert events == [["LimitStoreLost", "LimitStoreRestored"]] * 3
