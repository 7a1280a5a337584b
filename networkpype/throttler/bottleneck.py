"""Which of the limits that a call is charged under holds it up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from networkpype.throttler.store.base import Capacity, Charge, Usage

__all__ = ["NO_BOTTLENECK", "Bottleneck", "find_bottleneck"]

_GRAIN = 1e-9


class Bottleneck(NamedTuple):
    """The limit that holds a call up, and how an error says so; both empty where nothing does.

    `free_at` is when the call may fit there, as far as is known, on the throttler's clock.
    """

    limit_id: str = ""
    why: str = ""
    free_at: float = -math.inf


NO_BOTTLENECK = Bottleneck()


def find_bottleneck(
    charges: Iterable[Charge],
    usages: Mapping[str, Usage],
    capacities: Mapping[str, Capacity],
    now: float,
    *,
    ahead: Mapping[str, int] | None = None,
    free_at: Callable[[Charge], float] | None = None,
) -> Bottleneck:
    """Return which of the charges lacks room, of several the one that has it last.

    `ahead` are the units that those take who stand before the call, by limit id. `free_at` tells
    when a charge fits; without it that is when one unit is free, which may be too early. What waits
    for calls under way, which may end at any time, comes after all that has to wait in any case.
    Limits without usage or capacity are passed over.
    """
    found = NO_BOTTLENECK
    for charge in charges:
        usage, capacity = usages.get(charge.limit_id), capacities.get(charge.limit_id)
        if usage is None or capacity is None:
            continue
        before = 0 if ahead is None else ahead.get(charge.limit_id, 0)
        is_blocked = usage.blocked_until > now
        needed = usage.used + charge.weight + charge.reserve + before
        if not is_blocked and needed <= capacity.units + _GRAIN:
            continue
        fits_at = usage.free_at if free_at is None else free_at(charge)
        fits_at = now if fits_at == math.inf else max(now, usage.blocked_until, fits_at)
        if fits_at > found.free_at:
            why = (
                _blocked(charge, usage.blocked_until - now)
                if is_blocked
                else _full(charge, usage.used, capacity.units, before, fits_at - now)
            )
            found = Bottleneck(charge.limit_id, why, fits_at)
    return found


def _blocked(charge: Charge, left_s: float) -> str:
    return f'"{charge.limit_id}" is blocked: no call is wanted for {left_s:.3g} s'


def _full(charge: Charge, used: float, units: int, before: int, wait_s: float) -> str:
    told = []
    if before:
        told.append(f"{before} for calls that wait already")
    if charge.reserve:
        told.append(f"{charge.reserve} reserved for better priorities")
    if wait_s > 0:
        told.append(f"{wait_s:.3g} s at least")
    # Of a counter that falls all the time a part of a unit may be free.
    is_full = used + 1 > units + _GRAIN
    lacks = "is full" if is_full else f"has no room for {charge.weight} more"
    rest = f"; {', '.join(told)}" if told else ""
    return f'"{charge.limit_id}" {lacks} ({used:.4g} of {units}{rest})'
