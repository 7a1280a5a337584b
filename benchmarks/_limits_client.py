"""The clients of `bench_limits`, in processes of their own: `python -m benchmarks._limits_client`.

In each process so many tasks call through a RESTManager, one call after the other without a pause,
for `run_s` seconds; all begin at once. The argument is a JSON object; `redis` is the URL of what
the processes share, or null. Prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from benchmarks import _limits_exchange as exchange
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    ConnectionsFactory,
    LinkedLimitWeightPair,
    RateLimit,
    RESTManager,
    RESTMethod,
    RESTRequest,
)

START_DEADLINE_S = 60.0


def weight(request: RESTRequest) -> int:
    """Weigh a book by its depth."""
    assert isinstance(request.params, dict)
    return exchange.DEPTHS[request.params["limit"]]


def limits(rate: float, window_s: float) -> list[RateLimit]:
    """Return the limits of `_limits_exchange.limits`, as the throttler is told them."""
    ip, orders = exchange.sizes(rate, window_s)
    shared = [LinkedLimitWeightPair("ip", 2), LinkedLimitWeightPair("open")]
    return [
        RateLimit("ip", ip, window_s),
        RateLimit.concurrent("open", exchange.OPEN),
        RateLimit.token_bucket(
            "orders",
            orders,
            window_s,
            burst=exchange.ORDERS_BURST,
            linked_limits=shared,
        ),
        RateLimit(
            "depth",
            10**6,
            1.0,
            linked_limits=[LinkedLimitWeightPair("ip", weight), LinkedLimitWeightPair("open")],
        ),
    ]


async def call(manager: RESTManager, places: bool, jitter: random.Random) -> None:
    if places:
        await manager.execute_request(
            endpoint_url=exchange.PLACE, throttler_limit_id="orders", method=RESTMethod.POST
        )
        return
    await manager.execute_request(
        endpoint_url=exchange.BOOK.partition("?")[0],
        throttler_limit_id="depth",
        params={"limit": jitter.choice(list(exchange.DEPTHS))},
    )


async def work(
    options: dict[str, Any], tasks_here: int, throttler: AsyncThrottler, start: Barrier
) -> dict[str, Any]:
    done: Counter[str] = Counter()
    jitter = random.Random()
    connections = ConnectionsFactory(max_connections=tasks_here)
    async with ConnectionManagersFactory(
        throttler, base_url=options["url"], connections_factory=connections
    ) as factory:
        manager = await factory.get_rest_manager()
        await asyncio.get_running_loop().run_in_executor(None, start.wait, START_DEADLINE_S)
        until = time.monotonic() + options["run_s"]

        async def task(places: bool) -> None:
            while time.monotonic() < until:
                try:
                    await call(manager, places, jitter)
                    done["answered"] += 1
                except Exception as error:
                    done[f"{type(error).__name__}: {error}"] += 1

        cpu_s = time.process_time()
        tasks = [asyncio.create_task(task(number % 2 == 0)) for number in range(tasks_here)]
        # Who waits for capacity when it is over need not get it.
        await asyncio.wait(tasks, timeout=options["run_s"] + 0.5)
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
    return {"done": dict(done), "cpu_s": time.process_time() - cpu_s}


async def run(options: dict[str, Any], tasks: int, start: Barrier) -> dict[str, Any]:
    """Do the work before a store of this process, or before Redis."""
    told = limits(options["rate"], options["window_s"])
    if options["redis"] is None:
        return await work(options, tasks, AsyncThrottler(told, safety_margin_pct=0), start)
    from networkpype.shared.limits import RedisLimitStore  # with the extra that it needs

    async with RedisLimitStore(options["redis"], name="proof") as store:
        throttler = AsyncThrottler(told, safety_margin_pct=0, store=store)
        return await work(options, tasks, throttler, start)


def child(options: dict[str, Any], tasks: int, start: Barrier, results: Connection) -> None:
    results.send(asyncio.run(run(options, tasks, start)))


def main(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the processes; return what came of each."""
    # Forked, so that all is imported once: eight interpreters that start take seconds.
    context = multiprocessing.get_context("fork")
    processes, tasks = options["processes"], options["tasks"]
    start, pipes = context.Barrier(processes), []
    for number in range(processes):
        here, there = context.Pipe(duplex=False)
        share = tasks // processes + (number < tasks % processes)
        context.Process(target=child, args=(options, share, start, there), daemon=True).start()
        there.close()
        pipes.append(here)
    return [pipe.recv() for pipe in pipes]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
