"""Whatever callers, clocks and exchanges do: no limit of any kind is broken, nobody waits in vain.

Callers ask under limits of all kinds, with priorities, computed weights and patience, by `acquire`
and by `in_flight`; they give up before, during and after their call; the exchange asks for quiet;
limits change size; the local wall clock is set. Two judges know nothing of the throttler's code:

- the exchange, which counts arrivals (`networkpype.testing.arrivals`), each somewhere between
  departure and answer;
- a ledger (`tests.throttler.ledger`) of the worst that every call can still be there.

Times are eighths of a second and rates powers of two, so sums are exact and every moment at which
something can happen is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networkpype.errors import ThrottleTimeoutError, WeightExceedsLimitError
from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit
from networkpype.testing.virtual_time import run_in_virtual_time
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.learning import Answer, UsedHeader
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import settle
from tests.throttler.ledger import BUCKETS, Entry, Ledger

STEP_S = 0.125
UNIX_S = 1_763_700_000.0
Limits: TypeAlias = dict[str, RateLimit]


class Call(NamedTuple):
    """What a caller asks and what happens to it; `prepared`, `there` and `back` are in steps."""

    limit_id: str
    how: Literal["acquire", "held", "prepared"]
    units: int
    priority: Priority | None
    max_wait: float | None
    prepared: int
    there: int
    back: int
    arrives: bool


class SetClock:
    """The loop's time, and a wall clock that is set now and then."""

    def __init__(self) -> None:
        self.set_by_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return self.monotonic() + UNIX_S + self.set_by_s


