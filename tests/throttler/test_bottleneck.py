"""Which limit holds a call up: told by the error, the events and one pure function."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    LinkedLimitWeightPair,
    Priority,
    RateLimit,
    ThrottleRefused,
    ThrottleTimeoutError,
    ThrottleWaited,
)
from networkpype.hooks import Event
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.bottleneck import NO_BOTTLENECK, find_bottleneck
from networkpype.throttler.store.base import Capacity, Charge, LimitStore, Usage
from networkpype.throttler.store.memory import MemoryStore

FIVE = ("p", "ip", "minute", "bucket", "slots")


def five_linked(store: LimitStore | None = None) -> tuple[AsyncThrottler, list[Event]]:
    events: list[Event] = []
    limits = [
        RateLimit("ip", 10, 10),
        RateLimit.fixed_window("minute", 60, 60),
        RateLimit.token_bucket("bucket", 1, 1, burst=5),
        RateLimit.concurrent("slots", 2),
        RateLimit("p", 100, 1, 1, [LinkedLimitWeightPair(name) for name in FIVE[1:]]),
    ]
    return AsyncThrottler(limits, safety_margin_pct=0, hook=events.append, store=store), events


def waited(seconds: Any, bottleneck: str) -> ThrottleWaited:
    return ThrottleWaited("p", pytest.approx(seconds), bottleneck)  # type: ignore[arg-type]


async def refusal(throttler: AsyncThrottler, limit_id: str, **terms: Any) -> ThrottleTimeoutError:
    with pytest.raises(ThrottleTimeoutError) as caught:
        async with throttler.in_flight(limit_id, **{"max_wait": 0.3, **terms}):
            pass
    return caught.value


@virtual_time
async def test_the_one_of_five_that_is_full_is_named() -> None:
    throttler, events = five_linked()
    for _ in range(10):
        await throttler.acquire("ip")
    await asyncio.sleep(1.31)
    error = await refusal(throttler, "p")
    assert str(error) == (
        'no room under rate limit "p" within max_wait=0.3 s: "ip" is full (10 of 10; 8.69 s at '
        "least); nothing was sent: wait longer, or send less"
    )
    assert (error.limit_id, error.bottleneck) == ("p", "ip")
    assert events == [ThrottleRefused("p", 0.0, error.forecast_s or 0, "ip")]
    assert error.forecast_s == pytest.approx(8.69)
    async with throttler.in_flight("p"):
        assert events[1:] == [waited(8.69, "ip")]


@virtual_time
async def test_of_two_that_are_full_it_is_the_one_that_has_room_last() -> None:
    throttler, events = five_linked()
    for _ in range(5):
        await throttler.acquire("bucket")  # room in a second
    assert (await refusal(throttler, "p")).bottleneck == "bucket"
    for _ in range(10):
        await throttler.acquire("ip")  # room in ten
    assert (await refusal(throttler, "p")).bottleneck == "ip"
    waits = asyncio.create_task(throttler.hold("p"))
    await asyncio.sleep(10)
    throttler.settle(await waits)
    assert events[-1] == waited(10.0, "ip")


@virtual_time
async def test_a_limit_that_has_room_for_the_call_itself_is_none() -> None:
    throttler, events = five_linked()
    for _ in range(9):
        await throttler.acquire("ip")  # the last unit is for the call
    for _ in range(5):
        await throttler.acquire("bucket")
    await throttler.hold("p")
    assert events == [waited(1.0, "bucket")]


@virtual_time
async def test_a_block_is_told_as_such() -> None:
    throttler, events = five_linked()
    throttler.block(3.0, ["minute"])
    error = await refusal(throttler, "p")
    assert error.bottleneck == "minute"
    assert '"minute" is blocked: no call is wanted for 3 s; nothing was sent' in str(error)
    assert events[-1] == ThrottleRefused("p", 0.0, 3.0, "minute")


@virtual_time
async def test_calls_under_way_hold_a_call_up_until_it_gives_up() -> None:
    throttler, events = five_linked()
    async with throttler.in_flight("slots"), throttler.in_flight("slots"):
        error = await refusal(throttler, "p")  # one may be over at any time
    assert error.bottleneck == "slots"
    assert '"slots" is full (2 of 2); nothing was sent' in str(error)
    [told] = events
    assert isinstance(told, ThrottleRefused)
    assert told.waited_s == pytest.approx(0.3)
    assert told.bottleneck == "slots"


@virtual_time
async def test_who_goes_before_it_and_what_is_reserved_are_told() -> None:
    throttler = AsyncThrottler(
        [
            RateLimit("ip", 10, 10, reserved={Priority.CANCEL: 4}),
            RateLimit("p", 100, 1, 1, [LinkedLimitWeightPair("ip", 3)]),
        ],
        safety_margin_pct=0,
    )
    for _ in range(2):
        await throttler.acquire("p")
    error = await refusal(throttler, "p")
    assert '"ip" has no room for 3 more (6 of 10; 4 reserved for better priorities, 10' in str(
        error
    )
    waiting = asyncio.create_task(throttler.acquire("p"))
    await asyncio.sleep(0)
    error = await refusal(throttler, "p")
    assert "(6 of 10; 3 for calls that wait already, 4 reserved" in str(error)
    assert error.bottleneck == "ip"
    await waiting


@virtual_time
async def test_a_wait_behind_others_is_told_though_there_is_room() -> None:
    throttler, events = five_linked()
    for _ in range(8):
        await throttler.acquire("ip")
    heavy = AsyncThrottler(
        [
            RateLimit("ip", 10, 10),
            RateLimit("heavy", 100, 1, 1, [LinkedLimitWeightPair("ip", 10)]),
            RateLimit("light", 100, 1, 1, [LinkedLimitWeightPair("ip", 1)]),
        ],
        safety_margin_pct=0,
        hook=events.append,
    )
    await heavy.acquire("ip")
    first = asyncio.create_task(heavy.acquire("heavy"))
    await asyncio.sleep(0)
    light = asyncio.create_task(heavy.acquire("light"))
    gives_up = asyncio.create_task(refusal(heavy, "light", max_wait=15.0))
    refused = await gives_up
    assert refused.bottleneck == "ip"
    await asyncio.gather(first, light)
    assert [event.bottleneck for event in events if isinstance(event, ThrottleWaited)] == ["ip"] * 2


@virtual_time
async def test_a_limit_that_went_meanwhile_leaves_nobody_waiting() -> None:
    throttler, _ = five_linked()
    limits = throttler.rate_limits
    async with throttler.in_flight("slots"), throttler.in_flight("slots"):
        waits = asyncio.create_task(refusal(throttler, "p", max_wait=5.0))
        await asyncio.sleep(1)
        [p] = [each for each in limits if each.limit_id == "p"]
        p.linked_limits = [LinkedLimitWeightPair("slots")]
        throttler.rate_limits = [p, *(each for each in limits if each.limit_id == "slots")]
        assert (await waits).bottleneck == "slots"
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


class Counted(MemoryStore):
    """Counts how often it is asked how full a limit is."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def usage(self, limit_id: str, now: float) -> Usage:
        self.looks += 1
        return super().usage(limit_id, now)


