"""Show the demo as it runs: a live table where there is a terminal and rich, else plain lines."""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from networkpype.cli.demo.scenario import ROUND_TRIPS, SKEW_S, Scenario
from networkpype.cli.demo.tally import Promise

__all__ = ["PlainScreen", "Screen", "choose_screen"]

_BAR_WIDTH = 30


class Screen(Protocol):
    """Something that shows a scenario until it is cancelled, and the verdict afterwards."""

    async def follow(self, scenario: Scenario) -> None: ...

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None: ...


def choose_screen(*, plain: bool) -> Screen:
    """Return the live screen if rich is installed and this is a terminal, and the plain one else."""
    if plain or not sys.stdout.isatty():
        return PlainScreen()
    try:
        from networkpype.cli.demo.live import LiveScreen
    except ImportError:
        print("(pip install 'networkpype[rich]' shows this live)")
        return PlainScreen()
    return LiveScreen()


def rows(scenario: Scenario) -> list[tuple[str, str]]:
    """Return what there is to see now, as (label, text)."""
    tally = scenario.tally
    now = asyncio.get_running_loop().time()
    clock = "not asked yet"
    if tally.offset_ms is not None:
        clock = f"{tally.offset_ms:+.1f} ms (truly {SKEW_S * 1000:+.0f})"
        if tally.uncertainty_ms is not None:
            clock += f", within {tally.uncertainty_ms:.1f} ms"
    used, capacity = scenario.limit_use()
    full = round(_BAR_WIDTH * used / capacity) if capacity else 0
    login = "logged in, " if tally.logged_in else ""
    return [
        ("step", scenario.step),
        (
            "REST",
            f"{sum(tally.requests.values())} sent, {len(scenario.placed)} placed and "
            f"{len(scenario.cancelled)} cancelled of {ROUND_TRIPS}, "
            f"{sum(tally.errors.values())} errors",
        ),
        ("last", tally.last_request or "-"),
        ("clock", clock),
        ("limit", f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {used} of {capacity} in this second"),
        ("waited", f"{tally.waits} times, {tally.waited_s:.1f} s in all"),
        (
            "WebSocket",
            f"{login}{tally.messages} messages, {tally.messages_a_second(now):.0f} a second, "
            f"{sum(tally.updates.values())} order updates",
        ),
    ]


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
