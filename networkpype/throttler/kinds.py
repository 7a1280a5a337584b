"""How an exchange counts, and who goes first."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["LimitKind", "Priority"]


class LimitKind(Enum):
    """How units of a limit are used up and come back."""

    ROLLING_WINDOW = "rolling window"
    """At most `limit` in any `time_interval` seconds, wherever they begin. It is also within a
    fixed window of that size, so it is the choice where an exchange does not tell."""
    FIXED_WINDOW = "fixed window"
    """At most `limit` between two multiples of `time_interval` on the exchange's clock, which
    counts from the Unix epoch."""
    TOKEN_BUCKET = "token bucket"  # noqa: S105
    """A bucket of `burst` tokens, into which `limit` drip in `time_interval` seconds."""
    DECAYING_COUNTER = "decaying counter"
    """A counter that may reach `limit` and falls by as much in `time_interval` seconds; Kraken's.
    """
    CONCURRENT = "concurrent"
    """At most `limit` under way at the same time."""


class Priority(IntEnum):
    """Who goes first where not all can go; within one, first come first served."""

    CANCEL = 0
    """What takes risk away."""
    PLACE = 1
    """What trades."""
    QUERY = 2
    """What asks; the default."""
