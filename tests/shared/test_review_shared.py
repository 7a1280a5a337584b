"""Faults that a review found in limits that processes share, each shown once and gone since."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event as Flag

import pytest

from networkpype import AsyncThrottler, RateLimit, ThrottleTimeoutError
from networkpype.shared.limits import RedisLimitStore
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Batch, Call, Hold, Seen
from tests.shared.own_redis import OwnRedis, needs_redis
from tests.shared.scripted import Scripted
from tests.shared.test_shared_queue import MadeUp

ORDER = Charge("order", 1)


@needs_redis
@pytest.mark.parametrize("hold", list(Hold))
async def test_a_call_whose_answer_was_lost_counts_from_when_it_goes(
    scripted: Scripted, hold: Hold
) -> None:
    side = scripted.side({"order": Capacity(10, 10.0)}, lease_s=1.0)
    calls = [(await side.ask(ORDER, hold=hold))[0] for _ in range(10)]
    assert await side.used("order") == [10]
    await scripted.advance(9.9)
    waits = [(await side.ask(ORDER, hold=hold, call_id=each, again=True))[1] for each in calls]
    assert waits == [0] * 10
    await scripted.advance(9.9)
    assert (await side.ask(ORDER))[1] > 0


@needs_redis
async def test_what_is_left_of_a_lost_answer_is_charged_anew(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(1, 1.0), "ip": Capacity(10, 60.0)})
    charges = Charge("ip", 1), ORDER
    call, wait = await side.ask(*charges)
    assert wait == 0
    await scripted.advance(1.5)
    assert (await side.ask(ORDER))[1] == 0
    assert (await side.ask(*charges, call_id=call, again=True))[1] > 0
    assert await side.used("order", "ip") == [1, 0]


@needs_redis
async def test_a_lost_answer_is_no_way_around_a_block(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(10, 10.0)})
    call, _ = await side.ask(ORDER)
    await side.run(Batch(blocks={"order": 5.0}))
    assert (await side.ask(ORDER, call_id=call, again=True))[1] == 5.0


@needs_redis
async def test_a_fixed_window_learns_of_others_and_keeps_what_is_under_way(
    scripted: Scripted,
) -> None:
    limits = {"ip": Capacity(100, 60.0, LimitKind.FIXED_WINDOW, ahead=lambda: 0.0)}
    one, two = scripted.side(limits), scripted.side(limits)
    ip = Charge("ip", 1)
    await scripted.advance(1.0)
    for _ in range(20):
        await two.ask(ip, hold=Hold.UNTIL_SETTLED)
    # What each takes for the end of the window is a little off, one's more than two's.
    await scripted.advance(10.0)
    call, _ = await one.ask(ip, hold=Hold.UNTIL_SETTLED)
    await scripted.advance(10.0)
    told = Batch(settled=[Call(call, (ip,))], seen=[Seen("ip", 1, 9.0, 21.0, 1)])
    assert [(each.before, each.after) for each in (await one.run(told)).corrections] == [(21, 21)]
    told = Batch(seen=[Seen("ip", 61, 0.5, 21.0, 0)])
    assert [(each.before, each.after) for each in (await one.run(told)).corrections] == [(21, 61)]


@needs_redis
async def test_a_level_falls_to_what_the_exchange_says_where_nothing_else_is_under_way(
    scripted: Scripted,
) -> None:
    side = scripted.side({"k": Capacity(100, 100.0, LimitKind.DECAYING_COUNTER, 1.0)})
    for _ in range(49):
        await side.ask(Charge("k", 1))
    call, _ = await side.ask(Charge("k", 1), hold=Hold.UNTIL_SETTLED)
    settled = [Call(call, (Charge("k", 1),))]
    await scripted.advance(1.0)
    reply = await side.run(Batch(seen=[Seen("k", 10, 1.0, 50.0, 1)], settled=settled))
    assert [(each.before, each.after) for each in reply.corrections] == [(49, 10)]
    call, _ = await side.ask(Charge("k", 1), hold=Hold.UNTIL_SETTLED)
    await side.ask(Charge("k", 5))  # after it left
    await scripted.advance(1.0)
    settled = [Call(call, (Charge("k", 1),))]
    reply = await side.run(Batch(seen=[Seen("k", 1, 1.0, 11.0, 1)], settled=settled))
    assert [each.before == each.after for each in reply.corrections] == [True]


@needs_redis
@pytest.mark.parametrize(
    "kind", [LimitKind.ROLLING_WINDOW, LimitKind.FIXED_WINDOW, LimitKind.DECAYING_COUNTER]
)
async def test_the_share_of_others_adds_nothing_and_takes_nothing_off(
    scripted: Scripted, kind: LimitKind
) -> None:
    per_second = 1e-6 if kind is LimitKind.DECAYING_COUNTER else 0.0
    side = scripted.side({"ip": Capacity(50, 60.0, kind, per_second)})
    for _ in range(20):
        await side.ask(Charge("ip", 1))
    await scripted.advance(5.0)
    for used, counted in ((20, 20), (65, 20), (90, 40)):
        reply = await side.run(Batch(seen=[Seen("ip", used, 0.0, 20.0, 0, 50)]))
        assert reply.corrections[0].after == pytest.approx(counted, abs=1e-4)


@needs_redis
async def test_what_was_charged_on_the_way_here_is_not_taken_back(scripted: Scripted) -> None:
    limits = {"ip": Capacity(100, 60.0)}
    one, two = scripted.side(limits), scripted.side(limits)
    await one.ask(Charge("ip", 1))
    await scripted.advance(5.0)
    call, _ = await one.ask(Charge("ip", 1), hold=Hold.UNTIL_SETTLED)
    left_at, sent_at = scripted.now, scripted.now + 0.1
    await scripted.advance(0.2)
    await two.ask(Charge("ip", 10))
    await scripted.advance(0.2)
    told = Batch(seen=[Seen("ip", 1, sent_at - left_at, 2.0, 1)])
    # It was made at `sent_at`, and has been on the way since then.
    reply = await one.limits.run(told, lambda: sent_at)
    assert [(each.before, each.after) for each in reply.corrections] == [(12, 11)]
    assert call


@needs_redis
async def test_entries_that_somebody_took_away_do_not_count_for_ever(scripted: Scripted) -> None:
    side = scripted.side({"order": Capacity(10, 1.0)}, lease_s=5.0)
    for _ in range(10):
        await side.ask(ORDER)
    for key in await scripted.redis.say("KEYS", "*calls*"):
        await scripted.redis.say("DEL", key)
    await scripted.advance(1.5)
    assert (await side.ask(ORDER))[1] > 0  # nobody knows what they were
    await scripted.advance(6.0)
    assert (await side.ask(ORDER))[1] == 0
    assert await side.used("order") == [1]


def _acquire(throttler: AsyncThrottler, counts: Queue[int], go: Flag) -> None:
    async def acquire() -> int:
        count = 0
        while True:
            try:
                await throttler.acquire("order", max_wait=0)
            except ThrottleTimeoutError:
                return count
            count += 1

    go.wait()
    counts.put(asyncio.run(acquire()))


@needs_redis
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_were_forked_are_counted_each_for_itself(common_redis: OwnRedis) -> None:
    store = RedisLimitStore(common_redis.url, name=f"forked-{time.monotonic_ns()}")
    throttler = AsyncThrottler([RateLimit("order", 40, 60)], safety_margin_pct=0, store=store)
    fork = multiprocessing.get_context("fork")
    counts: Queue[int] = fork.Queue()
    go = fork.Event()
    children = [fork.Process(target=_acquire, args=(throttler, counts, go)) for _ in range(3)]
    for child in children:
        child.start()
    go.set()
    assert sum(counts.get(timeout=20) for _ in children) == 40
    for child in children:
        child.join(20)
        assert child.exitcode == 0


@virtual_time
async def test_max_wait_is_kept_in_a_line_that_is_longer_than_what_is_asked_for_at_once() -> None:
    throttler = AsyncThrottler(
        [RateLimit("order", 1_000_000, 1)], safety_margin_pct=0, store=MadeUp()
    )
    loop = asyncio.get_running_loop()
    ends: list[float] = []

    async def call() -> None:
        with contextlib.suppress(ThrottleTimeoutError):
            await throttler.acquire("order", max_wait=0.05)
        ends.append(loop.time())

    await asyncio.gather(*(call() for _ in range(3_000)))
    assert len(ends) == 3_000
    assert max(ends) <= 0.05 + 0.0101  # and the round trip that was under way


@virtual_time
async def test_what_is_to_be_told_does_not_pile_up_while_the_store_is_lost() -> None:
    store = MadeUp(local_share_pct=100)
    throttler = AsyncThrottler([RateLimit("order", 100, 1)], safety_margin_pct=0, store=store)
    await throttler.acquire("order")
    store.lost = "gone"

    async def work() -> None:
        while True:
            async with throttler.in_flight("order"):
                await asyncio.sleep(0.01)

    worker = asyncio.create_task(work())
    await asyncio.sleep(60)
    # The lease, and twice for as long as a call counts; 50 calls a second and more.
    assert 200 < len(store.batches[-1].settled) <= 100 * (store.lease_s + 2 + 2)
    worker.cancel()
    store.lost = None
    await asyncio.sleep(5)
    await throttler.acquire("order")
    assert throttler.snapshot()["order"].held == 0


@virtual_time
async def test_an_answer_in_doubt_is_asked_for_again_as_one_that_may_have_been_given() -> None:
    store = MadeUp()
    throttler = AsyncThrottler([RateLimit("order", 5, 1)], safety_margin_pct=0, store=store)
    await throttler.acquire("order")
    store.forgot = True
    await asyncio.gather(*(throttler.acquire("order") for _ in range(3)))
    doubtful, reset = store.batches[1:3]
    assert reset.reset
    [call_id] = [ask.call_id for ask in doubtful.asks]
    assert [ask.again for ask in reset.asks if ask.call_id == call_id] == [True]


@needs_redis
async def test_copies_that_are_gone_are_not_kept(common_redis: OwnRedis) -> None:
    async with RedisLimitStore(common_redis.url, name="copies") as store:
        throttler = AsyncThrottler([RateLimit("order", 10, 1)], store=store)
        for _ in range(20):
            throttler.copy()
        gc.collect()
        assert len(store._joined) == 1
        await throttler.acquire("order")
    assert not throttler._queue._limits._link._connection  # type: ignore[union-attr]
