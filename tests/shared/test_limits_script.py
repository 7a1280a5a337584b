"""What the script of the shared limits decides, on a clock that the test moves."""

from __future__ import annotations

import pytest

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Hold, Seen
from tests.shared.own_redis import needs_redis
from tests.shared.scripted import START_S, Scripted

pytestmark = needs_redis

ROLLING = {"ip": Capacity(10, 60.0), "order": Capacity(3, 1.0)}
ORDER, IP = Charge("order", 1), Charge("ip", 4)


async def test_a_window_that_rolls_admits_no_more_than_there_is(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    assert [(await side.ask(ORDER))[1] for _ in range(4)] == [0, 0, 0, 1.0]
    await scripted.advance(0.999)
    assert (await side.ask(ORDER))[1] == pytest.approx(0.001, abs=2e-6)
    await scripted.advance(0.001)
    assert (await side.ask(ORDER))[1] == 0


async def test_the_short_way_and_the_long_way_count_the_same(scripted: Scripted) -> None:
    short, long = scripted.side(ROLLING), scripted.side(ROLLING)
    assert (await short.ask(ORDER, IP))[1] == 0
    for _ in range(2):
        # `again` is never asked the short way.
        assert (await long.ask(ORDER, Charge("ip", 1), again=True))[1] == 0
    assert (await short.ask(Charge("ip", 2)))[1] == 0
    assert await long.used("order", "ip") == [3, 8]
    await scripted.advance(1.0)
    assert (await short.ask(ORDER))[1] == 0
    assert await short.used("order", "ip") == [1, 8]
    await scripted.advance(59.0)
    assert await short.used("order", "ip") == [0, 0]


async def test_linked_limits_are_charged_all_or_not_at_all(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    assert (await side.ask(ORDER, IP))[1] == 0
    assert (await side.ask(ORDER, IP))[1] == 0
    assert (await side.ask(ORDER, IP))[1] == 60.0
    assert await side.used("order", "ip") == [2, 8]


async def test_what_is_reserved_stays_free(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    assert (await side.ask(Charge("ip", 6, 3)))[1] == 0
    assert (await side.ask(Charge("ip", 2, 3)))[1] == 60.0
    assert (await side.ask(Charge("ip", 4)))[1] == 0


async def test_a_held_call_counts_until_it_is_settled_and_an_interval_longer(
    scripted: Scripted,
) -> None:
    side = scripted.side({"order": Capacity(1, 1.0)})
    call, wait = await side.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    assert wait == 0
    await scripted.advance(5.0)
    assert (await side.ask(ORDER))[1] == 1.0
    await side.settle(call, ORDER, age_s=0.25)
    assert (await side.ask(ORDER))[1] == 0.75
    await scripted.advance(0.75)
    assert (await side.ask(ORDER))[1] == 0


async def test_a_process_that_died_holds_for_its_lease_and_an_interval(scripted: Scripted) -> None:
    dead, alive = (scripted.side({"order": Capacity(1, 1.0)}, lease_s=4.0) for _ in range(2))
    call, _ = await dead.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    await scripted.advance(3.0)
    await dead.renew(call, ORDER)
    await scripted.advance(4.999)
    assert (await alive.ask(ORDER))[1] == pytest.approx(0.001, abs=2e-6)
    await scripted.advance(0.001)
    assert (await alive.ask(ORDER))[1] == 0


async def test_what_is_only_prepared_loses_its_place(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(1, 2.0)})
    call, _ = await side.ask(ORDER, hold=Hold.PREPARED)
    await scripted.advance(1.9)
    await side.renew(call, ORDER)  # lifted just in time
    await scripted.advance(3.0)
    assert (await side.ask(ORDER))[1] == 2.0
    await side.settle(call, ORDER)
    await scripted.advance(2.0)
    assert (await side.ask(ORDER, hold=Hold.PREPARED))[1] == 0
    await scripted.advance(3.0)  # the interval, and the second that a lift may be on its way
    assert (await side.ask(ORDER))[1] == 0


async def test_a_call_asked_for_again_is_charged_once(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    call, _ = await side.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    for _ in range(5):
        assert (await side.ask(ORDER, call_id=call, again=True, hold=Hold.UNTIL_SETTLED))[1] == 0
    assert await side.used("order") == [1]
    await side.settle(call, ORDER)
    await side.settle(call, ORDER)
    assert await side.used("order") == [1]
    await side.refund(call, ORDER)
    await side.refund(call, ORDER)
    assert await side.used("order") == [0]


async def test_a_call_asked_for_again_is_granted_though_the_limit_is_full(
    scripted: Scripted,
) -> None:
    side = scripted.side({"order": Capacity(1, 1.0)})
    call, _ = await side.ask(ORDER)
    assert (await side.ask(ORDER, call_id=call, again=True))[1] == 0
    assert (await side.ask(ORDER, again=True))[1] == 1.0


async def test_a_fixed_window_ends_when_the_exchange_says_so(scripted: Scripted) -> None:
    # The exchange's clock is 0.3 s past the second that ours and that of Redis begin at.
    fixed = Capacity(2, 1.0, LimitKind.FIXED_WINDOW, ahead=lambda: START_S + 0.3)
    side = scripted.side({"order": fixed})
    assert [(await side.ask(ORDER))[1] for _ in range(3)] == [0, 0, pytest.approx(0.7, abs=1e-5)]
    await scripted.advance(0.69)
    assert (await side.ask(ORDER))[1] > 0
    await scripted.advance(0.0101)
    assert [(await side.ask(ORDER))[1] > 0 for _ in range(3)] == [False, False, True]


async def test_a_held_call_counts_in_every_fixed_window_that_it_touches(
    scripted: Scripted,
) -> None:
    fixed = Capacity(1, 1.0, LimitKind.FIXED_WINDOW, ahead=lambda: float(START_S))
    side = scripted.side({"order": fixed})
    call, _ = await side.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    await scripted.advance(2.5)
    assert (await side.ask(ORDER))[1] == pytest.approx(0.5, abs=1e-3)
    await side.settle(call, ORDER)
    assert (await side.ask(ORDER))[1] == pytest.approx(0.5, abs=1e-3)
    await scripted.advance(0.501)
    assert (await side.ask(ORDER))[1] == 0


async def test_a_margin_counts_on_both_sides_of_a_boundary(scripted: Scripted) -> None:
    fixed = Capacity(1, 1.0, LimitKind.FIXED_WINDOW, margin_s=0.1, ahead=lambda: float(START_S))
    side = scripted.side({"order": fixed})
    await scripted.advance(0.95)  # may arrive in the next window
    assert (await side.ask(ORDER))[1] == 0
    await scripted.advance(0.2)
    assert (await side.ask(ORDER))[1] == pytest.approx(0.95, abs=1e-3)


async def test_a_bucket_drips(scripted: Scripted) -> None:
    bucket = Capacity(5, 1.0, LimitKind.TOKEN_BUCKET, 2.0)
    side = scripted.side({"order": bucket})
    assert [(await side.ask(Charge("order", 5)))[1] for _ in range(2)] == [
        0,
        pytest.approx(2.5, abs=1e-5),
    ]
    await scripted.advance(0.5)
    assert (await side.ask(ORDER))[1] == 0
    assert (await side.ask(ORDER))[1] == pytest.approx(0.5, abs=1e-5)
    await scripted.advance(10.0)
    assert await side.used("order") == [0]


@pytest.mark.parametrize("rates", [(1.0, 10.0), (10.0, 1.0)])
async def test_a_new_rate_of_a_bucket_holds_from_now_on(
    scripted: Scripted, rates: tuple[float, float]
) -> None:
    before, after = (Capacity(10, 1.0, LimitKind.TOKEN_BUCKET, rate) for rate in rates)
    side = scripted.side({"order": before})
    await side.ask(Charge("order", 10, 0))
    side.limits.configure({"order": after})
    await scripted.advance(1.0)
    assert await side.used("order") == [10 - rates[0]]
    await scripted.advance(0.5)
    assert await side.used("order") == [max(0, 10 - rates[0] - 0.5 * rates[1])]


async def test_a_bucket_does_not_drip_below_what_is_held(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(5, 1.0, LimitKind.TOKEN_BUCKET, 2.0)})
    call, _ = await side.ask(Charge("order", 5), hold=Hold.UNTIL_SETTLED)
    await scripted.advance(5.0)
    assert (await side.ask(ORDER))[1] > 0
    await side.settle(call, Charge("order", 5))
    assert (await side.ask(ORDER))[1] == pytest.approx(0.5, abs=1e-5)
    await scripted.advance(0.5)
    assert (await side.ask(ORDER))[1] == 0


async def test_places_come_back_when_calls_are_over(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(2, 5.0, LimitKind.CONCURRENT)})
    first, _ = await side.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    assert (await side.ask(ORDER, hold=Hold.UNTIL_SETTLED))[1] == 0
    assert -0.02 <= (await side.ask(ORDER, hold=Hold.UNTIL_SETTLED))[1] < 0  # nobody knows
    await side.settle(first, ORDER)
    assert (await side.ask(ORDER, hold=Hold.UNTIL_SETTLED))[1] == 0


async def test_a_block_holds_for_everybody(scripted: Scripted) -> None:
    one, other = scripted.side(ROLLING), scripted.side(ROLLING)
    await one.run(Batch(blocks={"ip": 3.0}))
    assert (await other.ask(ORDER, IP))[1] == 3.0
    assert (await other.ask(ORDER))[1] == 0
    await one.run(Batch(blocks={"ip": 1.0}))  # the longer stays
    await scripted.advance(2.0)
    assert (await other.ask(ORDER, IP))[1] == 1.0
    await scripted.advance(1.0)
    assert (await other.ask(ORDER, IP))[1] == 0


async def test_a_block_that_is_ended_is_over_for_everybody(scripted: Scripted) -> None:
    one, other = scripted.side(ROLLING), scripted.side(ROLLING)
    await one.run(Batch(blocks={"ip": 60.0, "order": 60.0}))
    await other.run(Batch(unblocks={"ip": 0.0}))
    assert (await one.ask(IP))[1] == 0
    assert (await one.ask(ORDER))[1] == 60.0
    reply = await one.run(Batch(unblocks={"order": 0.0}, blocks={"order": 3.0}))
    assert reply.usage["order"].blocked_s == 3.0  # said later


async def test_a_block_that_was_said_after_its_end_is_not_ended(scripted: Scripted) -> None:
    one, other = scripted.side(ROLLING), scripted.side(ROLLING)
    await one.run(Batch(blocks={"ip": 60.0}))
    await scripted.advance(1.0)
    await other.run(Batch(blocks={"ip": 90.0}))
    await scripted.advance(1.0)
    reply = await one.run(Batch(unblocks={"ip": 1.5}))  # Redis was lost to it meanwhile
    assert (reply.unblocked, reply.usage["ip"].blocked_s) == ([], 89.0)
    reply = await one.run(Batch(unblocks={"ip": 0.5}))
    assert (reply.unblocked, reply.usage["ip"].blocked_s) == ([("ip", 89.0)], 0.0)


async def test_the_pause_after_a_loss_of_counts_is_not_ended(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(1, 5.0)})
    await side.run(Batch(reset=True, blocks={"order": 60.0}))
    reply = await side.run(Batch(unblocks={"order": 0.0}))
    assert reply.usage["order"].blocked_s == 6.0
    await scripted.advance(6.0)
    assert (await side.ask(ORDER))[1] == 0


