"""One run for all who ask while it lasts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["SingleFlight"]

_log = logging.getLogger(__name__)

_GRACE_S = 1.0
"""A cancelled run gets this long to clean up before its last waiter stops waiting for the end."""


class SingleFlight:
    """Share a running coroutine among its callers.

    It runs in a task of its own: a caller that is cancelled leaves it to the others, and the last
    one to leave cancels it, unless somebody watches it.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._began_at = 0.0
        self._waiters = 0
        self._watched = False

    @property
    def under_way(self) -> bool:
        """Tell whether `run` would join instead of start."""
        return self._current() is not None

    async def run(
        self,
        start: Callable[[], Coroutine[Any, Any, None]],
        finished: Callable[[], None] | None = None,
    ) -> None:
        """Join the run under way or start one; return when it ends, or raise what it raised.

        `finished` is called at the end of a run that this call started, even if it was cancelled
        before its first step.
        """
        task = self._current() or self._begin(start(), finished)
        self._waiters += 1
        try:
            await asyncio.wait([task])
        finally:
            await self._leave(task)
        task.result()

    async def watch(
        self, start: Callable[[], Coroutine[Any, Any, None]], patience_s: float | None
    ) -> None:
        """Join the run under way or start one; return when it ends or is `patience_s` old.

        Whatever becomes of its callers, a watched run goes on to its end or to `release`. What it
        raises is not raised here.
        """
        task = self._current() or self._begin(start(), None)
        self._watched = True
        left_s = None
        if patience_s is not None:
            left_s = self._began_at + patience_s - asyncio.get_running_loop().time()
        if left_s is None or left_s > 0:
            await asyncio.wait([task], timeout=left_s)

    async def release(self) -> None:
        """Leave the run under way to its callers; without any, cancel it."""
        task, self._watched = self._current(), False
        if task is not None and self._waiters == 0 and task is not asyncio.current_task():
            await self._end(task)

    def _current(self) -> asyncio.Task[None] | None:
        task = self._task
        # A loop that was closed under its tasks will never end them.
        if task is None or task.done() or task.get_loop().is_closed():
            return None
        return task

    def _begin(
        self, coroutine: Coroutine[Any, Any, None], finished: Callable[[], None] | None
    ) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        task = self._task = loop.create_task(coroutine)
        self._began_at = loop.time()
        self._waiters, self._watched = 0, False

        def end(task: asyncio.Task[None]) -> None:
            if self._task is task:
                self._task = None  # or its error would keep every frame of the run alive
            if not task.cancelled():
                task.exception()  # seen, even where every caller has left
            if finished is not None:
                finished()

        task.add_done_callback(end)
        return task

    async def _leave(self, task: asyncio.Task[None]) -> None:
        if self._task is not task:
            return  # the run ended, and another began before this waiter woke
        self._waiters -= 1
        if self._waiters == 0 and not self._watched:
            await self._end(task)

    async def _end(self, task: asyncio.Task[None]) -> None:
        self._task = None  # whoever comes now starts anew instead of joining a dying run
        if not task.done():
            task.cancel()
            _, running = await asyncio.wait([task], timeout=_GRACE_S)
            if running:
                _log.warning("%r ignores its cancellation and was left behind", task)
