"""Counts that Redis lost, as the script and its caller find out; on a clock that the test moves."""

from __future__ import annotations

from networkpype.shared.link import Script
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Hold, Reply
from tests.shared.own_redis import needs_redis
from tests.shared.scripted import Scripted, Side

pytestmark = needs_redis

LIMITS = {"order": Capacity(2, 5.0), "ip": Capacity(9, 30.0)}
ORDER = Charge("order", 1)


async def run(scripted: Scripted, side: Side, batch: Batch) -> Reply:
    return await side.limits.run(batch, lambda: scripted.now)


def asks(number: int) -> Batch:
    return Batch(asks=[Ask(number, Hold.FINAL, 2, 0, 0.0, False, 1, (ORDER,))])


async def test_counts_that_are_gone_are_noticed_before_anything_goes(scripted: Scripted) -> None:
    one, other = scripted.side(LIMITS), scripted.side(LIMITS)
    for side in (one, other):
        assert list((await run(scripted, side, asks(1))).waits) == [0.0]
    now = scripted.now
    await scripted.forget()
    await scripted.set_clock(now)
    assert (await run(scripted, one, asks(2))).forgot
    reply = await run(scripted, one, Batch(reset=True, asks=asks(2).asks))
    assert not reply.forgot
    assert reply.waits[0] == 6.0  # the interval, and what a call may take to arrive
    assert reply.paused_s == 31.0
    # The other comes later, and did not know.
    await scripted.advance(2.0)
    assert (await run(scripted, other, asks(2))).forgot
    reply = await run(scripted, other, Batch(reset=True, asks=asks(2).asks))
    assert reply.waits[0] == 6.0
    await scripted.advance(5.9)
    assert (await run(scripted, one, asks(3))).waits[0] > 0
    await scripted.advance(0.1)
    assert (await run(scripted, one, asks(4))).waits[0] == 0


async def test_nothing_goes_between_the_loss_and_the_reset(scripted: Scripted) -> None:
    one, stranger = scripted.side(LIMITS), scripted.side(LIMITS)
    await run(scripted, one, asks(1))
    now = scripted.now
    await scripted.forget()
    await scripted.set_clock(now)
    assert (await run(scripted, one, asks(2))).forgot
    assert (await run(scripted, stranger, asks(1))).waits[0] > 0


async def test_counts_that_went_back_in_time_are_noticed(scripted: Scripted) -> None:
    """As after a crash with `appendfsync everysec`, or a failover to a replica that lagged."""
    side = scripted.side(LIMITS)
    await run(scripted, side, asks(1))
    dump = Script("return redis.call('DUMP', '{networkpype:scripted}:state')")
    restore = Script(
        "return redis.call('RESTORE', '{networkpype:scripted}:state', 0, ARGV[1], 'REPLACE')"
    )
    kept = await scripted.link.run(dump, [], [])
    await scripted.advance(0.5)
    await run(scripted, side, asks(2))
    await scripted.link.run(restore, [], [kept])
    assert (await run(scripted, side, asks(3))).forgot


async def test_after_a_restart_all_wait_until_all_had_time_to_come_back(
    scripted: Scripted,
) -> None:
    one, other = scripted.side(LIMITS), scripted.side(LIMITS)
    await run(scripted, one, asks(1))
    await scripted.advance(0.5)
    await run(scripted, other, asks(1))
    renamed = Script("return redis.call('HSET', '{networkpype:scripted}:state', 'run', 'before')")
    await scripted.link.run(renamed, [], [])  # as if these counts were another server's
    await scripted.advance(5.0)
    reply = await run(scripted, one, asks(2))
    wait = reply.waits[0]
    assert 2.0 <= wait <= 4.0
    assert reply.paused_s == wait
    await scripted.advance(wait)
    assert (await run(scripted, one, asks(3))).waits[0] == 0


async def test_a_clock_that_is_set_back_is_noticed(scripted: Scripted) -> None:
    side = scripted.side(LIMITS)
    await run(scripted, side, asks(1))
    await scripted.set_clock(scripted.now - 3_600)
    assert (await run(scripted, side, asks(2))).forgot


async def test_a_clock_that_is_set_forward_is_noticed(scripted: Scripted) -> None:
    side = scripted.side(LIMITS)
    for number in (1, 2):
        await run(scripted, side, asks(number))
    await scripted.set_clock(scripted.now + 3_600)
    assert (await run(scripted, side, asks(3))).forgot


async def test_who_was_away_for_long_need_not_know_the_counts(scripted: Scripted) -> None:
    side = scripted.side(LIMITS)
    await run(scripted, side, asks(1))
    now = scripted.now + 200.0  # all has expired in Redis
    await scripted.forget()
    scripted.now = now
    await scripted.set_clock(now)
    reply = await run(scripted, side, asks(2))
    assert not reply.forgot
    assert reply.waits[0] == 0
