"""What waits and holds nothing yet, and ends where that which it waits for is closed."""

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
    """The calls and messages that wait now: for capacity, for their turn, or to be sent again.

    When a socket or session closes, what is under way on it ends by itself; these are told. What
    waits here ends with what waits in `outer` as well: a connection's with its factory's.
    """

    def __init__(self, outer: Waits | None = None) -> None:
        self._outer = outer
        self._open: set[_Wait] = set()
        self._over = ""

    @property
    def is_over(self) -> bool:
        """Tell whether this is closed, or about to be."""
        return bool(self._over) or (self._outer is not None and self._outer.is_over)

    def check(self) -> None:
        """Raise NotConnectedError where this is closed, or about to be."""
        if self._over:
            raise NotConnectedError(self._over)
        if self._outer is not None:
            self._outer.check()

    def for_capacity(self) -> _Wait:
        """Return what a call's wait for capacity runs inside of."""
        return _Wait(self, "the call waited for capacity")

    def to_repeat(self) -> _Wait:
        """Return what a wait before the next attempt runs inside of."""
        return _Wait(self, "the call waited to be sent again")

    def to_send(self) -> _Wait:
        """Return what a message's wait for its turn runs inside of."""
        return _Wait(self, "the message waited for its turn, so nothing was sent")

    def to_ping(self) -> _Wait:
        """Return what a ping's wait for its turn runs inside of; it ends with these alone.

        Without it a connection that stays open could be taken for dead.
        """
        return _Wait(self, "the ping waited for its turn", is_inner=True)

    def to_dial(self) -> _Wait:
        """Return what a dial's wait for its turn runs inside of."""
        return _Wait(self, "the dial waited for its turn, so nothing was dialed")

    def end(self, why: str = "the factory was closed") -> None:
        """Let the waits of this event loop raise NotConnectedError; others may begin."""
        loop = asyncio._get_running_loop()
        for wait in self._open:
            if wait.task.get_loop() is loop:
                wait.end(why)

    def close(
        self,
        why: str = "the factory was closed",
        over: str = "the session was closed; get a new manager from the factory",
    ) -> None:
        """End them all, and let none begin: `over` is what those are told. Safe to repeat."""
        self._over = self._over or over
        self.end(why)

    def add(self, wait: _Wait) -> None:
        """Have it ended with these, and with those outside where it is not of the inside."""
        self._open.add(wait)
        if self._outer is not None and not wait.is_inner:
            self._outer.add(wait)

    def discard(self, wait: _Wait) -> None:
        """Forget it: it is over."""
        self._open.discard(wait)
        if self._outer is not None:
            self._outer.discard(wait)


class _Wait:
    """Cancel what runs inside ``with`` when that closes: it raises NotConnectedError."""

    __slots__ = (
        "_cancelled",
        "_cancels_before",
        "_soon",
        "_waits",
        "_what",
        "_why",
        "is_inner",
        "task",
    )

    def __init__(self, waits: Waits, what: str, is_inner: bool = False) -> None:
        self._waits = waits
        self._what = what
        self.is_inner = is_inner
        self._why = ""
        self._cancelled = False
        self._soon: asyncio.Handle | None = None

    def __enter__(self) -> Self:
        self._waits.check()
        self.task = task = _current_task()
        self._cancels_before = task.cancelling()
        self._waits.add(self)
        return self

    def end(self, why: str) -> None:
        """Cancel what waits; where that is the caller itself, as in a hook, once it waits again."""
        if self._why:
            return
        self._why = why
        if self.task is asyncio.current_task():
            # Python up to 3.12 would keep the cancellation for whatever the task awaits next, be it
            # long after this wait.
            self._soon = self.task.get_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        self._cancelled = True
        self.task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._waits.discard(self)
        if not self._why:
            return
        if self._soon is not None:
            self._soon.cancel()
        cancels = self.task.uncancel() if self._cancelled else self.task.cancelling()
        # A cancellation is ours only where nobody else cancelled this task meanwhile. Where none
        # came out, whoever was awaited swallowed it: what is over must not go on all the same.
        ours = kind is asyncio.CancelledError and cancels <= self._cancels_before
        if ours or kind is None:
            raise NotConnectedError(f"{self._why} while {self._what}") from None
