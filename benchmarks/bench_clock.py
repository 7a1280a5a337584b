"""How far off is the server's time, and what does asking for it cost?

Simulated and seeded: a wide-area link of 80 ms there and back with 2 ms of jitter each way, 15 % of
the answers delayed by 50 to 500 ms in one direction, a server clock that runs 50 ppm fast and tells
whole milliseconds, one sample every 600 s for twelve hours. Where the drift wanders, it does so by
a random 0.3 ppm a sample. The error is looked at three times between two samples, from the very
first on. Rivals see the same samples: the formula of networkpype 1.1.5 (the mean of the median and
the recency-weighted mean of five), and the smallest round trip of five.
"""

from __future__ import annotations

import asyncio
import random
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks._report import Row, table
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.timekeeping.filter import centre_ms

__all__ = ["main", "rows"]

SEED = 20_240_607
RUNS = 60
INTERVAL_S, SAMPLES = 600.0, 72
DRIFT = 50e-6
COLD_STARTS = 1000
COST_SAMPLES = 500


@dataclass
class Link:
    """A server behind a network; asking it moves the local clock by the round trip."""

    clock: FakeClock
    rng: random.Random
    drift: float = DRIFT
    cold: bool = True
    ahead_s: float = 1.0
    _seen_at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._seen_at_s = self.clock.monotonic()

    def server_time(self) -> float:
        now = self.clock.monotonic()
        self.ahead_s += self.drift * (now - self._seen_at_s)
        self._seen_at_s = now
        return self.clock.time() + self.ahead_s

    async def ask(self) -> float:
        out_s, back_s = (0.04 + self.rng.gammavariate(2, 0.001) for _ in range(2))
        if self.cold:  # name, TCP and TLS, all before the question leaves
            out_s += self.rng.uniform(0.16, 0.24)
            self.cold = False
        if self.rng.random() < 0.15:
            back_s += self.rng.uniform(0.05, 0.5)
        self.clock.advance(out_s)
        answer = int(self.server_time() * 1e3)
        self.clock.advance(back_s)
        return answer


class Rival:
    """Estimate from the last five (offset, round trip) pairs as `choose` says."""

    def __init__(self, choose: Callable[[Sequence[tuple[float, float]]], float]) -> None:
        self._choose = choose
        self._samples: list[tuple[float, float]] = []
        self.offset_ms = 0.0

    def add(self, offset_ms: float, round_trip_ms: float) -> None:
        self._samples = [*self._samples[-4:], (offset_ms, round_trip_ms)]
        self.offset_ms = self._choose(self._samples)


def _old_formula(samples: Sequence[tuple[float, float]]) -> float:
    return centre_ms([offset_ms for offset_ms, _ in samples])


def _shortest(samples: Sequence[tuple[float, float]]) -> float:
    return min(samples, key=lambda each: each[1])[0]


