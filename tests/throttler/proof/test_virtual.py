"""Not one 429, and next to nothing wasted: 50 tasks, every kind of limit, in virtual time.

What "wasted" means: `ArrivalCounter.use` gives, for the time in which there was demand (all of it:
no task ever pauses), the most units that any client could have got through.

- A rolling window of W seconds: its whole limit at the first arrival and again every W seconds. A
  client that never errs cannot reach it: its slot is taken from the departure of one call to W
  seconds after its answer, for the arrival may lie anywhere between, so a slot turns over every
  W + round trip. With round trips of some 70 ms and W = 10 s that is 99.3 %.
- Fixed windows: the limit in each window that has begun.
- A bucket or a counter: all of it at the first arrival, and what dripped since.
- Concurrent calls: the limit in unit-seconds. The exchange sees a call for a third of the time that
  its caller sees it, so what counts here is the time from departure to answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from networkpype import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from networkpype.testing.arrivals import ArrivalLimit
from networkpype.testing.virtual_time import run_in_virtual_time
from tests.throttler.proof.crowd import Ask, Lane, Seen, SkewedClock, run

WANTED = 0.97
DEPTHS = {20: 1, 100: 2, 500: 5}
"""What a book costs by its depth, as at exchanges that compute weights."""


def place(_: random.Random) -> Ask:
    return Ask("POST", "/order")


def book(jitter: random.Random) -> Ask:
    return Ask("GET", f"/depth?limit={jitter.choice(list(DEPTHS))}")


def weight(ask: Ask) -> int:
    return DEPTHS[ask.depth]


def costs_ip(method: str, path: str) -> int:
    """Weigh a request as the exchange does: 2 for an order, a book by its depth."""
    return 2 if method == "POST" else DEPTHS[int(path.rpartition("=")[2])]


@dataclass(frozen=True)
class Kind:
    """The same limits, as the throttler is told them and as the exchange counts them."""

    name: str
    ip: RateLimit
    orders: RateLimit
    at_exchange: tuple[ArrivalLimit, ArrivalLimit]
    until_s: float = 490.0
    clock: SkewedClock | None = None
    margin_s: float = 0.0

    def throttler(self, margin_s: float | None = None) -> AsyncThrottler:
        """Return a throttler for calls under "orders" and "depth", which share "ip"."""
        self.orders.linked_limits = [LinkedLimitWeightPair("ip", 2)]
        depth = RateLimit("depth", 10**6, 1.0, 0, [LinkedLimitWeightPair("ip", weight)])
        return AsyncThrottler(
            [self.ip, self.orders, depth],
            safety_margin_pct=0,
            safety_margin_s=self.margin_s if margin_s is None else margin_s,
            time_provider=self.clock,
        )


LONGEST_WAY_S = 0.02 * 1.8 * 10
"""See `crowd.Network`."""

POST = ("POST",)
KINDS = [
    Kind(
        "rolling",
        RateLimit("ip", 1000, 10.0),
        RateLimit("orders", 250, 10.0),
        (
            ArrivalLimit("ip", 1000, 10.0, weight=costs_ip),
            ArrivalLimit("orders", 250, 10.0, methods=POST),
        ),
    ),
    Kind(
        "fixed",
        RateLimit.fixed_window("ip", 1000, 10.0),
        RateLimit.fixed_window("orders", 250, 10.0),
        (
            ArrivalLimit.fixed_window("ip", 1000, 10.0, weight=costs_ip),
            ArrivalLimit.fixed_window("orders", 250, 10.0, methods=POST),
        ),
        clock=SkewedClock(ahead_s=3.7, error_s=0.05, seed=6),
        margin_s=0.05,
    ),
    Kind(
        "bucket",
        RateLimit.token_bucket("ip", 1000, 10.0, burst=200),
        RateLimit.token_bucket("orders", 250, 10.0, burst=20),
        (
            ArrivalLimit.token_bucket("ip", 1000, 10.0, burst=200, weight=costs_ip),
            ArrivalLimit.token_bucket("orders", 250, 10.0, burst=20, methods=POST),
        ),
    ),
    Kind(
        "counter",
        RateLimit.decaying_counter("ip", 200, 100.0),
        RateLimit.decaying_counter("orders", 30, 25.0),
        (
            ArrivalLimit.decaying_counter("ip", 200, 100.0, weight=costs_ip),
            ArrivalLimit.decaying_counter("orders", 30, 25.0, methods=POST),
        ),
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_shared_limit_is_used_up_and_never_exceeded(kind: Kind) -> None:
    lanes = [Lane("orders", 25, place), Lane("depth", 25, book)]
    seen = run_in_virtual_time(
        run(
            kind.throttler(),
            kind.at_exchange,
            lanes,
            until_s=kind.until_s,
            seed=11,
            clock=kind.clock,
        )
    )
    assert seen.calls >= 20_000
    assert seen.refused == 0
    assert seen.share("ip") >= WANTED, seen


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_counted_from_its_departure_a_call_needs_the_margin_of_its_way(kind: Kind) -> None:
    """The same calls through `execute_task`, which knows nothing of answers."""
    refused = {}
    for margin_s in (0.0, LONGEST_WAY_S + kind.margin_s):
        throttler = kind.throttler(margin_s)
        lanes = [Lane("orders", 25, place), Lane("depth", 25, book)]
        seen = run_in_virtual_time(
            run(
                throttler,
                kind.at_exchange,
                lanes,
                until_s=90.0,
                seed=13,
                clock=kind.clock,
                enter=throttler.execute_task,
            )
        )
        refused[margin_s > kind.margin_s] = seen.refused
    assert refused[False] > 0  # so the exchange does see what goes wrong
    assert refused[True] == 0


async def _concurrent() -> tuple[Seen, int]:
    places, tasks = 40, 50
    limits = [
        RateLimit.concurrent("open", places),
        RateLimit("orders", 10**6, 1.0, 0, [LinkedLimitWeightPair("open")]),
        RateLimit("books", 10**6, 1.0, 0, [LinkedLimitWeightPair("open")]),
    ]
    lanes = [Lane("orders", tasks // 2, place), Lane("books", tasks // 2, book)]
    throttler = AsyncThrottler(limits, safety_margin_pct=0)
    at_exchange = [ArrivalLimit.concurrent("open", places)]
    return await run(throttler, at_exchange, lanes, until_s=60.0, seed=12), places


def test_places_of_calls_under_way_are_never_empty_and_never_too_few() -> None:
    seen, places = run_in_virtual_time(_concurrent())
    assert seen.calls >= 20_000
    assert seen.refused == 0
    assert sum(seen.under_way_s.values()) >= WANTED * places * 60.0
