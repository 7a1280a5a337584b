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
    one to leave cancels it.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._waiters = 0

    @property
    def under_way(self) -> bool:
        """Tell whether `run` would join instead of start."""
        return self._task is not None and not self._task.done()

    async def run(
        self,
        start: Callable[[], Coroutine[Any, Any, None]],
        finished: Callable[[], None] | None = None,
    ) -> None:
        """Join the run under way or start one; return when it ends, or raise what it raised.

        `finished` is called at the end of a run that this call started, even if it was cancelled
        before its first step.
        """
        task = self._task
        if task is None or task.done():
            task = self._begin(start(), finished)
        self._waiters += 1
        try:
            await asyncio.wait([task])
        finally:
            await self._leave(task)
        task.result()

    def _begin(
        self, coroutine: Coroutine[Any, Any, None], finished: Callable[[], None] | None
    ) -> asyncio.Task[None]:
        task = self._task = asyncio.get_running_loop().create_task(coroutine)
        self._waiters = 0

        def end(task: asyncio.Task[None]) -> None:
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
        if self._waiters == 0:
            self._task = None  # whoever comes now starts anew instead of joining a dying run
            if not task.done():
                task.cancel()
                _, running = await asyncio.wait([task], timeout=_GRACE_S)
                if running:
                    _log.warning("%r ignores its cancellation and was left behind", task)