class Contest:
    """One synchronizer and its rivals on one link, and by how much each was wrong."""

    def __init__(self, seed: int, wander: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.clock = FakeClock()
        self.link = Link(self.clock, self.rng)
        self.wander = wander
        self.ours = TimeSynchronizer(clock=self.clock)
        self.old, self.shortest = Rival(_old_formula), Rival(_shortest)
        self.errors: dict[str, list[float]] = {"ours": [], "old": [], "shortest": []}
        self.within = 0

    async def ask(self) -> float:
        start = self.clock.time()
        answer = await self.link.ask()
        end = self.clock.time()
        offset_ms = answer - (start + end) * 500
        for rival in (self.old, self.shortest):
            rival.add(offset_ms, (end - start) * 1e3)
        return answer

    def look(self) -> None:
        truth, local = self.link.server_time(), self.clock.time()
        error_ms = abs(self.ours.time() - truth) * 1e3
        self.errors["ours"].append(error_ms)
        self.errors["old"].append(abs((local - truth) * 1e3 + self.old.offset_ms))
        self.errors["shortest"].append(abs((local - truth) * 1e3 + self.shortest.offset_ms))
        self.within += error_ms <= (self.ours.uncertainty_ms or 0.0)

    async def run(self) -> None:
        await self.ours.sync(self.ask)
        for _ in range(SAMPLES):
            for _ in range(3):
                pause_s = INTERVAL_S / 3
                early_s = self.rng.random() * pause_s
                self.clock.advance(early_s)
                self.look()
                self.clock.advance(pause_s - early_s)
            self.link.drift += self.wander * self.rng.gauss(0, 1)
            await self.ours.sync(self.ask, samples=1)


async def long_run(wander: float) -> tuple[dict[str, list[float]], float]:
    errors: dict[str, list[float]] = {"ours": [], "old": [], "shortest": []}
    within = 0
    for run in range(RUNS):
        contest = Contest(SEED + run, wander)
        await contest.run()
        within += contest.within
        for name, values in contest.errors.items():
            errors[name] += values
    return errors, within / len(errors["ours"])


async def cold_starts(samples: int) -> tuple[list[float], list[float]]:
    ours, old = [], []
    for start in range(COLD_STARTS):
        contest = Contest(SEED + start)
        await contest.ours.sync(contest.ask, samples)
        contest.look()
        ours += contest.errors["ours"]
        old += contest.errors["old"]
    return ours, old


def quantile(errors: Sequence[float], share: float) -> float:
    return sorted(errors)[min(len(errors) - 1, int(share * len(errors)))]


def _shown(errors: Sequence[float]) -> str:
    return " / ".join(f"{quantile(errors, share):.1f}" for share in (0.5, 0.95, 1.0))


def _long_rows() -> list[Row]:
    result = []
    for name, wander in (("", 0.0), (", drift wandering", 0.3e-6)):
        errors, within = asyncio.run(long_run(wander))
        p95, old_p95 = quantile(errors["ours"], 0.95), quantile(errors["old"], 0.95)
        result += [
            Row(
                f"error p50 / p95 / max in ms{name}",
                _shown(errors["ours"]),
                "p95 < 4",
                p95 < 4,
            ),
            Row("  1.1.5's formula", _shown(errors["old"])),
            Row("  smallest round trip of 5", _shown(errors["shortest"])),
            Row(
                "  p95 as a share of 1.1.5's", f"{p95 / old_p95:.3f}", "<= 0.1", p95 <= old_p95 / 10
            ),
            Row("  within the uncertainty told", f"{within:.2%}", "100 %", within == 1),
        ]
    return result


def _cold_rows() -> list[Row]:
    result = []
    for samples, goal_ms in ((1, None), (3, 4.1), (5, 2.2)):
        ours, old = asyncio.run(cold_starts(samples))
        reached = None if goal_ms is None else quantile(ours, 0.95) <= goal_ms
        result += [
            Row(
                f"cold start, {samples} sample{'s' if samples > 1 else ''}, error in ms",
                _shown(ours),
                "" if goal_ms is None else f"p95 <= {goal_ms}",
                reached,
            ),
            Row("  1.1.5's formula", _shown(old)),
        ]
    return result


def _cost_us(call: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6


def _cost_rows() -> list[Row]:
    synchronizer = TimeSynchronizer()
    synchronizer.add_time_offset_ms_sample(1000.0)
    asking_us = _cost_us(synchronizer.time, 100_000)
    bare_us = _cost_us(time.time, 100_000)
    sample_us = asyncio.run(_sample_cost_us())
    return [
        Row("time() in us", f"{asking_us:.2f}", "<= 0.30", asking_us <= 0.3),
        Row("  time.time() in us", f"{bare_us:.2f}"),
        Row("a sample taken, window full, in us", f"{sample_us:.0f}", "<= 1000", sample_us <= 1000),
    ]


async def _sample_cost_us() -> float:
    clock = FakeClock()
    link, synchronizer = Link(clock, random.Random(SEED)), TimeSynchronizer(clock=clock)
    elapsed_s = 0.0
    for _ in range(COST_SAMPLES):
        clock.advance(INTERVAL_S)
        start = time.perf_counter()
        await synchronizer.update_server_time_offset_with_time_provider(link.ask())
        elapsed_s += time.perf_counter() - start
    return elapsed_s / (COST_SAMPLES) * 1e6


def rows() -> list[Row]:
    """Run the simulations and the timings; about ten seconds."""
    return [*_long_rows(), *_cold_rows(), *_cost_rows()]


def main() -> None:
    """Print the rows."""
    print(table(rows()))


if __name__ == "__main__":
    main()
