"""Numbers that only ever grow, whatever the clock does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from networkpype.signing.encodings import check_known

__all__ = ["NonceUnit", "Nonces"]

NonceUnit: TypeAlias = Literal["s", "ms", "us", "ns"]

_PER_SECOND: dict[NonceUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Nonces:
    """Give strictly increasing numbers near the time in `unit`; calling it returns the next."""

    def __init__(self, unit: NonceUnit, time: Callable[[], float]) -> None:
        check_known("nonce unit", unit, _PER_SECOND)
        self._per_second = _PER_SECOND[unit]
        self._time = time
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        now = int(self._time() * self._per_second + 1e-3)
        with self._lock:
            self._last = max(self._last + 1, now)
            return self._last
