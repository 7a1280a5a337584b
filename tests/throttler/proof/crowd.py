"""A crowd of tasks, a network that jitters, and an exchange that counts what arrives.

All in virtual time. The exchange counts with `networkpype.testing.arrivals`, which shares no line
with the throttler. What a call meets on its way: up to 0.4 ms for its preparation, then the way
there, the exchange's own time, the way back; each of these is drawn anew, mostly about `one_way_s`,
once in fifty ten times as long. So calls overtake each other, and one that departed in a window may
arrive in the next.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from networkpype import AsyncThrottler
from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit, ArrivalUse

UNIX_S = 1_763_700_000.0
"""What the local wall clock shows when virtual time is 0."""


@dataclass(frozen=True)
class Ask:
    """What a throttler is given to compute a weight from, and what arrives."""

    method: str
    path: str

    @property
    def depth(self) -> int:
        return int(self.path.rpartition("=")[2])


@dataclass(frozen=True)
class Lane:
    """So many tasks that call under a limit id, one call after the other, without a pause."""

    limit_id: str
    tasks: int
    ask: Callable[[random.Random], Ask]


@dataclass
class Seen:
    """What the exchange saw, and what the callers did."""

    calls: int = 0
    refused: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    use: dict[str, ArrivalUse] = field(default_factory=dict)
    under_way_s: dict[str, float] = field(default_factory=dict)
    """Seconds from departure to answer, summed over the calls, by limit id."""

    def share(self, name: str) -> float:
        """Return the part that was used of what the limit allowed while there was demand."""
        used, allowed = self.use[name]
        return used / allowed


class Network:
    """Draw how long things take, from a seed."""

    def __init__(self, seed: int, one_way_s: float) -> None:
        self.random = random.Random(seed)
        self._one_way_s = one_way_s

    def delay_s(self) -> float:
        delay_s = self.random.uniform(0.2, 1.8) * self._one_way_s
        return delay_s * 10 if self.random.random() < 0.02 else delay_s


class SkewedClock:
    """The exchange's clock as a synchronised client reads it: wrong by up to `error_s`."""

    def __init__(self, ahead_s: float, error_s: float, seed: int) -> None:
        self._ahead_s, self._error_s = ahead_s, error_s
        self._random = random.Random(seed)

    def exchange_s(self) -> float:
        """Return what the exchange's clock shows."""
        return asyncio.get_running_loop().time() + UNIX_S + self._ahead_s

    def time(self) -> float:
        """Return what the client believes that it shows."""
        return self.exchange_s() + self._random.uniform(-self._error_s, self._error_s)


async def run(
    throttler: AsyncThrottler,
    limits: Iterable[ArrivalLimit],
    lanes: Iterable[Lane],
    *,
    until_s: float,
    seed: int,
    one_way_s: float = 0.02,
    clock: SkewedClock | None = None,
    enter: Callable[..., AbstractAsyncContextManager[Any]] | None = None,
) -> Seen:
    """Let every task call without pause until `until_s`; return what the exchange saw by then.

    Callers that wait then give up. `enter` is how capacity is asked for, by default as managers do:
    held from departure to answer.
    """
    loop = asyncio.get_running_loop()
    network, counter, seen = Network(seed, one_way_s), ArrivalCounter(limits), Seen()

    def wall_s() -> float:
        return loop.time() if clock is None else clock.exchange_s()

    async def travel(ask: Ask) -> None:
        await asyncio.sleep(network.delay_s())
        overrun = counter.arrive(ask.method, ask.path, loop.time(), wall_s())
        seen.calls += 1
        if overrun is None:
            await asyncio.sleep(network.delay_s())
            counter.leave(ask.method, ask.path, loop.time())
        else:
            seen.refused += 1
        await asyncio.sleep(network.delay_s())

    async def call(limit_id: str, ask: Ask) -> None:
        if enter is not None:
            async with enter(limit_id, request=ask):
                await travel(ask)
            return
        async with throttler.in_flight(limit_id, departed=False, request=ask) as slot:
            await asyncio.sleep(network.random.uniform(0, 0.0004))  # an auth signs
            await slot.depart()
            departed_at = loop.time()
            try:
                await travel(ask)
            finally:
                took_s = loop.time() - departed_at
                seen.under_way_s[limit_id] = seen.under_way_s.get(limit_id, 0.0) + took_s
            slot.land()

    async def work(lane: Lane) -> None:
        while True:
            await call(lane.limit_id, lane.ask(network.random))

    tasks = [asyncio.create_task(work(lane)) for lane in lanes for _ in range(lane.tasks)]
    try:
        async with asyncio.timeout(until_s):
            await asyncio.gather(*tasks)
    except TimeoutError:
        seen.use = counter.use(loop.time(), wall_s())
    await asyncio.gather(*tasks, return_exceptions=True)
    seen.peaks = dict(counter.peaks)
    return seen
