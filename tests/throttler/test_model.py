"""Whatever callers do: no window is broken, nobody is late, nobody is overtaken to their cost.

Callers come and give up and limits change at random, in virtual time. A ledger of its own, written
from the calls that went on, says what each window holds and knows nothing of the throttler's lines.
All times are eighths of a second, so sums are exact and every moment at which something can happen
is looked at.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import UnknownLimitError, WeightExceedsLimitError
from networkpype.testing.virtual_time import run_in_virtual_time
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import settle

STEP_S = 0.125


@dataclass
class Call:
    limit_id: str
    number: int
    task: asyncio.Task[None] | None = None


@dataclass
class Ledger:
    """What was admitted, and what the limits are."""

    limits: dict[str, RateLimit]
    admitted: list[tuple[float, dict[str, int]]] = field(default_factory=list)

    def costs(self, limit_id: str) -> dict[str, int]:
        limit = self.limits[limit_id]
        pairs = [(pair.limit_id, pair.weight) for pair in limit.linked_limits]
        costs: dict[str, int] = {}
        for name, weight in [(limit_id, limit.weight), *pairs]:
            assert isinstance(weight, int)
            costs[name] = costs.get(name, 0) + weight
        return {name: weight for name, weight in costs.items() if weight}

    def used(self, name: str, now: float) -> int:
        interval = self.limits[name].time_interval
        return sum(costs.get(name, 0) for at, costs in self.admitted if now - at < interval)

    def fits(self, costs: dict[str, int], now: float) -> bool:
        return all(self.used(name, now) + w <= self.limits[name].limit for name, w in costs.items())

    def fits_from(self, costs: dict[str, int], now: float) -> float:
        """Return the first moment at which it fits if nothing else is admitted."""
        ends = (
            at + self.limits[name].time_interval
            for at, charged in self.admitted
            for name in charged
            if name in self.limits
        )
        moments = sorted({now, *(end for end in ends if end > now)})
        return next((moment for moment in moments if self.fits(costs, moment)), math.inf)

    def change(self, limits: dict[str, RateLimit]) -> None:
        for name in self.limits.keys() - limits.keys():
            for _, costs in self.admitted:
                costs.pop(name, None)  # an id that comes back counts from nothing
        self.limits = limits


class Play:
    """The throttler, its callers, and the ledger that judges both."""

    def __init__(self, limits: dict[str, RateLimit]) -> None:
        self.ledger = Ledger(limits)
        self.throttler = AsyncThrottler(limits.values(), safety_margin_pct=0)
        self.waiting: list[Call] = []
        self.calls = 0
        self.faults: list[str] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def heads(self) -> list[Call]:
        heads: dict[str, Call] = {}
        for call in self.waiting:
            heads.setdefault(call.limit_id, call)
        return list(heads.values())

    async def call(self, limit_id: str) -> None:
        await settle()
        self.calls += 1
        call = Call(limit_id, self.calls)
        self.waiting.append(call)
        call.task = asyncio.create_task(self._wait(call))
        await settle()

    async def _wait(self, call: Call) -> None:
        try:
            await self.throttler.acquire(call.limit_id)
        except UnknownLimitError:
            assert call.limit_id not in self.ledger.limits
        except WeightExceedsLimitError:
            costs = self.ledger.costs(call.limit_id)
            assert any(w > self.ledger.limits[name].limit for name, w in costs.items())
        else:
            self._admitted(call)
        finally:
            if call in self.waiting:
                self.waiting.remove(call)

    def _admitted(self, call: Call) -> None:
        now, ledger = self.now, self.ledger
        costs = ledger.costs(call.limit_id)
        if not ledger.fits(costs, now):
            self.faults.append(f"{call} broke a window at {now}")
        earlier = [each for each in self.heads() if each.number < call.number]
        if any(each.limit_id == call.limit_id for each in earlier):
            self.faults.append(f"{call} went before its line")
        before = [ledger.fits_from(ledger.costs(each.limit_id), now) for each in earlier]
        ledger.admitted.append((now, dict(costs)))
        after = [ledger.fits_from(ledger.costs(each.limit_id), now) for each in earlier]
        if before != after:
            self.faults.append(f"{call} at {now} made one of {earlier} later")

    def cancel(self, index: int) -> None:
        if self.waiting:
            call = self.waiting[index % len(self.waiting)]
            assert call.task is not None
            call.task.cancel()

    async def change(self, limits: dict[str, RateLimit]) -> None:
        await settle()
        self.ledger.change(limits)
        self.throttler.rate_limits = list(limits.values())
        await settle()

    async def look(self) -> None:
        """Nobody waits who could go, with room left for all who came before."""
        await settle()
        ahead: dict[str, int] = {}
        for call in self.heads():
            for name, weight in self.ledger.costs(call.limit_id).items():
                ahead[name] = ahead.get(name, 0) + weight
            together = {name: ahead[name] for name in self.ledger.costs(call.limit_id)}
            if self.ledger.fits(together, self.now):
                self.faults.append(f"{call} still waits at {self.now}")

    async def pass_time(self, steps: int) -> None:
        for _ in range(steps):
            await self.look()
            await asyncio.sleep(STEP_S)
        # What comes next may come in the same turn as the throttler's timer: not settled here.


intervals = st.sampled_from([0.25, 0.5, 1.0, 1.5])
IDS = ["ip", "orders", "heavy", "lone"]


@st.composite
def limit_sets(draw: st.DrawFn) -> dict[str, RateLimit]:
    def linked(limit_id: str, most: int) -> RateLimit:
        pairs = [LinkedLimitWeightPair("ip", draw(st.integers(0, most)))]
        return RateLimit(
            limit_id, draw(st.integers(1, 4)), draw(intervals), draw(st.integers(0, 2)), pairs
        )

    limits = [
        RateLimit("ip", draw(st.integers(1, 6)), draw(intervals)),
        linked("orders", 3),
        linked("heavy", 6),
        RateLimit("lone", draw(st.integers(1, 2)), draw(intervals)),
    ]
    return {limit.limit_id: limit for limit in limits}


@st.composite
def changed(draw: st.DrawFn, limits: dict[str, RateLimit]) -> dict[str, RateLimit]:
    """Return the limits with others sizes and perhaps one gone; intervals stay.

    A longer interval cannot bring back what was forgotten, so the ledger would disagree.
    """
    gone = draw(st.sampled_from([None, "orders", "heavy", "lone"]))
    return {
        limit_id: limit.copy(limit=draw(st.integers(1, 6)))
        for limit_id, limit in limits.items()
        if limit_id != gone
    }


Action = tuple[str, object]


@st.composite
def plays(draw: st.DrawFn) -> tuple[dict[str, RateLimit], list[Action]]:
    limits = draw(limit_sets())
    action = st.one_of(
        st.tuples(st.just("call"), st.sampled_from(IDS)),
        st.tuples(st.just("call"), st.sampled_from(IDS)),
        st.tuples(st.just("pass"), st.integers(1, 8)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("change"), changed(limits)),
    )
    return limits, draw(st.lists(action, min_size=5, max_size=40))


async def perform(limits: dict[str, RateLimit], actions: list[Action]) -> Play:
    play = Play(limits)
    for name, argument in actions:
        match name, argument:
            case "call", str(limit_id):
                await play.call(limit_id)
            case "pass", int(steps):
                await play.pass_time(steps)
            case "cancel", int(index):
                play.cancel(index)
            case "change", dict(others):
                await play.change(others)
    for _ in range(100):
        await play.pass_time(8)
        if not play.waiting:
            break
    return play


@given(plays())
def test_any_play_keeps_the_rules(play: tuple[dict[str, RateLimit], list[Action]]) -> None:
    limits, actions = play
    done = run_in_virtual_time(perform(limits, actions))
    assert done.faults == []
    assert done.waiting == []
