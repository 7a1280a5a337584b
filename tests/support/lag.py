"""How long the machine kept the event loop waiting while something was timed."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

TICK_S = 0.005


class LoopLag:
    """Tick while the block runs; `worst_s` is how late the latest tick came.

    A deadline that is measured in the same block cannot be kept better than that, so it is what a
    loaded machine may add to it. On a quiet one it is a millisecond.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.worst_s = max(self.worst_s, loop.time() - self._due)
        self._due = loop.time() + TICK_S
        self._timer = loop.call_at(self._due, self._tick)

    def __enter__(self) -> Self:
        self._due = asyncio.get_running_loop().time()
        self._tick()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
