"""Look at what is due when it is due, and what can wait a turn once for many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Soon", "Watch"]

_LOOK_S = 0.001  # the event loop looks into every socket before a timer of this length
_LATE_S = 0.5


class Watch:
    """Call `look` with the time whenever something is due; it returns when it is due next.

    A timer that rings late tells that the loop did something else: what the peer said meanwhile is
    still in the socket, so it is read before anything is held against the peer. More than half a
    second is told to `blocked`. What `look` raises goes to `failed`, whoever made it look.
    """

    def __init__(
        self,
        look: Callable[[float], float | None],
        *,
        blocked: Callable[[float], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._look = look
        self._blocked = blocked
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._is_over = False

    def look(self) -> None:
        """Do what is due, and look again when the next thing is."""
        now = self._loop.time()
        if self._is_over or (self._timer is not None and self._due < now):
            return  # it rings in a moment, and then looks twice
        self._cancel()
        try:
            due = self._look(now)
        except Exception as error:
            self._failed(error)
            return
        if due is not None and not self._is_over:
            self._due = due
            self._timer = self._loop.call_at(due, self._rung)

    def stop(self) -> None:
        """Look no more."""
        self._is_over = True
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        late_s = self._loop.time() - self._due
        if late_s <= 0:
            self._looked_twice()
            return
        if late_s > _LATE_S:
            self._blocked(late_s)
        self._timer = self._loop.call_later(_LOOK_S, self._looked_twice)

    def _looked_twice(self) -> None:
        self._timer = None
        self.look()


class Soon:
    """Call a function at the next turn of the event loop, once however often it is asked for."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.is_due = False

    def __call__(self) -> None:
        if not self.is_due:
            self.is_due = True
            self._loop.call_soon(self._call)

    def _call(self) -> None:
        self.is_due = False
        self._function()