class ExchangeClock:
    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s

    def time(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


@dataclass(eq=False)
class Caller:
    call: Call
    number: int
    costs: dict[str, int]
    priority: Priority
    asked_at: float
    task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"#{self.number} {self.call}"


class Play:
    """The throttler, its callers, and the judges."""

    def __init__(self, stage: Stage) -> None:
        clock = SetClock()
        self.clock = clock
        self.told = stage.told
        self.ahead_s = UNIX_S + stage.ahead_s
        self.ledger = Ledger(stage.limits, self.ahead_s)
        self.exchange = ArrivalCounter(map(_at_exchange, stage.limits.values()))
        self.throttler = AsyncThrottler(
            stage.limits.values(),
            safety_margin_pct=0,
            time_provider=ExchangeClock(self.ahead_s),
            clock=clock if stage.own_clock else None,
            learn_from=[UsedHeader("Used", "ip")] if stage.told else [],
        )
        self.changed = False
        self.waiting: list[Caller] = []
        self.alive: list[Caller] = []
        self.numbers = 0
        self.overtaken: list[tuple[Caller, Caller]] = []
        self.faults: list[str] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def call(self, call: Call) -> None:
        await settle()
        limit = self.ledger.limits[call.limit_id]
        caller = Caller(
            call,
            self._number(),
            _costs(self.ledger.limits, call),
            limit.priority if call.priority is None else call.priority,
            self.now,
        )
        caller.task = asyncio.create_task(self._play(caller))
        self.alive.append(caller)
        await settle()

    async def _play(self, caller: Caller) -> None:
        try:
            self.waiting.append(caller)
            if caller.call.how == "acquire":
                await self._acquire(caller)
            else:
                await self._fly(caller)
        except ThrottleTimeoutError:
            self._gave_up(caller)
        except WeightExceedsLimitError:
            self._too_heavy(caller)
        finally:
            self._served(caller)
            self.alive.remove(caller)

    async def _acquire(self, caller: Caller) -> None:
        call = caller.call
        await self.throttler.acquire(
            call.limit_id, request=call, priority=call.priority, max_wait=call.max_wait
        )
        entry = Entry(caller.costs, charged_at=self.now)
        self._admitted(caller, entry)
        self._arrive(caller)
        self._leave(caller)

    async def _fly(self, caller: Caller) -> None:
        call = caller.call
        flight = self.throttler.in_flight(
            call.limit_id,
            departed=call.how == "held",
            request=call,
            priority=call.priority,
            max_wait=call.max_wait,
        )
        entry = Entry(caller.costs)
        answer: Answer | None = None
        try:
            async with flight as slot:
                if call.how == "prepared":
                    entry.charged_at = self.now
                    self._admitted(caller, entry)
                    await asyncio.sleep(call.prepared * STEP_S)
                    await self._depart(caller, entry, slot)
                else:
                    entry.departed_at = self.now
                    self._admitted(caller, entry)
                answer = await self._travel(caller)
                slot.land(answer)
        finally:
            if entry.departed_at is not None:
                entry.landed_at = self.now
            elif entry in self.ledger.entries:
                self.ledger.entries.remove(entry)  # it was not sent

    async def _depart(self, caller: Caller, entry: Entry, slot: Any) -> None:
        """Depart; where preparing took too long, that is to wait in line again."""
        self.ledger.entries.remove(entry)
        caller.number, caller.asked_at = self._number(), self.now
        self.waiting.append(caller)
        began = self.now, self.changed
        await slot.depart()
        if began == (self.now, self.changed) and not self.changed:
            # What it leaves free for others it left at its admission.
            self._check_fits(caller, "departed", kept_free=False)
        self._check_quiet(caller, "departed")
        self._served(caller)
        entry.departed_at = self.now
        self.ledger.entries.append(entry)

    async def _travel(self, caller: Caller) -> Answer | None:
        call = caller.call
        arrived, used = False, 0
        try:
            await asyncio.sleep(call.there * STEP_S)
            used, arrived = self._arrive(caller), True
            await asyncio.sleep(call.back * STEP_S)
        finally:
            if arrived or call.arrives:
                if not arrived:  # cancelled on its way: it may arrive all the same
                    self._arrive(caller)
                self._leave(caller)
        return Answer(200, {"Used": str(used)}) if self.told else None

    def _arrive(self, caller: Caller) -> int:
        overrun = self.exchange.arrive("GET", _path(caller.costs), self.now, self.wall_s)
        if overrun is not None and not self.changed:
            self.faults.append(f"{caller} exceeded {overrun.limit.name} at {self.now}")
        return self.exchange.counted("ip", self.now, self.wall_s)

    def _leave(self, caller: Caller) -> None:
        self.exchange.leave("GET", _path(caller.costs), self.now)

    @property
    def wall_s(self) -> float:
        return self.now + self.ahead_s

    def _admitted(self, caller: Caller, entry: Entry) -> None:
        self._check_fits(caller, "was admitted")
        self._check_quiet(caller, "was admitted")
        for other in self.waiting:
            if other.number < caller.number and _same_line(other, caller):
                self.overtaken.append((other, caller))
        if self._late(caller) and self.now != caller.asked_at + (caller.call.max_wait or 0.0):
            self.faults.append(f"{caller} waited too long, until {self.now}")
        self._served(caller)
        self.ledger.entries.append(entry)

    def _late(self, caller: Caller) -> bool:
        patience = caller.call.max_wait
        return patience is not None and self.now >= caller.asked_at + patience

    def _check_fits(self, caller: Caller, did: str, *, kept_free: bool = True) -> None:
        if self.told:
            return  # what the exchange told may have freed what the ledger thinks may be used
        ledger, now = self.ledger, self.now
        if not ledger.fits(caller.costs, Priority.CANCEL, now):
            self.faults.append(f"{caller} {did} without room at {now}")
        # Who departs at this very moment may have done so after this one was admitted.
        leaving = [
            each
            for each in ledger.entries
            if each.charged_at is not None and each.departed_at == now
        ]
        if kept_free and not ledger.fits(caller.costs, caller.priority, now, leaving):
            self.faults.append(f"{caller} {did} into what is reserved, at {now}")

    def _check_quiet(self, caller: Caller, did: str) -> None:
        if self.ledger.blocked(caller.costs, self.now):
            self.faults.append(f"{caller} {did} while the exchange wanted quiet, at {self.now}")

    def _gave_up(self, caller: Caller) -> None:
        waited_s, patience = self.now - caller.asked_at, caller.call.max_wait
        if patience is None or waited_s not in (0.0, patience):
            self.faults.append(f"{caller} was refused after {waited_s} s")

    def _too_heavy(self, caller: Caller) -> None:
        limits, ledger = self.ledger.limits, self.ledger
        for name, weight in caller.costs.items():
            if weight + ledger.reserve(name, caller.priority) > limits[name].most:
                return
        self.faults.append(f"{caller} was called too heavy")

    def _served(self, caller: Caller) -> None:
        if caller in self.waiting:
            self.waiting.remove(caller)

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def cancel(self, index: int) -> None:
        if self.alive:
            task = self.alive[index % len(self.alive)].task
            assert task is not None
            task.cancel()

    async def change(self, limits: Limits) -> None:
        await settle()
        self.changed = True
        self.ledger.limits = limits
        self.throttler.rate_limits = list(limits.values())
        await settle()

    async def block(self, names: Iterable[str], steps: int) -> None:
        await settle()
        if not self.numbers:
            return  # by its first call a throttler learns on which loop it is
        until = self.now + steps * STEP_S
        for name in names:
            self.ledger.blocked_until[name] = max(until, self.ledger.blocked_until.get(name, 0.0))
        self.throttler.block(steps * STEP_S, names)
        await settle()

    async def _calm(self) -> None:
        """Let all happen that happens now; who was admitted in one turn may wake in the next."""
        before = None
        while before != len(self.waiting):  # who is over at once lets the next go
            before = len(self.waiting)
            await settle()
        for other, caller in self.overtaken:
            if other in self.waiting:
                self.faults.append(f"{caller} went before {other}, at {self.now} at the latest")
        self.overtaken.clear()

    def _look(self) -> None:
        """Nobody waits who could go, with room left for all who go before."""
        ahead: dict[str, int] = {}
        heads: dict[tuple[Priority, str], Caller] = {}
        for caller in sorted(self.waiting, key=lambda each: (each.priority, each.number)):
            heads.setdefault((caller.priority, caller.call.limit_id), caller)
        for caller in heads.values():
            for name, weight in caller.costs.items():
                ahead[name] = ahead.get(name, 0) + weight
            together = {name: ahead[name] for name in caller.costs}
            if any(self.ledger.limits[name].kind in BUCKETS for name in together):
                continue  # a charge that was prepared long ago may count for more than it is
            if self.ledger.blocked(together, self.now):
                continue
            if self.ledger.fits(together, caller.priority, self.now):
                self.faults.append(f"{caller} still waits at {self.now}")

    async def pass_time(self, steps: int) -> None:
        for _ in range(steps):
            await self._calm()
            if not self.told:
                self._look()
            await asyncio.sleep(STEP_S)


def _same_line(one: Caller, other: Caller) -> bool:
    return (one.priority, one.call.limit_id) == (other.priority, other.call.limit_id)


def _costs(limits: Limits, call: Call) -> dict[str, int]:
    limit = limits[call.limit_id]
    costs = {call.limit_id: _units(limit.weight, call)}
    for pair in limit.linked_limits:
        costs[pair.limit_id] = costs.get(pair.limit_id, 0) + _units(pair.weight, call)
    return {name: weight for name, weight in costs.items() if weight}


def _units(weight: Any, call: Call) -> int:
    return call.units if callable(weight) else int(weight)


def _computed(call: Call) -> int:
    return call.units


def _path(costs: dict[str, int]) -> str:
    return "/?" + "&".join(f"{name}={weight}" for name, weight in costs.items()) + "&"


def _at_exchange(limit: RateLimit) -> ArrivalLimit:
    def weight(_: str, path: str) -> int:
        _, found, rest = path.partition(f"{limit.limit_id}=")
        return int(rest.partition("&")[0]) if found else 0

    name, size, seconds = limit.limit_id, limit.limit, limit.time_interval
    match limit.kind:
        case LimitKind.ROLLING_WINDOW:
            return ArrivalLimit(name, size, seconds, weight=weight)
        case LimitKind.FIXED_WINDOW:
            return ArrivalLimit.fixed_window(name, size, seconds, weight=weight)
        case LimitKind.TOKEN_BUCKET:
            burst = limit.burst
            return ArrivalLimit.token_bucket(name, size, seconds, burst=burst, weight=weight)
        case LimitKind.DECAYING_COUNTER:
            return ArrivalLimit.decaying_counter(name, size, size / seconds, weight=weight)
        case LimitKind.CONCURRENT:
            return ArrivalLimit.concurrent(name, size, weight=weight)


intervals = st.sampled_from([0.5, 1.0, 2.0])
rates = st.sampled_from([0.5, 1.0, 2.0, 4.0])


def sized(limit: RateLimit, size: int) -> RateLimit:
    """Return the limit with another size and the same rate."""
    match limit.kind:
        case LimitKind.TOKEN_BUCKET:
            return limit.copy(burst=size)
        case LimitKind.DECAYING_COUNTER:
            return limit.copy(limit=size, time_interval=size * limit.time_interval / limit.limit)
    return limit.copy(limit=size)


@st.composite
def limit_of(
    draw: st.DrawFn,
    /,
    name: str,
    size: st.SearchStrategy[int],
    kinds: list[LimitKind],
    **fields: Any,
) -> RateLimit:
    units = draw(size)
    match draw(st.sampled_from(kinds)):
        case LimitKind.ROLLING_WINDOW:
            return RateLimit(name, units, draw(intervals), **fields)
        case LimitKind.FIXED_WINDOW:
            return RateLimit.fixed_window(name, units, draw(intervals), **fields)
        case LimitKind.TOKEN_BUCKET:
            per = draw(st.sampled_from([1, 2, 4]))
            return RateLimit.token_bucket(name, per, draw(intervals), burst=units, **fields)
        case LimitKind.DECAYING_COUNTER:
            return RateLimit.decaying_counter(name, units, draw(rates), **fields)
        case LimitKind.CONCURRENT:
            return RateLimit.concurrent(name, units, preparation_s=draw(intervals), **fields)


weights: st.SearchStrategy[Any] = st.sampled_from([1, 2, _computed, 0])
IDS = ["ip", "a", "b"]


@st.composite
def limit_sets(draw: st.DrawFn, kind: LimitKind) -> Limits:
    reserved = {}
    if draw(st.booleans()):
        reserved = {Priority.CANCEL: draw(st.integers(0, 1)), Priority.PLACE: 1}
    ip = draw(limit_of("ip", st.integers(3, 5), [kind], reserved=reserved))
    limits = {"ip": ip}
    for name in IDS[1:]:
        weight = draw(weights)
        links = [LinkedLimitWeightPair("ip", draw(weights))]
        priority = draw(st.sampled_from(list(Priority)))
        fields: dict[str, Any] = {"weight": weight, "linked_limits": links, "priority": priority}
        limits[name] = draw(limit_of(name, st.integers(2, 9), list(LimitKind), **fields))
    return limits


class Stage(NamedTuple):
    limits: Limits
    ahead_s: float
    own_clock: bool
    told: bool


Action = tuple[str, Any]


@st.composite
def calls(draw: st.DrawFn, limits: Limits) -> Call:
    limit_id = draw(st.sampled_from(IDS))
    limit = limits[limit_id]
    touched = [limit_id, *(pair.limit_id for pair in limit.linked_limits)]
    flights = any(limits[name].kind is LimitKind.CONCURRENT for name in touched)
    return Call(
        limit_id,
        draw(st.sampled_from(["held", "prepared"] if flights else ["held", "prepared", "acquire"])),
        draw(st.sampled_from([1, 2, 0])),
        draw(st.sampled_from([None, None, *Priority])),
        draw(st.sampled_from([None, None, None, 0.0, 0.5, 2.0])),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 3)),
        draw(st.booleans()),
    )


