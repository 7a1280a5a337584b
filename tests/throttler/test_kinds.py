"""A throttler before exchanges that count in other ways, and calls that weigh what they ask for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    LimitKind,
    LinkedLimitWeightPair,
    Priority,
    RateLimit,
    WeightExceedsLimitError,
)
from networkpype.testing.virtual_time import virtual_time
from tests.throttler.callers import Callers, finish, settle


@dataclass
class At:
    """An exchange's clock, so many seconds ahead of the loop's."""

    ahead_s: float

    def time(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


def throttler(*limits: RateLimit, **options: Any) -> AsyncThrottler:
    return AsyncThrottler(limits, safety_margin_pct=0, **options)


@virtual_time
async def test_a_fixed_window_is_that_of_the_exchanges_clock() -> None:
    start = asyncio.get_running_loop().time()
    # There it is 57 s past a minute.
    ahead = 57.0 - start % 60
    callers = Callers(
        throttler(RateLimit.fixed_window("a", 2, 60), time_provider=At(ahead)),
    )
    await finish([callers.call("a", str(number)) for number in range(5)])
    assert [round(at - start, 6) for _, at in callers.admitted] == [0, 0, 3, 3, 63]


@virtual_time
async def test_a_bucket_gives_its_burst_and_then_drips() -> None:
    start = asyncio.get_running_loop().time()
    callers = Callers(throttler(RateLimit.token_bucket("a", 10, 1, burst=3)))
    await finish([callers.call("a", str(number)) for number in range(6)])
    assert [round(at - start, 6) for _, at in callers.admitted] == [0, 0, 0, 0.1, 0.2, 0.3]


@virtual_time
async def test_krakens_counter_decays() -> None:
    """https://docs.kraken.com/exchange/guides/rest/ratelimits: 15, and 0.33 a second less."""
    start = asyncio.get_running_loop().time()
    history = RateLimit("history", 10**6, 1, 0, [LinkedLimitWeightPair("private", 2)])
    callers = Callers(throttler(RateLimit.decaying_counter("private", 15, 0.33), history))
    await finish([callers.call("history", str(number)) for number in range(8)])
    assert [at - start for _, at in callers.admitted[:7]] == [0] * 7
    assert callers.admitted[7][1] - start == pytest.approx(1 / 0.33)


@virtual_time
async def test_no_more_calls_are_under_way_than_may_be() -> None:
    limited = throttler(RateLimit.concurrent("a", 3))
    under_way, most = 0, 0

    async def call() -> None:
        nonlocal under_way, most
        async with limited.execute_task("a"):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.5)
            under_way -= 1

    start = asyncio.get_running_loop().time()
    await asyncio.gather(*(call() for _ in range(9)))
    assert most == 3
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.5)
    assert limited.snapshot()["a"].used == 0


@virtual_time
async def test_what_prepares_a_call_may_need_the_place_that_the_call_has() -> None:
    limited = throttler(RateLimit.concurrent("a", 1, preparation_s=2.0))
    start = asyncio.get_running_loop().time()
    async with limited.in_flight("a", departed=False) as slot:
        async with limited.in_flight("a"):  # the server's time, say
            pass
        await slot.depart()
        assert limited.snapshot()["a"].held == 1
    assert asyncio.get_running_loop().time() - start == pytest.approx(2.0)


async def test_acquire_cannot_tell_when_a_call_is_over() -> None:
    with pytest.raises(ConfigurationError, match="in_flight"):
        await throttler(RateLimit.concurrent("a", 1)).acquire("a")


async def test_a_held_task_is_for_one_call() -> None:
    task = throttler(RateLimit.concurrent("a", 2)).execute_task("a")
    async with task:
        with pytest.raises(RuntimeError, match="one for each"):
            await task.__aenter__()


@virtual_time
async def test_who_never_departed_was_not_sent_and_pays_nothing() -> None:
    limited = throttler(RateLimit("a", 2, 60))
    with pytest.raises(LookupError):
        async with limited.in_flight("a", departed=False):
            raise LookupError("no key to sign with")
    assert limited.snapshot()["a"].used == 0


