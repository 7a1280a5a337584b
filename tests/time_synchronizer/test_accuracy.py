"""The benchmark's simulation, shortened: the goal itself is guarded by a test."""

from __future__ import annotations

import pytest

from benchmarks import bench_clock
from benchmarks.bench_clock import quantile


@pytest.fixture(autouse=True)
def a_short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_clock, "RUNS", 6)
    monkeypatch.setattr(bench_clock, "COLD_STARTS", 200)


@pytest.mark.parametrize("wander", [0.0, 0.3e-6])
async def test_delayed_answers_and_drift_leave_less_than_four_milliseconds(wander: float) -> None:
    errors, within = await bench_clock.long_run(wander)
    p95_ms = quantile(errors["ours"], 0.95)
    assert p95_ms < 4
    assert p95_ms <= quantile(errors["old"], 0.95) / 10
    assert p95_ms <= quantile(errors["shortest"], 0.95) / 10
    assert within == 1


async def test_a_cold_start_pays_for_its_handshake_in_one_sample_only() -> None:
    for samples, goal_ms in ((3, 4.1), (5, 2.2)):
        errors, _ = await bench_clock.cold_starts(samples)
        assert quantile(errors, 0.95) <= goal_ms
