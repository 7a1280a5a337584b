"""The exchange's side of every kind of limit, each against a count made the slow way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.testing import ArrivalLimit, MockExchange
from networkpype.testing.arrivals import ArrivalCounter

gaps_and_units = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), max_size=60)


def counter(limit: ArrivalLimit) -> ArrivalCounter:
    return ArrivalCounter([limit])


def by_query(method: str, path: str) -> int:
    return int(parse_qs(path.partition("?")[2]).get("w", ["1"])[0])


def send(arrivals: ArrivalCounter, units: int, now: float, wall_s: float | None = None) -> Any:
    return arrivals.arrive("GET", f"/v1/depth?w={units}", now, wall_s)


@given(plan=gaps_and_units, limit=st.integers(4, 9))
def test_a_window_counts_weights(plan: list[tuple[int, int]], limit: int) -> None:
    arrivals, now = counter(ArrivalLimit("all", limit, 8.0, weight=by_query)), 0.0
    past: list[tuple[float, int]] = []
    for gap, units in plan:
        now += gap / 8
        past.append((now, units))
        within = sum(weight for at, weight in past if at > now - 8.0)
        overrun = send(arrivals, units, now)
        assert (overrun is not None) == (within > limit)
        if overrun is not None:
            then = now + overrun.retry_after_s
            left = sum(weight for at, weight in past if at > then - 8.0)
            just_before = sum(weight for at, weight in past if at > then - 8.0 - 2**-10)
            assert left + units <= limit < just_before + units


@given(plan=gaps_and_units, limit=st.integers(4, 9), ahead=st.integers(-80, 80))
def test_a_fixed_window_begins_anew_on_the_wall_clock(
    plan: list[tuple[int, int]], limit: int, ahead: int
) -> None:
    arrivals = counter(ArrivalLimit.fixed_window("all", limit, 8.0, weight=by_query))
    now, counted = 0.0, dict[int, int]()
    for gap, units in plan:
        now += gap / 8
        wall_s = now + 1e9 + ahead / 8
        number = math.floor(wall_s / 8.0)
        counted[number] = counted.get(number, 0) + units
        overrun = send(arrivals, units, now, wall_s)
        assert (overrun is not None) == (counted[number] > limit)
        if overrun is not None:
            assert (wall_s + overrun.retry_after_s) % 8.0 == 0.0
            assert 0.0 < overrun.retry_after_s <= 8.0
    assert arrivals.peaks == {"all": max(counted.values(), default=0)}


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        (ArrivalLimit.token_bucket("all", 4, 8.0, burst=5, weight=by_query), 5),
        (ArrivalLimit.token_bucket("all", 4, 8.0, weight=by_query), 4),
        (ArrivalLimit.decaying_counter("all", 6, 0.5, weight=by_query), 6),
    ],
)
@given(plan=gaps_and_units)
def test_a_bucket_and_a_counter_drip_half_a_unit_a_second(
    limit: ArrivalLimit, most: int, plan: list[tuple[int, int]]
) -> None:
    arrivals, now = counter(limit), 0.0
    tokens = float(most)
    for gap, units in plan:
        now += gap / 8
        tokens = min(float(most), tokens + gap / 16)
        overrun = send(arrivals, units, now)
        assert (overrun is not None) == (units > tokens)
        if overrun is None:
            tokens -= units
        else:
            assert tokens + overrun.retry_after_s / 2 == units


def test_requests_under_way_are_those_not_yet_answered() -> None:
    arrivals = counter(ArrivalLimit.concurrent("all", 2))
    assert arrivals.arrive("GET", "/", 0.0) is None
    assert arrivals.arrive("GET", "/", 0.0) is None
    overrun = arrivals.arrive("GET", "/", 5.0)
    assert overrun is not None
    assert overrun.retry_after_s == 1.0
    arrivals.leave("GET", "/", 6.0)
    assert arrivals.arrive("GET", "/", 6.0) is None
    assert arrivals.peaks == {"all": 3}
    assert arrivals.refused == {"all": 1}
    assert arrivals.use(8.0) == {"all": (16.0, 16.0)}
    arrivals.leave("GET", "/", 8.0)
    assert arrivals.use(10.0) == {"all": (18.0, 20.0)}


def test_one_that_another_limit_refuses_is_not_under_way_but_counts() -> None:
    arrivals = ArrivalCounter(
        [ArrivalLimit("ip", 1, 1.0), ArrivalLimit.concurrent("open", 2), ArrivalLimit("s", 9, 1.0)]
    )
    assert arrivals.arrive("GET", "/", 0.0) is None
    assert arrivals.arrive("GET", "/", 0.5) is not None  # refused by ip
    assert arrivals.arrive("GET", "/", 2.0) is None
    assert arrivals.refused == {"ip": 1, "open": 0, "s": 0}
    assert arrivals.peaks == {"ip": 2, "open": 2, "s": 2}


def test_what_weighs_nothing_is_not_counted() -> None:
    arrivals = counter(ArrivalLimit("all", 1, 1.0, weight=by_query))
    assert [send(arrivals, 0, 0.0) for _ in range(3)] == [None] * 3
    assert arrivals.peaks == {"all": 0}
    assert arrivals.use(9.0) == {"all": (0.0, 0.0)}


@pytest.mark.parametrize(
    ("limit", "until", "allowed"),
    [
        (ArrivalLimit("all", 10, 2.0), 6.0, 30),  # at 0, 2 and 4; one at 6 would come too late
        (ArrivalLimit("all", 10, 2.0), 6.5, 40),
        (ArrivalLimit.fixed_window("all", 10, 2.0), 6.0, 40),  # on a clock that is 1 s ahead
        (ArrivalLimit.fixed_window("all", 10, 2.0), 5.0, 30),
        (ArrivalLimit.token_bucket("all", 10, 2.0, burst=3), 6.0, 33),
        (ArrivalLimit.decaying_counter("all", 10, 2.0), 6.0, 22),
        (ArrivalLimit.concurrent("all", 10), 6.0, 60),
    ],
)
def test_what_a_limit_allows_is_what_the_best_client_would_get(
    limit: ArrivalLimit, until: float, allowed: int
) -> None:
    arrivals = counter(limit)
    arrivals.arrive("GET", "/", 0.0, 1.0)
    assert arrivals.use(until, until + 1.0)["all"].allowed == allowed
    if limit.kind != "concurrent":
        assert best_client(limit, until) == allowed


def best_client(limit: ArrivalLimit, until: float) -> int:
    """Ask for one unit after the other, every eighth of a second, where it will be let in."""
    refuses: Callable[[], ArrivalCounter] = lambda: counter(limit)  # noqa: E731
    log: list[float] = []

    def fits(now: float) -> bool:
        arrivals = refuses()
        return all(arrivals.arrive("GET", "/", at, at + 1.0) is None for at in [*log, now])

    now = 0.0
    while now < until:
        if fits(now):
            log.append(now)
        else:
            now += 0.125
    return len(log) + (limit.kind in ("bucket", "counter"))  # what dripped just before `until`


def test_a_limit_says_its_rule() -> None:
    limits = [
        ArrivalLimit("all", 20, 1.0),
        ArrivalLimit.fixed_window("all", 1200, 60.0),
        ArrivalLimit.token_bucket("all", 10, 1.0, burst=50),
        ArrivalLimit.decaying_counter("all", 15, 0.33),
        ArrivalLimit.concurrent("all", 5),
    ]
    assert [limit.rule for limit in limits] == [
        "20 in 1 s",
        "1200 in each 60 s of the clock",
        "50 at once and 10 a second",
        "a count of 15 that falls by 0.33 a second",
        "5 at the same time",
    ]


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"kind": "leaky"}, "kind is one of rolling, fixed, bucket, counter, concurrent"),
        ({"burst": 3}, "burst is an integer from 1 up, of a token bucket"),
        ({"kind": "bucket", "burst": 0}, "burst is an integer from 1 up, of a token bucket"),
        ({"weight": -1}, "weight is an integer from 0 up, or a function"),
    ],
)
def test_a_wrong_limit_names_the_fix(wrong: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigurationError, match=f'limit "x": {fix}'):
        ArrivalLimit("x", 1, 1.0, **wrong)


async def test_the_mock_exchange_weighs_and_lets_go_what_it_answered() -> None:
    limits = [
        ArrivalLimit("ip", 7, 60.0, weight=by_query),
        ArrivalLimit.concurrent("open", 1),
    ]
    async with MockExchange(limits=limits) as exchange, aiohttp.ClientSession() as session:
        statuses = []
        for units in (5, 2, 1):
            async with session.get(f"{exchange.url}/v1/time?w={units}") as response:
                statuses.append(response.status)
                text = await response.text()
        assert statuses == [200, 200, 429]
        assert 'limit \\"ip\\" is 7 in 60 s' in text
        assert exchange.peak_arrivals == {"ip": 8, "open": 1}
        assert exchange.arrival_use()["ip"] == (7, 7)
