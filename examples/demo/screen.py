"""Show the demo in plain lines; `live` shows it better where there is a terminal."""

from __future__ import annotations

import asyncio
from typing import Protocol

from examples.demo.rows import rows
from examples.demo.story import Story
from examples.demo.tally import Promise

__all__ = ["PlainScreen", "Screen"]


class Screen(Protocol):
    """Something that shows a story until it is cancelled, and the verdict afterwards."""

    async def follow(self, story: Story) -> None: ...

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None: ...


class PlainScreen:
    """A line for each step, and one every `pause_s` seconds within it."""

    def __init__(self, pause_s: float = 1.0) -> None:
        self._pause_s = pause_s

    async def follow(self, story: Story) -> None:
        shown, until_line = "", 0.0
        while True:
            if story.step != shown:
                shown, until_line = story.step, self._pause_s
                print(f"-- {shown}", flush=True)
            await asyncio.sleep(self._pause_s / 10)
            until_line -= self._pause_s / 10
            if until_line > 0:
                continue
            until_line = self._pause_s
            seen = dict(rows(story))
            print(
                f"   CoinEx {seen['CoinEx']} | {seen['updates']} | REST {seen['REST']}\n"
                f"   ETHGas {seen['ETHGas']}",
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
