"""How the benchmarks measure.

Contestants take turns in one run, in rounds of some milliseconds, so that whatever else the machine
does hits all of them alike. What counts is the CPU time of this process; servers are in another.
Figures are medians: of what the rounds cost, and for a ratio, of each round's ratio to the round of
the other side in the same turn. Garbage collection waits until a turn is over.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from benchmarks._report import Row

__all__ = ["Contestant", "Cost", "compare", "ratio_row", "run_python", "server"]

ROOT = Path(__file__).parent.parent
_bytecode = tempfile.TemporaryDirectory(prefix="networkpype-bench-")

Contestant: TypeAlias = "Callable[[int], Awaitable[None]]"
"""Does its job as many times as it is told."""


class Cost(NamedTuple):
    """Microseconds that one call takes, in each round."""

    cpu_us: list[float]
    wall_us: list[float]


async def compare(
    contestants: Mapping[str, Contestant], *, calls: int, rounds: int
) -> dict[str, Cost]:
    """Run every contestant in turn, `rounds` times `calls` calls, after one round to warm up."""
    names = list(contestants)
    cost = {name: Cost([], []) for name in names}
    for contestant in contestants.values():
        await contestant(calls)
    gc.collect()
    gc.freeze()  # so that collecting between the rounds is quick
    for turn in range(rounds):
        at = turn % len(names)  # nobody always runs after the same neighbour
        gc.collect()
        for name in names[at:] + names[:at]:
            gc.disable()
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            await contestants[name](calls)
            cpu_end, wall_end = time.process_time(), time.perf_counter()
            gc.enable()
            cost[name].cpu_us.append((cpu_end - cpu_start) / calls * 1e6)
            cost[name].wall_us.append((wall_end - wall_start) / calls * 1e6)
    gc.unfreeze()
    return cost


def ratio_row(
    name: str,
    ours: Sequence[float],
    base: Sequence[float],
    goal: float | None = None,
    unit: str = "us",
) -> Row:
    """Return the row that says how `ours` compares with `base`, round by round.

    The goal is an upper bound.
    """
    ratio = statistics.median(one / other for one, other in zip(ours, base, strict=True))
    medians = f"{statistics.median(ours):.4g} / {statistics.median(base):.4g}"
    figure = f"{ratio:.3f} ({medians} {unit})"
    return Row(name, figure) if goal is None else Row(name, figure, f"<= {goal:.2f}", ratio <= goal)


@contextmanager
def server(kind: str) -> Iterator[str]:
    """Run a server of `benchmarks._server` in another process; yield its host and port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._server", kind],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # closes its standard input, which ends it, and waits
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"


def run_python(*arguments: str) -> str:
    """Run a fresh interpreter in the repository; return what it prints."""
    # As installed packages run: with their bytecode on disk.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = _bytecode.name
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
