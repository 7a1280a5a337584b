"""The clients of `bench_limits`, in processes of their own: `python -m benchmarks._limits_client`.

In each process so many tasks call through a RESTManager, one call after the other without a pause,
for `run_s` seconds and `least` calls at least; all begin together, at the begin of a window of the
exchange's clock. The argument is a JSON object; `redis` is the URL of what the processes share, or
null. Prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import random
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from typing import Any

from benchmarks import _limits_exchange as exchange
from benchmarks._limits_exchange import Terms
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    ConnectionsFactory,
    LinkedLimitWeightPair,
    RateLimit,
    RESTManager,
    RESTMethod,
    RESTRequest,
    TimeSynchronizer,
)
from networkpype.throttler.rate_limit import Weight

START_DEADLINE_S = LEAST_DEADLINE_S = 60.0
SAFETY_MARGIN_S = 0.02
"""How far off the exchange's clock may be told here; half of `exchange.ASYMMETRY_S` is usual."""
CLOCK_ERROR_S = 0.015
SYNC_TRIES = 20


def weight(request: RESTRequest) -> int:
    """Weigh a book by its depth."""
    assert isinstance(request.params, dict)
    return exchange.DEPTHS[request.params["limit"]]


def limits(terms: Terms) -> list[RateLimit]:
    """Return the limits of `_limits_exchange.limits`, as the throttler is told them."""
    window_s, rate = terms.window_s, terms.rate
    own = [
        RateLimit("rolling", terms.window("rolling"), window_s),
        RateLimit.fixed_window("fixed", terms.window("fixed"), window_s),
        RateLimit.token_bucket("bucket", rate("bucket"), 1.0, burst=terms.burst()),
        RateLimit.decaying_counter("counter", terms.counter(), rate("counter")),
        RateLimit.concurrent("places", terms.under_way()),
    ]
    lanes: dict[str, Weight] = {"orders": exchange.ORDER, "depth": weight}
    return [
        *own,
        RateLimit("clock", 100, 1.0),
        *(
            RateLimit(
                lane,
                10**6,
                1.0,
                weight=0,
                linked_limits=[
                    LinkedLimitWeightPair(each.limit_id, 1 if each is own[-1] else units)
                    for each in own
                ],
            )
            for lane, units in lanes.items()
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


async def tell_time(clock: TimeSynchronizer, manager: RESTManager) -> None:
    """Have the exchange's clock told as well as the margin presumes.

    A machine that has no time for it may need several tries: this proof is about limits.
    """
    for _ in range(SYNC_TRIES):
        await clock.sync(
            lambda: manager.execute_request(endpoint_url=exchange.TIME, throttler_limit_id="clock")
        )
        if abs(clock.time() - exchange.wall_s()) < CLOCK_ERROR_S:
            return
        clock.clear_time_offset_ms_samples()
    raise RuntimeError(f"the clock is off by more than {CLOCK_ERROR_S} s, {SYNC_TRIES} times")


async def work(
    options: dict[str, Any],
    tasks_here: int,
    throttler: AsyncThrottler,
    clock: TimeSynchronizer,
    begin: Begin,
) -> dict[str, Any]:
    done: Counter[str] = Counter()
    reached: list[int] = []
    jitter = random.Random()
    connections = ConnectionsFactory(max_connections=tasks_here)
    async with ConnectionManagersFactory(
        throttler, base_url=options["url"], connections_factory=connections
    ) as factory:
        manager = await factory.get_rest_manager()
        await tell_time(clock, manager)
        begin_at = await asyncio.get_running_loop().run_in_executor(None, begin.wait)
        await asyncio.sleep(begin_at - time.monotonic())
        until, least = begin_at + options["run_s"], options["least"]
        enough = asyncio.Event()

        async def task(places: bool) -> None:
            made = 0
            while made < least or time.monotonic() < until:
                try:
                    await call(manager, places, jitter)
                    done["answered"] += 1
                except Exception as error:
                    done[f"{type(error).__name__}: {error}"] += 1
                made += 1
                if made == least:
                    reached.append(made)
                    if len(reached) == tasks_here:
                        enough.set()

        cpu_s = time.process_time()
        tasks = [asyncio.create_task(task(number % 2 == 0)) for number in range(tasks_here)]
        # Who waits for capacity when it is over need not get it.
        await asyncio.wait(tasks, timeout=until + 0.5 - time.monotonic())
        await asyncio.wait_for(enough.wait(), LEAST_DEADLINE_S)
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
    return {"done": dict(done), "cpu_s": time.process_time() - cpu_s}


async def run(options: dict[str, Any], tasks: int, begin: Begin) -> dict[str, Any]:
    """Do the work before a store of this process, or before Redis."""
    told, clock = limits(Terms(**options["terms"])), TimeSynchronizer()
    terms: dict[str, Any] = {
        "safety_margin_pct": 0,
        "safety_margin_s": SAFETY_MARGIN_S,
        "time_provider": clock,
    }
    if options["redis"] is None:
        return await work(options, tasks, AsyncThrottler(told, **terms), clock, begin)
    from networkpype.shared.limits import RedisLimitStore  # with the extra that it needs

    async with RedisLimitStore(options["redis"], name=f"proof {options['terms']['kind']}") as store:
        throttler = AsyncThrottler(told, **terms, store=store)
        return await work(options, tasks, throttler, clock, begin)


class Begin:
    """When all processes begin, as one of them decides when the last is ready."""

    def __init__(self, context: Any, processes: int, window_s: float) -> None:
        self._at: Synchronized[float] = context.Value("d", 0.0)
        self._window_s = window_s
        self._barrier: Barrier = context.Barrier(processes, self._decide)

    def wait(self) -> float:
        """Wait for the others; return the instant of `time.monotonic`."""
        self._barrier.wait(START_DEADLINE_S)
        return self._at.value

    def _decide(self) -> None:
        # A little after the begin of a window: a part of one would count as a whole one.
        wall_s = exchange.wall_s() - 2 * SAFETY_MARGIN_S
        left_s = math.ceil(wall_s / self._window_s) * self._window_s - wall_s
        self._at.value = time.monotonic() + left_s


def child(options: dict[str, Any], tasks: int, begin: Begin, results: Connection) -> None:
    results.send(asyncio.run(run(options, tasks, begin)))


def main(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the processes; return what came of each."""
    # Forked, so that all is imported once: eight interpreters that start take seconds.
    context = multiprocessing.get_context("fork")
    processes, tasks = options["processes"], options["tasks"]
    begin = Begin(context, processes, Terms(**options["terms"]).window_s)
    pipes = []
    for number in range(processes):
        here, there = context.Pipe(duplex=False)
        share = tasks // processes + (number < tasks % processes)
        context.Process(target=child, args=(options, share, begin, there), daemon=True).start()
        there.close()
        pipes.append(here)
    return [pipe.recv() for pipe in pipes]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
