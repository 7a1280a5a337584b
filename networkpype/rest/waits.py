"""Calls that wait without a socket, and end where the factory that they came from is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from networkpype.errors import NotConnectedError

__all__ = ["Waits"]

# A coroutine runs in a task, so this is never None; the cast costs nothing.
_current_task = cast("Callable[[], asyncio.Task[Any]]", asyncio.current_task)


class Waits:
    """The calls over one client session that wait now: for capacity, or to be sent again.

    When the session closes, what has a socket ends by itself; these are told.
    """

    def __init__(self) -> None:
        self._open: set[_Wait] = set()
        self._is_over = False

    def check(self) -> None:
        """Raise NotConnectedError where the session is closed, or about to be."""
        if self._is_over:
            raise NotConnectedError("the session was closed; get a new manager from the factory")

    def for_capacity(self) -> _Wait:
        """Return what a wait for capacity runs inside of."""
        return _Wait(self, self._open, "for capacity")

    def to_repeat(self) -> _Wait:
        """Return what a wait before the next attempt runs inside of."""
        return _Wait(self, self._open, "to be sent again")

    def end(self) -> None:
        """Let the waits of this event loop raise NotConnectedError; others may begin."""
        loop = asyncio.get_running_loop()
        for wait in self._open:
            if wait.task.get_loop() is loop:
                wait.end()

    def close(self) -> None:
        """End them all, and let none begin."""
        self._is_over = True
        self.end()


class _Wait:
    """Cancel what runs inside ``with`` when the session closes: it raises NotConnectedError."""

    __slots__ = ("_cancels_before", "_has_ended", "_open", "_waits", "_what", "task")

    def __init__(self, waits: Waits, others: set[_Wait], what: str) -> None:
        self._waits = waits
        self._open = others
        self._what = what
        self._has_ended = False

    def __enter__(self) -> Self:
        self._waits.check()
        self.task = task = _current_task()
        self._cancels_before = task.cancelling()
        self._open.add(self)
        return self

    def end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.discard(self)
        if not self._has_ended:
            return
        # Ours only where nobody else cancelled this task meanwhile.
        if self.task.uncancel() <= self._cancels_before and kind is asyncio.CancelledError:
            raise NotConnectedError(
                f"the factory was closed while the call waited {self._what}"
            ) from None