async def test_a_reset_keeps_all_quiet_until_all_is_over(scripted: Scripted) -> None:
    one, other = scripted.side(ROLLING), scripted.side(ROLLING)
    reply = await one.run(Batch(reset=True))
    assert reply.paused_s == 61.0
    assert (await other.ask(ORDER))[1] == 2.0
    assert (await other.ask(IP))[1] == 61.0
    await scripted.advance(2.0)
    assert (await other.ask(ORDER))[1] == 0


async def test_what_others_used_at_the_exchange_is_charged(scripted: Scripted) -> None:
    side = scripted.side({"ip": Capacity(100, 60.0)})
    call, _ = await side.ask(Charge("ip", 10), hold=Hold.UNTIL_SETTLED)
    await scripted.advance(0.1)
    reply = await side.run(Batch(seen=[Seen("ip", 35, 0.1, 10.0, 10)]))
    assert [(each.before, each.after) for each in reply.corrections] == [(10, 35)]
    await side.settle(call, Charge("ip", 10))
    assert (await side.ask(Charge("ip", 66)))[1] == pytest.approx(60.0)


async def test_what_the_exchange_has_not_counted_is_given_back(scripted: Scripted) -> None:
    side = scripted.side({"ip": Capacity(100, 60.0)})
    for _ in range(5):
        await side.ask(Charge("ip", 7))
        await scripted.advance(1.0)
    call, _ = await side.ask(Charge("ip", 10), hold=Hold.UNTIL_SETTLED)
    await side.ask(Charge("ip", 5))  # after it left: nobody knows whether it was there
    await scripted.advance(0.1)
    reply = await side.run(Batch(seen=[Seen("ip", 12, 0.1, 50.0, 10)]))
    # 10 of its own, 2 of the 35 before, and 5 that may not have been there yet.
    assert [(each.before, each.after) for each in reply.corrections] == [(50, 17)]
    assert call


