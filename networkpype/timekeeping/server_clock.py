"""The server's clock as seen from here: local time, an offset, and when to distrust it."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque

from networkpype.clock import Clock, SystemClock
from networkpype.errors import ConfigurationError
from networkpype.hooks import ClockStepped, ClockSynchronized, Hook, emit
from networkpype.timekeeping.filter import ClockEstimate, ClockFilter, ClockSample, centre_ms
from networkpype.timekeeping.watch import STEP_S, ClockJump, ClockReading, ClockWatch

__all__ = ["ServerClock"]

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 10.0  # often enough that slewing between two looks stays far below STEP_S


class ServerClock:
    """Tell a server's time from samples; no I/O. `TimeSynchronizer` says what the samples mean."""

    def __init__(
        self,
        max_samples: int,
        clock: Clock | None,
        hook: Hook | None,
        stale_after_s: float,
    ) -> None:
        if isinstance(max_samples, bool) or not isinstance(max_samples, int) or max_samples < 1:
            raise ConfigurationError(f"max_samples is {max_samples!r}; pass an integer above zero")
        self._clock = SystemClock() if clock is None else clock
        for method in ("time", "monotonic"):
            if not callable(getattr(self._clock, method, None)):
                raise ConfigurationError(f"clock {clock!r} has no {method}(); pass a Clock")
        if hook is not None and not callable(hook):
            raise ConfigurationError(f"hook is {hook!r}; pass a function that takes one event")
        self._hook = hook
        self._stale_after_s = stale_after_s
        self._given: deque[float] = deque(maxlen=max_samples)
        self._filter = ClockFilter()
        self._estimate: ClockEstimate | None = None
        self._measured_at = 0.0
        self._initialized = self._distrusted = self._doubtful = False
        self._watch = ClockWatch(self._clock)
        self._lock = threading.Lock()  # two threads that see one step must not correct it twice
        # (offset in ms, its growth in ms/s, since when, wall ahead of monotonic, next look): one
        # tuple, so that another thread never sees half an update.
        self._line = (0.0, 0.0, 0.0, 0.0, -math.inf)
        self._look()

    def time(self) -> float:
        """Return the server's time in seconds since the Unix epoch; local time without samples."""
        wall, monotonic = self._clock.time(), self._clock.monotonic()
        offset_ms, growth, since, ahead, look_at = self._line
        if monotonic >= look_at or not -STEP_S < wall - monotonic - ahead < STEP_S:
            reading = self._look()
            wall, monotonic = reading.wall, reading.monotonic
            offset_ms, growth, since, _, _ = self._line
        return wall + (offset_ms + growth * (monotonic - since)) * 1e-3

    @property
    def time_offset_ms(self) -> float:
        """Return how far the server's clock is ahead of the local one now; 0.0 without samples."""
        now = self._now()
        offset_ms, growth, since, _, _ = self._line
        return offset_ms + growth * (now - since)

    @property
    def uncertainty_ms(self) -> float | None:
        """Return how far off the offset may be now, None where that is not known.

        Half the best round trip, for the way out and back may differ, and what the clocks may have
        drifted since. Not known for offsets given by hand and after the machine slept.
        """
        now = self._now()
        return None if self._estimate is None else self._estimate.uncertainty_at(now)

    @property
    def drift_ppm(self) -> float:
        """Return how much faster the server's clock runs, in millionths; 0.0 unless significant."""
        return self._line[1] * 1e3

    @property
    def initialized(self) -> bool:
        """Tell whether there has been a sample."""
        return self._initialized

    @property
    def stale(self) -> bool:
        """Tell whether a new sample is wanted although there has been one.

        So it is after the local clock jumped, the machine slept or `distrust()` was called, while
        the newest sample contradicts the older ones, and when measured samples are old.
        """
        now = self._now()
        if self._distrusted or self._doubtful:
            return True
        if self._estimate is None:
            return False
        return now - self._measured_at > self._stale_after_s

    def add_time_offset_ms_sample(self, offset_ms: float) -> None:
        """Take an offset from the local wall clock, in milliseconds, measured by the caller."""
        if not _is_finite_number(offset_ms):
            raise ConfigurationError(f"offset_ms is {offset_ms!r}; pass finite milliseconds")
        reading = self._look()
        with self._lock:
            self._given.append(float(offset_ms))
            self._estimate = None
            self._hold(centre_ms(self._given), 0.0, reading.monotonic)
            self._initialized, self._distrusted, self._doubtful = True, False, False
        emit(self._hook, ClockSynchronized(self._line[0], None, None))

    def distrust(self) -> None:
        """Be stale until the next sample: the exchange refused a timestamp."""
        self._distrusted = self._initialized

    def clear_time_offset_ms_samples(self) -> None:
        """Forget every sample, given or measured: back to the local clock."""
        with self._lock:
            self._given.clear()
            self._filter.clear()
            self._estimate = None
            self._hold(0.0, 0.0, 0.0)
            self._initialized = self._distrusted = self._doubtful = False

    def _now(self) -> float:
        """Return monotonic seconds, having looked at the clocks if anything jumped."""
        self.time()
        return self._clock.monotonic()

    def _take(
        self, server_ms: float, tick_ms: float, before: ClockReading, after: ClockReading
    ) -> None:
        """Take what the server said between two looks with no sleep between them."""
        round_trip_s = after.monotonic - before.monotonic
        sample = ClockSample(
            at_s=after.monotonic - round_trip_s / 2,
            offset_ms=server_ms - (after.wall * 1e3 - round_trip_s * 500),
            round_trip_ms=round_trip_s * 1e3,
            resolution_ms=tick_ms,
        )
        with self._lock:
            estimate = self._estimate = self._filter.add(sample)
            self._measured_at = sample.at_s
            self._hold(estimate.offset_ms, estimate.drift * 1e3, estimate.at_s)
            self._initialized, self._distrusted, self._doubtful = True, False, self._filter.unsure
        now = after.monotonic
        emit(
            self._hook,
            ClockSynchronized(
                estimate.offset_at(now), sample.round_trip_ms, estimate.uncertainty_at(now)
            ),
        )

    def _hold(self, offset_ms: float, growth: float, since: float) -> None:
        _, _, _, ahead, look_at = self._line
        self._line = (offset_ms, growth, since, ahead, look_at)

    def _look(self) -> ClockReading:
        """Read the clocks; correct the offset where the wall clock was set since the last look."""
        with self._lock:
            reading, jump = self._watch.look()
            offset_ms, growth, since, _, _ = self._line
            if jump is not None and self._initialized:
                offset_ms -= jump.step_s * 1e3
                self._follow(jump)
            ahead, look_at = reading.ahead, reading.monotonic + _LOOK_EVERY_S
            self._line = (offset_ms, growth, since, ahead, look_at)
        if jump is not None:
            moved_ms = (jump.step_s + jump.slept_s) * 1e3
            level = logging.WARNING if self._initialized else logging.DEBUG
            _log.log(level, "the local clock jumped by %+.0f ms, or the machine slept", moved_ms)
            emit(self._hook, ClockStepped(moved_ms))
        return reading

    def _follow(self, jump: ClockJump) -> None:
        step_ms = jump.step_s * 1e3
        self._given = deque((each - step_ms for each in self._given), self._given.maxlen)
        self._filter.shift(-step_ms)
        self._estimate = None if self._estimate is None else self._filter.estimate
        if jump.slept_s:
            # A sleep is timed by a coarser clock: the offset is about right, its bounds are not.
            self._filter.clear()
            self._estimate = None
        self._distrusted = True


def _is_finite_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]
