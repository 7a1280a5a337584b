"""The queue before a shared store that is made up and can be made to fail, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping

import pytest

from networkpype import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from networkpype.errors import (
    ConfigurationError,
    NotConnectedError,
    Outcome,
    ThrottleTimeoutError,
)
from networkpype.hooks import (
    Event,
    LimitCorrected,
    LimitStoreLost,
    LimitStoreRestored,
    LimitUnblocked,
    ThrottleWaited,
)
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.learning import Answer, UsedHeader
from networkpype.throttler.store.base import Account, Capacity, Charge
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.store.shared import (
    Batch,
    Correction,
    Hold,
    Reply,
    SharedUsage,
    StoreLostError,
)

TRIP_S = 0.01
CONCURRENT = LimitKind.CONCURRENT


class MadeUp:
    """A store that counts in this process, and answers after a round trip of virtual time."""

    def __init__(self, local_share_pct: float | None = None) -> None:
        self.local_share_pct = local_share_pct
        self.lease_s, self.guard_s = 9.0, 1.0
        self.before_close: Callable[[], Awaitable[None]] | None = None
        self.hear: Callable[[], Awaitable[None]] | None = None
        self.wake: Callable[[], None] | None = None
        self.batches: list[Batch] = []
        self.at: list[float] = []
        self.lost: str | Exception | None = None
        self.loses_replies = False
        self.forgot = False
        self.under_way = 0
        self.most_under_way = 0
        self.corrections: list[Correction] = []
        self.poll_s = 0.02
        self._store = MemoryStore()
        self._limits: Mapping[str, Capacity] = {}
        self._granted: dict[int, tuple[Account, Hold]] = {}
        self._times: dict[int, float] = {}

    def join(self) -> MadeUp:
        return self

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        self._store.configure(limits)
        self._limits = limits

    async def run(self, batch: Batch, now: Callable[[], float]) -> Reply:
        self.batches.append(batch)
        self.at.append(now())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(TRIP_S / 2)
            if isinstance(self.lost, Exception):
                raise self.lost
            if self.lost:
                raise StoreLostError(self.lost)
            if self.forgot and not batch.reset:
                return Reply(True)
            had_forgot, self.forgot = self.forgot, False
            reply = self._answer(batch, now())._replace(had_forgot=had_forgot)
            await asyncio.sleep(TRIP_S / 2)
        finally:
            self.under_way -= 1
        if self.loses_replies:
            raise StoreLostError("the answer was lost")
        return reply

    def _answer(self, batch: Batch, now: float) -> Reply:
        unblocked = []
        for name in batch.unblocks:  # however long ago
            left_s = self._store.usage(name, now).blocked_until - now
            if left_s > 0:
                unblocked.append((name, left_s))
            self._store.unblock(name, now)
        for name, for_s in batch.blocks.items():
            self._store.block(name, now + for_s, now)
        if batch.reset:
            for name, limit in self._limits.items():
                self._store.block(name, now + limit.time_interval, now)
        for call in batch.settled:
            self._granted.pop(call.call_id)[0].settle(now)
        for call in batch.refunds:
            if call.call_id in self._granted:
                account, hold = self._granted.pop(call.call_id)
                account.refund(None if hold is Hold.UNTIL_SETTLED else self._at(call.call_id))
        waits = []
        for ask in batch.asks:
            if ask.again and ask.call_id in self._granted:
                waits.append(0.0)
                continue
            account = self._store.account(ask.charges)
            free_at = account.try_charge(now, None, ask.hold is Hold.UNTIL_SETTLED)
            if free_at is None:
                self._granted[ask.call_id] = account, ask.hold
                self._times[ask.call_id] = now
            if free_at == math.inf:
                waits.append(-self.poll_s)
            else:
                waits.append(0.0 if free_at is None else min(free_at - now, 60.0))
        usage = {}
        for name in self._limits:
            told = self._store.usage(name, now)
            is_full = (
                self._limits[name].kind is CONCURRENT and told.used >= self._limits[name].units
            )
            free_s = self.poll_s if is_full else 0.0
            usage[name] = SharedUsage(told.used, max(0.0, told.blocked_until - now), free_s)
        corrections, self.corrections = self.corrections, []
        paused_s = 1.0 if batch.reset else 0.0
        return Reply(False, waits, usage, corrections, paused_s, False, unblocked)

    def _at(self, call_id: int) -> float:
        return self._times[call_id]


def make(
    store: MadeUp, *limits: RateLimit, **options: object
) -> tuple[AsyncThrottler, list[Event]]:
    events: list[Event] = []
    throttler = AsyncThrottler(
        list(limits) or [RateLimit("order", 2, 1.0)],
        safety_margin_pct=0,
        store=store,
        hook=events.append,
        **options,  # type: ignore[arg-type]
    )
    return throttler, events


def time_now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_an_acquire_is_one_question() -> None:
    store = MadeUp()
    throttler, events = make(store)
    await throttler.acquire("order")
    assert time_now() == pytest.approx(TRIP_S)
    assert len(store.batches) == 1
    assert store.batches[0].asks[0].hold is Hold.FINAL
    assert events == []


@virtual_time
async def test_one_question_is_under_way_and_the_next_holds_all_that_came() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1_000, 1.0))
    await asyncio.gather(*(throttler.acquire("order") for _ in range(40)))
    assert store.most_under_way == 1
    assert [len(batch.asks) for batch in store.batches] == [1, 16, 23]


@virtual_time
async def test_it_asks_again_when_it_was_told_to_and_in_order() -> None:
    store = MadeUp()
    throttler, events = make(store)
    done: list[int] = []

    async def call(number: int) -> None:
        await throttler.acquire("order")
        done.append(number)

    await asyncio.gather(*(call(number) for number in range(6)))
    assert done == list(range(6))
    assert time_now() == pytest.approx(2.0 + 2 * TRIP_S, abs=0.03)
    assert len(store.batches) <= 8
    assert [type(event) for event in events] == [ThrottleWaited] * 4


@virtual_time
async def test_a_better_priority_is_asked_for_first() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1.0))
    await throttler.acquire("order")
    done: list[str] = []

    async def call(priority: Priority) -> None:
        await throttler.acquire("order", priority=priority)
        done.append(priority.name)

    async with asyncio.TaskGroup() as group:
        for priority in (Priority.QUERY, Priority.PLACE, Priority.CANCEL):
            group.create_task(call(priority))
            await asyncio.sleep(0.05)
    assert done == ["CANCEL", "PLACE", "QUERY"]


@virtual_time
async def test_a_grant_for_one_that_is_gone_is_given_back() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1_000.0))
    for alone in (True, False):
        others = [] if alone else [asyncio.create_task(throttler.acquire("order"))]
        gone = asyncio.create_task(throttler.acquire("order"))
        await asyncio.sleep(TRIP_S * 0.7)  # granted, and the answer is on its way
        for each in (*others, gone):
            each.cancel()
        await asyncio.gather(*others, gone, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert [call.call_id for call in store.batches[-1].refunds] != []
    async with asyncio.timeout(1):
        await throttler.acquire("order")


@virtual_time
async def test_a_call_under_way_is_renewed_every_third_of_the_lease() -> None:
    store = MadeUp()
    throttler, _ = make(store)
    async with throttler.in_flight("order"):
        await asyncio.sleep(9.5)
    await asyncio.sleep(1)
    renewed = [at for at, batch in zip(store.at, store.batches, strict=True) if batch.renewals]
    assert renewed == pytest.approx([3.0, 6.0, 9.0], abs=0.05)
    assert [call.age_s for batch in store.batches for call in batch.settled] == pytest.approx(
        [0.02], abs=0.005
    )


@virtual_time
async def test_a_call_that_is_prepared_is_lifted_by_its_first_renewal() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1.0))
    async with throttler.in_flight("order", departed=False) as flight:
        assert store.batches[0].asks[0].hold is Hold.PREPARED
        await flight.depart()
        await asyncio.sleep(0.2)
        assert len(store.batches) == 1  # most calls are over before they have to be told
        await asyncio.sleep(0.1)
        assert [len(batch.renewals) for batch in store.batches] == [0, 1]
        assert 0.2 < store.at[1] - store.at[0] < store.guard_s


@virtual_time
async def test_a_call_that_was_prepared_for_long_is_lifted_at_once() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 2.0))
    async with throttler.in_flight("order", departed=False) as flight:
        await asyncio.sleep(1.5)
        await flight.depart()
        await asyncio.sleep(0.05)
        assert [len(batch.renewals) for batch in store.batches] == [0, 1]


def lane_of(places: int) -> list[RateLimit]:
    linked = [LinkedLimitWeightPair("open", 1)]
    return [
        RateLimit("lane", 100, 1.0, linked_limits=linked),
        RateLimit.concurrent("open", places),
    ]


async def call(
    throttler: AsyncThrottler,
    for_s: float,
    max_wait: float | None = None,
    priority: Priority | None = None,
) -> float:
    """Return when it went."""
    async with throttler.in_flight("lane", max_wait=max_wait, priority=priority):
        went_at = time_now()
        await asyncio.sleep(for_s)
    return went_at


@virtual_time
async def test_a_call_that_is_over_soon_is_told_of_twice() -> None:
    store = MadeUp()
    throttler, _ = make(store, *lane_of(1))
    for _ in range(10):
        async with throttler.in_flight("lane", departed=False) as flight:
            await flight.depart()
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
    assert [len(batch.asks) for batch in store.batches] == [1, 0] * 10
    assert [len(batch.settled) for batch in store.batches] == [0, 1] * 10


@virtual_time
async def test_one_that_comes_while_calls_here_fill_the_limit_is_asked_for_when_one_ends() -> None:
    store = MadeUp()
    store.poll_s = 0.2
    throttler, events = make(store, *lane_of(1))
    first = asyncio.create_task(call(throttler, 0.1))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(call(throttler, 0.1))
    await asyncio.sleep(0.05)
    assert len(store.batches) == 1  # the answer would be no
    await first
    assert await second == pytest.approx(0.1 + 2 * TRIP_S)
    assert [(len(each.settled), len(each.asks)) for each in store.batches[:2]] == [(0, 1), (1, 1)]
    assert [type(event) for event in events] == [ThrottleWaited]


@virtual_time
async def test_one_that_comes_where_others_fill_the_limit_asks_at_once_and_again() -> None:
    store = MadeUp()
    mine, _ = make(store, *lane_of(1))
    others = store._store.account((Charge("open", 1, 0),))
    assert others.try_charge(0.0, None, True) is None
    waits = asyncio.create_task(call(mine, 0.1))
    await asyncio.sleep(0.05)
    assert [round(at, 3) for at in store.at] == [0.0, 0.03]
    others.settle(0.05)
    assert await waits <= 0.05 + store.poll_s + 2 * TRIP_S


@virtual_time
@pytest.mark.parametrize("poll_s", [0.02, 0.5])
async def test_nobody_is_refused_because_nobody_knows_when_a_call_ends(poll_s: float) -> None:
    store = MadeUp()
    throttler, _ = make(store, *lane_of(1))
    store.poll_s = poll_s
    first = asyncio.create_task(call(throttler, 0.1))
    await asyncio.sleep(0.05)
    in_time = asyncio.create_task(call(throttler, 0.1, max_wait=0.1))
    too_late = asyncio.create_task(call(throttler, 0.1, max_wait=0.1))
    await first
    assert await in_time == pytest.approx(0.1 + 2 * TRIP_S)
    with pytest.raises(ThrottleTimeoutError):
        await too_late


@virtual_time
async def test_what_is_prepared_for_longer_than_an_interval_asks_anew() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1.0))
    async with throttler.in_flight("order", departed=False) as flight:
        await asyncio.sleep(1.5)
        await flight.depart()
        asked = [ask.call_id for batch in store.batches for ask in batch.asks]
        assert len(set(asked)) == 2


@virtual_time
async def test_a_wait_that_cannot_be_kept_is_refused_by_the_first_answer() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 10.0))
    await throttler.acquire("order", max_wait=0)
    began = time_now()
    for max_wait in (0.0, 0.001, 5.0):
        with pytest.raises(ThrottleTimeoutError) as raised:
            await throttler.acquire("order", max_wait=max_wait)
        assert raised.value.forecast_s == pytest.approx(10.0, abs=0.2)
    assert time_now() - began < 0.1
    await throttler.acquire("order", max_wait=11)


@virtual_time
async def test_a_wait_is_over_when_it_is_over() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 10.0))
    await throttler.acquire("order")
    store.lost = "gone"
    began = time_now()
    with pytest.raises(ThrottleTimeoutError):
        await throttler.acquire("order", max_wait=3)
    assert time_now() - began == pytest.approx(3.0, abs=0.001)
    store.lost = None
    await asyncio.sleep(2)


@virtual_time
async def test_a_loss_and_a_return_are_told_once_each_and_nobody_is_lost() -> None:
    store = MadeUp()
    throttler, events = make(store, RateLimit("order", 100, 1.0))
    await throttler.acquire("order")
    store.lost = "ConnectionError"
    waiting = [asyncio.create_task(throttler.acquire("order")) for _ in range(5)]
    await asyncio.sleep(3)
    assert not any(task.done() for task in waiting)
    assert 4 <= len(store.batches) <= 90  # it backs off
    store.lost = None
    await asyncio.gather(*waiting)
    changes = [event for event in events if not isinstance(event, ThrottleWaited)]
    assert changes[0] == LimitStoreLost("ConnectionError", None)
    assert isinstance(changes[1], LimitStoreRestored)
    assert changes[1].lost_for_s == pytest.approx(3.5, abs=0.6)
    assert len(changes) == 2


@virtual_time
async def test_what_was_granted_without_an_answer_is_charged_once() -> None:
    store = MadeUp()
    throttler, events = make(store, RateLimit("order", 5, 1_000.0))
    await throttler.acquire("order")
    store.loses_replies = True
    waiting = [asyncio.create_task(throttler.acquire("order")) for _ in range(3)]
    await asyncio.sleep(0.5)
    store.loses_replies = False
    await asyncio.gather(*waiting)
    assert throttler.snapshot()["order"].used == 4
    assert any(ask.again for batch in store.batches for ask in batch.asks)
    assert len([event for event in events if isinstance(event, LimitStoreLost)]) == 1


@virtual_time
async def test_one_that_left_while_nothing_was_sure_is_given_back() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1_000.0))
    store.loses_replies = True
    waiting = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    store.loses_replies = False
    async with asyncio.timeout(3):
        await throttler.acquire("order")


@virtual_time
async def test_what_was_to_be_told_is_told_after_the_return() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 2, 5.0))
    one = throttler.in_flight("order")
    two = throttler.in_flight("order")
    async with two:
        async with one:
            store.lost = "gone"
            waiting = asyncio.create_task(throttler.acquire("order"))
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        store.lost = None
        await asyncio.sleep(1.5)
        back = next(batch for batch in store.batches if batch.settled and batch.renewals)
        told = [batch for batch in store.batches if batch.settled][-1]
        assert told.settled[0].age_s == pytest.approx(1.5, abs=0.6)
        assert [call.call_id for call in back.renewals] == [1]
        await waiting


@virtual_time
async def test_counts_that_were_forgotten_are_reset_and_told() -> None:
    store = MadeUp()
    throttler, events = make(store, RateLimit("order", 5, 2.0))
    async with throttler.in_flight("order"):
        store.forgot = True
        began = time_now()
        await throttler.acquire("order")
        assert time_now() - began >= 2.0
    reset = next(batch for batch in store.batches if batch.reset)
    assert [call.call_id for call in reset.renewals] == [1]
    changes = [event for event in events if not isinstance(event, ThrottleWaited)]
    assert changes[0] == LimitStoreLost("it came back without its counts", None)
    assert isinstance(changes[1], LimitStoreRestored)
    assert changes[1].forgot
    assert changes[1].paused_s == 1.0
    assert len(changes) == 2


@virtual_time
async def test_a_local_share_begins_after_an_interval_and_ends_with_a_reset() -> None:
    store = MadeUp(local_share_pct=50)
    throttler, events = make(store, RateLimit("order", 5, 2.0))
    await throttler.acquire("order")
    store.lost = "gone"
    lost_at = time_now()
    granted = []
    for _ in range(5):
        await throttler.acquire("order")
        granted.append(time_now() - lost_at)
    assert granted[0] == pytest.approx(4.0, abs=0.02)  # an interval, and one to be prepared
    assert granted == pytest.approx([4, 4, 6, 6, 8], abs=0.05)  # 2 of 5, rounded down
    store.lost = None
    await asyncio.sleep(1.5)
    assert isinstance(events[-1], LimitStoreRestored)
    assert events[-1].paused_s == 1.0
    assert [batch.reset for batch in store.batches][-1]
    began = time_now()
    await throttler.acquire("order")
    assert time_now() - began >= 0.5  # of the 2 s of quiet that the reset began


@virtual_time
async def test_what_is_under_way_has_to_be_over_before_a_local_share_begins() -> None:
    store = MadeUp(local_share_pct=100)
    throttler, _ = make(store, RateLimit("order", 5, 1.0))
    async with throttler.in_flight("order"):
        store.lost = "gone"
        waiting = asyncio.create_task(throttler.acquire("order"))
        await asyncio.sleep(4)
        assert not waiting.done()
        over_at = time_now()
    await waiting
    assert time_now() - over_at == pytest.approx(1.0, abs=0.02)


@virtual_time
async def test_a_share_of_less_than_one_unit_is_nothing() -> None:
    store = MadeUp(local_share_pct=10)
    throttler, _ = make(store, RateLimit("order", 5, 1.0), RateLimit("query", 50, 1.0))
    await throttler.acquire("order")
    store.lost = "gone"
    order = asyncio.create_task(throttler.acquire("order"))
    for _ in range(5):
        await throttler.acquire("query")
    assert not order.done()
    store.lost = None
    await order


@virtual_time
async def test_an_error_in_the_store_is_a_loss_and_no_end() -> None:
    store = MadeUp()
    throttler, events = make(store)
    store.lost = RuntimeError("a fault")
    waiting = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(1)
    assert LimitStoreLost("RuntimeError", None) in events
    store.lost = None
    await waiting


@virtual_time
async def test_a_block_is_told_at_once_and_a_correction_is_an_event() -> None:
    store = MadeUp()
    throttler, events = make(
        store, RateLimit("order", 50, 1.0), learn_from=[UsedHeader("X-Used", "order")]
    )
    store.corrections = []
    async with throttler.in_flight("order") as flight:
        flight.land(Answer(200, {"X-Used": "7"}))
    store.corrections = [Correction("order", 1, 7)]
    await asyncio.sleep(0.1)
    assert LimitCorrected("order", 1, 7) in events
    seen = next(batch.seen[0] for batch in store.batches if batch.seen)
    assert (seen.limit_id, seen.used, seen.own) == ("order", 7, 1)
    throttler.block(3.0, ["order"])
    await asyncio.sleep(0.05)
    assert throttler.snapshot()["order"].blocked_s == pytest.approx(2.95, abs=0.02)
    began = time_now()
    await throttler.acquire("order")
    assert time_now() - began == pytest.approx(2.95, abs=0.05)


@virtual_time
async def test_limits_may_be_changed_while_callers_wait() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 1_000.0))
    await throttler.acquire("order")
    waiting = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(1)
    throttler.rate_limits = [RateLimit("order", 2, 1_000.0)]
    async with asyncio.timeout(1):
        await waiting


@virtual_time
async def test_ten_thousand_that_wait_cost_few_questions() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 2_000, 1.0))
    began = time_now()
    await asyncio.gather(*(throttler.acquire("order") for _ in range(10_000)))
    assert time_now() - began <= 4.0 * 1.05 + 20 * TRIP_S
    assert len(store.batches) < 150


@virtual_time
async def test_before_it_is_closed_all_is_told_and_then_it_is_quiet() -> None:
    store = MadeUp()
    throttler, _ = make(store)
    async with throttler.in_flight("order"):
        async with throttler.in_flight("order"):
            pass
        assert store.before_close is not None
        await store.before_close()
        assert [len(batch.settled) for batch in store.batches] == [0, 0, 1]
        await asyncio.sleep(20)
        assert len(store.batches) == 3
    await asyncio.sleep(20)
    assert len(store.batches) == 3
    await throttler.acquire("order")
    assert len(store.batches) > 3


@virtual_time
async def test_a_loss_that_lasts_is_said_again_ever_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MadeUp()
    throttler, _ = make(store)
    store.lost = "gone"
    waiting = asyncio.create_task(throttler.acquire("order"))
    began, said = time_now(), []
    for _ in range(2_000):
        await asyncio.sleep(1)
        ours = [each for each in caplog.records if each.name.startswith("networkpype")]
        said += [time_now() - began] * len(ours)
        caplog.clear()
    assert said == pytest.approx([1, 2, 11, 61, 601, 1201, 1801], abs=3)
    store.lost = None
    await waiting


@virtual_time
async def test_a_wait_that_is_over_while_the_store_is_lost_says_so() -> None:
    for share, said in ((None, "see local_share_pct"), (50.0, "the 50 % of rate limit")):
        store = MadeUp(share)
        throttler, _ = make(store)
        await throttler.acquire("order")
        await throttler.acquire("order")
        with pytest.raises(ThrottleTimeoutError, match="no room") as full:
            await throttler.acquire("order", max_wait=0.1)
        store.lost = "Redis at db:6379 cannot be reached"
        with pytest.raises(ThrottleTimeoutError, match=said) as raised:
            await throttler.acquire("order", max_wait=0.5)
        assert f"the shared store is lost ({store.lost})" in str(raised.value)
        assert "no room" not in str(raised.value)
        assert "lost" not in str(full.value)
        assert raised.value.limit_id == "order"
        assert raised.value.forecast_s == pytest.approx(0.5, abs=0.1)
        store.lost = None
        await asyncio.sleep(3)


@virtual_time
async def test_a_refusal_that_no_waiting_mends_is_everybodys() -> None:
    store = MadeUp(local_share_pct=50)
    throttler, events = make(store)
    store.lost = StoreLostError("wrong password", True)
    calls = [throttler.acquire("order") for _ in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [ConfigurationError] * 3
    assert "wrong password" in str(errors[0])
    assert throttler.snapshot()["order"].waiting == 0
    await asyncio.sleep(30)
    asked_at = time_now()
    with pytest.raises(ConfigurationError, match="wrong password"):
        await throttler.acquire("order")
    assert time_now() == asked_at
    store.lost = None
    await asyncio.sleep(3)  # it is tried again all the time
    await throttler.acquire("order")
    assert throttler.snapshot()["order"].used == 1
    assert [type(event) for event in events] == [LimitStoreLost, LimitStoreRestored]
    assert not any(batch.refunds for batch in store.batches)


@virtual_time
async def test_a_reset_that_finds_no_counts_is_told_with_the_return() -> None:
    store = MadeUp(local_share_pct=50)
    throttler, events = make(store)
    await throttler.acquire("order")
    store.lost = "gone"
    await throttler.acquire("order")  # alone
    store.forgot, store.lost = True, None
    await asyncio.sleep(5)
    await throttler.acquire("order")
    changes = [event for event in events if not isinstance(event, ThrottleWaited)]
    assert [type(event) for event in changes] == [LimitStoreLost, LimitStoreRestored]
    assert isinstance(changes[1], LimitStoreRestored)
    assert changes[1].forgot


@virtual_time
async def test_what_is_asked_to_hear_is_heard_between_calls() -> None:
    store = MadeUp()
    throttler, _ = make(store)
    calls = [asyncio.create_task(throttler.acquire("order")) for _ in range(4)]
    await asyncio.sleep(TRIP_S / 2)
    assert store.hear is not None
    await asyncio.gather(store.hear(), store.hear())
    assert sum(batch.everything for batch in store.batches) == 1
    assert store.most_under_way == 1
    store.lost = "gone"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await store.hear()
    store.lost = None
    await store.hear()
    await asyncio.gather(*calls)


@virtual_time
async def test_a_block_that_is_ended_lets_those_go_who_wait() -> None:
    store = MadeUp()
    throttler, events = make(store, RateLimit("order", 2, 1.0))
    await throttler.acquire("order")
    throttler.block(600.0)
    assert throttler.snapshot()["order"].blocked_s == 600.0  # before the store was told
    waits = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(5.0)
    assert not waits.done()
    throttler.unblock()
    assert throttler.snapshot()["order"].blocked_s == 0.0
    await asyncio.wait_for(waits, 2 * TRIP_S)
    assert [event for event in events if isinstance(event, LimitUnblocked)] == [
        LimitUnblocked(("order",), pytest.approx(595.0, abs=0.1))  # type: ignore[arg-type]
    ]


@virtual_time
async def test_a_block_that_was_not_told_yet_is_ended_too_and_one_after_it_is_not() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 2, 1.0))
    await throttler.acquire("order")
    store.lost = "nobody is there"
    throttler.block(600.0)
    await asyncio.sleep(0.5)
    throttler.unblock()
    await asyncio.sleep(0.5)
    throttler.block(3.0)
    store.lost = None
    await asyncio.sleep(2.0)
    assert store._store.usage("order", time_now()).blocked_until == pytest.approx(4.0, abs=0.1)


@virtual_time
async def test_an_end_of_a_block_is_told_when_the_store_is_back() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 2, 1.0))
    await throttler.acquire("order")
    throttler.block(600.0)
    await asyncio.sleep(0.1)
    store.lost = "nobody is there"
    throttler.unblock()
    await asyncio.sleep(0.5)
    store.lost = None
    await asyncio.sleep(3.0)
    assert store._store.usage("order", time_now()).blocked_until <= time_now()


@virtual_time
async def test_a_local_share_goes_on_after_a_block_but_not_before_its_quiet_is_over() -> None:
    store = MadeUp(local_share_pct=50)
    throttler, _ = make(store, RateLimit("order", 2, 5.0))
    await throttler.acquire("order")
    throttler.block(600.0)
    await asyncio.sleep(0.1)
    store.lost = "nobody is there"
    waits = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(1.0)
    throttler.unblock()
    await asyncio.sleep(8.5)
    assert not waits.done()
    await asyncio.wait_for(waits, 1.0)


@virtual_time
async def test_what_was_told_to_be_blocked_is_asked_for_again() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 2, 1.0))
    await throttler.acquire("order")
    store._store.block("order", time_now() + 600.0, time_now())
    with pytest.raises(ThrottleTimeoutError):
        await throttler.acquire("order", max_wait=1.0)
    store._store.unblock("order", time_now())  # by another process
    await throttler.acquire("order", max_wait=1.0)


@virtual_time
async def test_a_process_that_has_asked_nothing_yet_can_end_a_block() -> None:
    store = MadeUp()
    throttler, events = make(store, RateLimit("order", 2, 1.0), RateLimit("other", 2, 1.0))
    store._store.block("order", time_now() + 600.0, time_now())
    throttler.unblock()
    await asyncio.sleep(0.1)
    assert store._store.usage("order", time_now()).blocked_until <= time_now()
    told = [event for event in events if isinstance(event, LimitUnblocked)]
    assert [event.limit_ids for event in told] == [("order",)]
    assert told[0].left_s == pytest.approx(600.0, abs=0.1)


@virtual_time
async def test_before_it_is_closed_nobody_waits_any_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 60.0))
    await throttler.acquire("order")
    waits = [asyncio.create_task(throttler.acquire("order")) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert store.before_close is not None
    await store.before_close()
    for each in waits:
        with pytest.raises(NotConnectedError, match="was closed while the call waited") as raised:
            await each
        assert raised.value.outcome is Outcome.NOT_SENT
    asked = len(store.batches)
    await asyncio.sleep(120)
    assert len(store.batches) == asked
    assert not [each for each in caplog.records if each.levelno > logging.DEBUG]
    await throttler.acquire("order")
    assert "used after its shared limit store was closed" in caplog.text


@virtual_time
async def test_a_close_while_the_store_is_lost_ends_the_waits_and_the_tries() -> None:
    store = MadeUp()
    throttler, _ = make(store)
    store.lost = "nobody is there"
    waits = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(1)
    assert store.before_close is not None
    await store.before_close()
    with pytest.raises(NotConnectedError):
        await waits
    tried = len(store.batches)
    await asyncio.sleep(60)
    assert len(store.batches) == tried


@virtual_time
async def test_one_that_is_granted_while_it_is_closed_is_given_back() -> None:
    store = MadeUp()
    throttler, _ = make(store, RateLimit("order", 1, 600.0))
    first = asyncio.create_task(throttler.acquire("order"))
    second = asyncio.create_task(throttler.acquire("order"))
    await asyncio.sleep(TRIP_S * 0.7)
    assert store.before_close is not None
    await store.before_close()
    assert store._store.usage("order", time_now()).used == 0
    for each in (first, second):
        with pytest.raises(NotConnectedError):
            await each


@virtual_time
async def test_what_is_shown_while_it_goes_alone_is_its_own_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MadeUp(local_share_pct=20)
    throttler, _ = make(store, RateLimit("order", 10, 1.0), RateLimit("rare", 4, 1.0))
    await throttler.acquire("order")
    store.lost = "nobody is there"
    await throttler.acquire("order")
    await throttler.acquire("order")
    shown = throttler.snapshot()["order"]
    assert (shown.used, shown.capacity) == (2, 2)
    assert shown.next_free_s == pytest.approx(1.0, abs=0.1)
    assert throttler.snapshot()["rare"].capacity == 0
    assert "20 % of these limits is less than one unit" in caplog.text
    assert caplog.text.count("rare") == 1


@virtual_time
async def test_what_is_prepared_when_the_store_is_lost_leaves_before_a_local_share_opens() -> None:
    store = MadeUp(local_share_pct=50)
    throttler, _ = make(store, RateLimit("order", 10, 1.0))
    left: list[float] = []

    async def prepared() -> None:
        async with throttler.in_flight("order", departed=False) as flight:
            await asyncio.sleep(0.97)
            await flight.depart()
            left.append(time_now())

    async def others() -> None:
        await throttler.acquire("order")
        left.append(time_now())

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(prepared())
        await asyncio.sleep(0.1)
        store.lost = "nobody is there"
        for _ in range(5):
            group.create_task(others())
    left.sort()
    assert max(sum(at <= each < at + 1.0 for each in left) for at in left) <= 10


@virtual_time
async def test_one_that_goes_before_others_asks_even_where_calls_here_fill_the_limit() -> None:
    store = MadeUp()
    store.poll_s = 0.2
    throttler, _ = make(store, *lane_of(1))
    async with throttler.in_flight("lane"):
        waits = asyncio.create_task(call(throttler, 0.1, priority=Priority.CANCEL))
        await asyncio.sleep(0.05)
        assert len(store.batches) == 2
        waits.cancel()
        await asyncio.wait({waits})


@virtual_time
async def test_what_holds_a_call_up_is_named() -> None:
    store = MadeUp()
    linked = [LinkedLimitWeightPair("ip", 1), LinkedLimitWeightPair("open", 1)]
    throttler, events = make(
        store,
        RateLimit("order", 100, 1.0, linked_limits=linked),
        RateLimit("ip", 2, 60.0),
        RateLimit.concurrent("open", 5),
    )
    for _ in range(2):
        async with throttler.in_flight("order"):
            pass
    with pytest.raises(ThrottleTimeoutError, match=r'"ip" is full \(2 of 2') as raised:
        async with throttler.in_flight("order", max_wait=1.0):
            pass
    assert raised.value.bottleneck == "ip"
    async with throttler.in_flight("order"):
        pass
    assert [getattr(event, "bottleneck", None) for event in events] == ["ip", "ip"]
    throttler.block(30.0, ["open"])
    await asyncio.sleep(0.1)
    with pytest.raises(ThrottleTimeoutError, match='"open" is blocked: no call is wanted for'):
        async with throttler.in_flight("order", max_wait=1.0):
            pass
