"""What does asking for capacity cost, and is waiting for it on time, in order and never over?

Beside what else there is for asyncio, each by its awaitable call, with its counts in memory and its
cheapest algorithm: aiolimiter (a leaky bucket), limits (fixed window), pyrate-limiter (its default)
and throttled-py (fixed window). None of them links limits, so for a call under several a peer is
asked several times. A peer that is not installed is named and left out. CPU time, medians of rounds
in turn.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, cast

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
    from limits.aio.storage import MemoryStorage as AsyncMemoryStorage
    from limits.aio.strategies import FixedWindowRateLimiter
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter
except ImportError:
    MovingWindowRateLimiter = None  # type: ignore[assignment, misc]
try:
    from pyrate_limiter import Duration, Limiter, Rate
except ImportError:
    Limiter = None  # type: ignore[assignment, misc]
try:
    from throttled.asyncio import Throttled, per_min
    from throttled.asyncio.store import MemoryStore as ThrottledStore
except ImportError:
    Throttled = None  # type: ignore[assignment, misc]

__all__ = ["main", "rows"]

CALLS, ROUNDS, ROUNDS_OF_PEERS = 1_000, 150, 50
PLENTY = 10**9
FEW, MANY = 10, 100_000
WAITERS, LIMIT, INTERVAL_S = 10_000, 1_000, 1.0
LINKED = (1, 3, 5)
"""Under so many limits a call is charged."""

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


def _acquire_linked(limits: int) -> Timed:
    async def run() -> float:
        others = [RateLimit(str(number), PLENTY, 60) for number in range(1, limits)]
        pairs = [LinkedLimitWeightPair(each.limit_id) for each in others]
        throttler = AsyncThrottler([RateLimit("a", PLENTY, 60, 1, pairs), *others])
        start_s = time.process_time()
        for _ in range(CALLS):
            await throttler.acquire("a")
        return _us(start_s)

    return run


def _one_after_another(acquire: Sequence[Callable[[], Awaitable[Any]]]) -> Timed:
    async def run() -> float:
        if len(acquire) == 1:
            (only,) = acquire
            start_s = time.process_time()
            for _ in range(CALLS):
                await only()
            return _us(start_s)
        start_s = time.process_time()
        for _ in range(CALLS):
            for each in acquire:
                await each()
        return _us(start_s)

    return run


def _peers() -> dict[str, Callable[[int], Callable[[], Awaitable[Any]]]]:
    """Return by name what makes a peer's limiter, by its number, and returns its acquire."""
    peers: dict[str, Callable[[int], Callable[[], Awaitable[Any]]]] = {}
    if AsyncLimiter is not None:
        peers["aiolimiter"] = lambda _: AsyncLimiter(PLENTY, 60).acquire
    if MovingWindowRateLimiter is not None:
        storage, item = AsyncMemoryStorage(), RateLimitItemPerMinute(PLENTY)
        fixed = FixedWindowRateLimiter(storage)
        peers["limits"] = lambda number: partial(fixed.hit, item, str(number))
    if Limiter is not None:
        peers["pyrate-limiter"] = lambda _: Limiter(Rate(PLENTY, Duration.MINUTE)).try_acquire_async
    if Throttled is not None:
        store = ThrottledStore()
        peers["throttled-py"] = lambda number: (
            Throttled(
                key=str(number),
                using="fixed_window",
                quota=per_min(PLENTY),
                store=store,
                timeout=60,
            ).limit
        )
    return peers


def _linked_rows() -> list[Row]:
    """Compare with the cheapest peer, by the median of each round's ratio."""
    result = []
    for limits in LINKED:
        contest = {"ours": _acquire_linked(limits)}
        for name, make in _peers().items():
            contest[name] = _one_after_another([make(number) for number in range(limits)])
        rounds = _rounds(contest, ROUNDS_OF_PEERS)
        us = {name: statistics.median(values) for name, values in rounds.items()}
        what = f"acquire(), {limits} limit{'s' * (limits > 1)}"
        result.append(Row(f"{what}, in us", f"{us.pop('ours'):.2f}"))
        if not us:
            result.append(Row("  of the cheapest peer", "none is installed", "<= 1.0"))
            continue
        cheapest = min(us, key=lambda name: us[name])
        ratio = statistics.median(
            one / other for one, other in zip(rounds["ours"], rounds[cheapest], strict=True)
        )
        result.append(
            Row(f"  of {cheapest}, the cheapest peer", f"{ratio:.2f}", "<= 1.0", ratio <= 1.0)
        )
        others = ", ".join(f"{name} {value:.1f}" for name, value in sorted(us.items()))
        result.append(Row("  the peers, in us", others))
    return result


async def _aiolimiter_with() -> float:
    limiter = AsyncLimiter(PLENTY, 60)
    start_s = time.process_time()
    for _ in range(CALLS):
        async with limiter:
            pass
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


