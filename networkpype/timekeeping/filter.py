"""What time is it there? The estimate of a server's clock from samples, without I/O.

A sample's error is at most half its round trip, and in practice close to half of what that round
trip exceeds the best one by: the excess is a delay on the way out or on the way back. Samples are
weighted so, a straight line follows the drift between two crystals where it stands out of the
noise, and a sample that cannot be true beside the others is believed once a second one agrees.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["ClockEstimate", "ClockFilter", "ClockSample", "centre_ms"]

WINDOW = 16
"""Samples that are looked at: more follow a changing drift too slowly, fewer are noisier."""

_NOISE_MS = 0.5  # what a millisecond timestamp and the scheduler add to any sample
_WANDER = 1e-6  # how far a crystal leaves its line within hours, mostly with temperature
_CRYSTALS = 100e-6  # two cheap crystals, before a line was found: +-50 ppm each
_STEEPEST = 500e-6  # beyond any crystal: a steeper line is noise or a step
_FEWEST = 4  # samples that make a line; two delayed alike would make a bold one
_SURE = 3.0  # standard errors that make a slope significant
_SHARPEST_ERROR = 10e-6  # of a slope: a vaguer one, thrown 600 s ahead, adds more than 6 ms
_MISFIT = 4.0  # mean squared residual in units of what was expected; above it the line is broken


@dataclass(frozen=True, slots=True)
class ClockSample:
    """The server's clock was `offset_ms` ahead of the local one at `at_s`, halfway to the answer.

    `at_s` is monotonic time. `resolution_ms` is the size of the server's tick.
    """

    at_s: float
    offset_ms: float
    round_trip_ms: float
    resolution_ms: float = 0.0

    @property
    def bound_ms(self) -> float:
        """How far off it can be, whatever the network did."""
        return self.round_trip_ms / 2 + self.resolution_ms


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """A line: the offset was `offset_ms` at `at_s` and grows by `drift` (seconds a second).

    `bound_ms` held at `bound_at_s`; from there the uncertainty grows by `ageing`.
    """

    at_s: float
    offset_ms: float
    drift: float = 0.0
    ageing: float = _CRYSTALS
    bound_ms: float = 0.0
    bound_at_s: float = 0.0

    def offset_at(self, now_s: float) -> float:
        """Return the offset in milliseconds at a monotonic time."""
        return self.offset_ms + self.drift * (now_s - self.at_s) * 1e3

    def uncertainty_at(self, now_s: float) -> float:
        """Return how far off, in milliseconds, the offset may be at a monotonic time."""
        return self.bound_ms + self.ageing * abs(now_s - self.bound_at_s) * 1e3


class ClockFilter:
    """Turn measured samples into an estimate.

    `unsure` is True while the newest sample contradicts the older ones: one more decides who was
    right.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._samples: deque[ClockSample] = deque(maxlen=window)
        self._suspect: ClockSample | None = None
        self.estimate: ClockEstimate | None = None
        self.unsure = False

    def add(self, sample: ClockSample) -> ClockEstimate:
        """Take a sample, oldest first, and return the estimate that now holds."""
        if self.estimate is None or agree(sample, self.estimate):
            self._samples.append(sample)
            self._suspect, self.unsure = None, False
        else:
            self._contradict(sample)
        self.estimate = fit(tuple(self._samples), sample.at_s)
        return self.estimate

    def shift(self, delta_ms: float) -> None:
        """Follow a step of the local clock: every offset changes by `delta_ms`."""
        moved = [replace(each, offset_ms=each.offset_ms + delta_ms) for each in self._samples]
        self._samples.clear()
        self._samples.extend(moved)
        self._suspect = None
        if self.estimate is not None:
            self.estimate = replace(self.estimate, offset_ms=self.estimate.offset_ms + delta_ms)

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()
        self._suspect, self.estimate, self.unsure = None, None, False

    def __len__(self) -> int:
        return len(self._samples)

    def _contradict(self, sample: ClockSample) -> None:
        """Keep the majority: one against many waits for a second, one against one wins as newer."""
        suspect, self._suspect, self.unsure = self._suspect, sample, True
        if suspect is not None and agree(sample, fit([suspect], suspect.at_s)):
            self._samples.clear()
            self._samples.extend((suspect, sample))
            self._suspect, self.unsure = None, False
        elif len(self._samples) == 1:
            self._samples.clear()
            self._samples.append(sample)