@virtual_time
async def test_a_call_that_does_not_wait_pays_nothing_for_it() -> None:
    store = Counted()
    throttler, events = five_linked(store)
    for _ in range(3):
        await throttler.acquire("ip", max_wait=1.0)
        async with throttler.in_flight("p", max_wait=1.0):
            pass
    assert (store.looks, events) == (0, [])
    silent = AsyncThrottler(
        [RateLimit("ip", 1, 1), RateLimit("p", 1, 1, 1, [LinkedLimitWeightPair("ip")])],
        store=store,
    )
    await asyncio.gather(silent.acquire("p"), silent.acquire("p"))
    assert store.looks == 0  # nobody asks: no hook, no longest wait


NOW = 100.0
TEN = Capacity(10, 60.0)


@pytest.mark.parametrize(
    ("usages", "ahead", "found"),
    [
        ({"a": Usage(9, NOW), "b": Usage(8, NOW)}, {}, ("", "")),
        ({"a": Usage(10, 105.0), "b": Usage(0, NOW)}, {}, ("a", '"a" is full (10 of 10; 5 s at ')),
        ({"a": Usage(10, 105.0), "b": Usage(10, 109.0)}, {}, ("b", '"b" is full (10 of 10; 9 s')),
        ({"a": Usage(10, 105.0), "b": Usage(10, math.inf)}, {}, ("a", '"a" is full')),
        ({"a": Usage(0, NOW), "b": Usage(10, math.inf)}, {}, ("b", '"b" is full (10 of 10)')),
        ({"a": Usage(10, 105.0), "b": Usage(9, NOW)}, {}, ("a", '"a" is full')),
        (
            {"a": Usage(0, NOW), "b": Usage(9, NOW)},
            {},
            ("b", '"b" has no room for 2 more (9 of 10)'),
        ),
        (
            {"a": Usage(5, NOW), "b": Usage(0, NOW)},
            {"a": 5},
            ("a", "(5 of 10; 5 for calls that wa"),
        ),
        (
            {"a": Usage(10, 105.0), "b": Usage(0, 160.0, 0, 160.0)},
            {},
            ("b", '"b" is blocked: no call is wanted for 60 s'),
        ),
        ({"a": Usage(0, NOW, 0, NOW), "b": Usage(0, NOW, 0, 99.0)}, {}, ("", "")),  # over by now
        ({"b": Usage(10, 105.0)}, {}, ("b", '"b" is full')),
        ({"a": Usage(9.4, 100.1), "b": Usage(0, NOW)}, {}, ("a", '"a" is full (9.4 of 10; 0.1 s')),
        ({}, {}, ("", "")),
    ],
)
def test_which_of_the_charges_lacks_room(
    usages: dict[str, Usage], ahead: dict[str, int], found: tuple[str, str]
) -> None:
    charges = [Charge("a", 1), Charge("b", 2)]
    told = find_bottleneck(charges, usages, {"a": TEN, "b": TEN}, NOW, ahead=ahead)
    assert told.limit_id == found[0]
    assert found[1] in told.why
    assert (told == NO_BOTTLENECK) is (found[0] == "")


def test_where_a_charge_fits_may_be_told_better_than_by_one_unit() -> None:
    usages = {"a": Usage(10, 105.0), "b": Usage(9, NOW)}
    charges = [Charge("a", 1), Charge("b", 2)]
    fits_at = {"a": 105.0, "b": 130.0}
    told = find_bottleneck(
        charges, usages, {"a": TEN, "b": TEN}, NOW, free_at=lambda each: fits_at[each.limit_id]
    )
    assert (told.limit_id, told.free_at) == ("b", 130.0)