def by_depth(request: dict[str, int]) -> int:
    return 5 if request["limit"] > 100 else 1


async def test_a_weight_is_computed_from_the_request() -> None:
    depth = RateLimit("depth", 100, 60, by_depth, [LinkedLimitWeightPair("ip", by_depth)])
    limited = throttler(RateLimit("ip", 100, 60), depth)
    await limited.acquire("depth", request={"limit": 50})
    async with limited.execute_task("depth", request={"limit": 500}):
        pass
    async with limited.in_flight("depth", request={"limit": 500}):
        assert limited.snapshot()["ip"].used == limited.snapshot()["depth"].used == 11


@pytest.mark.parametrize("weight", [-1, 1.5, True, None])
async def test_a_computed_weight_is_a_whole_number(weight: object) -> None:
    limited = throttler(RateLimit("a", 10, 60, lambda _: weight))  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigurationError, match="whole number"):
        await limited.acquire("a", request="r")
    assert limited.snapshot()["a"].used == 0


async def test_a_computed_weight_needs_its_request_and_has_to_fit() -> None:
    limited = throttler(RateLimit("a", 10, 60, lambda request: int(request)))
    with pytest.raises(ConfigurationError, match="pass request="):
        limited.execute_task("a")
    with pytest.raises(WeightExceedsLimitError, match="weighs 11"):
        limited.in_flight("a", request=11)
    await limited.acquire("a", request=10)


@virtual_time
async def test_calls_of_different_weights_go_in_order() -> None:
    limited = throttler(RateLimit("a", 10, 1, lambda request: int(request)))
    went: list[int] = []

    async def call(weight: int) -> None:
        await limited.acquire("a", request=weight)
        went.append(weight)

    await limited.acquire("a", request=5)
    await asyncio.gather(*(call(weight) for weight in (9, 1, 2, 8)))
    assert went == [9, 1, 2, 8]


@virtual_time
async def test_who_waits_with_a_computed_weight_is_judged_by_new_limits() -> None:
    limited = throttler(RateLimit("a", 10, 60, lambda request: int(request)))
    await limited.acquire("a", request=10)
    waits = asyncio.create_task(limited.acquire("a", request=8))
    too_heavy = asyncio.create_task(limited.acquire("a", request=9))
    await settle()
    limited.rate_limits = [RateLimit("a", 18, 60, lambda request: int(request))]
    await settle()
    assert waits.done()
    assert not too_heavy.done()
    limited.rate_limits = [RateLimit("a", 8, 60, lambda request: int(request))]
    with pytest.raises(WeightExceedsLimitError):
        await too_heavy


@virtual_time
async def test_a_limit_that_becomes_one_of_another_kind_begins_anew() -> None:
    limited = throttler(RateLimit("a", 5, 60))
    await limited.acquire("a")
    limited.rate_limits = [RateLimit.token_bucket("a", 5, 60)]
    assert limited.snapshot()["a"].used == 0
    assert limited.snapshot()["a"].kind is LimitKind.TOKEN_BUCKET


@virtual_time
async def test_the_time_on_the_way_is_added_to_a_window() -> None:
    start = asyncio.get_running_loop().time()
    callers = Callers(throttler(RateLimit("a", 1, 1), safety_margin_s=0.25))
    await finish([callers.call("a", str(number)) for number in range(3)])
    assert [round(at - start, 6) for _, at in callers.admitted] == [0, 1.25, 2.5]


def test_the_time_on_the_way_is_taken_off_a_burst() -> None:
    limited = throttler(RateLimit.token_bucket("a", 10, 1, burst=20), safety_margin_s=0.5)
    assert limited.snapshot()["a"].capacity == 15


