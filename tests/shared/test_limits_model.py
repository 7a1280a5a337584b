"""The script of the shared limits against the store of one process, and against an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.store.shared import Hold
from tests.shared.own_redis import OwnRedis, needs_redis
from tests.shared.scripted import START_S, Scripted, Side

pytestmark = needs_redis

STEP_S = 1 / 64  # exact in binary and in microseconds
LIMITS = {
    "short": Capacity(5, 16 * STEP_S),
    "long": Capacity(12, 80 * STEP_S),
    "bucket": Capacity(6, 1.0, LimitKind.TOKEN_BUCKET, 8.0),
    "places": Capacity(3, 20 * STEP_S, LimitKind.CONCURRENT),
}
COSTS = [
    (Charge("short", 1),),
    (Charge("long", 3),),
    (Charge("short", 2), Charge("long", 1)),
    (Charge("bucket", 2),),
    (Charge("bucket", 1), Charge("short", 1)),
    (Charge("places", 1), Charge("long", 2)),
    (Charge("short", 1, 2), Charge("places", 2)),
]
asks = st.tuples(
    st.just("ask"),
    st.integers(0, 2),
    st.sampled_from(COSTS),
    st.sampled_from([Hold.FINAL, Hold.UNTIL_SETTLED]),
)
steps = st.tuples(st.just("step"), st.integers(1, 40))
ends = st.tuples(st.sampled_from(["settle", "refund", "renew"]), st.integers(0, 5))
programs = st.lists(asks | asks | steps | ends, max_size=60)
# One server for all examples: each begins with an empty one.
each = settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)


@dataclass
class Made:
    """A call that was granted, and when it was over."""

    side: Side
    number: int
    charges: tuple[Charge, ...]
    began: float
    ended: float | None
    is_held: bool
    refunded: bool = False


@each
@given(programs)
def test_one_process_is_granted_what_the_store_in_memory_grants(
    common_redis: OwnRedis, program: list[tuple[Any, ...]]
) -> None:
    asyncio.run(_compare(common_redis, program))


async def _compare(redis: OwnRedis, program: list[tuple[Any, ...]]) -> None:
    memory = MemoryStore()
    memory.configure(LIMITS)
    accounts = {cost: memory.account(cost) for cost in COSTS}
    async with Scripted(redis) as scripted:
        side = scripted.side(LIMITS, lease_s=1_000.0)
        held: list[tuple[int, tuple[Charge, ...]]] = []
        for what, *rest in program:
            now = scripted.now
            if what == "step":
                await scripted.advance(rest[0] * STEP_S)
            elif what == "ask":
                _, cost, hold = rest
                is_held = hold is Hold.UNTIL_SETTLED
                again_at = accounts[cost].try_charge(now, None, is_held)
                number, wait_s = await side.ask(*cost, hold=hold)
                assert (wait_s == 0) == (again_at is None), (what, rest, now)
                if is_held and not wait_s:
                    held.append((number, cost))
            elif held:
                number, cost = held.pop(rest[0] % len(held))
                if what == "settle":
                    accounts[cost].settle(now)
                    await side.settle(number, *cost)
                elif what == "refund":
                    accounts[cost].refund(None)
                    await side.refund(number, *cost)
                else:
                    await side.renew(number, *cost)
                    held.append((number, cost))
        used = await side.used(*LIMITS)
        told = [memory.usage(name, scripted.now).used for name in LIMITS]
        assert used == pytest.approx(told, abs=1e-6)


SHARED = {**LIMITS, "fixed": Capacity(4, 0.5, LimitKind.FIXED_WINDOW, ahead=lambda: START_S + 0.25)}
SHARED_COSTS = [*COSTS, (Charge("fixed", 1),), (Charge("fixed", 2), Charge("short", 1))]
shared_asks = st.tuples(
    st.just("ask"),
    st.integers(0, 2),
    st.sampled_from(SHARED_COSTS),
    st.sampled_from(list(Hold)[:2]),
)


@each
@given(st.lists(shared_asks | shared_asks | steps | ends, max_size=60))
def test_an_exchange_never_counts_more_than_it_allows(
    common_redis: OwnRedis, program: list[tuple[Any, ...]]
) -> None:
    made, end = asyncio.run(_play(common_redis, program))
    for name, limit in SHARED.items():
        spans = [
            (call.began, _end(call, limit, end), charge.weight)
            for call in made
            for charge in call.charges
            if charge.limit_id == name and not call.refunded
        ]
        assert most_counted(limit, spans) <= limit.units, name


async def _play(redis: OwnRedis, program: list[tuple[Any, ...]]) -> tuple[list[Made], float]:
    made: list[Made] = []
    async with Scripted(redis) as scripted:
        sides = [scripted.side(SHARED, lease_s=1_000.0) for _ in range(3)]
        for what, *rest in program:
            under_way = [call for call in made if call.ended is None]
            if what == "step":
                await scripted.advance(rest[0] * STEP_S)
            elif what == "ask":
                number, cost, hold = rest
                side = sides[number]
                call_id, wait_s = await side.ask(*cost, hold=hold)
                if not wait_s:
                    is_held = hold is Hold.UNTIL_SETTLED
                    ended = None if is_held else scripted.now
                    made.append(Made(side, call_id, cost, scripted.now, ended, is_held))
            elif under_way:
                call = under_way[rest[0] % len(under_way)]
                if what == "renew":
                    await call.side.renew(call.number, *call.charges)
                    continue
                call.ended, call.refunded = scripted.now, what == "refund"
                if call.refunded:
                    await call.side.refund(call.number, *call.charges)
                else:
                    await call.side.settle(call.number, *call.charges)
        return made, scripted.now


def _end(call: Made, limit: Capacity, end: float) -> float:
    if limit.kind is LimitKind.CONCURRENT and not call.is_held:
        return call.began + limit.time_interval  # for so long it has its place
    return end if call.ended is None else call.ended


def most_counted(limit: Capacity, spans: Sequence[tuple[float, float, int]]) -> float:
    """Return the most that an exchange may have counted at once.

    A call arrives at any time from its beginning to its end, whichever is the worst.
    """
    if limit.kind is LimitKind.CONCURRENT:
        return max((sum(w for b, e, w in spans if b <= at < e) for at, _, _ in spans), default=0)
    if limit.kind is LimitKind.TOKEN_BUCKET:
        return max(_level(limit, spans, place) for place in (0, 1))
    if limit.kind is LimitKind.FIXED_WINDOW:
        starts = {(_window(limit, at) - 0.25) for span in spans for at in span[:2]}
    else:
        starts = {ended for _, ended, _ in spans}
    return max(
        (
            sum(
                weight
                for began, ended, weight in spans
                if began < start + limit.time_interval and ended >= start
            )
            for start in starts
        ),
        default=0,
    )


def _window(limit: Capacity, at: float) -> float:
    return (at + 0.25) // limit.time_interval * limit.time_interval


def _level(limit: Capacity, spans: Sequence[tuple[float, float, int]], place: int) -> float:
    level = most = last = 0.0
    for at, weight in sorted((span[place], span[2]) for span in spans):
        level = max(0.0, level - (at - last) * limit.per_second) + weight
        last, most = at, max(most, level)
    return most
