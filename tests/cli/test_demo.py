"""The demo runs to its end by itself, and says so when a promise breaks."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import networkpype
from examples.demo import __main__ as demo
from examples.demo import run
from examples.demo.faults import FAULTS
from examples.demo.screen import PlainScreen
from examples.demo.story import Story
from examples.demo.tally import Promise
from networkpype.__main__ import main
from networkpype.cli import demo as launcher

LEDGER = re.compile(
    r"(\w+): each order update .* (\d+) arrived \+ (\d+) in (\d+) announced gaps? = (\d+) sent, "
    r"0 lost silently, 0 repeated"
)


def test_the_demo_keeps_every_promise_within_thirty_seconds() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "networkpype", "demo", "--plain"],
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 30
    assert "15 promises kept, 0 broken" in done.stdout
    assert "BROKEN" not in done.stdout
    assert done.stderr == ""
    for fault in FAULTS:
        assert re.search(rf"the exchange {fault.name} .*?\d\.\d\d s until ready", done.stdout)
    counted = {name: list(map(int, rest)) for name, *rest in LEDGER.findall(done.stdout)}
    assert set(counted) == {"CoinEx", "ETHGas"}
    for arrived, announced, gaps, sent in counted.values():
        assert arrived + announced == sent
        assert arrived > 0
        assert gaps > 0


class Silent:
    async def follow(self, story: Story) -> None:
        await asyncio.Event().wait()

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None: ...


async def test_an_error_in_the_story_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: Story) -> list[Promise]:
        raise RuntimeError("the exchange is on fire")

    monkeypatch.setattr(Story, "run", fail)
    [promise] = await run.play(Silent())
    assert not promise.kept
    assert promise.shown == "RuntimeError: the exchange is on fire"


@pytest.mark.parametrize("command", ["networkpype demo", "examples.demo"])
def test_a_broken_promise_is_the_exit_code(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(screen: object) -> list[Promise]:
        return [Promise("water is dry", False, "wet"), Promise("water is wet", True, "wet")]

    monkeypatch.setattr(run, "play", play)
    monkeypatch.setattr(sys, "argv", ["examples.demo", "--plain"])
    assert (main(["demo", "--plain"]) if command.startswith("networkpype") else demo.main()) == 1
    shown = capsys.readouterr().out
    assert "BROKEN water is dry  wet" in shown
    assert "1 promises kept, 1 broken" in shown


def test_without_the_source_the_command_says_where_the_demo_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "ROOT", tmp_path)
    assert main(["demo"]) == 2
    assert "make demo" in capsys.readouterr().err


async def test_the_plain_screen_shows_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await PlainScreen(pause_s=0.001).follow(Story())
    shown = capsys.readouterr().out
    assert shown.startswith("-- starting the mock exchanges\n   CoinEx not connected")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"networkpype {networkpype.__version__}\n"
