"""Not one 429 over real sockets, for each kind of limit, and in several processes at once.

The same as `python -m benchmarks limits`, which makes 100,000 calls each, in a few seconds. How
much of what was allowed is used here depends on how busy the machine is, so it is printed and not
judged; `test_virtual` and `test_mixed` judge it, in virtual time.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys

import pytest

from benchmarks.bench_limits import KINDS, TASKS, Proof, Terms, prove, redis_server

MEASURE_S = 1.0
LEAST = 3
"""Calls of each task: more than twice what a window admits, so most of them have to wait."""
PROCESSES = 8
SHARED = ("rolling", "fixed", "bucket", "places")
"""To Redis a decaying counter is a bucket."""


def terms(kind: str) -> Terms:
    """Bind at some 130 requests a second."""
    return Terms(kind, per_s=300, window_s=0.5, places=10, delay_s=0.02)


def check(proof: Proof, kind: str) -> None:
    sys.stdout.write(f"{kind}: {proof.share:.4f} used; {proof}\n")
    assert proof.refused == 0
    assert proof.done.keys() == {"answered"}
    assert proof.done["answered"] >= LEAST * TASKS


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_tasks_in_one_process(kind: str) -> None:
    check(prove(terms(kind), measure_s=MEASURE_S, least=LEAST), kind)


@pytest.mark.skipif(
    shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None,
    reason="redis-server (Debian's package of that name) or redis-py (extra redis) is not here",
)
@pytest.mark.parametrize("kind", SHARED)
def test_fifty_tasks_in_eight_processes_that_share_one_redis(kind: str) -> None:
    with redis_server() as url:
        proof = prove(terms(kind), measure_s=MEASURE_S, processes=PROCESSES, redis=url, least=LEAST)
    check(proof, kind)
