"""A call that is charged and not sent yet: signed, or waiting for a token or the server's time.

The exchange knows nothing of it, so nothing that the exchange says meanwhile is about it.
"""

from __future__ import annotations

import asyncio

import pytest

from networkpype import AsyncThrottler, RateLimit
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.learning import Answer, UsedHeader
from networkpype.throttler.meters.bucket import Bucket
from networkpype.throttler.store.base import Observation

KINDS = [
    RateLimit("a", 4, 2.0),
    RateLimit.fixed_window("a", 4, 2.0),
    RateLimit.token_bucket("a", 4, 2.0),
    RateLimit.decaying_counter("a", 4, 2.0),
    RateLimit.concurrent("a", 4),
]


@pytest.mark.parametrize("limit", KINDS, ids=lambda limit: limit.kind.name)
@virtual_time
async def test_it_does_not_depart_while_the_exchange_wants_quiet(limit: RateLimit) -> None:
    throttler = AsyncThrottler([limit], safety_margin_pct=0)
    async with throttler.in_flight("a", departed=False) as slot:
        throttler.learn(Answer(418, {"Retry-After": "7"}), "a", await throttler.hold("a"))
        await slot.depart()
        assert asyncio.get_running_loop().time() == 7


async def arrivals_after_a_correction(throttler: AsyncThrottler) -> int:
    """Prepare a call, let another one tell that it was counted alone, and send all that goes."""
    departed = 0
    async with throttler.in_flight("a", departed=False) as prepared:
        await asyncio.sleep(0.25)
        async with throttler.in_flight("a") as other:
            departed += 1
            other.land(Answer(200, {"Used": "1"}))
        while throttler.snapshot()["a"].used < 3:
            async with throttler.in_flight("a"):
                departed += 1
        await prepared.depart()
        departed += 1
    return departed


@virtual_time
async def test_a_correction_does_not_give_away_its_room() -> None:
    limit = RateLimit("a", 3, 60.0)
    throttler = AsyncThrottler([limit], safety_margin_pct=0, learn_from=[UsedHeader("Used")])
    assert await arrivals_after_a_correction(throttler) == 3


def test_what_came_in_the_same_moment_as_the_departure_is_not_forgotten() -> None:
    bucket = Bucket("a", 3, 2.0)
    bucket.charge(1, 0.25)
    bucket.hold(1, 0.25)  # departs, with 2 counted
    bucket.charge(1, 0.25)  # and so does a third; which of them arrived first?
    assert bucket.observe(Observation(2, 0.25, 2.0, own=1), 0.375) == (2.75, 2.75)


def test_its_preparation_costs_nothing_where_others_fill_the_bucket() -> None:
    bucket = Bucket("a", 10, 4.0)
    for _ in range(9):
        bucket.charge(1, 0.0)
    bucket.charge(1, 0.25)
    assert bucket.counted(0.5) == 8
    assert bucket.lift(1, 0.25, 0.5)
    assert bucket.counted(0.5) == 8  # what fell meanwhile, fell off the nine


def test_its_tokens_that_came_back_meanwhile_are_taken_again() -> None:
    bucket = Bucket("a", 10, 4.0)
    bucket.charge(1, 0.0)
    bucket.counted(0.5)  # all of it is back
    bucket.charge(5, 0.5)
    assert bucket.lift(1, 0.0, 0.5)
    assert bucket.counted(0.5) == 6
