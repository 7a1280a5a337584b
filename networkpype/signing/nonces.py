"""Numbers that only ever grow, whatever the clock does."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from networkpype.errors import ConfigurationError
from networkpype.signing.encodings import check_known
from networkpype.signing.high_water import HighWaterMark

__all__ = [
    "PER_SECOND",
    "NoNonceReservedError",
    "NonceSource",
    "NonceUnit",
    "Nonces",
    "ReservedNonces",
]

T = TypeVar("T")

NonceUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
"""What a nonce near the time counts."""

PER_SECOND: dict[NonceUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
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
        check_known("nonce unit", unit, PER_SECOND)
        self._unit, self._per_second = unit, PER_SECOND[unit]
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


class NonceSource(Protocol):
    """Gives nonces that have to be awaited, for others elsewhere take from the same."""

    async def reserve(self) -> int:
        """Return a number above all that anybody was given; one that is not used is skipped."""
        ...


class NoNonceReservedError(ConfigurationError):
    """A nonce was wanted at once where each has to be awaited."""


class ReservedNonces:
    """Hand out nonces of a `NonceSource`, each to the one signature that it was awaited for."""

    def __init__(self, source: NonceSource) -> None:
        self._source = source
        self._ready = threading.local()

    async def signed(self, sign: Callable[[], T]) -> T:
        """Await a nonce and return what `sign` makes with it; a call in it returns the nonce."""
        number = await self._source.reserve()
        # From here on nothing is awaited, so in this thread no other signature comes between.
        self._ready.number = number
        try:
            return sign()
        finally:
            self._ready.number = None

    def __call__(self) -> int:
        number: int | None = getattr(self._ready, "number", None)
        if number is None:
            raise NoNonceReservedError(
                "this signature takes a nonce at once, or a second one, and the nonces of "
                f"{type(self._source).__name__} have to be awaited; log in with an API key of its "
                "own and without nonce="
            )
        self._ready.number = None
        return number

    def __repr__(self) -> str:
        return f"ReservedNonces({type(self._source).__name__})"


def _settled(path: str | os.PathLike[str]) -> Path:
    """Return the one name of the file: a lock by another, or a chdir, would begin a second mark."""
    try:
        return Path(os.path.realpath(Path(path).expanduser()))
    except (ValueError, RuntimeError) as error:
        problem = str(error)
    raise ConfigurationError(f"high_water names no file: {problem}")
