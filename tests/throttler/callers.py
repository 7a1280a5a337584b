"""Callers of a throttler, and when each was let go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from networkpype.throttler.throttler import AsyncThrottler


class Callers:
    """Start calls as tasks; `admitted` holds (name, time) in the order in which they went on."""

    def __init__(self, throttler: AsyncThrottler) -> None:
        self.throttler = throttler
        self.admitted: list[tuple[str, float]] = []

    def call(self, limit_id: str, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._call(limit_id, name), name=name)

    async def _call(self, limit_id: str, name: str) -> None:
        async with self.throttler.execute_task(limit_id):
            self.admitted.append((name, asyncio.get_running_loop().time()))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.admitted]


async def settle() -> None:
    """Let everything that is ready run, without time passing."""
    for _ in range(6):
        await asyncio.sleep(0)


async def finish(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)
