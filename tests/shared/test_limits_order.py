"""Who goes first where several processes wait for one limit, on a clock that the test moves."""

from __future__ import annotations

import pytest

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Hold
from tests.shared.own_redis import needs_redis
from tests.shared.scripted import Scripted, Side

pytestmark = needs_redis

ORDER = Charge("order", 1)


async def test_who_waits_longer_goes_first_whoever_asks_first(scripted: Scripted) -> None:
    limits = {"order": Capacity(1, 1.0)}
    first, second, filler = (scripted.side(limits) for _ in range(3))
    await filler.ask(ORDER)
    one, _ = await first.ask(ORDER)
    await scripted.advance(0.5)
    two, wait = await second.ask(ORDER)
    assert wait == pytest.approx(0.5)
    await scripted.advance(0.5)
    # The second is quicker, and has to leave room.
    assert (await second.ask(ORDER, call_id=two, waited_s=0.5))[1] > 0
    assert (await first.ask(ORDER, call_id=one, waited_s=1.0))[1] == 0


async def test_a_process_that_died_while_it_waited_holds_nobody_up_for_long(
    scripted: Scripted,
) -> None:
    limits = {"order": Capacity(1, 1.0)}
    dead, alive, filler = (scripted.side(limits) for _ in range(3))
    await filler.ask(ORDER)
    await dead.ask(ORDER)
    await scripted.advance(1.0)
    wait = (await alive.ask(ORDER))[1]
    assert 0 < wait <= 0.1
    await scripted.advance(wait)
    assert (await alive.ask(ORDER, waited_s=wait))[1] == 0


async def test_a_better_priority_goes_first(scripted: Scripted) -> None:
    limits = {"order": Capacity(1, 1.0)}
    query, cancel, filler = (scripted.side(limits) for _ in range(3))
    await filler.ask(ORDER)
    await query.ask(ORDER, rank=2)
    await cancel.ask(ORDER, rank=0)
    await scripted.advance(1.0)
    assert (await query.ask(ORDER, rank=2, waited_s=1.0))[1] > 0
    assert (await cancel.ask(ORDER, rank=0, waited_s=1.0))[1] == 0


async def test_a_heavy_call_is_not_starved_by_light_ones_of_others(scripted: Scripted) -> None:
    limits = {"order": Capacity(4, 1.0)}
    heavy, light = scripted.side(limits), scripted.side(limits)
    for _ in range(4):
        await light.ask(ORDER)
        await scripted.advance(0.25)
    call, wait = await heavy.ask(Charge("order", 4))
    granted = 0
    waited = 0.0
    while wait and waited < 3:
        granted += (await light.ask(ORDER))[1] == 0
        await scripted.advance(0.05)
        waited += 0.05
        _, wait = await heavy.ask(Charge("order", 4), call_id=call, waited_s=waited)
    assert waited <= 1.05
    assert granted == 0


async def test_calls_that_share_no_limit_never_wait_for_each_other(scripted: Scripted) -> None:
    limits = {"order": Capacity(1, 1.0), "query": Capacity(1, 1.0)}
    one, other = scripted.side(limits), scripted.side(limits)
    await one.ask(ORDER)
    assert (await one.ask(ORDER))[1] > 0
    assert (await other.ask(Charge("query", 1)))[1] == 0


async def test_what_waits_for_the_limit_of_the_day_does_not_block_that_of_the_second(
    scripted: Scripted,
) -> None:
    limits = {"second": Capacity(1, 1.0), "day": Capacity(1, 86_400.0)}
    one, other = scripted.side(limits), scripted.side(limits)
    await one.ask(Charge("day", 1))
    assert (await one.ask(Charge("day", 1), Charge("second", 1)))[1] == 86_400.0
    assert (await other.ask(Charge("second", 1)))[1] == 0


async def test_while_others_wait_nobody_takes_more_than_a_fair_share(scripted: Scripted) -> None:
    limits = {"order": Capacity(40, 1.0)}
    sides = [scripted.side(limits) for _ in range(4)]
    granted = [0] * 4
    for turn in range(200):
        for index, side in enumerate(sides):
            # The first process has far more waiting, and is always the first to ask.
            many = 40 if index == 0 else 10
            granted[index] += await _ask_many(side, turn * 100, many)
        await scripted.advance(0.02)
    assert sum(granted) == 4 * 40
    # All of the first interval went to the first, for nobody else had come when it asked.
    assert granted == [40 + 30, 30, 30, 30]


async def test_one_that_is_alone_may_take_it_all(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(40, 1.0)})
    assert await _ask_many(side, 0, 40) == 40


async def _ask_many(side: Side, first: int, many: int) -> int:
    asks = [
        Ask(first + number, Hold.FINAL, 2, 0, 0.0, False, many - number, (ORDER,))
        for number in range(many)
    ]
    waits = (await side.run(Batch(asks=asks))).waits
    return sum(wait == 0 for wait in waits)


async def test_who_has_its_share_of_the_calls_under_way_asks_late_and_who_has_not_soon(
    scripted: Scripted,
) -> None:
    limits = {"order": Capacity(2, 1.0, LimitKind.CONCURRENT)}
    rich, poor = scripted.side(limits), scripted.side(limits)
    mine, _ = await rich.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    await rich.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    waits, alone = await rich.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    assert alone == -0.02  # nobody knows, and nobody else asks
    _, soon = await poor.ask(ORDER, hold=Hold.UNTIL_SETTLED)
    assert soon == -0.02
    _, late = await rich.ask(ORDER, hold=Hold.UNTIL_SETTLED, call_id=waits, waited_s=1.0)
    assert late == -0.1
    await rich.settle(mine, ORDER)
    _, kept = await rich.ask(ORDER, hold=Hold.UNTIL_SETTLED, call_id=waits, waited_s=1.0)
    assert kept < 0  # it has its half: the place is for the other
    assert (await poor.ask(ORDER, hold=Hold.UNTIL_SETTLED))[1] == 0


async def test_who_has_its_share_of_another_limit_asks_soon_for_the_end_of_a_call(
    scripted: Scripted,
) -> None:
    limits = {"order": Capacity(1, 60.0), "open": Capacity(1, 1.0, LimitKind.CONCURRENT)}
    one, other = scripted.side(limits), scripted.side(limits)
    await one.ask(ORDER)
    await other.ask(Charge("open", 1), hold=Hold.UNTIL_SETTLED)
    await other.ask(ORDER)
    _, wait = await one.ask(Charge("open", 1), hold=Hold.UNTIL_SETTLED)
    assert wait == -0.02
