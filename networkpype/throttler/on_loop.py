"""A clock, the event loop that runs it, and one timer: what both queues stand on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError

__all__ = ["OnLoop"]

_LOOK_AGAIN_S = 0.001
"""When a timer fired before its time: by a clock's grain, or an injected clock stood still."""


class OnLoop:
    """Runs with one event loop at a time, and calls `look` when its timer is due.

    `now` is the clock of everything that is decided: that of the loop, or the `clock` given.
    """

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock
        self.now: Callable[[], float] = self._early if clock is None else clock.monotonic
        self.loop: asyncio.AbstractEventLoop | None = None
        self._early_at = -math.inf
        self._shift_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = math.inf

    def look(self) -> None:
        """Do what is due, and set the timer for the next."""
        raise NotImplementedError

    def check_thread(self) -> None:
        """Raise ConfigurationError where the loop runs, and not here."""
        loop = self.loop
        if loop is not None and loop.is_running() and asyncio._get_running_loop() is not loop:
            raise ConfigurationError(
                "this throttler is in use on another thread; read it there, such as by "
                "loop.call_soon_threadsafe"
            )

    def move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run with this loop from now on; raise ConfigurationError where the last still runs."""
        if self.loop is not None and self.loop.is_running():
            raise ConfigurationError(
                "this throttler is in use on another event loop that is still running; "
                "give each loop its own, as copy() makes"
            )
        if self._clock is None:
            # Loops may count from different zeros (one in virtual time starts at 0). Time must not
            # run backwards here, or charges would stay for as long as the zeros are apart.
            last = self._early_at if self.loop is None else self.now()
            shift_s = max(0.0, last - loop.time())
            self.now = loop.time if not shift_s else lambda: loop.time() + shift_s
            self._shift_s = shift_s
        self._set_timer(math.inf)
        self.loop = loop

    def _early(self) -> float:
        """Return the time where no loop was here yet, by which something was counted then."""
        self._early_at = time.monotonic()
        return self._early_at

    def _set_timer(self, wake_at: float, least_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_at = wake_at
        if wake_at == math.inf or self.loop is None:
            return
        if self._clock is None and not least_s:
            self._timer = self.loop.call_at(wake_at - self._shift_s, self._on_timer)
        else:
            wait_s = max(wake_at - self.now(), least_s)
            self._timer = self.loop.call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        wake_at, self._wake_at = self._wake_at, math.inf
        if self.now() < wake_at:
            self._set_timer(wake_at, _LOOK_AGAIN_S)
        else:
            self.look()
