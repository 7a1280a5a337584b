"""How long a login is good, and when to renew it."""

from __future__ import annotations

import math
from typing import Any

from networkpype.errors import ConfigurationError

__all__ = ["check_seconds", "first_lifetime_s", "renewal_delay_s"]

_SHARE = 0.80
_LONGEST_DELAY_S = 86_400.0
_LONGEST_LIFE_S = 1e10  # three centuries; beyond that arithmetic overflows sooner than a login


def first_lifetime_s(*told: Any) -> float | None:
    """Return the first that is a lifetime: a finite number of seconds above zero.

    What an exchange told may be anything; what makes no sense counts as not told.
    """
    return next((float(min(each, _LONGEST_LIFE_S)) for each in told if _is_lifetime(each)), None)


def renewal_delay_s(lifetime_s: float | None, *, jitter: float = 0.0) -> float | None:
    """Return how long after its beginning a login is renewed: at 80 % of its life, a day at most.

    `jitter`, from 0 to 1, shortens that by up to a tenth: many that logged in together do not come
    again together, and none comes later. None where the life has no known end.
    """
    life_s = first_lifetime_s(lifetime_s)
    if life_s is None:
        return None
    # Cut to a whole millisecond, so that rounding never makes it late.
    delay_s = min(math.trunc(life_s * 1000 * _SHARE) / 1000, _LONGEST_DELAY_S)
    return delay_s * (1 - 0.1 * min(1.0, max(0.0, jitter)))


def check_seconds(name: str, value: float) -> None:
    """Refuse a setting that is no finite number of seconds above zero."""
    if not _is_lifetime(value):
        raise ConfigurationError(f"{name} is {value!r}; pass seconds above 0")


def _is_lifetime(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
