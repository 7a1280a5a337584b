"""Not one 429, and next to nothing wasted: over real sockets, and in several processes at once.

The same as `python -m benchmarks limits`, which makes 100,000 calls each, in a few seconds.
"""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from benchmarks.bench_limits import Proof, prove, redis_server

WANTED = 0.97


def check(proof: Proof, calls: int) -> None:
    assert proof.refused == 0
    assert proof.done.keys() == {"answered"}
    assert proof.measured >= calls
    assert proof.share >= WANTED, proof


def test_fifty_tasks_in_one_process() -> None:
    check(prove(measure_s=6.0, rate=0.6, window_s=1.5), calls=2_500)


@pytest.mark.skipif(
    shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None,
    reason="redis-server (Debian's package of that name) or redis-py (extra redis) is not here",
)
def test_fifty_tasks_in_eight_processes_that_share_one_redis() -> None:
    with redis_server() as url:
        check(prove(processes=8, measure_s=6.0, rate=0.3, window_s=1.5, redis=url), calls=1_200)