async def test_seeing_the_same_twice_changes_nothing(scripted: Scripted) -> None:
    side = scripted.side(
        {"ip": Capacity(100, 60.0), "b": Capacity(9, 9.0, LimitKind.TOKEN_BUCKET, 1)}
    )
    await side.ask(Charge("ip", 10), Charge("b", 2))
    await scripted.advance(0.5)
    for name, used in (("ip", 30), ("b", 6)):
        seen = [Seen(name, used, 0.1, 10.0, 0)]
        first = (await side.run(Batch(seen=seen))).corrections[0]
        second = (await side.run(Batch(seen=seen))).corrections[0]
        assert first.after == used
        assert (second.before, second.after) == (used, used)


async def test_nothing_stays_for_ever(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    await side.ask(ORDER, IP, hold=Hold.UNTIL_SETTLED)
    await side.ask(ORDER, IP)
    await side.ask(ORDER, IP)  # leaves a claim
    keys = [key for key in await scripted.redis.say("KEYS", "*") if key != "clock"]
    assert len(keys) == 3
    for key in keys:
        assert 0 < await scripted.redis.say("PTTL", key) < 600_000, key


async def test_a_set_that_was_empty_expires_too(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(3, 1.0)})
    for _ in range(4):
        await side.ask(ORDER)
        await scripted.advance(1.5)  # it expires, and its key goes
    await side.ask(ORDER)
    assert await scripted.redis.say("PTTL", "{networkpype:scripted}:calls:order") > 0


