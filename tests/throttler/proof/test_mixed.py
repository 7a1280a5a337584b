"""All kinds at once: 100,000 calls of 50 tasks over linked limits, in virtual time.

Five lanes, each held back by a limit of another kind, and all of them charged to two limits that
they share: "ip", a window with computed weights, and "open", calls under way. The shared ones are
wide enough not to bind, or a burst of one lane would hold up the others and nobody could use up
what is his. What is allowed, and so what counts as wasted, stands in `test_virtual`.
"""

from __future__ import annotations

import random

import pytest

from networkpype import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from networkpype.testing.arrivals import ArrivalLimit
from networkpype.testing.virtual_time import run_in_virtual_time
from tests.throttler.proof.crowd import Ask, Lane, Seen, SkewedClock, run

WANTED = 0.97
UNTIL_S = 130.0
SEEDS = (21, 22, 23, 24)
"""Each makes more than 25,000 calls: one run of them all is too long for a busy machine."""
DEPTHS = {20: 1, 100: 2, 500: 5}
OWN = ("rolling", "fixed", "bucket", "counter", "places")
PLACES = 4


def _asks(lane: str) -> Lane:
    def ask(jitter: random.Random) -> Ask:
        return Ask("GET", f"/{lane}?limit={jitter.choice(list(DEPTHS))}")

    return Lane(lane, 10, ask)


def _weight(ask: Ask) -> int:
    return DEPTHS[ask.depth]


def _costs(_method: str, path: str) -> int:
    return DEPTHS[int(path.rpartition("=")[2])]


def _limits() -> list[RateLimit]:
    own = [
        RateLimit("rolling", 400, 10.0),
        RateLimit.fixed_window("fixed", 400, 10.0),
        RateLimit.token_bucket("bucket", 400, 10.0, burst=50),
        RateLimit.decaying_counter("counter", 60, 40.0),
        RateLimit.concurrent("places", PLACES),
    ]
    for limit in own:
        limit.linked_limits = [LinkedLimitWeightPair("ip", _weight), LinkedLimitWeightPair("open")]
    return [*own, RateLimit("ip", 9000, 10.0), RateLimit.concurrent("open", 45)]


def _at_exchange() -> list[ArrivalLimit]:
    return [
        ArrivalLimit("rolling", 400, 10.0, path_prefix="/rolling"),
        ArrivalLimit.fixed_window("fixed", 400, 10.0, path_prefix="/fixed"),
        ArrivalLimit.token_bucket("bucket", 400, 10.0, burst=50, path_prefix="/bucket"),
        ArrivalLimit.decaying_counter("counter", 60, 40.0, path_prefix="/counter"),
        ArrivalLimit.concurrent("places", PLACES, path_prefix="/places"),
        ArrivalLimit("ip", 9000, 10.0, weight=_costs),
        ArrivalLimit.concurrent("open", 45),
    ]


async def _play(seed: int) -> Seen:
    clock = SkewedClock(ahead_s=-2.6, error_s=0.02, seed=seed)
    throttler = AsyncThrottler(
        _limits(), safety_margin_pct=0, safety_margin_s=0.02, time_provider=clock
    )
    lanes = [_asks(name) for name in OWN]
    return await run(throttler, _at_exchange(), lanes, until_s=UNTIL_S, seed=seed, clock=clock)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_thousand_calls_over_limits_of_every_kind(seed: int) -> None:
    seen = run_in_virtual_time(_play(seed))
    assert seen.calls >= 100_000 / len(SEEDS)
    assert seen.refused == 0
    used = {name: seen.share(name) for name in OWN[:4]}
    used["places"] = seen.under_way_s["places"] / (PLACES * UNTIL_S)
    assert {name: share for name, share in used.items() if share < WANTED} == {}
