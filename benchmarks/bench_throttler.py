"""What does asking for capacity cost, and is waiting for it on time, in order and never over?

Beside aiolimiter (a leaky bucket: no rolling window, so it admits up to twice the limit in one) and
limits (its moving window in memory, the only other exact one). A peer that is not installed is
named and left out. CPU time, medians of rounds in turn.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks._report import Row, table
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.store.base import Account, Charge
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.throttler import AsyncThrottler

try:
    from aiolimiter import AsyncLimiter
except ImportError:
    AsyncLimiter = None  # type: ignore[assignment, misc]
try:
    from limits import RateLimitItemPerMinute
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter
except ImportError:
    MovingWindowRateLimiter = None  # type: ignore[assignment, misc]

__all__ = ["main", "rows"]

CALLS, ROUNDS = 1_000, 150
PLENTY = 10**9
FEW, MANY = 10, 100_000
WAITERS, LIMIT, INTERVAL_S = 1_000, 100, 0.5

Timed = Callable[[], Coroutine[Any, Any, float]]
"""Makes its own limiter and returns microseconds of CPU a call."""


def _us(start_s: float) -> float:
    return (time.process_time() - start_s) / CALLS * 1e6


def _with(linked: int) -> Timed:
    async def run() -> float:
        others = [RateLimit(str(number), PLENTY, 60) for number in range(linked)]
        pairs = [LinkedLimitWeightPair(each.limit_id) for each in others]
        throttler = AsyncThrottler([RateLimit("a", PLENTY, 60, 1, pairs), *others])
        start_s = time.process_time()
        for _ in range(CALLS):
            async with throttler.execute_task("a"):
                pass
        return _us(start_s)

    return run


async def _acquire() -> float:
    throttler = AsyncThrottler([RateLimit("a", PLENTY, 60)])
    start_s = time.process_time()
    for _ in range(CALLS):
        await throttler.acquire("a")
    return _us(start_s)


async def _aiolimiter_with() -> float:
    limiter = AsyncLimiter(PLENTY, 60)
    start_s = time.process_time()
    for _ in range(CALLS):
        async with limiter:
            pass
    return _us(start_s)


async def _aiolimiter_acquire() -> float:
    limiter = AsyncLimiter(PLENTY, 60)
    start_s = time.process_time()
    for _ in range(CALLS):
        await limiter.acquire()
    return _us(start_s)


async def _limits_hit() -> float:
    limiter = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerMinute(PLENTY)
    start_s = time.process_time()
    for _ in range(CALLS):
        limiter.hit(item, "a")
    return _us(start_s)


class _Ticks:
    """A clock that moves on by one second whenever it is asked."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        self.now_s += 1.0
        return self.now_s


def _alive(entries: int) -> Timed:
    """Return a timer of calls each of which finds so many charges alive and lets one expire."""
    throttler = AsyncThrottler([RateLimit("a", PLENTY, entries)], clock=_Ticks())
    filled = False

    async def run() -> float:
        nonlocal filled
        if not filled:
            for _ in range(entries):
                await throttler.acquire("a")
            filled = True
        start_s = time.process_time()
        for _ in range(CALLS):
            await throttler.acquire("a")
        return _us(start_s)

    return run


def _medians(contest: Mapping[str, Timed]) -> dict[str, float]:
    results: dict[str, list[float]] = {name: [] for name in contest}
    with asyncio.Runner() as runner:
        for _ in range(ROUNDS):
            for name, timed in contest.items():
                results[name].append(runner.run(timed()))
    return {name: statistics.median(values) for name, values in results.items()}