async def test_all_keys_are_in_one_slot_of_a_cluster(scripted: Scripted) -> None:
    side = scripted.side(ROLLING)
    await side.ask(ORDER, IP)
    keys = [key for key in await scripted.redis.say("KEYS", "*") if key != "clock"]
    assert {crc16(key[key.index("{") + 1 : key.index("}")].encode()) for key in keys} == {
        crc16(b"networkpype:scripted")
    }
    assert all(key.startswith("{networkpype:scripted}:") for key in keys)


async def test_many_that_expire_at_once_do_not_stop_redis_for_long(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(5_000, 1.0)})
    for first in range(0, 5_000, 250):
        asks = [
            Ask(first + number, Hold.FINAL, 2, 0, 0.0, False, 1, (ORDER,)) for number in range(250)
        ]
        assert set((await side.run(Batch(asks=asks))).waits) == {0}
    await scripted.advance(1.0)
    assert await side.used("order") == [3_000]
    assert (await side.ask(Charge("order", 5_000)))[1] < 0.001
    assert await side.used("order") == [0]


def crc16(data: bytes) -> int:
    """Return the slot's CRC: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec
    (read 2026-11-21)."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc % 16384


async def test_counts_are_known_for_as_long_as_the_longest_limit_keeps_them(
    scripted: Scripted,
) -> None:
    side = scripted.side({"second": Capacity(5, 1.0), "day": Capacity(5, 86_400.0)}, lease_s=1.0)
    await side.ask(Charge("second", 1), Charge("day", 1))
    await scripted.advance(3_600.0)
    now = scripted.now
    await scripted.forget()
    await scripted.set_clock(now)
    scripted.now = now
    reply = await side.limits.run(Batch(), lambda: now)
    assert reply.forgot


async def test_a_bucket_that_becomes_a_window_begins_anew(scripted: Scripted) -> None:
    bucket = scripted.side({"order": Capacity(4, 1.0, LimitKind.TOKEN_BUCKET, 0.001)})
    for _ in range(4):
        await bucket.ask(ORDER)
    await scripted.advance(1.0)
    window = scripted.side({"order": Capacity(4, 1.0)})
    assert (await window.ask(ORDER))[1] == 0


@pytest.mark.parametrize("first", [True, False])
async def test_a_share_of_a_bucket_does_not_slow_the_others(
    scripted: Scripted, first: bool
) -> None:
    whole = scripted.side({"order": Capacity(10, 1.0, LimitKind.TOKEN_BUCKET, 10.0)})
    part = scripted.side({"order": Capacity(1, 1.0, LimitKind.TOKEN_BUCKET, 1.0)})
    if first:
        await part.ask(ORDER)
    granted = 0
    for _ in range(100):
        await scripted.advance(0.1)
        granted += (await whole.ask(ORDER))[1] == 0
        await part.used("order")
    assert granted >= 99
