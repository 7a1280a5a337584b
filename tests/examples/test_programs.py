"""The examples run as programs, without a key or a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def play(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In its debug mode asyncio tells of every callback that a busy machine makes slow.
    kept_out = ("ETHGAS", "PYTHONASYNCIODEBUG")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(kept_out)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.parametrize(
    ("module", "seen"),
    [
        ("examples.coinex", ["Ready(epoch=1)", "Ticker(", "Trade(", "OrderBook(", "Order(", "Ba"]),
        ("examples.ethgas", ["Ready(epoch=1)", "Market(", "Order(", "Gap(epoch=1, reason='the lo"]),
    ],
)
def test_it_shows_everything_on_a_mock(module: str, seen: list[str]) -> None:
    done = play(module, "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [each for each in seen if each not in done.stdout] == []


def test_live_without_keys_names_the_variables() -> None:
    done = play("examples.ethgas", "--live")
    assert done.returncode == 1
    assert "ETHGAS_KEY" in done.stderr


def test_the_examples_use_public_names_alone() -> None:
    allowed = {
        "networkpype",
        "networkpype.exchanges",
        "networkpype.testing",
        "networkpype.websocket.pings",
        "networkpype.websocket.spoken",
    }
    for path in (ROOT / "examples").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].startswith("networkpype"):
                assert words[1] in allowed, f"{path}: {line}"
