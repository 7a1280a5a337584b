"""Run the benchmarks: `python -m benchmarks [name ...]`, all of them when none is named.

Each `bench_<name>.py` has a function `rows()` that measures and returns rows as in `_report.Row`. A
missed goal never fails the run, for it says as much about the machine as about the code; a
benchmark that breaks does.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks._report import table


def available() -> list[str]:
    """Return the names of the benchmarks, without `bench_` and `.py`."""
    files = Path(__file__).parent.glob("bench_*.py")
    return sorted(path.stem.removeprefix("bench_") for path in files)


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks and print their rows; return the exit code."""
    names = list(arguments) or available()
    unknown = [name for name in names if name not in available()]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; known: {', '.join(available())}")
        return 2
    print(
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"aiohttp {aiohttp.__version__}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
    broken = False
    reached: list[bool] = []
    for name in names:
        start = time.perf_counter()
        try:
            rows: list[Sequence[Any]] = list(
                importlib.import_module(f"benchmarks.bench_{name}").rows()
            )
            report = table(rows)
        except Exception:
            traceback.print_exc()
            report = f"{name} broke"
            rows, broken = [], True
        print(f"\n{name} ({time.perf_counter() - start:.1f} s)\n{report}", flush=True)
        reached += [bool(row[3]) for row in rows if row[3] is not None]
    print(f"\n{sum(reached)} of {len(reached)} goals reached")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
