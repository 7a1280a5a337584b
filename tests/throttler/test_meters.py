"""What is left of a limit, for each kind, by hand and without a clock."""

from __future__ import annotations

import math

import pytest

from networkpype.throttler.meters.base import Meter
from networkpype.throttler.meters.bucket import Bucket
from networkpype.throttler.meters.window import FixedWindow, Slots, Window
from networkpype.throttler.store.base import Capacity, Charge, Observation
from networkpype.throttler.store.memory import MemoryStore


def fixed(capacity: int, ahead: float = 0.0, margin_s: float = 0.0) -> FixedWindow:
    return FixedWindow("a", capacity, 10.0, lambda: ahead, margin_s)


def test_a_fixed_window_begins_anew_at_a_multiple_on_the_exchanges_clock() -> None:
    window = fixed(5, ahead=3.0)  # 100 here is 103 there: the window ends at 110 there, 107 here
    window.charge(5, 100.0)
    assert window.free_at(1, 106.9) == 107.0
    assert window.counted(math.nextafter(107.0, 0)) == 5
    assert window.counted(107.0) == 0


def test_what_is_under_way_at_a_boundary_counts_on_both_sides() -> None:
    window = fixed(5)
    window.hold(3, 9.9)
    assert window.counted(10.0) == 3
    window.settle(3, 10.2)
    assert window.counted(19.9) == 3
    assert window.counted(20.0) == 0


def test_near_a_boundary_a_charge_counts_on_both_sides_and_the_window_begins_late() -> None:
    window = fixed(5, margin_s=0.5)
    window.charge(2, 9.0)
    window.charge(3, 9.6)
    assert window.counted(10.4) == 5
    assert window.free_at(2, 10.0) == 10.5
    assert window.free_at(3, 10.0) == 20.5  # 3 of 5 go on counting until then
    assert window.counted(10.5) == 3


def test_a_window_that_was_not_looked_at_for_long_is_the_one_of_now() -> None:
    window = fixed(5)
    window.charge(5, 9.0)
    window.charge(4, 57.0)
    assert window.free_at(2, 58.0) == 60.0


def test_a_clock_that_is_set_cannot_make_a_window_forget_what_it_may_hold() -> None:
    ahead = 0.0
    window = FixedWindow("a", 5, 10.0, lambda: ahead)
    window.charge(5, 8.0)
    ahead = -1.0  # the exchange's clock is behind what we thought: 10 here is 9 there
    assert window.counted(10.0) == 5
    assert window.free_at(1, 10.0) == 11.0


def test_the_instant_that_is_told_is_one_at_which_there_is_room() -> None:
    for tenth in range(1, 400):
        window = FixedWindow("a", 1, 0.1, lambda: 0.037, 0.013)
        now = 12_345.678 + tenth / 7
        window.charge(1, now)
        free_at = window.free_at(1, now)
        assert free_at > now
        while (later := window.free_at(1, free_at)) > free_at:
            free_at = later
        assert window.counted(free_at) == 0
        assert free_at - now <= 0.1 + 2 * 0.013 + 0.1


def test_a_bucket_refills_steadily_and_no_higher_than_full() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.charge(10, 0.0)
    assert bucket.counted(1.5) == 7.0
    assert bucket.free_at(4, 1.5) == pytest.approx(2.0)
    bucket.charge(4, 2.0)
    assert bucket.counted(2.0) == 10.0
    assert bucket.counted(100.0) == 0.0
    assert bucket.free_at(11, 100.0) == math.inf


def test_of_a_held_call_nothing_comes_back_until_it_is_settled() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.hold(6, 0.0)
    assert bucket.counted(5.0) == 6.0
    assert bucket.free_at(5, 5.0) == math.inf
    bucket.settle(6, 5.0)
    assert bucket.counted(6.0) == 4.0


def test_what_is_lifted_counts_in_full_again() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.charge(6, 0.0)
    assert bucket.lift(6, 0.0, 1.0)
    assert bucket.counted(1.0) == 6.0
    bucket.charge(4, 1.0)
    late = Bucket("b", 10, 2.0)
    late.charge(6, 0.0)
    late.charge(6, 1.0)
    assert late.lift(6, 0.0, 1.0) is False  # what had come back of it is taken
    assert late.held == 0


def test_a_refund_gives_back_no_more_than_is_left_of_the_charge() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.charge(5, 0.0)
    bucket.charge(4, 1.5)  # 3 of the 5 came back until here
    bucket.refund(5, 0.0)
    assert bucket.counted(1.5) == 4.0


def test_places_are_free_as_soon_as_calls_are_over() -> None:
    slots = Slots("a", 2, 5.0)
    slots.hold(1, 0.0)
    slots.hold(1, 0.0)
    assert slots.free_at(1, 0.0) == math.inf
    slots.settle(1, 0.25)
    assert slots.free_at(1, 0.25) == 0.25


