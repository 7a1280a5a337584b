"""Cancel before place before query, room that is kept for them, and waits that may not be long."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    LinkedLimitWeightPair,
    Outcome,
    Priority,
    RateLimit,
    ThrottleRefused,
    ThrottleTimeoutError,
    ThrottleWaited,
    WeightExceedsLimitError,
)
from networkpype.hooks import Event
from networkpype.testing.virtual_time import virtual_time
from tests.throttler.callers import Callers, finish, settle

CANCEL, PLACE, QUERY = Priority


def linked(limit_id: str, priority: Priority, weight: int = 1) -> RateLimit:
    pairs = [LinkedLimitWeightPair("ip", weight)]
    return RateLimit(limit_id, 10**6, 1, 0, pairs, priority=priority)


def exchange(limit: int = 2, reserved: dict[Priority, int] | None = None) -> list[RateLimit]:
    return [
        RateLimit("ip", limit, 1, reserved=reserved or {}),
        linked("cancel", CANCEL),
        linked("place", PLACE),
        linked("query", QUERY),
        linked("heavy", QUERY, 2),
    ]


def throttler(*args: Any, **options: Any) -> AsyncThrottler:
    return AsyncThrottler(exchange(*args), safety_margin_pct=0, **options)


async def full(limited: AsyncThrottler) -> None:
    for _ in range(int(limited.snapshot()["ip"].capacity)):
        await limited.acquire("ip")


@virtual_time
async def test_better_priorities_go_first_and_each_in_its_order() -> None:
    limited = throttler()
    await full(limited)
    callers = Callers(limited)
    tasks = [
        callers.call(limit_id, f"{limit_id}{number}")
        for number, limit_id in enumerate(["query", "place", "query", "cancel", "place", "cancel"])
    ]
    await finish(tasks)
    assert callers.names == ["cancel3", "cancel5", "place1", "place4", "query0", "query2"]


@virtual_time
async def test_a_call_may_have_a_priority_of_its_own() -> None:
    limited = throttler()
    await full(limited)
    went: list[str] = []

    async def call(name: str, priority: Priority | None) -> None:
        async with limited.in_flight("query", priority=priority):
            went.append(name)

    await asyncio.gather(call("first", None), call("urgent", CANCEL), call("second", None))
    assert went == ["urgent", "first", "second"]
    with pytest.raises(ConfigurationError, match="Priority"):
        await limited.acquire("query", priority=1)  # type: ignore[arg-type]


@virtual_time
async def test_reserved_room_is_for_those_it_is_kept_for_and_those_above() -> None:
    limited = throttler(10, {CANCEL: 2, PLACE: 3})
    callers = Callers(limited)
    tasks = [callers.call("query", f"q{number}") for number in range(8)]
    await settle()
    assert len(callers.names) == 5
    tasks += [callers.call("place", f"p{number}") for number in range(8)]
    await settle()
    assert len(callers.names) == 8
    tasks += [callers.call("cancel", f"c{number}") for number in range(8)]
    await settle()
    assert callers.names[8:] == ["c0", "c1"]
    assert limited.snapshot()["ip"].used == 10
    await finish(tasks)
    assert limited.snapshot()["ip"].used <= 10


def test_a_weight_that_fits_only_where_room_is_reserved_is_refused() -> None:
    limits = [RateLimit("ip", 10, 1, reserved={CANCEL: 5}), linked("big", QUERY, 6)]
    limited = AsyncThrottler(limits, safety_margin_pct=0)
    with pytest.raises(WeightExceedsLimitError, match="5 are reserved for better priorities"):
        limited.execute_task("big")
    limited.execute_task("big", priority=CANCEL)


@virtual_time
async def test_a_heavy_call_is_not_starved_by_light_ones_of_its_priority() -> None:
    limited = throttler(4)
    callers = Callers(limited)
    for _ in range(3):
        await limited.acquire("ip")
    heavy = callers.call("heavy", "heavy")
    await settle()
    light = [callers.call("query", f"light{number}") for number in range(4)]
    await finish([heavy, *light])
    assert callers.names[0] == "heavy"


@virtual_time
@pytest.mark.parametrize("name", ["acquire", "hold", "charge", "execute_task", "in_flight"])
async def test_one_call_may_wait_without_a_bound(name: str) -> None:
    limited = throttler(2, max_wait=0.5)
    await full(limited)
    with pytest.raises(ThrottleTimeoutError):  # None is the throttler's own
        await limited.acquire("query", max_wait=None)
    limited.block(1e10)  # longer than any number that stands for ever
    start = asyncio.get_running_loop().time()
    begun = getattr(limited, name)("query", max_wait=math.inf)
    waits = asyncio.ensure_future(begun.__aenter__() if hasattr(begun, "__aenter__") else begun)
    await asyncio.sleep(3600.0)
    limited.unblock()
    await waits
    assert asyncio.get_running_loop().time() - start == pytest.approx(3600.0)


@virtual_time
async def test_a_throttler_may_be_without_a_bound() -> None:
    limited = throttler(2, max_wait=math.inf)
    await full(limited)
    start = asyncio.get_running_loop().time()
    await limited.acquire("query")
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.0)


@virtual_time
async def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    events: list[Event] = []
    limited = throttler(2, hook=events.append)
    await full(limited)
    start = asyncio.get_running_loop().time()
    with pytest.raises(ThrottleTimeoutError, match="nothing was sent") as caught:
        await limited.acquire("query", max_wait=0.9)
    assert asyncio.get_running_loop().time() == start
    assert caught.value.outcome is Outcome.NOT_SENT
    assert caught.value.limit_id == "query"
    assert caught.value.forecast_s == pytest.approx(1.0)
    assert events == [ThrottleRefused("query", 0.0, caught.value.forecast_s or 0, "ip")]
    await limited.acquire("query", max_wait=1.1)
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.0)
    assert isinstance(events[1], ThrottleWaited)


@virtual_time
async def test_the_forecast_counts_those_who_came_before_and_those_who_go_before() -> None:
    limited = throttler(2)
    await full(limited)
    before = [asyncio.create_task(limited.acquire("query")) for _ in range(4)]
    await settle()
    with pytest.raises(ThrottleTimeoutError) as caught:
        await limited.acquire("place", max_wait=0.5)
    assert caught.value.forecast_s == pytest.approx(1.0)  # queries do not go before it
    with pytest.raises(ThrottleTimeoutError) as caught:
        await limited.acquire("query", max_wait=2.5)
    assert caught.value.forecast_s == pytest.approx(3.0)
    await asyncio.gather(*before)


@virtual_time
async def test_a_wait_that_turned_out_too_long_ends_in_time_and_pays_nothing() -> None:
    events: list[Event] = []
    limited = throttler(2, hook=events.append)
    start = asyncio.get_running_loop().time()
    async with limited.in_flight("query"), limited.in_flight("query"):
        # Both may be over at any moment, so it is worth waiting; but they are not.
        with pytest.raises(ThrottleTimeoutError):
            await limited.acquire("query", max_wait=2.0)
        assert limited.snapshot()["query"].waiting == 0
    assert asyncio.get_running_loop().time() - start == pytest.approx(2.0)
    assert events == [ThrottleRefused("query", 2.0, 2.0, "ip")]
    assert limited.snapshot()["ip"].used == 2
    assert limited.snapshot()["query"].waiting == 0


@virtual_time
async def test_not_to_wait_at_all() -> None:
    limited = throttler(2)
    await limited.acquire("query", max_wait=0)
    await limited.acquire("query", max_wait=0)
    with pytest.raises(ThrottleTimeoutError):
        await limited.acquire("query", max_wait=0)
    assert limited.snapshot()["ip"].used == 2


@virtual_time
async def test_a_throttler_may_have_a_longest_wait_of_its_own() -> None:
    limited = throttler(2, max_wait=0.5)
    await full(limited)
    for context in (limited.in_flight("query"), limited.execute_task("query")):
        with pytest.raises(ThrottleTimeoutError):
            async with context:
                pass
    async with limited.execute_task("query", max_wait=1.5):
        pass


@virtual_time
async def test_a_cancelled_caller_with_a_longest_wait_leaves_nothing_behind() -> None:
    limited = throttler(2)
    await full(limited)
    waits = asyncio.create_task(limited.acquire("query", max_wait=5.0))
    await settle()
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert limited.snapshot()["query"].waiting == 0
    await asyncio.sleep(10)
    assert limited.snapshot()["ip"].used == 0


@pytest.mark.parametrize("max_wait", [-1, float("nan"), float("-inf"), "1", True])
async def test_a_longest_wait_is_seconds_also_where_nothing_waits(max_wait: Any) -> None:
    limited = throttler(2)
    for ask in (limited.in_flight, limited.execute_task):
        with pytest.raises(ConfigurationError, match="max_wait"):
            ask("query", max_wait=max_wait)
    for wait in (limited.acquire, limited.hold, limited.charge):
        with pytest.raises(ConfigurationError, match="max_wait"):
            await wait("query", max_wait=max_wait)


@virtual_time
async def test_how_long_calls_under_way_take_is_not_known_so_it_is_waited() -> None:
    limited = AsyncThrottler([RateLimit.concurrent("one", 1)])
    start = asyncio.get_running_loop().time()

    async def call() -> None:
        async with limited.in_flight("one", max_wait=1.0):
            await asyncio.sleep(0.1)

    await asyncio.gather(*(call() for _ in range(8)))
    assert asyncio.get_running_loop().time() - start == pytest.approx(0.8)


@virtual_time
async def test_those_who_left_are_not_in_the_forecast() -> None:
    limited = throttler(2)
    await full(limited)
    before = [asyncio.create_task(limited.acquire("query")) for _ in range(10)]
    await settle()
    for task in before:
        task.cancel()
    await settle()
    before = [asyncio.create_task(limited.acquire("query")) for _ in range(1)]
    await settle()
    with pytest.raises(ThrottleTimeoutError) as caught:
        await limited.acquire("query", max_wait=0.5)
    assert caught.value.forecast_s == pytest.approx(1.0)
    await asyncio.gather(*before)


@virtual_time
async def test_who_is_held_up_by_something_else_is_not_in_the_forecast() -> None:
    """A call that waits for its limit of the day does not keep the one of the second."""
    daily = RateLimit("daily", 1, 86_400, 1, [LinkedLimitWeightPair("ip", 1)])
    limited = AsyncThrottler([RateLimit("ip", 2, 1), linked("query", QUERY), daily], 0.1, 0)
    await limited.acquire("daily")
    tomorrow = [asyncio.create_task(limited.acquire("daily")) for _ in range(5)]
    await asyncio.sleep(2)
    await full(limited)
    start = asyncio.get_running_loop().time()
    await limited.acquire("query", max_wait=1.5)
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.0)
    for task in tomorrow:
        task.cancel()


@virtual_time
async def test_who_is_refused_for_a_block_is_told_so() -> None:
    limited = throttler(2)
    limited.block(600, ["ip"])
    with pytest.raises(ThrottleTimeoutError, match="no call is wanted for 600 s"):
        await limited.acquire("query", max_wait=1)
