"""Numbers that only ever grow, whatever the clock does."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.signing.encodings import check_known
from networkpype.signing.high_water import HighWaterMark

__all__ = ["NonceUnit", "Nonces"]

NonceUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
"""What a nonce near the time counts."""

_PER_SECOND: dict[NonceUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# One write to the disk in so many seconds, and at most so far ahead of the clock after a restart.
_RESERVED_S = 10
_INFINITE = math.inf


class Nonces:
    """Give strictly increasing numbers near the time in `unit`; calling it returns the next.

    Threads may share one. `high_water` names a file that remembers, over a restart, up to where
    nonces may have been given, so that they go on above it even where the clock was set back in
    between. About once in ten seconds a call writes it and waits for the disk. One `Nonces` at a
    time may use a file (a ConfigurationError tells), and a file that is damaged is an error, never
    a new beginning. A forked child needs one of its own.
    """

    def __init__(
        self,
        unit: NonceUnit,
        time: Callable[[], float],
        *,
        high_water: str | os.PathLike[str] | None = None,
    ) -> None:
        check_known("nonce unit", unit, _PER_SECOND)
        self._unit, self._per_second = unit, _PER_SECOND[unit]
        self._time = time
        self._last = 0
        self._lock = threading.Lock()
        self._mark: HighWaterMark | None = None
        self._reserved: float = math.inf
        if high_water is not None:
            self._mark = HighWaterMark(_settled(high_water), unit)
            self._reserved = self._last = self._mark.value

    def use_clock(self, time: Callable[[], float]) -> None:
        """Take the time from here from now on; nonces grow on."""
        self._time = time

    def __call__(self) -> int:
        seconds = self._time()
        if not 0 <= seconds < _INFINITE:
            raise ConfigurationError(f"the clock says {seconds}; give Nonces one that tells time")
        now = int(seconds * self._per_second + 1e-3)
        self._lock.acquire()  # half of what `with` takes
        try:
            if now <= self._last:
                now = self._last + 1
            if self._mark is not None and now > self._reserved:
                self._reserve(now)
            self._last = now
        finally:
            self._lock.release()
        return now

    def close(self) -> None:
        """Let another process have the file; no nonces come after it."""
        with self._lock:
            if self._mark is not None:
                self._mark.close()
                self._reserved = -math.inf

    def __repr__(self) -> str:
        return f"Nonces({self._unit})"

    def _reserve(self, nonce: int) -> None:
        """Have it on disk before it is given, for a crash may come at any time."""
        mark = self._mark
        if mark is None:
            return
        mark.raise_to(nonce + _RESERVED_S * self._per_second)
        self._reserved = mark.value


def _settled(path: str | os.PathLike[str]) -> Path:
    """Return the one name of the file: a lock by another, or a chdir, would begin a second mark."""
    try:
        return Path(os.path.realpath(Path(path).expanduser()))
    except (ValueError, RuntimeError) as error:
        problem = str(error)
    raise ConfigurationError(f"high_water names no file: {problem}")