def test_who_prepares_for_too_long_loses_its_place() -> None:
    slots = Slots("a", 1, 5.0)
    slots.charge(1, 0.0)
    assert slots.free_at(1, 1.0) == 5.0
    assert slots.lift(1, 0.0, 6.0) is False
    slots.charge(1, 6.0)
    assert slots.lift(1, 6.0, 7.0) is True
    assert slots.free_at(1, 100.0) == math.inf


METERS: list[Meter] = [
    Window("window", 10, 4.0),
    FixedWindow("fixed", 10, 4.0, lambda: 0.0),
    Bucket("bucket", 10, 2.5),
    Slots("slots", 10, 4.0),
]


@pytest.mark.parametrize("meter", METERS, ids=lambda meter: meter.limit_id)
def test_a_block_lets_nothing_fit_and_takes_nothing_away(meter: Meter) -> None:
    meter.charge(3, 100.0)
    meter.block(101.0, 100.0)
    meter.block(100.5, 100.0)  # a shorter one changes nothing
    assert meter.free_at(1, 100.0) == 101.0
    assert meter.counted(100.0) == 3
    assert meter.forecast(1, 100.0) == 101.0
    assert meter.free_at(1, 101.0) == 101.0


def test_somebody_elses_use_is_charged_once() -> None:
    window = Window("a", 100, 60.0)
    window.charge(10, 0.0)
    window.hold(1, 1.0)
    seen = Observation(used=31, since=1.0, counted=11, own=1)
    assert window.observe(seen, 2.0) == (11, 31)
    again = Observation(used=31, since=2.0, counted=31, own=1)
    assert window.observe(again, 3.0) == (31, 31)


def test_what_expired_here_while_the_answer_travelled_is_nobody_elses() -> None:
    window = Window("a", 100, 60.0)
    window.charge(80, 0.0)
    window.hold(1, 59.9)
    seen = Observation(used=81, since=59.9, counted=81, own=1)
    assert window.observe(seen, 60.1) == (1, 1)


def test_what_the_exchange_did_not_count_is_taken_back_but_not_what_it_may_not_have_seen() -> None:
    window = Window("a", 100, 60.0)
    window.charge(50, 0.0)
    window.hold(5, 1.0)  # the call that tells, and
    window.hold(2, 1.0)  # another under way, and
    window.charge(3, 2.0)  # one that left since
    seen = Observation(used=15, since=1.0, counted=57, own=5)
    before, after = window.observe(seen, 3.0)
    assert (before, after) == (60, 15 + 2 + 3)
    window.settle(5, 3.0)
    window.settle(2, 3.0)
    assert window.counted(62.9) == 7
    assert window.counted(63.0) == 0


def test_a_bucket_believes_the_exchange_where_nothing_else_is_under_way() -> None:
    bucket = Bucket("a", 20, 1.0)
    bucket.charge(10, 0.0)
    bucket.hold(1, 1.0)
    assert bucket.observe(Observation(4, 1.0, 10.0, own=1), 2.0) == (9.0, 4.0)
    assert bucket.observe(Observation(15, 1.0, 10.0, own=1), 2.0) == (4.0, 15.0)
    bucket.hold(2, 2.0)
    assert bucket.observe(Observation(3, 1.0, 10.0, own=1), 3.0)[1] >= 15.0


def test_what_left_since_comes_on_top_of_what_others_used() -> None:
    bucket = Bucket("a", 20, 1.0)
    bucket.hold(1, 0.0)
    bucket.charge(3, 1.0)  # perhaps not yet seen there
    assert bucket.observe(Observation(15, 0.0, 1.0, own=1), 2.0) == (3.0, 15.0 + 3 + 1)


def test_the_level_falls_to_what_is_under_way_and_no_lower() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.hold(4, 0.0)
    bucket.charge(6, 0.0)
    assert bucket.counted(1.0) == 8.0
    assert bucket.counted(9.0) == 4.0


def test_a_full_bucket_that_is_blocked_is_free_when_both_are_over() -> None:
    bucket = Bucket("a", 10, 2.0)
    bucket.charge(10, 0.0)
    bucket.block(5.0, 0.0)
    assert bucket.free_at(2, 0.0) == 5.0
    bucket.block(6.0, 0.0)
    assert bucket.free_at(10, 5.0) == 6.0


def test_a_call_that_can_be_held_at_one_limit_alone_is_held_at_none() -> None:
    store = MemoryStore()
    store.configure({"long": Capacity(5, 60.0), "short": Capacity(5, 1.0)})
    account = store.account([Charge("long", 2), Charge("short", 1)])
    assert account.try_charge(0.0) is None
    assert account.lift(0.0, 1.5) is False
    assert [store.usage(name, 1.5).used for name in ("long", "short")] == [0, 0]
    assert [store.usage(name, 1.5).held for name in ("long", "short")] == [0, 0]
