"""How long to wait before the next try."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from networkpype.errors import ConfigurationError

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: anything from nothing to a wait that grows.

    The longest wait before try n (from 0) is ``initial_s * factor ** n``, at most `cap_s`. `jitter`
    returns numbers from 0 to 1, the share of it that is waited: clients that failed together do not
    come again together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter,
    read 2026-07). It remembers nothing: whoever counts the tries owns the count.
    """

    initial_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0
    jitter: Callable[[], float] = field(default_factory=lambda: random.random, repr=False)

    def __post_init__(self) -> None:
        # Not "value < least": a nan must not pass.
        if not 0 < self.initial_s < math.inf:
            raise ConfigurationError(f"initial_s is {self.initial_s!r}; pass more than 0")
        for name, least in (("factor", 1.0), ("cap_s", self.initial_s)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                finite = "a finite number of " if value == math.inf else ""
                raise ConfigurationError(f"{name} is {value!r}; pass {finite}at least {least:g}")
        if not callable(self.jitter):
            raise ConfigurationError(
                f"jitter is {self.jitter!r}; pass a function that returns a number from 0 to 1"
            )

    def longest_s(self, attempt: int) -> float:
        """Return the longest wait before this try; the first is 0."""
        try:
            return min(self.cap_s, self.initial_s * self.factor ** max(0, attempt))
        except OverflowError:
            return self.cap_s

    def delay_s(self, attempt: int, *, floor_s: float = 0.0) -> float:
        """Return the seconds to wait before this try.

        `floor_s`, such as a Retry-After, is waited in any case and the back-off comes on top, for
        all who were told the same floor would come again together.
        """
        share = min(1.0, max(0.0, self.jitter()))
        return max(0.0, floor_s) + share * self.longest_s(attempt)
