"""A pause that somebody knows to be over ends at once, and nothing else changes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    Event,
    LimitBlocked,
    LimitUnblocked,
    LinkedLimitWeightPair,
    RateLimit,
    ThrottleTimeoutError,
    ThrottleWaited,
    UnknownLimitError,
)
from networkpype.testing import FakeClock
from networkpype.testing.virtual_time import run_in_virtual_time, virtual_time
from networkpype.throttler.learning import Answer

LIMITS: dict[str, Callable[[str], RateLimit]] = {
    "rolling window": lambda name: RateLimit(name, 2, 100.0),
    "fixed window": lambda name: RateLimit.fixed_window(name, 2, 100.0),
    "token bucket": lambda name: RateLimit.token_bucket(name, 2, 0.01),
    "decaying counter": lambda name: RateLimit.decaying_counter(name, 2, 0.01),
    "concurrent": lambda name: RateLimit.concurrent(name, 2),
}
A_BAN = Answer(418, {"Retry-After": "3600"}, b"")


def throttler(*limits: RateLimit, **options: Any) -> tuple[AsyncThrottler, list[Event]]:
    events: list[Event] = []
    limits = limits or (
        RateLimit("ip", 10, 60.0),
        RateLimit("orders", 2, 60.0, linked_limits=[LinkedLimitWeightPair("ip")]),
        RateLimit("other", 10, 60.0),
    )
    return AsyncThrottler(limits, safety_margin_pct=0, hook=events.append, **options), events


def now() -> float:
    return asyncio.get_running_loop().time()


async def start_waiting(limited: AsyncThrottler, *names: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(limited.acquire(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


@virtual_time
async def test_who_waits_for_the_end_of_a_ban_goes_at_once_as_far_as_there_is_room() -> None:
    limited, events = throttler()
    async with limited.in_flight("other") as slot:
        slot.land(A_BAN)
    waits = await start_waiting(limited, "orders", "orders", "orders", "ip")
    await asyncio.sleep(10)
    began = now()
    limited.unblock()
    await asyncio.gather(waits[0], waits[1], waits[3])
    assert now() == began
    assert not waits[2].done()
    shown = limited.snapshot()
    assert [shown[name].blocked_s for name in shown] == [0, 0, 0]
    assert (shown["orders"].used, shown["ip"].used, shown["orders"].waiting) == (2, 3, 1)
    await waits[2]  # its limit is full, as it was counted
    assert now() - began == pytest.approx(60)
    assert [each for each in events if not isinstance(each, ThrottleWaited)] == [
        LimitBlocked(("ip", "orders", "other"), 3600.0, 418),
        LimitUnblocked(("ip", "orders", "other"), 3590.0),
    ]


@virtual_time
async def test_only_what_is_named_goes_and_only_what_was_blocked_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited, events = throttler()
    limited.block(50.0, ["ip"])
    limited.block(20.0, ["orders"])
    (order,) = await start_waiting(limited, "orders")
    with caplog.at_level(logging.WARNING):
        limited.unblock(["orders", "other", "orders"])
    assert events[2:] == [LimitUnblocked(("orders",), 20.0)]
    assert "calls go again, 20 s early, for unblock() was called: orders" in caplog.text
    await asyncio.sleep(30)
    assert not order.done()  # "ip" is blocked still
    limited.unblock(["ip"])
    await order
    assert now() == 30


@virtual_time
async def test_where_nothing_is_blocked_nothing_happens() -> None:
    limited, events = throttler()
    for _ in range(2):
        await limited.acquire("orders")
    limited.unblock()
    limited.block(5.0)
    await asyncio.sleep(5)
    before = limited.snapshot()
    limited.unblock()
    assert [type(event) for event in events] == [LimitBlocked]
    assert limited.snapshot() == before
    assert before["orders"].used == 2


@pytest.mark.parametrize("make", LIMITS.values(), ids=LIMITS)
@virtual_time
async def test_each_kind_of_limit_counts_on_as_if_it_had_not_been_blocked(
    make: Callable[[str], RateLimit],
) -> None:
    limited, _ = throttler(make("blocked"), make("free"))
    await asyncio.sleep(1)
    for name in ("blocked", "free"):
        async with limited.in_flight(name):
            pass
    limited.block(3600.0, ["blocked"])
    assert limited.snapshot()["blocked"].next_free_s == pytest.approx(3600)
    await asyncio.sleep(3)
    limited.unblock()
    shown = limited.snapshot()
    assert shown["blocked"] == shown["free"]
    async with limited.in_flight("blocked", max_wait=0):  # there is room for one more
        assert limited.snapshot()["blocked"].held == 1
    limited.block(7.0, ["blocked"])  # and another block holds again
    assert limited.snapshot()["blocked"].blocked_s == pytest.approx(7)


@virtual_time
async def test_an_answer_that_comes_later_is_obeyed_again() -> None:
    limited, events = throttler()
    async with limited.in_flight("ip") as slot:
        limited.block(3600.0)
        limited.unblock()
        slot.land(A_BAN)
    assert limited.snapshot()["ip"].blocked_s == pytest.approx(3600)
    assert [type(event) for event in events] == [LimitBlocked, LimitUnblocked, LimitBlocked]


@virtual_time
async def test_a_call_that_will_not_wait_is_judged_by_what_holds_now() -> None:
    limited, _ = throttler()
    limited.block(3600.0)
    with pytest.raises(ThrottleTimeoutError):
        await limited.acquire("ip", max_wait=5)
    patient = asyncio.create_task(limited.acquire("ip", max_wait=4000))
    await asyncio.sleep(0)
    limited.unblock(["ip"])
    await asyncio.gather(patient, limited.acquire("ip", max_wait=0))
    assert now() == 0


@virtual_time
async def test_a_waiter_that_is_cancelled_in_that_turn_pays_nothing() -> None:
    limited, _ = throttler()
    limited.block(3600.0)
    first, second = await start_waiting(limited, "orders", "orders")
    limited.unblock()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    shown = limited.snapshot()["orders"]
    assert (shown.used, shown.waiting, shown.held) == (1, 0, 0)


def test_what_was_blocked_before_the_first_call_and_on_a_clock_of_ones_own() -> None:
    clock = FakeClock()
    limited, events = throttler(clock=clock)
    limited.block(10.0)
    clock.advance(4)
    limited.unblock()
    assert events[1:] == [LimitUnblocked(("ip", "orders", "other"), 6.0)]
    run_in_virtual_time(limited.acquire("ip", max_wait=0))
    assert limited.snapshot()["ip"].used == 1


async def test_what_it_refuses() -> None:
    limited, events = throttler()
    limited.block(9.0)
    with pytest.raises(UnknownLimitError, match='did you mean "orders"'):
        limited.unblock(["ip", "order"])
    with pytest.raises(ConfigurationError, match="list of names"):
        limited.unblock("ip")
    assert all(usage.blocked_s > 0 for usage in limited.snapshot().values())
    assert len(events) == 1


async def test_another_thread_is_refused() -> None:
    limited, _ = throttler()
    await limited.acquire("ip")
    limited.block(3600.0)
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            limited.unblock()
        except ConfigurationError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert "another thread" in str(caught[0])
    assert limited.snapshot()["ip"].blocked_s > 0
