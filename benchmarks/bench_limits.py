"""Is an exchange's limit of each kind used up, and never exceeded, over real sockets?

Fifty tasks call through RESTManagers, in one process and in eight that share one Redis, against an
exchange in a process of its own that counts arrivals with code of its own. Every call counts under
five linked limits, one of each kind, with a weight that is computed from the request; in each run
another of them binds, and the others are three times as wide. A run makes some 12,000 to 24,000
requests, and all of them together 100,000 in one process and as many in eight.

What is allowed is what the best of clients would get from the first request to the end, with demand
all the time (`ArrivalCounter.use`):

- rolling window: its whole limit at the first request and again after every window;
- fixed window: its limit in every window of the exchange's clock;
- token bucket: what it holds at the first request, and what drips into it from then on;
- decaying counter: its maximum, and what it falls by from then on;
- concurrent: the limit times the seconds. Used is the time from arrival to answer at the exchange,
  so what a place stands empty between an answer and the next arrival, on the network and in the
  clients, counts as wasted.

A client that must not err has a slot turn over once in a window, a round trip and its margin for
clocks; a run as long as these loses that at its end only, since each window begins with a burst.
The figures fall where the machine has something else to do, so its load is told with each.

`python -m benchmarks.bench_limits --quick` makes a tenth of the requests; kinds may be named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from benchmarks._limits_exchange import COUNTED, KINDS, Terms
from benchmarks._measure import ROOT
from benchmarks._report import Row, table

__all__ = ["KINDS", "TERMS", "Proof", "Terms", "main", "prove", "redis_server", "rows"]

TASKS = 50
GOAL = 0.97
REQUESTS = 100_000
"""In all runs of one process, and in all of eight."""
NAMES = {
    "rolling": "rolling window",
    "fixed": "fixed window",
    "bucket": "token bucket",
    "counter": "decaying counter",
    "places": "concurrent",
}
_PLACES = {"places": Terms("places", delay_s=0.15)}
TERMS = {
    processes: {kind: Terms(kind, per_s=per_s) for kind in KINDS} | _PLACES
    for processes, per_s in ((1, 1000), (8, 800))
}
"""By the number of processes: what two cores carry with something to spare."""
MEASURE_S = {1: 55.0, 8: 65.0}


@dataclass
class Proof:
    """What the exchange counted, and what became of the calls."""

    requests: int
    refused: int
    measured: int
    used: float
    allowed: float
    peaks: dict[str, int]
    done: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0

    @property
    def share(self) -> float:
        """The part that was used of what the limit allowed that binds."""
        return self.used / self.allowed

    @property
    def failed(self) -> int:
        """How many calls came to anything but an answer."""
        return sum(times for what, times in self.done.items() if what != "answered")


def _python(module: str, options: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", json.dumps(options)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def prove(
    terms: Terms,
    *,
    measure_s: float,
    processes: int = 1,
    redis: str | None = None,
    least: int = 1,
) -> Proof:
    """Run the exchange and its clients; return what it counted in `measure_s` seconds of demand.

    They are rounded up to whole windows. Each task makes `least` calls, however long that takes.
    """
    with ExitStack() as stack:
        options = {"terms": asdict(terms), "measure_s": measure_s, "seed": 1}
        exchange = stack.enter_context(_python("_limits_exchange", options))
        url = f"http://127.0.0.1:{int(_pipe(exchange.stdout).readline())}"
        job: dict[str, Any] = {
            "url": url,
            "terms": asdict(terms),
            "processes": processes,
            "tasks": TASKS,
            "least": least,
            "run_s": measure_s + terms.window_s + 0.5,
            "redis": redis,
        }
        clients = stack.enter_context(_python("_limits_client", job))
        results = json.loads(_pipe(clients.stdout).readline())
        with urllib.request.urlopen(url + COUNTED, timeout=5) as response:
            counted = json.load(response)
    done: dict[str, int] = {}
    for result in results:
        for what, times in result["done"].items():
            done[what] = done.get(what, 0) + times
    used, allowed = counted.pop("use")[terms.kind]
    cpu_s = sum(result["cpu_s"] for result in results)
    return Proof(**counted, used=used, allowed=allowed, done=done, cpu_s=cpu_s)


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Run a Redis of our own on a free port; yield its URL, None where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="networkpype-redis-") as directory:
        path = f"{directory}/redis.sock"
        arguments = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
        with subprocess.Popen(
            [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                for line in _pipe(process.stdout):
                    if "ready to accept connections" in line.lower():
                        break
                yield f"unix://{path}"
            finally:
                process.terminate()


def _row(proof: Proof, kind: str) -> Row:
    figure = (
        f"{proof.measured:,} requests, {proof.refused} x 429, {proof.failed} failed, "
        f"{proof.share:.4f} used, {proof.cpu_s / proof.requests * 1e6:.0f} us CPU a call, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    ok = proof.refused == 0 and proof.failed == 0 and proof.share >= GOAL
    return Row(f"  {NAMES[kind]}", figure, f"0, 0, >= {GOAL}", ok)


def _rows(
    processes: int, kinds: Sequence[str], part: float, redis: str | None = None
) -> Iterator[Row]:
    who = f"{processes} processes on one Redis" if redis else "one process"
    yield Row(f"{who}, {TASKS} tasks", f"load before {os.getloadavg()[0]:.1f}")
    requests = 0
    for kind in kinds:
        terms = TERMS[processes][kind]
        proof = prove(
            terms, measure_s=part * MEASURE_S[processes], processes=processes, redis=redis
        )
        requests += proof.measured
        yield _row(proof, kind)
    whole = part == 1 and len(kinds) == len(KINDS)
    goal, ok = (f">= {REQUESTS:,}", requests >= REQUESTS) if whole else ("", None)
    yield Row("  all kinds", f"{requests:,} requests", goal, ok)


def rows(kinds: Sequence[str] = KINDS, part: float = 1.0) -> Iterator[Row]:
    """Take the figures: 100,000 requests each; some eleven minutes, or that `part` of them."""
    yield from _rows(1, kinds, part)
    with redis_server() as url:
        if url is None:
            yield Row("8 processes on one Redis", "redis-server is not installed")
            return
        yield from _rows(8, kinds, part, url)


def main(arguments: Sequence[str] = ()) -> None:
    """Print each row as soon as it is there."""
    kinds = [each for each in arguments if each != "--quick"]
    if unknown := set(kinds) - set(KINDS):
        sys.exit(f"no kind {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}, and --quick")
    for row in rows(kinds or KINDS, 0.1 if "--quick" in arguments else 1.0):
        print(table([row]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
