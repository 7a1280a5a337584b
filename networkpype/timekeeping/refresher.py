"""Keep a time synchronizer fresh in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from networkpype.errors import ConfigurationError
from networkpype.timekeeping.provider import (
    TimeProvider,
    check_provider,
    check_samples,
    check_seconds,
)

__all__ = ["ClockRefresher", "backoff_s"]

_TICK_S = 1.0  # how late a step or a sleep that somebody noticed may be acted upon
_JITTER = 0.1  # of the interval: a fleet started together must not ask together for ever
_EARLY_S = 1e-3  # asyncio may run a timer one tick of its clock too early
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 60.0


def backoff_s(failures: int) -> float:
    """Return the seconds to leave a source alone after so many failures in a row, at least one."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF_S)


class _Synchronizer(Protocol):
    @property
    def needs_sync(self) -> bool: ...

    async def sync(self, time_provider: TimeProvider, samples: int = ...) -> None: ...


class ClockRefresher:
    """One task that samples at the start, then at every interval, and at once after a clock jump.

    `jitter` returns numbers from 0 to 1; each shortens one interval by up to a tenth.
    """

    def __init__(
        self,
        synchronizer: _Synchronizer,
        time_provider: TimeProvider,
        *,
        interval_s: float,
        samples: int,
        jitter: Callable[[], float],
    ) -> None:
        check_provider(time_provider)
        check_samples(samples)
        check_seconds("interval_s", interval_s)
        if not callable(jitter):
            raise ConfigurationError(
                f"jitter is {jitter!r}; pass a function that returns a number from 0 to 1"
            )
        self._synchronizer = synchronizer
        self._time_provider = time_provider
        self._interval_s = interval_s
        self._samples = samples
        self._jitter = jitter
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def time_provider(self) -> TimeProvider:
        """Return what reads the server's time."""
        return self._time_provider

    @property
    def running(self) -> bool:
        """Tell whether it still refreshes: its loop may have been closed under it."""
        return not self._task.done() and not self._task.get_loop().is_closed()

    async def stop(self) -> None:
        """Cancel the task and wait for its end; `sync` bounds how long its own takes."""
        if not self.running:
            return
        self._task.cancel()
        if self._task is not asyncio.current_task():
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        samples, failures = self._samples, 0
        while True:
            try:
                await self._synchronizer.sync(self._time_provider, samples)
                pause_s = self._interval_s * (1 - _JITTER * min(1.0, max(0.0, self._jitter())))
                failures = 0
            except Exception:
                # Logged and announced by the synchronizer; the last good offset stays in use.
                failures += 1
                samples = self._samples
                await asyncio.sleep(min(backoff_s(failures), self._interval_s))
            else:
                samples = self._samples if await self._is_needed_within(pause_s) else 1

    async def _is_needed_within(self, seconds: float) -> bool:
        """Wait, but no longer than until the synchronizer needs a sample; return whether it did."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > _EARLY_S:
            if self._synchronizer.needs_sync:
                return True
            await asyncio.sleep(min(left, _TICK_S))
        return False