@st.composite
def plays(draw: st.DrawFn, kind: LimitKind, told: bool) -> tuple[Stage, list[Action]]:
    limits = draw(limit_sets(kind))
    stage = Stage(limits, draw(st.sampled_from([0.0, 0.375, -0.25])), draw(st.booleans()), told)
    call = st.tuples(st.just("call"), st.lists(calls(limits), min_size=2, max_size=5))
    changed = st.fixed_dictionaries(
        {
            name: st.integers(3, 6).map(lambda size, limit=limit: sized(limit, size))  # type: ignore[misc]
            for name, limit in limits.items()
        }
    )
    actions = [
        call,
        call,
        call,
        call,
        st.tuples(st.just("pass"), st.integers(1, 3)),
        st.tuples(st.just("pass"), st.integers(2, 8)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("set"), st.sampled_from([-3600.0, -0.5, 0.25, 3600.0])),
        st.tuples(
            st.just("block"),
            st.tuples(st.lists(st.sampled_from(IDS), min_size=1, max_size=2), st.integers(1, 4)),
        ),
    ]
    if not told:
        actions.append(st.tuples(st.just("change"), changed))
    return stage, draw(st.lists(st.one_of(*actions), min_size=15, max_size=30))


async def perform(stage: Stage, actions: list[Action]) -> Play:
    play = Play(stage)
    for name, argument in actions:
        match name:
            case "call":
                for call in argument:
                    await play.call(call)
            case "pass":
                await play.pass_time(argument)
            case "cancel":
                play.cancel(argument)
            case "set":
                play.clock.set_by_s += argument
            case "change":
                await play.change(argument)
            case "block":
                await play.block(*argument)
    for _ in range(100):
        await play.pass_time(8)
        if not play.alive:
            break
    return play


@pytest.mark.parametrize("kind", LimitKind, ids=lambda kind: kind.name)
@settings(max_examples=100)
@given(data=st.data())
def test_any_play_keeps_every_limit(kind: LimitKind, data: st.DataObject) -> None:
    done = run_in_virtual_time(perform(*data.draw(plays(kind, told=False))))
    assert done.faults == []
    assert done.alive == []


@pytest.mark.parametrize("kind", LimitKind, ids=lambda kind: kind.name)
@settings(max_examples=80)
@given(data=st.data())
def test_what_the_exchange_tells_breaks_no_limit(kind: LimitKind, data: st.DataObject) -> None:
    done = run_in_virtual_time(perform(*data.draw(plays(kind, told=True))))
    assert done.faults == []
    assert done.alive == []
