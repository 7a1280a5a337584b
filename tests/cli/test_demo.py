"""The demo runs to its end by itself, and says so when a promise breaks."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time

import pytest

import networkpype
from networkpype.__main__ import main
from networkpype.cli.demo import run
from networkpype.cli.demo.scenario import Scenario
from networkpype.cli.demo.screen import PlainScreen
from networkpype.cli.demo.tally import Promise


def test_the_demo_keeps_every_promise_within_twenty_seconds() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "networkpype", "demo", "--plain"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 20
    assert "9 promises kept, 0 broken" in done.stdout
    assert "BROKEN" not in done.stdout
    assert done.stderr == ""


class Silent:
    async def follow(self, scenario: Scenario) -> None:
        await asyncio.Event().wait()

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None: ...


async def test_an_error_in_the_story_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: Scenario) -> list[Promise]:
        raise RuntimeError("the exchange is on fire")

    monkeypatch.setattr(Scenario, "run", fail)
    [promise] = await run.play(Silent())
    assert not promise.kept
    assert promise.shown == "RuntimeError: the exchange is on fire"


def test_a_broken_promise_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(screen: object) -> list[Promise]:
        return [Promise("water is dry", False, "wet"), Promise("water is wet", True, "wet")]

    monkeypatch.setattr(run, "play", play)
    assert main(["demo", "--plain"]) == 1
    shown = capsys.readouterr().out
    assert "BROKEN water is dry  wet" in shown
    assert "1 promises kept, 1 broken" in shown


async def test_the_plain_screen_shows_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await PlainScreen(pause_s=0.001).follow(Scenario())
    shown = capsys.readouterr().out
    assert shown.startswith("-- starting the mock exchange\n   REST 0 sent")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"networkpype {networkpype.__version__}\n"