def _rounds(contest: Mapping[str, Timed], rounds: int = ROUNDS) -> dict[str, list[float]]:
    results: dict[str, list[float]] = {name: [] for name in contest}
    with asyncio.Runner() as runner:
        for _ in range(rounds):
            for name, timed in contest.items():
                results[name].append(runner.run(timed()))
    return results


def _medians(contest: Mapping[str, Timed]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in _rounds(contest).items()}


def _cost_rows() -> list[Row]:
    contest = {"with": _with(0), "acquire": _acquire_linked(1), "with 3": _with(2)}
    if AsyncLimiter is not None:
        contest["aio with"] = _aiolimiter_with
    if MovingWindowRateLimiter is not None:
        contest["limits"] = _limits_hit
    us = _medians(contest)
    return [
        Row("async with, one limit, in us", f"{us['with']:.2f}"),
        _ratio("  of aiolimiter's async with", us["with"], us.get("aio with"), 1.0),
        _ratio("acquire(), of limits' moving window", us["acquire"], us.get("limits"), 0.3),
        Row("async with, 3 limits, in us", f"{us['with 3']:.2f}"),
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
    """Remembers when it admitted whom: what the limiter decided, not when its caller woke.

    And the CPU time of this process as each burst of admissions began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admitted_s: list[float] = []
        self.cpu_s: list[float] = []

    def account(self, charges: Sequence[Charge]) -> Account:
        account, ledger = super().account(charges), self

        class Noted:
            def try_charge(
                self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
            ) -> float | None:
                cpu_s = time.process_time()
                again_at = account.try_charge(now, ahead, hold)
                if again_at is None:
                    if len(ledger.admitted_s) % LIMIT == 0:
                        ledger.cpu_s.append(cpu_s)
                    ledger.admitted_s.append(now)
                return again_at

            def __getattr__(self, name: str) -> Any:
                return getattr(account, name)

        return cast(Account, Noted())


class _Crowd(NamedTuple):
    elapsed_s: float
    cpu_s: float
    idle_cpu_s: float
    served: list[int]
    admitted_s: list[float]


async def _crowd() -> _Crowd:
    ledger = _Ledger()
    throttler = AsyncThrottler(
        [RateLimit("a", LIMIT, INTERVAL_S)], safety_margin_pct=0, store=ledger
    )
    served: list[int] = []
    burst_over_s: list[float] = []

    async def wait(number: int) -> None:
        async with throttler.execute_task("a"):
            served.append(number)
        if len(served) % LIMIT == 0:
            burst_over_s.append(time.process_time())

    tasks = [asyncio.create_task(wait(number)) for number in range(WAITERS)]
    start_s = time.perf_counter()
    await asyncio.sleep(0)  # all stand in line, and the first burst is admitted
    cpu_s = time.process_time()
    await asyncio.gather(*tasks)
    elapsed_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    # From the last of a burst that went on to the first admission of the next. The first burst went
    # on before the last waiters stood in line, so it is left out.
    pauses = zip(burst_over_s[1:], ledger.cpu_s[2:], strict=False)
    idle_cpu_s = sum(after - before for before, after in pauses)
    return _Crowd(elapsed_s, cpu_s, idle_cpu_s, served, ledger.admitted_s)


def _crowd_rows() -> list[Row]:
    elapsed_s, cpu_s, idle_cpu_s, served, admitted_s = asyncio.run(_crowd())
    bursts = -(-WAITERS // LIMIT)
    ideal_s = (bursts - 1) * INTERVAL_S
    late = elapsed_s / ideal_s
    pairs = zip(admitted_s, admitted_s[LIMIT:], strict=False)
    over = sum(later - earlier < INTERVAL_S for earlier, later in pairs)
    overtaken = sum(before > after for before, after in pairwise(served))
    share, idle_share = cpu_s / elapsed_s, idle_cpu_s / ((bursts - 2) * INTERVAL_S)
    return [
        Row(
            f"{WAITERS:,} waiters, {LIMIT:,} per {INTERVAL_S} s, of the ideal time",
            f"{late:.4f}",
            "<= 1.01",
            late <= 1.01,
        ),
        Row("  out of order", str(overtaken), "0", overtaken == 0),
        Row("  windows broken", str(over), "0", over == 0),
        Row("  of a core, between the bursts", f"{idle_share:.2%}", "<= 5 %", idle_share <= 0.05),
        Row("  of a core, with all that the woken tasks do", f"{share:.2%}"),
    ]


def rows() -> list[Row]:
    """Take the figures; about half a minute, nine seconds of it waiting."""
    return [*_linked_rows(), *_cost_rows(), *_alive_rows(), *_crowd_rows()]


def main() -> None:
    """Print the rows."""
    print(table(rows()))


if __name__ == "__main__":
    main()
