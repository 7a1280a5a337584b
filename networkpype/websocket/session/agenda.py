"""Do one thing after the other, each when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeAlias

__all__ = ["Agenda", "Work"]

Work: TypeAlias = "Callable[[], Awaitable[None] | None]"


class Agenda:
    """What is to be done, by one task, so that nothing can meet another thing half way."""

    def __init__(self) -> None:
        self._todo: asyncio.Queue[Work] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()

    def soon(self, work: Work) -> None:
        """Do this after what stands here already."""
        self._todo.put_nowait(work)

    def at(self, when: float, work: Work) -> asyncio.TimerHandle:
        """Do this at a time of the event loop's clock."""

        def ring() -> None:
            self._timers.discard(timer)
            self._todo.put_nowait(work)

        timer = asyncio.get_running_loop().call_at(when, ring)
        self._timers.add(timer)
        return timer

    def cancel(self, timer: asyncio.TimerHandle) -> None:
        """Do it not, if its time has not come."""
        timer.cancel()
        self._timers.discard(timer)

    async def run(self) -> NoReturn:
        """Do what there is to do, until one thing raises."""
        while True:
            done = (await self._todo.get())()
            if done is not None:
                await done

    def clear(self) -> None:
        """Forget what was to come later."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
