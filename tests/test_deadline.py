"""Many deadlines on one timer behave as `asyncio.timeout` does."""

from __future__ import annotations

import asyncio

import pytest

from networkpype.deadline import Deadline, Deadlines
from networkpype.testing.virtual_time import virtual_time


@virtual_time
async def test_each_call_ends_at_its_own_deadline() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    ends: dict[float, float] = {}

    async def call(seconds: float) -> None:
        with pytest.raises(TimeoutError), Deadline(deadlines, seconds) as deadline:
            await asyncio.Event().wait()
        assert deadline.expired
        ends[seconds] = loop.time()

    await asyncio.gather(*(call(seconds) for seconds in (3.0, 1.0, 2.0, 1.0)))
    assert ends == {1.0: 1.0, 2.0: 2.0, 3.0: 3.0}


@virtual_time
async def test_what_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    with Deadline(deadlines, 1) as deadline:
        await asyncio.sleep(0.5)
    await asyncio.sleep(5)  # the timer fires in between and finds nobody
    assert not deadline.expired
    with pytest.raises(TimeoutError), Deadline(deadlines, 1):
        await asyncio.sleep(2)
    assert asyncio.get_running_loop().time() == 6.5


@virtual_time
async def test_the_inner_deadline_leaves_the_outer_one_standing() -> None:
    deadlines = Deadlines()
    outer = Deadline(deadlines, 2)

    async def body() -> None:
        with pytest.raises(TimeoutError), Deadline(deadlines, 1):
            await asyncio.sleep(5)
        assert not outer.expired
        await asyncio.sleep(5)

    with pytest.raises(TimeoutError), outer:
        await body()
    assert asyncio.get_running_loop().time() == 2


@virtual_time
async def test_a_cancellation_from_outside_wins() -> None:
    deadlines = Deadlines()

    async def call() -> None:
        with Deadline(deadlines, 1):
            await asyncio.sleep(5)

    task = asyncio.create_task(call())
    asyncio.get_running_loop().call_at(1.0, task.cancel)  # in the same turn as the deadline
    await asyncio.wait([task])
    assert task.cancelled()


@virtual_time
async def test_a_timeout_of_the_body_is_not_taken_for_ours() -> None:
    with pytest.raises(TimeoutError, match="mine"), Deadline(Deadlines(), 1) as deadline:
        raise TimeoutError("mine")
    assert not deadline.expired


def test_deadlines_outlive_the_loop_they_were_used_in() -> None:
    deadlines = Deadlines()

    async def late() -> None:
        with pytest.raises(TimeoutError), Deadline(deadlines, 0.001):
            await asyncio.Event().wait()

    async def left_open() -> None:
        with Deadline(deadlines, 60):
            await asyncio.sleep(0)

    for coroutine in (left_open, late, late):
        asyncio.run(coroutine())