def _cost_rows() -> list[Row]:
    contest = {"with": _with(0), "acquire": _acquire, "with 3": _with(2), "with 5": _with(4)}
    if AsyncLimiter is not None:
        contest |= {"aio with": _aiolimiter_with, "aio acquire": _aiolimiter_acquire}
    if MovingWindowRateLimiter is not None:
        contest["limits"] = _limits_hit
    us = _medians(contest)
    return [
        Row("async with, one limit, in us", f"{us['with']:.2f}"),
        _ratio("  of aiolimiter's async with", us["with"], us.get("aio with"), 1.0),
        Row("acquire(), one limit, in us", f"{us['acquire']:.2f}"),
        _ratio("  of aiolimiter's acquire()", us["acquire"], us.get("aio acquire"), 1.0),
        _ratio("  of hit() on limits' moving window", us["acquire"], us.get("limits"), 0.3),
        Row("async with, 3 limits / 5 limits, in us", f"{us['with 3']:.2f} / {us['with 5']:.2f}"),
    ]


def _ratio(name: str, ours_us: float, theirs_us: float | None, goal: float) -> Row:
    if theirs_us is None:
        return Row(name, "not installed", f"<= {goal}")
    ratio = ours_us / theirs_us
    return Row(name, f"{ratio:.2f} ({theirs_us:.2f} us)", f"<= {goal}", ratio <= goal)


def _alive_rows() -> list[Row]:
    us = _medians({"few": _alive(FEW), "many": _alive(MANY)})
    ratio = us["many"] / us["few"]
    figure = f"{ratio:.2f} ({us['many']:.2f} us)"
    return [Row(f"acquire(), {MANY:,} entries alive, of {FEW}", figure, "<= 1.2", ratio <= 1.2)]


class _Ledger(MemoryStore):
    """Remembers when it admitted whom: what the limiter decided, not when its caller woke."""

    def __init__(self) -> None:
        super().__init__()
        self.admitted_s: list[float] = []

    def account(self, charges: Sequence[Charge]) -> Account:
        account, admitted_s = super().account(charges), self.admitted_s

        class Noted:
            def try_charge(
                self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
            ) -> float | None:
                again_at = account.try_charge(now, ahead, hold)
                if again_at is None:
                    admitted_s.append(now)
                return again_at

            lift = staticmethod(account.lift)
            settle = staticmethod(account.settle)
            refund = staticmethod(account.refund)

        return Noted()


async def _crowd() -> tuple[float, float, list[int], list[float]]:
    ledger = _Ledger()
    throttler = AsyncThrottler(
        [RateLimit("a", LIMIT, INTERVAL_S)], safety_margin_pct=0, store=ledger
    )
    served: list[int] = []

    async def wait(number: int) -> None:
        async with throttler.execute_task("a"):
            served.append(number)

    cpu_s, start_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*(wait(number) for number in range(WAITERS)))
    elapsed_s = time.perf_counter() - start_s
    return elapsed_s, time.process_time() - cpu_s, served, ledger.admitted_s


def _crowd_rows() -> list[Row]:
    elapsed_s, cpu_s, served, admitted_s = asyncio.run(_crowd())
    ideal_s = (-(-WAITERS // LIMIT) - 1) * INTERVAL_S
    late = elapsed_s / ideal_s
    pairs = zip(admitted_s, admitted_s[LIMIT:], strict=False)
    over = sum(later - earlier < INTERVAL_S for earlier, later in pairs)
    overtaken = sum(before > after for before, after in pairwise(served))
    return [
        Row(
            f"{WAITERS:,} waiters, {LIMIT} per {INTERVAL_S} s, of the ideal time",
            f"{late:.4f}",
            "<= 1.01",
            late <= 1.01,
        ),
        Row("  out of order", str(overtaken), "0", overtaken == 0),
        Row("  windows broken", str(over), "0", over == 0),
        Row("  CPU a waiter, its task included, in us", f"{cpu_s / WAITERS * 1e6:.0f}"),
    ]


def rows() -> list[Row]:
    """Take the figures; about ten seconds, half of them waiting."""
    return [*_cost_rows(), *_alive_rows(), *_crowd_rows()]


def main() -> None:
    """Print the rows."""
    print(table(rows()))


if __name__ == "__main__":
    main()
