"""Keep a time synchronizer fresh in the background."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

from networkpype.errors import ConfigurationError

__all__ = ["ClockRefresher", "TimeProvider", "backoff_s"]

TimeProvider = Callable[[], Awaitable[float]]
"""Asks a server for its time; the number is in the synchronizer's unit."""

_log = logging.getLogger(__name__)

_TICK_S = 1.0  # how late a step or a sleep that somebody noticed may be acted upon
_JITTER = 0.1  # of the interval: a fleet started together must not ask together for ever
_STOP_S = 1.0
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
        if isinstance(interval_s, bool) or not (math.isfinite(interval_s) and interval_s > 0):
            raise ConfigurationError(f"interval_s is {interval_s!r}; pass seconds above zero")
        self._synchronizer = synchronizer
        self._time_provider = time_provider
        self._interval_s = interval_s
        self._samples = samples
        self._jitter = jitter
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Cancel the task and wait for its end, at most a second."""
        task = self._task
        task.cancel()
        if task is asyncio.current_task():
            return
        _, running = await asyncio.wait([task], timeout=_STOP_S)
        if running:
            _log.warning("the time provider ignores its cancellation; its task was left behind")

    async def _run(self) -> None:
        samples, failures = self._samples, 0
        while True:
            try:
                await self._synchronizer.sync(self._time_provider, samples)
            except Exception:
                # Logged and announced by the synchronizer; the last good offset stays in use.
                failures += 1
                pause_s = min(backoff_s(failures), self._interval_s)
            else:
                failures = 0
                pause_s = self._interval_s * (1 - _JITTER * self._jitter())
            jumped = await self._rest(pause_s)
            samples = self._samples if jumped or failures else 1

    async def _rest(self, seconds: float) -> bool:
        """Wait, but no longer than until a sample is needed; return whether one is needed early."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            if self._synchronizer.needs_sync:
                return True
            await asyncio.sleep(min(left, _TICK_S))
        return False