def centre_ms(offsets_ms: Sequence[float]) -> float:
    """Return the mean of the median and the recency-weighted mean of offsets given by hand.

    The weights are 1, 3, 5, ... from the oldest to the newest.
    """
    weighted = sum((2 * place + 1) * each for place, each in enumerate(offsets_ms))
    in_order, count = sorted(offsets_ms), len(offsets_ms)
    median = (in_order[(count - 1) // 2] + in_order[count // 2]) / 2
    return (median + weighted / count**2) / 2


def agree(sample: ClockSample, estimate: ClockEstimate) -> bool:
    """Tell whether both can be true."""
    apart_ms = abs(sample.offset_ms - estimate.offset_at(sample.at_s))
    return apart_ms <= sample.bound_ms + estimate.uncertainty_at(sample.at_s)


def fit(samples: Sequence[ClockSample], now_s: float) -> ClockEstimate:
    """Fit the longest run of newest samples that one line explains; at least one sample."""
    while True:
        estimate, misfit = _fit_line(samples, now_s)
        if misfit <= _MISFIT or len(samples) == 1:
            return estimate
        samples = samples[len(samples) // 2 :]


def _fit_line(samples: Sequence[ClockSample], now_s: float) -> tuple[ClockEstimate, float]:
    """Return the weighted least-squares line and its mean squared residual in expected units."""
    shortest_ms = min(each.round_trip_ms for each in samples)
    weights = [1 / _variance(each, now_s, shortest_ms) for each in samples]
    # Sums are taken around the newest sample: Unix-sized numbers would lose their last digits.
    newest, total = samples[-1], sum(weights)
    times = [each.at_s - newest.at_s for each in samples]
    offsets = [each.offset_ms - newest.offset_ms for each in samples]
    mid_s = _sum_of_products(weights, times) / total
    mid_ms = _sum_of_products(weights, offsets) / total
    times = [each - mid_s for each in times]
    offsets = [each - mid_ms for each in offsets]

    drift, ageing = _slope(weights, times, offsets)
    residuals = [o - drift * t * 1e3 for t, o in zip(times, offsets, strict=True)]
    misfit = _sum_of_products(weights, residuals, residuals) / len(samples)

    def reach_ms(sample: ClockSample) -> float:
        return sample.bound_ms + ageing * (now_s - sample.at_s) * 1e3

    best = min(samples, key=reach_ms)
    estimate = ClockEstimate(
        at_s=newest.at_s + mid_s,
        offset_ms=newest.offset_ms + mid_ms,
        drift=drift,
        ageing=ageing,
        bound_ms=best.bound_ms,
        bound_at_s=best.at_s,
    )
    return estimate, misfit


def _variance(sample: ClockSample, now_s: float, shortest_ms: float) -> float:
    # A tick's error is spread evenly over it: its standard deviation is 1 / sqrt(12) = 0.29 of it.
    noise_ms = max(_NOISE_MS, 0.29 * sample.resolution_ms)
    delay_ms = (sample.round_trip_ms - shortest_ms) / 2
    age_ms = _WANDER * (now_s - sample.at_s) * 1e3
    return noise_ms**2 + delay_ms**2 + age_ms**2


def _slope(
    weights: Sequence[float], times: Sequence[float], offsets: Sequence[float]
) -> tuple[float, float]:
    """Return the drift, 0 where it is not significant, and how fast the line may go wrong."""
    spread = _sum_of_products(weights, times, times)
    if len(times) < _FEWEST or spread <= 0:
        return 0.0, _CRYSTALS
    slope = _sum_of_products(weights, times, offsets) / spread / 1e3
    error = 1 / math.sqrt(spread) / 1e3
    if error > _SHARPEST_ERROR or abs(slope) > _STEEPEST:
        return 0.0, _CRYSTALS
    drift = slope if abs(slope) > _SURE * error else 0.0
    return drift, abs(slope - drift) + _SURE * error + _WANDER


def _sum_of_products(*columns: Sequence[float]) -> float:
    return sum(map(math.prod, zip(*columns, strict=True)))
