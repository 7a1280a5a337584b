"""Faults that a review found in the limits of one process, each shown once and gone since."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from networkpype import (
    AsyncThrottler,
    LinkedLimitWeightPair,
    Priority,
    RateLimit,
    ThrottleTimeoutError,
)
from networkpype.testing.virtual_time import run_in_virtual_time, virtual_time
from networkpype.throttler.learning import Answer, RemainingHeader, UsedHeader
from networkpype.throttler.meters.window import FixedWindow, Window


class _LoopTime:
    def time(self) -> float:
        return asyncio.get_running_loop().time()


def _now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_a_share_is_not_more_because_the_others_have_used_nothing_yet() -> None:
    arrived: list[float] = []
    shares = [
        AsyncThrottler(
            [RateLimit("ip", 100, 60)],
            limits_share_percentage=50,
            learn_from=[UsedHeader("Used", "ip")],
        )
        for _ in range(2)
    ]

    async def call(throttler: AsyncThrottler) -> None:
        async with throttler.in_flight("ip", max_wait=0) as slot:
            await asyncio.sleep(0.01)
            arrived.append(_now())
            told = str(len(arrived))
            await asyncio.sleep(0.01)
            slot.land(Answer(200, {"Used": told}))

    for _ in range(47):
        await call(shares[0])
    await asyncio.sleep(1)
    calls = [call(share) for share in shares for _ in range(60)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in results} == {type(None), ThrottleTimeoutError}
    assert len(arrived) == 94


@virtual_time
@pytest.mark.parametrize(
    "limit",
    [RateLimit("a", 100, 60), RateLimit.token_bucket("a", 100, 60)],
    ids=["window", "level"],
)
async def test_what_is_left_is_left_of_the_whole_limit_not_of_it_less_the_margin(
    limit: RateLimit,
) -> None:
    limited = AsyncThrottler([limit], safety_margin_pct=0.1, learn_from=[RemainingHeader("Left")])
    async with limited.in_flight("a") as slot:
        slot.land(Answer(200, {"Left": "40"}))
    assert limited.snapshot()["a"].used == 60


@virtual_time
async def test_messages_that_an_answer_overtook_are_not_taken_back() -> None:
    limited = AsyncThrottler(
        [RateLimit("ip", 10, 60)],
        safety_margin_pct=0,
        safety_margin_s=1.0,
        learn_from=[UsedHeader("Used", "ip")],
    )
    for _ in range(8):
        await limited.acquire("ip")  # they arrive up to a second later
    await asyncio.sleep(0.5)
    async with limited.in_flight("ip") as slot:
        slot.land(Answer(200, {"Used": "1"}))
    assert limited.snapshot()["ip"].used == 9
    await asyncio.sleep(0.6)
    async with limited.in_flight("ip") as slot:
        slot.land(Answer(200, {"Used": "2"}))  # by now they would be there
    assert limited.snapshot()["ip"].used == 3


def _two_lanes() -> AsyncThrottler:
    links = [LinkedLimitWeightPair("ip")]
    return AsyncThrottler(
        [
            RateLimit("ip", 60, 60),
            RateLimit("orders", 1, 1, linked_limits=links),
            RateLimit("query", 1, 1, linked_limits=links),
        ],
        safety_margin_pct=0,
    )


@virtual_time
async def test_a_long_line_that_waits_for_its_own_limit_refuses_nobody_elsewhere() -> None:
    limited = _two_lanes()
    orders = [asyncio.create_task(limited.acquire("orders")) for _ in range(100)]
    await asyncio.sleep(0)
    await limited.acquire("query")
    await limited.acquire("query", max_wait=5)
    assert _now() == pytest.approx(1.0)
    for order in orders:
        order.cancel()


@virtual_time
async def test_a_line_that_waits_for_the_shared_limit_still_counts_whole() -> None:
    links = [LinkedLimitWeightPair("ip")]
    limited = AsyncThrottler(
        [
            RateLimit("ip", 10, 10),
            RateLimit("orders", 1000, 1, linked_limits=links),
            RateLimit("query", 1000, 1, linked_limits=links),
        ],
        safety_margin_pct=0,
    )
    orders = [asyncio.create_task(limited.acquire("orders")) for _ in range(40)]
    await asyncio.sleep(0)
    with pytest.raises(ThrottleTimeoutError) as refused:
        await limited.acquire("query", max_wait=15)
    assert refused.value.forecast_s == pytest.approx(40.0)
    assert _now() == 0
    for order in orders:
        order.cancel()


@virtual_time
async def test_a_fixed_window_is_foretold_by_its_boundaries() -> None:
    limited = AsyncThrottler(
        [RateLimit.fixed_window("ip", 10, 60)], safety_margin_pct=0, time_provider=_LoopTime()
    )
    await asyncio.sleep(1)
    limited.block(58.5)
    calls = [asyncio.create_task(limited.acquire("ip")) for _ in range(10)]
    await asyncio.sleep(0)
    await limited.acquire("ip", max_wait=59.5)  # ten in the last half second, it in the next minute
    assert _now() == pytest.approx(60.0)
    await asyncio.gather(*calls)
    full = [asyncio.create_task(limited.acquire("ip")) for _ in range(19)]
    await asyncio.sleep(0)
    with pytest.raises(ThrottleTimeoutError) as refused:
        await limited.acquire("ip", max_wait=100)
    assert refused.value.forecast_s == pytest.approx(120.0)
    for each in full:
        each.cancel()


@virtual_time
async def test_a_turn_that_comes_at_the_very_end_of_max_wait_is_taken() -> None:
    limited = AsyncThrottler([RateLimit("a", 1, 1)], safety_margin_pct=0)
    await limited.acquire("a")
    results = await asyncio.gather(
        *(limited.acquire("a", max_wait=float(n)) for n in range(1, 30)), return_exceptions=True
    )
    assert results == [None] * 29


@virtual_time
async def test_who_waits_with_a_priority_of_its_own_is_charged_under_a_new_link() -> None:
    limited = AsyncThrottler(
        [RateLimit("ip", 1, 60), RateLimit("orders", 1, 1)], safety_margin_pct=0
    )
    await limited.acquire("orders")
    calls = [
        asyncio.create_task(limited.acquire("orders", priority=Priority.PLACE)) for _ in range(3)
    ]
    await asyncio.sleep(0)
    links = [LinkedLimitWeightPair("ip")]
    limited.rate_limits = [RateLimit("ip", 1, 60), RateLimit("orders", 1, 1, linked_limits=links)]
    await asyncio.sleep(10)
    assert sum(call.done() for call in calls) == 1
    for call in calls:
        call.cancel()


@virtual_time
async def test_what_came_back_until_a_change_came_back_at_the_old_rate() -> None:
    limited = AsyncThrottler([RateLimit.decaying_counter("a", 15, 1.0)], safety_margin_pct=0)
    for _ in range(15):
        await limited.acquire("a")
    await asyncio.sleep(5)
    limited.rate_limits = [RateLimit.decaying_counter("a", 15, 3.0)]
    assert limited.snapshot()["a"].used == pytest.approx(10.0)


@virtual_time
async def test_a_fixed_window_made_shorter_does_not_wait_for_the_end_of_the_longer() -> None:
    clock = _LoopTime()
    limited = AsyncThrottler(
        [RateLimit.fixed_window("a", 1, 3600)], safety_margin_pct=0, time_provider=clock
    )
    await asyncio.sleep(1.5)
    await limited.acquire("a")
    limited.rate_limits = [RateLimit.fixed_window("a", 1, 1)]
    await limited.acquire("a")
    assert _now() == pytest.approx(2.0)


@pytest.mark.parametrize(
    "limit", [RateLimit.fixed_window("a", 1, 1), RateLimit.token_bucket("a", 1, 1)]
)
def test_a_look_before_there_is_a_loop_does_not_stop_the_count(limit: RateLimit) -> None:
    limited = AsyncThrottler([limit], safety_margin_pct=0)
    limited.snapshot()

    async def calls() -> float:
        await limited.acquire("a")
        await limited.acquire("a")
        return _now()

    assert run_in_virtual_time(calls()) <= 1.0 + 1e-6


@virtual_time
@pytest.mark.parametrize("departed", [True, False])
async def test_a_context_of_one_call_is_not_entered_twice(departed: bool) -> None:
    limited = AsyncThrottler([RateLimit("a", 2, 1)], safety_margin_pct=0)
    context = limited.in_flight("a", departed=departed)
    async with context:
        await context.depart()
        with pytest.raises(RuntimeError, match="make one for each call"):
            await context.__aenter__()
    assert limited.snapshot()["a"].held == 0
    assert limited.snapshot()["a"].used == 1


async def test_a_call_whose_answer_cannot_be_read_holds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = AsyncThrottler([RateLimit("a", 2, 1)])

    def broken(*_: object) -> None:
        raise LookupError("oh")

    monkeypatch.setattr(limited, "learn", broken)
    with pytest.raises(LookupError):
        async with limited.in_flight("a") as slot:
            slot.land(Answer(200, {}))
    assert limited.snapshot()["a"].held == 0


class _Counted(list[float]):
    looks = 0

    def __reversed__(self) -> Iterator[float]:
        for each in super().__reversed__():
            type(self).looks += 1
            yield each


def test_a_full_fixed_window_is_not_walked_through() -> None:
    meter = FixedWindow("a", 10_000, 60.0, lambda: 0.0)
    for index in range(10_000):
        meter.charge(1, 1.0 + index / 1000)
    meter.times = _Counted(meter.times)  # type: ignore[assignment]
    assert meter.free_at(1, 12.0) == 60.0
    assert _Counted.looks == 1


def test_a_blocked_window_counts_without_a_sum() -> None:
    meter = Window("a", 10, 60.0)
    for at in range(5):
        meter.charge(2, float(at))
    meter.block(100.0, 5.0)
    meter.weights = None  # type: ignore[assignment]
    assert meter.counted(6.0) == 10
