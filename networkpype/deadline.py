"""Deadlines of many calls on one timer.

`asyncio.timeout` sets and drops a timer a call, which costs more than the call's signature, and
nearly every call ends long before. Here one timer stands at the earliest deadline that was seen,
and only when it fires does anybody look who is late.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

__all__ = ["Deadline", "Deadlines"]

# A coroutine runs in a task, so this is never None; the cast costs nothing.
_current_task = cast("Callable[[], asyncio.Task[Any]]", asyncio.current_task)


class Deadlines:
    """The deadlines that are open, of one owner, in one event loop at a time."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = math.inf

    def open(self, deadline: Deadline, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # what is left of another loop went with it
            self._open, self._loop = set(), loop
            self._set_timer(loop, math.inf)
        deadline.at = at = loop.time() + seconds
        self._open.add(deadline)
        if at < self._wake_at:
            self._set_timer(loop, at)

    def close(self, deadline: Deadline) -> None:
        self._open.discard(deadline)  # the timer stays: setting it anew is what costs

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at == math.inf else loop.call_at(at, self._on_timer, loop)
        self._wake_at = at

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        now = max(loop.time(), self._wake_at)  # a loop's timers may be early by its clock's grain
        for deadline in [each for each in self._open if each.at <= now]:
            self._open.discard(deadline)
            deadline.expire()
        self._timer = None
        self._set_timer(loop, min((each.at for each in self._open), default=math.inf))


class Deadline:
    """Cancel what runs inside ``with`` after `seconds`, as `asyncio.timeout` does.

    The block raises TimeoutError then, and `expired` tells that it was this deadline.
    """

    __slots__ = ("_cancels_before", "_deadlines", "_seconds", "_task", "at", "expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self.at = math.inf
        self.expired = False

    def __enter__(self) -> Self:
        self._task = task = _current_task()
        self._cancels_before = task.cancelling()
        self._deadlines.open(self, self._seconds)
        return self

    def expire(self) -> None:
        self.expired = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.expired:
            self._deadlines.close(self)
        # Ours only where nobody else cancelled this task meanwhile.
        elif self._task.uncancel() <= self._cancels_before and kind is asyncio.CancelledError:
            raise TimeoutError from error
