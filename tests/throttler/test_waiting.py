"""Waiting for capacity: how long, in which order, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from networkpype.errors import UnknownLimitError, WeightExceedsLimitError
from networkpype.hooks import Event, Hook, ThrottleWaited
from networkpype.testing.virtual_time import VirtualTimeLoop, virtual_time
from networkpype.throttler.rate_limit import LimitUsage, LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import Callers, finish, settle


def exact(*limits: RateLimit, hook: Hook | None = None) -> AsyncThrottler:
    return AsyncThrottler(limits, safety_margin_pct=0, hook=hook)


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_a_thousand_waiters_are_done_in_the_ideal_time_in_order_and_never_over() -> None:
    callers = Callers(exact(RateLimit("a", 100, 0.5)))
    await finish([callers.call("a", str(number)) for number in range(1000)])
    assert callers.names == [str(number) for number in range(1000)]
    assert [at for _, at in callers.admitted] == [n // 100 * 0.5 for n in range(1000)]


@virtual_time
async def test_the_window_rolls() -> None:
    callers = Callers(exact(RateLimit("a", 2, 1.0)))
    tasks = [callers.call("a", "1")]
    await asyncio.sleep(0.75)
    tasks += [callers.call("a", name) for name in ("2", "3", "4")]
    await finish(tasks)
    assert callers.admitted == [("1", 0.0), ("2", 0.75), ("3", 1.0), ("4", 1.75)]


@pytest.mark.parametrize("interval", [0.1, 0.3, 1 / 3, 0.7, 1e-4, 86_400.1])
def test_no_window_is_broken_by_rounding_and_no_timer_spins(interval: float) -> None:
    @virtual_time
    async def crowd() -> list[float]:
        await asyncio.sleep(0.1234567)
        callers = Callers(exact(RateLimit("a", 3, interval)))
        await finish([callers.call("a", str(number)) for number in range(60)])
        return [at for _, at in callers.admitted]

    times = crowd()
    assert all(
        later - earlier >= interval for earlier, later in zip(times, times[3:], strict=False)
    )
    assert times[-1] == pytest.approx(0.1234567 + 19 * interval, rel=1e-12)


@virtual_time
async def test_linked_limits_are_charged_all_or_nothing() -> None:
    throttler = exact(
        RateLimit("ip", 10, 2),
        RateLimit("orders", 1, 1, linked_limits=[LinkedLimitWeightPair("ip", 5)]),
    )
    callers = Callers(throttler)
    tasks = [callers.call("orders", "1"), callers.call("orders", "2")]
    await settle()
    assert throttler.snapshot()["ip"].used == 5  # the one that waits holds nothing
    await finish(tasks)
    assert callers.admitted == [("1", 0.0), ("2", 1.0)]
    assert throttler.snapshot() == {
        "ip": LimitUsage(10, 10, 2, 1.0, 0),
        "orders": LimitUsage(1, 1, 1, 1.0, 0),
    }


@virtual_time
async def test_a_call_of_weight_zero_is_free_of_a_full_limit() -> None:
    throttler = exact(
        RateLimit("ip", 1, 60), RateLimit("free", 1, 60, 0, [LinkedLimitWeightPair("ip", 0)])
    )
    await throttler.acquire("ip")
    for _ in range(5):
        await throttler.acquire("free")
    assert now() == 0.0
    assert throttler.snapshot()["free"].used == 0


@virtual_time
async def test_unrelated_limits_do_not_wait_for_each_other() -> None:
    callers = Callers(exact(RateLimit("slow", 1, 100), RateLimit("fast", 1, 1)))
    names = ["slow", "slow", "fast", "fast", "fast"]
    await finish([callers.call(name, name) for name in names])
    assert callers.admitted == [
        ("slow", 0.0),
        ("fast", 0.0),
        ("fast", 1.0),
        ("fast", 2.0),
        ("slow", 100.0),
    ]


@virtual_time
async def test_a_light_call_does_not_overtake_a_heavy_one() -> None:
    heavy = RateLimit("heavy", 100, 1, linked_limits=[LinkedLimitWeightPair("ip", 8)])
    callers = Callers(exact(RateLimit("ip", 10, 1), heavy))
    order = [("heavy", "h1"), ("heavy", "h2"), ("ip", "light")]
    await finish([callers.call(limit_id, name) for limit_id, name in order])
    assert callers.admitted == [("h1", 0.0), ("h2", 1.0), ("light", 1.0)]


@virtual_time
async def test_a_cancelled_waiter_pays_nothing_and_the_next_moves_up() -> None:
    throttler = exact(RateLimit("a", 1, 1))
    callers = Callers(throttler)
    tasks = [callers.call("a", name) for name in ("1", "2", "3")]
    await asyncio.sleep(0.5)
    tasks[1].cancel()
    await settle()
    assert throttler.snapshot()["a"].waiting == 1
    await finish([tasks[0], tasks[2]])
    assert callers.admitted == [("1", 0.0), ("3", 1.0)]


@virtual_time
async def test_a_heavy_head_that_gives_up_lets_a_light_one_go_at_once() -> None:
    heavy = RateLimit("heavy", 100, 1, linked_limits=[LinkedLimitWeightPair("ip", 8)])
    callers = Callers(exact(RateLimit("ip", 10, 1), heavy))
    tasks = [callers.call("heavy", "h1"), callers.call("heavy", "h2"), callers.call("ip", "light")]
    await asyncio.sleep(0.25)
    tasks[1].cancel()
    await finish([tasks[0], tasks[2]])
    assert callers.admitted == [("h1", 0.0), ("light", 0.25)]


@virtual_time
async def test_one_cancelled_in_the_turn_that_admitted_it_gives_the_charge_back() -> None:
    throttler = exact(RateLimit("a", 1, 1))
    callers = Callers(throttler)
    tasks = [callers.call("a", name) for name in ("1", "2", "3")]
    await settle()
    # Due at the same instant as the throttler's timer, and after it: "2" was let go, but did not
    # run yet.
    asyncio.get_running_loop().call_at(1.0, tasks[1].cancel)
    await finish([tasks[0], tasks[2]])
    assert tasks[1].cancelled()
    assert callers.admitted == [("1", 0.0), ("3", 1.0)]
    assert throttler.snapshot()["a"].used == 1


@virtual_time
async def test_a_timeout_around_a_call_works_as_anywhere() -> None:
    throttler = exact(RateLimit("a", 1, 10))
    await throttler.acquire("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await throttler.acquire("a")
    assert now() == 3.0
    await throttler.acquire("a")
    assert now() == 10.0


@virtual_time
async def test_the_charge_stands_when_the_body_raises() -> None:
    throttler = exact(RateLimit("a", 1, 10))
    with pytest.raises(KeyError):
        async with throttler.execute_task("a"):
            raise KeyError("the answer was odd")
    assert throttler.snapshot()["a"].used == 1


@virtual_time
async def test_a_context_entered_twice_pays_twice() -> None:
    throttler = exact(RateLimit("a", 5, 10))
    context = throttler.execute_task("a")
    for _ in range(2):
        async with context:
            pass
    assert throttler.snapshot()["a"].used == 2


@virtual_time
async def test_raising_a_limit_wakes_the_waiters_it_has_room_for() -> None:
    throttler = exact(RateLimit("a", 1, 10))
    callers = Callers(throttler)
    tasks = [callers.call("a", name) for name in ("1", "2", "3", "4")]
    await asyncio.sleep(2)
    throttler.rate_limits = [RateLimit("a", 3, 10)]
    await finish(tasks)
    assert callers.admitted == [("1", 0.0), ("2", 2.0), ("3", 2.0), ("4", 10.0)]


@virtual_time
async def test_lowering_a_limit_keeps_what_is_charged() -> None:
    throttler = exact(RateLimit("a", 3, 10))
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2")]
    await asyncio.sleep(2)
    tasks += [callers.call("a", "3"), callers.call("a", "4")]
    await settle()
    throttler.rate_limits = [RateLimit("a", 1, 10)]
    assert throttler.snapshot()["a"] == LimitUsage(3, 1, 10, 10.0, 1)
    await finish(tasks)
    assert callers.admitted[-1] == ("4", 12.0)


@virtual_time
async def test_a_shorter_interval_counts_for_the_charges_that_are_there() -> None:
    throttler = exact(RateLimit("a", 1, 10))
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2")]
    await asyncio.sleep(2)
    throttler.rate_limits = [RateLimit("a", 1, 5)]
    await finish(tasks)
    assert callers.admitted[-1] == ("2", 5.0)


@virtual_time
async def test_who_waits_for_a_limit_that_is_removed_is_told() -> None:
    throttler = exact(RateLimit("a", 1, 10), RateLimit("b", 1, 10))
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2"), callers.call("b", "3")]
    tasks.append(callers.call("b", "4"))
    await settle()
    throttler.rate_limits = [RateLimit("b", 1, 10)]
    with pytest.raises(UnknownLimitError, match='no rate limit "a"'):
        await tasks[1]
    await tasks[3]
    assert callers.admitted == [("1", 0.0), ("3", 0.0), ("4", 10.0)]


@virtual_time
async def test_who_has_become_too_heavy_is_told() -> None:
    throttler = exact(RateLimit("a", 5, 10, 5))
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2")]
    await settle()
    throttler.rate_limits = [RateLimit("a", 4, 10, 5)]
    with pytest.raises(WeightExceedsLimitError):
        await tasks[1]


@virtual_time
async def test_one_cancelled_and_refused_at_once_is_cancelled_quietly() -> None:
    throttler = exact(RateLimit("a", 1, 10))
    callers = Callers(throttler)
    tasks = [callers.call("a", "1"), callers.call("a", "2")]
    await settle()
    complaints: list[Mapping[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    throttler.rate_limits = []
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert tasks[1].cancelled()
    del tasks
    await settle()
    assert complaints == []


@virtual_time
async def test_a_hook_hears_who_waited_and_how_long() -> None:
    heard: list[Event] = []
    throttler = exact(RateLimit("a", 1, 2), RateLimit("b", 1, 2), hook=heard.append)
    tasks = [Callers(throttler).call("a", str(number)) for number in range(3)]
    await settle()
    await throttler.acquire("b")  # others wait, but not for this
    assert heard == []
    await finish(tasks)
    assert heard == [ThrottleWaited("a", 2.0, "a"), ThrottleWaited("a", 4.0, "a")]


@virtual_time
async def test_a_snapshot_tells_use_and_waiters_and_when_there_is_room() -> None:
    throttler = exact(RateLimit("a", 2, 10), RateLimit("b", 5, 1))
    callers = Callers(throttler)
    tasks = [callers.call("a", str(number)) for number in range(4)]
    await asyncio.sleep(4)
    assert throttler.snapshot() == {
        "a": LimitUsage(used=2, capacity=2, time_interval=10, next_free_s=6.0, waiting=2),
        "b": LimitUsage(used=0, capacity=5, time_interval=1, next_free_s=0.0, waiting=0),
    }
    assert repr(throttler) == "AsyncThrottler(limits=['a', 'b'], waiting=2)"
    await finish(tasks)


class CountingLoop(VirtualTimeLoop):
    timers = 0

    def call_at(self, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        self.timers += 1
        return super().call_at(*args, **kwargs)


def test_waiting_takes_one_timer_and_no_polling() -> None:
    async def crowd() -> None:
        throttler = exact(RateLimit("a", 100, 3600), RateLimit("b", 1000, 3600))
        callers = Callers(throttler)
        waiting = [callers.call("a", str(number)) for number in range(1000)]
        await settle()
        for _ in range(50):  # they go past those who wait
            await throttler.acquire("b")
        await finish(waiting)
        assert now() == 9 * 3600

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(crowd())
        loop = runner.get_loop()
    assert isinstance(loop, CountingLoop)
    assert loop.timers == 9
