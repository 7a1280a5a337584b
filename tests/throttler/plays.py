"""Plays for the model of limits: which limits, who calls how, and what else happens, at random.

Times are eighths of a second and rates powers of two, so sums are exact.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from hypothesis import strategies as st

from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit

Limits: TypeAlias = dict[str, RateLimit]


class Call(NamedTuple):
    """What a caller asks and what happens to it; `prepared`, `there` and `back` are in steps."""

    limit_id: str
    how: Literal["acquire", "held", "prepared"]
    units: int
    priority: Priority | None
    max_wait: float | None
    prepared: int
    there: int
    back: int
    arrives: bool


class Stage(NamedTuple):
    limits: Limits
    ahead_s: float
    own_clock: bool
    told: bool


Action: TypeAlias = tuple[str, Any]


def _computed(call: Call) -> int:
    return call.units


intervals = st.sampled_from([0.5, 1.0, 2.0])
rates = st.sampled_from([0.5, 1.0, 2.0, 4.0])


def sized(limit: RateLimit, size: int) -> RateLimit:
    """Return the limit with another size and the same rate."""
    match limit.kind:
        case LimitKind.TOKEN_BUCKET:
            return limit.copy(burst=size)
        case LimitKind.DECAYING_COUNTER:
            return limit.copy(limit=size, time_interval=size * limit.time_interval / limit.limit)
    return limit.copy(limit=size)


@st.composite
def limit_of(
    draw: st.DrawFn,
    /,
    name: str,
    size: st.SearchStrategy[int],
    kinds: list[LimitKind],
    **fields: Any,
) -> RateLimit:
    units = draw(size)
    match draw(st.sampled_from(kinds)):
        case LimitKind.ROLLING_WINDOW:
            return RateLimit(name, units, draw(intervals), **fields)
        case LimitKind.FIXED_WINDOW:
            return RateLimit.fixed_window(name, units, draw(intervals), **fields)
        case LimitKind.TOKEN_BUCKET:
            per = draw(st.sampled_from([1, 2, 4]))
            return RateLimit.token_bucket(name, per, draw(intervals), burst=units, **fields)
        case LimitKind.DECAYING_COUNTER:
            return RateLimit.decaying_counter(name, units, draw(rates), **fields)
        case LimitKind.CONCURRENT:
            return RateLimit.concurrent(name, units, preparation_s=draw(intervals), **fields)


weights: st.SearchStrategy[Any] = st.sampled_from([1, 2, _computed, 0])
IDS = ["ip", "a", "b"]


@st.composite
def limit_sets(draw: st.DrawFn, kind: LimitKind) -> Limits:
    reserved = {}
    if draw(st.booleans()):
        reserved = {Priority.CANCEL: draw(st.integers(0, 1)), Priority.PLACE: 1}
    ip = draw(limit_of("ip", st.integers(3, 5), [kind], reserved=reserved))
    limits = {"ip": ip}
    for name in IDS[1:]:
        weight = draw(weights)
        links = [LinkedLimitWeightPair("ip", draw(weights))]
        priority = draw(st.sampled_from(list(Priority)))
        fields: dict[str, Any] = {"weight": weight, "linked_limits": links, "priority": priority}
        limits[name] = draw(limit_of(name, st.integers(2, 9), list(LimitKind), **fields))
    return limits


@st.composite
def calls(draw: st.DrawFn, limits: Limits) -> Call:
    limit_id = draw(st.sampled_from(IDS))
    limit = limits[limit_id]
    touched = [limit_id, *(pair.limit_id for pair in limit.linked_limits)]
    flights = any(limits[name].kind is LimitKind.CONCURRENT for name in touched)
    return Call(
        limit_id,
        draw(st.sampled_from(["held", "prepared"] if flights else ["held", "prepared", "acquire"])),
        draw(st.sampled_from([1, 2, 0])),
        draw(st.sampled_from([None, None, *Priority])),
        draw(st.sampled_from([None, None, None, 0.0, 0.5, 2.0])),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 3)),
        draw(st.booleans()),
    )


@st.composite
def plays(draw: st.DrawFn, kind: LimitKind, told: bool) -> tuple[Stage, list[Action]]:
    limits = draw(limit_sets(kind))
    stage = Stage(limits, draw(st.sampled_from([0.0, 0.375, -0.25])), draw(st.booleans()), told)
    call = st.tuples(st.just("call"), st.lists(calls(limits), min_size=2, max_size=5))
    changed = st.fixed_dictionaries(
        {
            name: st.integers(3, 6).map(lambda size, limit=limit: sized(limit, size))  # type: ignore[misc]
            for name, limit in limits.items()
        }
    )
    actions = [
        call,
        call,
        call,
        call,
        st.tuples(st.just("pass"), st.integers(1, 3)),
        st.tuples(st.just("pass"), st.integers(2, 8)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("set"), st.sampled_from([-3600.0, -0.5, 0.25, 3600.0])),
        st.tuples(
            st.just("block"),
            st.tuples(st.lists(st.sampled_from(IDS), min_size=1, max_size=2), st.integers(1, 4)),
        ),
    ]
    if not told:
        actions.append(st.tuples(st.just("change"), changed))
    return stage, draw(st.lists(st.one_of(*actions), min_size=15, max_size=30))
