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
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networkpype.errors import ThrottleTimeoutError, WeightExceedsLimitError
from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit
from networkpype.testing.virtual_time import run_in_virtual_time
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.learning import Answer, UsedHeader
from networkpype.throttler.rate_limit import RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import settle
from tests.throttler.ledger import BUCKETS, Entry, Ledger
from tests.throttler.plays import Action, Call, Limits, Stage, plays

STEP_S = 0.125
UNIX_S = 1_763_700_000.0


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
@given(data=st.data())
def test_any_play_keeps_every_limit(kind: LimitKind, data: st.DataObject) -> None:
    done = run_in_virtual_time(perform(*data.draw(plays(kind, told=False))))
    assert done.faults == []
    assert done.alive == []


@pytest.mark.parametrize("kind", LimitKind, ids=lambda kind: kind.name)
@settings(max_examples=settings().max_examples * 4 // 5)
@given(data=st.data())
def test_what_the_exchange_tells_breaks_no_limit(kind: LimitKind, data: st.DataObject) -> None:
    done = run_in_virtual_time(perform(*data.draw(plays(kind, told=True))))
    assert done.faults == []
    assert done.alive == []
