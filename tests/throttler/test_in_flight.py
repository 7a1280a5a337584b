"""Capacity held until the answer came: no jitter on the way breaks the window over there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from networkpype import AsyncThrottler, LinkedLimitWeightPair, RateLimit, UnknownLimitError
from networkpype.testing.virtual_time import virtual_time

from .callers import settle

LIMIT, INTERVAL_S = 10, 1.0


def throttler() -> AsyncThrottler:
    return AsyncThrottler([RateLimit("orders", LIMIT, INTERVAL_S)], safety_margin_pct=0)


async def fullest_second_at_the_exchange(
    capacity: Callable[[str], AbstractAsyncContextManager[object]],
) -> int:
    """Make 300 calls whose way there takes 0 to 0.4 s and whose way back 0 to 0.1 s."""
    loop, jitter = asyncio.get_running_loop(), random.Random(7)
    arrivals: list[float] = []

    async def call() -> None:
        async with capacity("orders"):
            await asyncio.sleep(jitter.uniform(0, 0.4))
            arrivals.append(loop.time())
            await asyncio.sleep(jitter.uniform(0, 0.1))

    await asyncio.gather(*(call() for _ in range(300)))
    arrivals.sort()
    return max(sum(at <= other < at + INTERVAL_S for other in arrivals) for at in arrivals)


@virtual_time
async def test_no_jitter_breaks_the_window_at_the_exchange() -> None:
    assert await fullest_second_at_the_exchange(throttler().in_flight) == LIMIT


@virtual_time
async def test_counted_from_its_departure_a_call_does_break_it() -> None:
    """Why `in_flight` exists; `execute_task` counts as 1.1.5 did."""
    assert await fullest_second_at_the_exchange(throttler().execute_task) > LIMIT


@virtual_time
async def test_a_slot_is_free_an_interval_after_its_call_ended() -> None:
    one = AsyncThrottler([RateLimit("one", 1, 1.0)])
    async with one.in_flight("one"):
        assert one.snapshot()["one"].used == 1
        await asyncio.sleep(5)
        assert one.snapshot()["one"].used == 1  # however long it takes
    async with one.in_flight("one"):
        assert asyncio.get_running_loop().time() == 6
    assert one.snapshot()["one"].used == 1


@virtual_time
async def test_a_call_that_fails_has_paid_for_it() -> None:
    one = AsyncThrottler([RateLimit("one", 1, 1.0)])
    with pytest.raises(OSError, match="lost"):
        async with one.in_flight("one"):
            raise OSError("lost")
    await one.acquire("one")
    assert asyncio.get_running_loop().time() == 1


@virtual_time
async def test_one_that_is_cancelled_while_it_waits_pays_nothing() -> None:
    one = AsyncThrottler([RateLimit("one", 1, 1.0)])

    async def hold() -> None:
        async with one.in_flight("one"):
            await asyncio.sleep(3)

    first, second, third = (asyncio.create_task(hold()) for _ in range(3))
    await settle()
    second.cancel()
    await first
    await third
    assert asyncio.get_running_loop().time() == 3 + 1 + 3
    assert second.cancelled()


@virtual_time
async def test_one_that_is_cancelled_as_its_turn_comes_pays_nothing() -> None:
    one = AsyncThrottler([RateLimit("one", 1, 1.0)])
    await one.acquire("one")
    waiting = asyncio.create_task(one.hold("one"))
    await settle()
    asyncio.get_running_loop().call_at(1.0, waiting.cancel)
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert one.snapshot()["one"].used == 0


@virtual_time
async def test_limits_that_change_meanwhile_are_paid_as_they_were() -> None:
    both = [
        RateLimit("ip", 10, 1.0),
        RateLimit("orders", 10, 1.0, 2, [LinkedLimitWeightPair("ip", 3)]),
    ]
    changing = AsyncThrottler(both, safety_margin_pct=0)
    async with changing.in_flight("orders"):
        used = {name: use.used for name, use in changing.snapshot().items()}
        assert used == {"ip": 3, "orders": 2}
        changing.rate_limits = [RateLimit("ip", 10, 1.0), RateLimit("orders", 10, 1.0, 5)]
    await asyncio.sleep(1)
    assert {name: use.used for name, use in changing.snapshot().items()} == {"ip": 0, "orders": 0}


async def test_an_unknown_limit_is_refused_at_the_call() -> None:
    with pytest.raises(UnknownLimitError, match='did you mean "orders"'):
        throttler().in_flight("order")
    with pytest.raises(UnknownLimitError):
        await throttler().hold("order")


@virtual_time
async def test_what_prepares_a_call_may_need_the_same_limit() -> None:
    one = AsyncThrottler([RateLimit("one", 1, 1.0)])
    async with one.in_flight("one", departed=False) as outer:
        async with one.in_flight("one", departed=False) as token:  # waits for no more than 1 s
            await token.depart()
            token.land()
        await outer.depart()  # its own charge has expired meanwhile: it pays again
        assert asyncio.get_running_loop().time() == 2
        assert one.snapshot()["one"].used == 1
    assert one.snapshot()["one"].used == 1


@virtual_time
async def test_a_call_that_departs_in_time_pays_once() -> None:
    two = AsyncThrottler([RateLimit("two", 2, 1.0)], safety_margin_pct=0)
    async with two.in_flight("two", departed=False) as slot:
        await asyncio.sleep(0.5)
        await slot.depart()
        assert two.snapshot()["two"].used == 1
        await asyncio.sleep(5)
        assert two.snapshot()["two"].used == 1
        slot.land()
        slot.land()
        await asyncio.sleep(1)
        assert two.snapshot()["two"].used == 0
    assert two.snapshot()["two"].used == 0


@virtual_time
async def test_one_that_expired_in_the_shorter_window_pays_both_anew() -> None:
    both = AsyncThrottler(
        [
            RateLimit("minute", 5, 60),
            RateLimit("second", 5, 1, linked_limits=[LinkedLimitWeightPair("minute")]),
        ],
        safety_margin_pct=0,
    )
    async with both.in_flight("second", departed=False) as slot:
        await asyncio.sleep(2)
        await slot.depart()
        assert {name: use.used for name, use in both.snapshot().items()} == {
            "minute": 1,
            "second": 1,
        }
