"""What time is it at the exchange?"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Self

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError, RequestTimeoutError, TransportError
from networkpype.hooks import ClockSyncFailed, Hook, emit
from networkpype.redact import MASK, escape, mask_url
from networkpype.timekeeping.provider import (
    TimeProvider,
    TimeUnit,
    check_provider,
    check_samples,
    check_seconds,
    check_unit,
    server_time_ms,
)
from networkpype.timekeeping.refresher import ClockRefresher, backoff_s
from networkpype.timekeeping.server_clock import ServerClock
from networkpype.timekeeping.single_flight import SingleFlight
from networkpype.timekeeping.watch import slept_between

__all__ = ["TimeSynchronizer"]

_log = logging.getLogger(__name__)

_TIE_BREAKERS = 3  # samples that `sync` adds while its samples contradict each other
_WORD = re.compile(r"\S+")
_LONGEST_DESCRIBED = 1000  # characters of a foreign error: some quote a whole page


class _Measurement:
    """Marks the context in which a server is being asked for its time."""

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.over = False  # a task started inside inherits the context and may outlive the question


_measurements: ContextVar[tuple[_Measurement, ...]] = ContextVar("measurements", default=())


class TimeSynchronizer(ServerClock):
    """Tell a server's time: local time plus an offset that samples of the server's clock give.

    Samples come in two kinds, never mixed: the kind that came last decides. Offsets given by hand
    (`add_time_offset_ms_sample`) count as the mean of the median and the recency-weighted mean of
    the last `max_samples`. Measured ones (whatever asks a time provider) count by their round
    trips, the last 16 of them, along the drift line between the clocks. Without any, `time()` is
    the local clock.

    Where the local wall clock is set, the offset is corrected by the step; where the machine slept
    it is kept. Either way it is `stale` until the next sample. Measured samples older than
    `stale_after_s` are stale as well (`math.inf`: never). `unit` is what time providers return.
    Asking takes at most `timeout_s`. `hook` receives ClockSynchronized, ClockStepped and
    ClockSyncFailed.

    `time()` may be called from any thread, everything else from one event loop.
    """

    def __init__(
        self,
        max_samples: int = 5,
        *,
        clock: Clock | None = None,
        hook: Hook | None = None,
        unit: TimeUnit = "ms",
        timeout_s: float = 5.0,
        stale_after_s: float = 3600.0,
    ) -> None:
        self._unit = check_unit(unit)
        self._timeout_s = check_seconds("timeout_s", timeout_s)
        if stale_after_s != math.inf:
            check_seconds("stale_after_s", stale_after_s)
        super().__init__(max_samples, clock, hook, stale_after_s)
        self._flight = SingleFlight()
        self._refresher: ClockRefresher | None = None
        self._failures = 0
        self._retry_at = -math.inf
        self.last_error: str | None = None
        """Why the last attempt to read the server's time failed, None where it succeeded."""
        self.misconfigured = False
        """Whether that was a ConfigurationError, which waiting does not cure."""

    @property
    def needs_sync(self) -> bool:
        """Tell whether to ask the server now: no sample yet or `stale`, and not just failed.

        After failures in a row a source is left alone for 1 s, 2 s, 4 s, ... up to 60 s.
        """
        if self._initialized and not self.stale:
            return False
        return self._clock.monotonic() >= self._retry_at

    @property
    def time_provider(self) -> TimeProvider | None:
        """Return what `start` was given, None while nothing refreshes in the background."""
        refresher = self._refresher
        return refresher.time_provider if refresher is not None and refresher.running else None

    @property
    def in_measurement(self) -> bool:
        """Tell whether the caller runs inside this synchronizer's own time provider.

        A request made there must not wait for the measurement, which waits for the request.
        """
        return any(each.owner is self and not each.over for each in _measurements.get())

    async def sync_in_background(
        self, time_provider: TimeProvider, samples: int = 3, *, patience_s: float | None = None
    ) -> None:
        """Have the server measured, and wait until that ends or is `patience_s` old (None: ever).

        Joins a measurement under way. It goes on if every caller leaves or is cancelled, until
        `timeout_s` or `stop()`. Never raises its failure; see `last_error`.
        """
        check_provider(time_provider)
        check_samples(samples)
        if patience_s is not None:
            check_seconds("patience_s", patience_s)
        if not self.in_measurement:
            await self._flight.watch(lambda: self._burst(time_provider, samples), patience_s)

    async def update_server_time_offset_with_time_provider(
        self, time_provider: Awaitable[float]
    ) -> None:
        """Measure once; the awaitable returns the server's time.

        The server is taken to have read its clock halfway between question and answer. Logs and
        re-raises what the awaitable raises; the last good offset stays. Raises ConfigurationError
        for a wrong unit, DecodeError for NaN or a negative time, RequestTimeoutError.
        """
        try:
            async with self._deadline():
                await self._measure(time_provider)
        except Exception as error:
            self._fail(error)
            raise

    async def update_server_time_if_not_initialized(self, time_provider: Awaitable[float]) -> None:
        """Measure once if there is no sample yet; callers at the same time share one measurement.

        An awaitable that is not needed is closed if it is a coroutine.
        """
        if self._initialized or self.in_measurement or self._flight.under_way:
            _discard(time_provider)
            if self._initialized or self.in_measurement:
                return
        await self._flight.run(
            lambda: self.update_server_time_offset_with_time_provider(time_provider),
            finished=lambda: _discard(time_provider),
        )

    async def sync(self, time_provider: TimeProvider, samples: int = 3) -> None:
        """Measure now, `samples` times back to back; callers at the same time share the result.

        The first sample pays for the handshake, so take 3 to 5 at the start. Up to 3 more are taken
        while they contradict each other. One sample is enough for success; without any this raises
        what the provider raised. Inside a measurement it does nothing.
        """
        check_provider(time_provider)
        check_samples(samples)
        if not self.in_measurement:
            await self._flight.run(lambda: self._burst(time_provider, samples))

    def start(
        self,
        time_provider: TimeProvider,
        *,
        interval_s: float = 600.0,
        samples: int = 3,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Refresh in the background until `stop()`: at once, then about every `interval_s`.

        Takes `samples` at the start and after the local clock jumped, otherwise one. A failing
        source is asked again after 1 s, 2 s, 4 s, ... up to 60 s. `jitter` returns 0 to 1, by which
        up to a tenth of each interval is cut.
        """
        if self._refresher is not None and self._refresher.running:
            raise ConfigurationError("already refreshing; await stop() before another start()")
        self._refresher = ClockRefresher(
            self, time_provider, interval_s=interval_s, samples=samples, jitter=jitter
        )

    async def stop(self) -> None:
        """End what runs in the background, waiting at most a second for each; safe to repeat."""
        refresher, self._refresher = self._refresher, None
        if refresher is not None:
            await refresher.stop()
        await self._flight.release()

    @asynccontextmanager
    async def refreshing(
        self,
        time_provider: TimeProvider,
        *,
        interval_s: float = 600.0,
        samples: int = 3,
        jitter: Callable[[], float] = random.random,
    ) -> AsyncIterator[Self]:
        """Refresh in the background inside an ``async with`` block; see `start`."""
        self.start(time_provider, interval_s=interval_s, samples=samples, jitter=jitter)
        try:
            yield self
        finally:
            await self.stop()

    async def _burst(self, time_provider: TimeProvider, samples: int) -> None:
        taken = 0
        try:
            async with self._deadline():
                while taken < samples or (self._doubtful and taken < samples + _TIE_BREAKERS):
                    await self._measure(time_provider())
                    taken += 1
            # Servers behind one address whose clocks differ contradict each other for ever.
            self._doubtful = False
        except Exception as error:
            if taken == 0:
                self._fail(error)
                raise
            _log.debug("%d samples were enough: %s", taken, _describe(error))

    async def _measure(self, time_provider: Awaitable[float]) -> None:
        if not inspect.isawaitable(time_provider):
            raise ConfigurationError(
                f"the time provider gave {type(time_provider).__name__}, which cannot be awaited; "
                "it must be a coroutine that returns the server's time"
            )
        measurement = _Measurement(self)
        token = _measurements.set((*_measurements.get(), measurement))
        before = self._look()
        try:
            answer = await time_provider
        finally:
            measurement.over = True
            _measurements.reset(token)
        after = self._look()
        if slept_between(before, after):
            raise TransportError("the machine slept while the server was asked for its time")
        server_ms, tick_ms = server_time_ms(answer, self._unit, after.wall)
        self._take(server_ms, tick_ms, before, after)
        self._failures, self._retry_at = 0, -math.inf
        self.last_error, self.misconfigured = None, False

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """Bound what runs inside, and tell its own cancellation from that of the caller."""
        scope = asyncio.timeout(self._timeout_s)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise RequestTimeoutError(
                f"the time provider did not answer within {self._timeout_s:g} s"
            ) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise TransportError("the time provider was cancelled from elsewhere") from error

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        self._retry_at = self._clock.monotonic() + backoff_s(self._failures)
        # The text and not the error, whose traceback would keep every frame of the call alive.
        self.last_error = _describe(error)
        self.misconfigured = isinstance(error, ConfigurationError)
        kept = self.time_offset_ms if self._initialized else None
        stays = "the local clock" if kept is None else f"the offset of {kept:.1f} ms"
        _log.warning("no server time, %s stays in use: %s", stays, self.last_error)
        emit(self._hook, ClockSyncFailed(type(error).__name__, kept))

    def __repr__(self) -> str:
        uncertainty = self.uncertainty_ms
        shown = "None" if uncertainty is None else f"{uncertainty:.1f}"
        count = len(self._given) if self._estimate is None else len(self._filter)
        return (
            f"{type(self).__name__}(offset_ms={self.time_offset_ms:.1f}, "
            f"uncertainty_ms={shown}, samples={count})"
        )


def _discard(awaitable: Awaitable[Any]) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


def _describe(error: Exception) -> str:
    """Say what went wrong; foreign errors like to quote URLs with everything in them."""
    text = str(error)
    if len(text) > _LONGEST_DESCRIBED:
        # Cut first, for masking takes time; what was cut in two may be a secret nobody recognizes.
        text, _, last = text[:_LONGEST_DESCRIBED].rpartition(" ")
        text = f"{text} {MASK if _is_url_like(last) else last}..."
    text = _WORD.sub(lambda word: mask_url(word[0]) if _is_url_like(word[0]) else word[0], text)
    return f"{type(error).__name__}: {escape(text, limit=200)}"


def _is_url_like(text: str) -> bool:
    return "://" in text or "?" in text
