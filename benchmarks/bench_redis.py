"""What does a limit that processes share cost, beside the round trip that it cannot do without?

An acquire through a throttler over Redis against a bare PING of the same redis-py client, in turns,
with few and many live entries in the window. Time on the wall, for half of it is Redis's. Starts a
redis-server of its own; where there is none, or no redis-py, it says so.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks._measure import Contestant, compare, ratio_row
from benchmarks._report import Row, table
from networkpype import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from networkpype.shared.limits import RedisLimitStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["rows"]

CALLS, ROUNDS = 100, 60
ENTRIES = (10, 1_000, 100_000)
LINKED = (3, 5)
PLENTY = 10**9
GOAL = 1.3
"""Of the round trip of a PING, at 1,000 live entries and one limit."""
_NAME = "acquire, {:,} live entries"


def rows() -> list[Row]:
    """Measure and return the rows."""
    if shutil.which("redis-server") is None:
        return [Row("redis", "no redis-server here (Debian: apt-get install redis-server)")]
    try:
        import redis  # noqa: F401
    except ImportError:
        return [Row("redis", 'no redis-py here (pip install "networkpype[redis]")')]
    with _server() as port:
        return asyncio.run(_rows(port))


async def _rows(port: int) -> list[Row]:
    from redis.asyncio import Redis

    async with Redis(port=port) as client:
        contestants: dict[str, Contestant] = {"ping": _pings(client)}
        stores: list[RedisLimitStore] = []
        for entries in ENTRIES:
            name = _NAME.format(entries)
            contestants[name] = await _acquires(client, stores, name, entries, 1)
        for linked in LINKED:
            name = f"acquire, {linked} limits, 1,000 live entries each"
            contestants[name] = await _acquires(client, stores, name, 1_000, linked)
        await client.config_resetstat()
        cost = await compare(contestants, calls=CALLS, rounds=ROUNDS)
        stats = await client.info("commandstats")
        for store in stores:
            await store.close()
    ping = cost.pop("ping").wall_us
    result = [
        ratio_row(
            f"{name}, x PING", each.wall_us, ping, GOAL if name == _NAME.format(1_000) else None
        )
        for name, each in cost.items()
    ]
    trips = stats["cmdstat_evalsha"]["calls"] / (len(cost) * CALLS * (ROUNDS + 1))
    result.append(Row("round trips an acquire", f"{trips:.3f}", "<= 1.00", trips <= 1.001))
    return result


def _pings(client: Redis) -> Contestant:
    async def ping(times: int) -> None:
        for _ in range(times):
            await client.ping()

    return ping


async def _acquires(
    client: Redis, stores: list[RedisLimitStore], name: str, entries: int, limits: int
) -> Contestant:
    store = RedisLimitStore(client, name=name)
    stores.append(store)
    others = [RateLimit(f"limit {number}", PLENTY, 3_600) for number in range(1, limits)]
    order = RateLimit(
        "order",
        PLENTY,
        3_600,
        linked_limits=[LinkedLimitWeightPair(each.limit_id) for each in others],
    )
    throttler = AsyncThrottler([order, *others], store=store)
    for first in range(0, entries, 1_000):
        await asyncio.gather(
            *(throttler.acquire("order") for _ in range(min(1_000, entries - first)))
        )

    async def acquire(times: int) -> None:
        for _ in range(times):
            await throttler.acquire("order")

    return acquire


@contextmanager
def _server() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="networkpype-redis-") as folder:
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        words += ["--save", "", "--appendonly", "no"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("redis-server did not start")


if __name__ == "__main__":
    print(table(rows()))
