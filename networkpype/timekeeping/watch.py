"""Did the local clock jump, or did the machine sleep? Told from two readings, without I/O."""

from __future__ import annotations

from dataclasses import dataclass

from networkpype.clock import Clock

__all__ = ["STEP_S", "ClockJump", "ClockReading", "ClockWatch", "slept_between"]

STEP_S = 0.05
"""A smaller jump of the wall clock is left to the next sample.

Three ticks of the coarsest clock in use (Windows, 15.6 ms) stay below it; ntpd, chrony, systemd and
people step by more than 100 ms and slew the rest.
"""

_SLEW = 100e-6  # two clocks of one machine part by less, where only one of them is disciplined
_YEAR_S = 365 * 86400.0
_QUICK_S = 1e-3  # a reading that took longer was interrupted
_RETRIES = 2


@dataclass(frozen=True, slots=True)
class ClockReading:
    """All clocks of the machine at one moment; `boottime` is None where there is none."""

    wall: float
    monotonic: float
    boottime: float | None

    @property
    def ahead(self) -> float:
        """How far wall time is ahead of monotonic time: constant until something jumps."""
        return self.wall - self.monotonic


@dataclass(frozen=True, slots=True)
class ClockJump:
    """Between two readings wall time left monotonic time by `step_s + slept_s`.

    `step_s` was a setting of the wall clock, which its offset must be corrected by. `slept_s` was
    time that passed while the monotonic clock stood still, or may have been: nothing to correct,
    but the samples from before are worth little.
    """

    step_s: float
    slept_s: float


class ClockWatch:
    """Compare the machine's clocks at each look with the look before.

    The first look only remembers. Not for several threads at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boottime = getattr(clock, "boottime", None)
        self._last: ClockReading | None = None

    def look(self) -> tuple[ClockReading, ClockJump | None]:
        """Read the clocks; return the reading and what happened since the last look."""
        reading = self._read()
        last, self._last = self._last, reading
        return reading, None if last is None else jump_between(last, reading)

    def _read(self) -> ClockReading:
        """Read all clocks so close together that their differences mean something."""
        best, width = self._read_once()
        for _ in range(_RETRIES):
            if width <= _QUICK_S:
                break
            again, again_width = self._read_once()
            if again_width < width:
                best, width = again, again_width
        return best

    def _read_once(self) -> tuple[ClockReading, float]:
        before = self._clock.monotonic()
        wall = self._clock.time()
        boottime = None if self._boottime is None else self._boottime()
        width = self._clock.monotonic() - before
        return ClockReading(wall, before + width / 2, boottime), width


def jump_between(last: ClockReading, now: ClockReading) -> ClockJump | None:
    """Tell a step of the wall clock from a sleep, as far as these clocks can."""
    moved = now.ahead - last.ahead
    allowed = STEP_S + _SLEW * max(0.0, now.monotonic - last.monotonic)
    if moved < -_YEAR_S or now.monotonic < last.monotonic:
        # Somebody replaced the clocks, as tests do that freeze time: what they tell is meant.
        return ClockJump(0.0, moved)
    if last.boottime is None or now.boottime is None:
        if abs(moved) <= allowed:
            return None
        # Backwards it was a step. Forwards it is taken for a sleep, after which wall time needs no
        # correction; if it was a step after all, the next sample tells.
        return ClockJump(moved, 0.0) if moved < 0 else ClockJump(0.0, moved)
    slept = (now.boottime - now.monotonic) - (last.boottime - last.monotonic)
    slept = slept if slept > allowed else 0.0
    step = moved - slept if abs(moved - slept) > allowed else 0.0
    return ClockJump(step, slept) if step or slept else None


def slept_between(before: ClockReading, after: ClockReading) -> bool:
    """Tell whether the machine slept between two readings, or may have."""
    jump = jump_between(before, after)
    return jump is not None and jump.slept_s != 0
