"""Show the demo in plain lines; `live` shows it better where there is a terminal."""

from __future__ import annotations

import asyncio
from typing import Protocol

from networkpype.cli.demo.rows import rows
from networkpype.cli.demo.scenario import Scenario
from networkpype.cli.demo.tally import Promise

__all__ = ["PlainScreen", "Screen"]


class Screen(Protocol):
    """Something that shows a scenario until it is cancelled, and the verdict afterwards."""

    async def follow(self, scenario: Scenario) -> None: ...

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None: ...


class PlainScreen:
    """A line for each step, and one every `pause_s` seconds within it."""

    def __init__(self, pause_s: float = 1.0) -> None:
        self._pause_s = pause_s

    async def follow(self, scenario: Scenario) -> None:
        shown = ""
        while True:
            if scenario.step != shown:
                shown = scenario.step
                print(f"-- {shown}", flush=True)
            await asyncio.sleep(self._pause_s)
            if scenario.step != shown:
                continue
            seen = dict(rows(scenario))
            print(
                f"   REST {seen['REST']} | clock {seen['clock']} | limit {seen['limit']} | "
                f"WebSocket {seen['WebSocket']}",
                flush=True,
            )

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None:
        width = max((len(promise.text) for promise in promises), default=0)
        print(f"-- checked in {elapsed_s:.1f} s")
        for promise in promises:
            mark = "ok    " if promise.kept else "BROKEN"
            print(f"   {mark} {promise.text.ljust(width)}  {promise.shown}")
        broken = sum(not promise.kept for promise in promises)
        print(f"-- {len(promises) - broken} promises kept, {broken} broken", flush=True)
