"""Is an exchange's limit used up, and never exceeded, over real sockets?

Fifty tasks call through RESTManagers, in one process and in eight that share one Redis, against an
exchange in a process of its own that counts arrivals with code of its own: a rolling window with
computed weights ("ip"), which binds, and linked to it a token bucket ("orders") and calls under way
("open").

What the window allows is what the best of clients would get: its whole limit at the first request,
and again after every window, for the whole time in which there is demand. A client that must not
err has a slot turn over once in a window and a round trip.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from benchmarks._limits_exchange import COUNTED
from benchmarks._measure import ROOT
from benchmarks._report import Row, table

__all__ = ["Proof", "main", "prove", "redis_server", "rows"]

TASKS = 50
GOAL = 0.97


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
        """The part that was used of what the window allowed."""
        return self.used / self.allowed


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
    *,
    processes: int = 1,
    measure_s: float,
    rate: float = 1.0,
    window_s: float = 4.0,
    delay_s: float = 0.004,
    redis: str | None = None,
) -> Proof:
    """Run the exchange and its clients; return what it counted in `measure_s` seconds of demand."""
    with ExitStack() as stack:
        options = {
            "rate": rate,
            "window_s": window_s,
            "measure_s": measure_s,
            "delay_s": delay_s,
            "seed": 1,
        }
        exchange = stack.enter_context(_python("_limits_exchange", options))
        url = f"http://127.0.0.1:{int(_pipe(exchange.stdout).readline())}"
        job: dict[str, Any] = {
            "url": url,
            "processes": processes,
            "tasks": TASKS,
            "rate": rate,
            "window_s": window_s,
            "run_s": measure_s + 0.5,
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
    if "use" not in counted:  # the clients' demand did not last that long
        raise RuntimeError(f"the demand ended too early: {counted}, {done}")
    used, allowed = counted.pop("use")["ip"]
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


def _rows(proof: Proof, who: str) -> list[Row]:
    refused, share = proof.refused, proof.share
    wrong = sum(times for what, times in proof.done.items() if what != "answered")
    return [
        Row(f"{who}: requests in the time measured", f"{proof.measured:,}"),
        Row("  429", str(refused), "0", refused == 0),
        Row("  calls that failed", str(wrong), "0", wrong == 0),
        Row("  used of what was allowed", f"{share:.4f}", f">= {GOAL}", share >= GOAL),
        Row("  CPU of the clients a call, in us", f"{proof.cpu_s / proof.requests * 1e6:.0f}"),
    ]


def rows() -> Sequence[Row]:
    """Take the figures: 100,000 requests each; some seven minutes."""
    result = _rows(prove(measure_s=184.0, rate=0.7), f"{TASKS} tasks")
    with redis_server() as url:
        if url is None:
            return [*result, Row("8 processes on one Redis", "redis-server is not installed")]
        proof = prove(processes=8, measure_s=220.0, rate=0.6, redis=url)
    return [*result, *_rows(proof, "8 processes on one Redis")]


def main() -> None:
    """Print the rows."""
    print(table(rows()))


if __name__ == "__main__":
    main()