def test_share_and_margin_hold_for_rate_and_burst() -> None:
    limited = AsyncThrottler(
        [RateLimit.token_bucket("a", 100, 10, burst=40)],
        safety_margin_pct=0.1,
        limits_share_percentage=50,
    )
    assert limited.snapshot()["a"].capacity == 18
    assert limited.rate_limits == [RateLimit.token_bucket("a", 50, 10, burst=20)]


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: RateLimit("a", 1, 1, kind="token bucket"), "LimitKind"),  # type: ignore[arg-type]
        (lambda: RateLimit("a", 1, 1, burst=5), "only a token bucket"),
        (lambda: RateLimit.token_bucket("a", 1, 1, burst=0), "burst"),
        (lambda: RateLimit.decaying_counter("a", 15, 0), "decay_per_s"),
        (lambda: RateLimit.decaying_counter("a", 0, 1.0), "maximum"),
        (lambda: RateLimit("a", 1, 1, priority=0), "Priority"),  # type: ignore[arg-type]
        (lambda: RateLimit("a", 5, 1, reserved={0: 1}), "Priority"),  # type: ignore[dict-item]
        (lambda: RateLimit("a", 5, 1, reserved={Priority.CANCEL: 5}), "reserve less"),
        (lambda: RateLimit("a", 5, 1, reserved=[1]), "units by Priority"),  # type: ignore[arg-type]
        (lambda: RateLimit("a", 5, 1, weight="x"), "whole number"),  # type: ignore[arg-type]
        (lambda: throttler(RateLimit("a", 5, 1), safety_margin_s=-1.0), "safety_margin_s"),
        (lambda: throttler(RateLimit("a", 5, 1), max_wait=-1.0), "max_wait"),
        (lambda: throttler(RateLimit("a", 5, 1), time_provider=5), "time_provider"),
        (lambda: throttler(RateLimit("a", 5, 1), learn_from=[5]), "learn_from"),
        (lambda: throttler(RateLimit("a", 5, 1), learn_from=5), "learn_from"),
    ],
)
def test_what_is_wrong_is_refused_with_its_fix(make: Any, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        make()


@dataclass
class Doubted(At):
    """An exchange's clock as it was measured, and how far off that may be."""

    uncertainty_ms: float | None = 0.0


@virtual_time
async def test_a_window_begins_later_and_ends_earlier_by_the_clocks_uncertainty() -> None:
    start = asyncio.get_running_loop().time()
    there = start % 10  # where in its window of ten seconds the exchange is now
    clock = Doubted(0.25, uncertainty_ms=300.0)  # a quarter of a second too high, which it may be
    callers = Callers(throttler(RateLimit.fixed_window("a", 1, 10), time_provider=clock))
    await finish([callers.call("a", str(number)) for number in range(4)])
    first, *others = [at - start + there for _, at in callers.admitted]
    assert all(at % 10 >= 0 and at % 10 < 0.6 for at in others)
    windows = [at // 10 for at in (first, *others)]
    assert len(set(windows)) == 4


async def test_a_clock_without_a_sample_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Doubted(0.0, uncertainty_ms=None)
    limited = throttler(
        RateLimit.fixed_window("a", 5, 0.001),
        RateLimit.fixed_window("b", 5, 1),
        time_provider=clock,
    )
    for _ in range(3):
        await limited.acquire("a")
        await limited.acquire("b")
        await asyncio.sleep(0.002)
    assert caplog.text.count("sync() it first") == 1


async def test_a_weight_function_that_raises_is_a_wrong_argument() -> None:
    limited = throttler(RateLimit("a", 10, 60, by_depth))
    with pytest.raises(ConfigurationError, match=r'"a" is told by by_depth, which raised KeyError'):
        await limited.acquire("a", request={"depth": 5})
    assert limited.snapshot()["a"].used == 0


def test_calls_under_way_need_no_margin() -> None:
    limited = AsyncThrottler([RateLimit.concurrent("a", 3)])
    assert limited.snapshot()["a"].capacity == 3
    half = AsyncThrottler([RateLimit.concurrent("a", 4)], limits_share_percentage=50)
    assert half.snapshot()["a"].capacity == 2


def test_half_a_percent_is_asked_about(caplog: pytest.LogCaptureFixture) -> None:
    AsyncThrottler([RateLimit("a", 100, 1)], limits_share_percentage=0.5)
    assert "for a half write 50" in caplog.text
