"""One throttler on several event loops, on another clock, and under timers that fire early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.testing.clock import FakeClock
from networkpype.testing.virtual_time import VirtualTimeLoop, run_in_virtual_time, virtual_time
from networkpype.throttler.rate_limit import RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import Callers, finish, settle


def exact(limit: int, seconds: float, **more: Any) -> AsyncThrottler:
    return AsyncThrottler([RateLimit("a", limit, seconds)], safety_margin_pct=0, **more)


def test_a_throttler_made_before_the_loops_serves_one_after_the_other() -> None:
    throttler = exact(2, 60)
    asyncio.run(throttler.acquire("a"))
    asyncio.run(throttler.acquire("a"))
    assert throttler.snapshot()["a"].used == 2


def test_charges_outlive_a_loop_and_time_does_not_run_backwards_on_the_next() -> None:
    throttler = exact(1, 60)

    async def acquire_late() -> None:
        await asyncio.sleep(1000)
        await throttler.acquire("a")

    async def acquire() -> float:
        await throttler.acquire("a")
        return asyncio.get_running_loop().time()

    run_in_virtual_time(acquire_late())
    assert run_in_virtual_time(acquire()) == pytest.approx(60)  # this one starts at 0 again
    assert run_in_virtual_time(acquire()) == pytest.approx(60)


def test_who_waited_on_a_loop_that_was_closed_is_forgotten() -> None:
    throttler = exact(1, 10)
    loop = VirtualTimeLoop()
    loop.set_exception_handler(lambda *_: None)  # that a task is left behind is meant
    loop.run_until_complete(throttler.acquire("a"))
    stuck = loop.create_task(throttler.acquire("a"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert throttler.snapshot()["a"].waiting == 1

    async def acquire() -> float:
        await throttler.acquire("a")
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(acquire()) == 10.0
    assert throttler.snapshot()["a"].waiting == 0
    assert not stuck.done()


def test_two_loops_at_once_are_refused() -> None:
    throttler = exact(5, 10)

    async def outer() -> None:
        await throttler.acquire("a")
        with pytest.raises(ConfigurationError, match=r"another event loop.*copy\(\)"):
            await asyncio.to_thread(asyncio.run, throttler.acquire("a"))

    asyncio.run(outer())


def test_limits_can_be_changed_between_loops() -> None:
    throttler = exact(1, 60)
    run_in_virtual_time(throttler.acquire("a"))
    throttler.rate_limits = [RateLimit("a", 2, 60)]

    async def acquire() -> float:
        await throttler.acquire("a")
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(acquire()) == 0.0


@virtual_time
async def test_an_injected_clock_decides() -> None:
    clock = FakeClock()
    throttler = exact(1, 10, clock=clock)
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2")]
    await asyncio.sleep(30)
    assert callers.names == ["1"]
    clock.advance(10)
    await finish(tasks)
    assert callers.names == ["1", "2"]
    assert asyncio.get_running_loop().time() == 40.0  # it had looked each ten seconds


@virtual_time
async def test_a_clock_a_hair_before_the_end_is_not_asked_in_a_hot_loop() -> None:
    asked = 0

    class Stopped(FakeClock):
        def monotonic(self) -> float:
            nonlocal asked
            asked += 1
            return super().monotonic()

    clock = Stopped()
    throttler = exact(1, 10, clock=clock)
    await throttler.acquire("a")
    clock.advance(10 - 1e-9)
    task = Callers(throttler).call("a", "2")
    await settle()
    asked = 0
    await asyncio.sleep(0.1)
    assert 0 < asked < 250  # every millisecond, and not a thousand times in it
    clock.advance(1e-6)
    await task


async def test_another_thread_may_not_look() -> None:
    throttler = AsyncThrottler([RateLimit("a", 5, 60)])
    await throttler.acquire("a")
    with pytest.raises(ConfigurationError, match="another thread"):
        await asyncio.to_thread(throttler.snapshot)
    assert throttler.snapshot()["a"].used == 1
