"""What a throttler is told, what it makes of it, and what it refuses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from networkpype.errors import ConfigurationError, UnknownLimitError, WeightExceedsLimitError
from networkpype.throttler.context import AsyncRequestContext
from networkpype.throttler.kinds import Priority
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler

IP = RateLimit("ip", 1200, 60)
ORDERS = RateLimit("orders", 10, 1, 2, [LinkedLimitWeightPair("ip", 5)])


def capacity(throttler: AsyncThrottler, limit_id: str) -> int:
    return throttler.snapshot()[limit_id].capacity


def test_the_arguments_of_1_1_5_go_by_position() -> None:
    throttler = AsyncThrottler([IP], 0.1, 0.5, Decimal(50))
    assert throttler.rate_limits == [RateLimit("ip", 600, 60)]
    assert throttler.limits_share_percentage == Decimal(50)
    assert capacity(throttler, "ip") == 300


@pytest.mark.parametrize(
    ("limit", "margin", "expected"),
    [(100, 0.05, 95), (10, 0.05, 9), (1, 0.05, 1), (1, 0.99, 1), (100, 0, 100), (100, 0.34, 65)],
)
def test_the_margin_is_taken_off_rounded_down_and_leaves_one(
    limit: int, margin: float, expected: int
) -> None:
    throttler = AsyncThrottler([RateLimit("a", limit, 1)], safety_margin_pct=margin)
    assert capacity(throttler, "a") == expected == max(1, int(limit * (1 - margin)))


def test_the_margin_is_five_percent_and_the_share_all_of_it_unless_told() -> None:
    throttler = AsyncThrottler([IP])
    assert capacity(throttler, "ip") == 1140
    assert throttler.limits_share_percentage == Decimal(100)


@pytest.mark.parametrize(
    ("share", "expected"), [(50, 5), (Decimal("33.3"), 3), (0.5, 1), (100.0, 10), (None, 10)]
)
def test_the_share_scales_a_limit_down_and_leaves_one(
    share: Decimal | float | None, expected: int
) -> None:
    throttler = AsyncThrottler([RateLimit("a", 10, 1)], limits_share_percentage=share)
    assert throttler.rate_limits[0].limit == expected


def test_a_share_means_the_decimal_that_was_written() -> None:
    throttler = AsyncThrottler([RateLimit("a", 1000, 1)], limits_share_percentage=33.3)
    assert throttler.limits_share_percentage == Decimal("33.3")
    assert throttler.rate_limits[0].limit == 333


def test_the_limits_are_its_own() -> None:
    limit = RateLimit("a", 10, 1, linked_limits=[LinkedLimitWeightPair("b")])
    throttler = AsyncThrottler([limit, RateLimit("b", 10, 1)])
    limit.limit = 1
    limit.linked_limits[0].weight = 99
    throttler.rate_limits[0].limit = 2
    throttler.get_related_limits("a")[0].linked_limits.clear()
    kept = throttler.rate_limits[0]
    assert (kept.limit, kept.linked_limits) == (10, [LinkedLimitWeightPair("b", 1)])


def test_related_limits_are_the_limit_itself_and_then_its_links_with_weights() -> None:
    throttler = AsyncThrottler([IP, ORDERS], limits_share_percentage=50)
    limit, related = throttler.get_related_limits("orders")
    ours = RateLimit("orders", 5, 1, 2, [LinkedLimitWeightPair("ip", 5)])
    assert limit == ours
    assert related == [(ours, 2), (RateLimit("ip", 600, 60), 5)]


def test_links_are_not_followed_further() -> None:
    first = RateLimit("a", 10, 1, linked_limits=[LinkedLimitWeightPair("b")])
    second = RateLimit("b", 10, 1, linked_limits=[LinkedLimitWeightPair("c")])
    throttler = AsyncThrottler([first, second, RateLimit("c", 10, 1)])
    assert [each.limit_id for each, _ in throttler.get_related_limits("a")[1]] == ["a", "b"]


def test_a_copy_of_a_half_share_is_a_half_share() -> None:
    throttler = AsyncThrottler([IP], 0.1, 0.2, 50)
    twin = throttler.copy().copy()
    assert twin.rate_limits == throttler.rate_limits == [RateLimit("ip", 600, 60)]
    assert twin.limits_share_percentage == 50
    assert capacity(twin, "ip") == capacity(throttler, "ip") == 480


async def test_a_copy_counts_afresh_and_for_itself() -> None:
    throttler = AsyncThrottler([IP])
    await throttler.acquire("ip")
    twin = throttler.copy()
    assert twin.snapshot()["ip"].used == 0
    await twin.acquire("ip")
    await twin.acquire("ip")
    assert throttler.snapshot()["ip"].used == 1


async def test_a_copy_keeps_class_attributes_clock_and_hook() -> None:
    class Named(AsyncThrottler):
        name = "unnamed"

    class Stopped:
        def time(self) -> float:
            return 0.0

        def monotonic(self) -> float:
            return 7.0

    throttler = Named([RateLimit("a", 1, 60)], clock=Stopped())
    throttler.name = "mine"
    twin = throttler.copy()
    assert type(twin) is Named
    assert twin.name == "mine"
    await twin.acquire("a")
    assert twin.snapshot()["a"].next_free_s == 60.0  # the clock stands still


async def test_limits_can_be_set_and_are_scaled_by_the_share_again() -> None:
    throttler = AsyncThrottler([IP], limits_share_percentage=50)
    throttler.rate_limits = [RateLimit("new", 100, 1)]
    assert throttler.rate_limits == [RateLimit("new", 50, 1)]
    await throttler.acquire("new")
    with pytest.raises(UnknownLimitError):
        await throttler.acquire("ip")


def test_a_list_that_is_refused_changes_nothing() -> None:
    throttler = AsyncThrottler([IP])
    with pytest.raises(ConfigurationError):
        throttler.rate_limits = [RateLimit("a", 1, 1), RateLimit("a", 2, 1)]
    assert throttler.rate_limits == [IP]
    assert isinstance(throttler.execute_task("ip"), AsyncRequestContext)


def test_a_throttler_without_limits_admits_nothing() -> None:
    with pytest.raises(UnknownLimitError, match="known: none"):
        AsyncThrottler([]).execute_task("ip")


def test_an_unknown_limit_is_refused_at_the_call_with_the_nearest_name() -> None:
    throttler = AsyncThrottler([IP, ORDERS])
    with pytest.raises(UnknownLimitError, match='no rate limit "order"; did you mean "orders"'):
        throttler.execute_task("order")
    with pytest.raises(ValueError, match="known: ip, orders"):
        throttler.get_related_limits("order")


@pytest.mark.parametrize("limit_id", [None, 3, ["ip"], {}])
async def test_what_is_no_name_is_an_unknown_limit(limit_id: Any) -> None:
    throttler = AsyncThrottler([IP])
    with pytest.raises(UnknownLimitError):
        throttler.execute_task(limit_id)
    with pytest.raises(UnknownLimitError):
        throttler.get_related_limits(limit_id)
    with pytest.raises(UnknownLimitError):
        await throttler.acquire(limit_id)


async def test_a_call_too_heavy_for_a_window_is_refused_at_once() -> None:
    heavy = RateLimit("heavy", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 1141)])
    throttler = AsyncThrottler([IP, heavy])  # it may exist: 1.1.5 let it
    with pytest.raises(WeightExceedsLimitError) as raised:
        throttler.execute_task("heavy")
    assert 'a call under "heavy" weighs 1141 in rate limit "ip", of which 1140' in str(raised.value)
    assert "lower the weight" in str(raised.value)
    with pytest.raises(WeightExceedsLimitError):
        await throttler.acquire("heavy")
    assert throttler.get_related_limits("heavy")[1][1][1] == 1141


def test_a_call_as_heavy_as_the_window_is_admitted() -> None:
    just = RateLimit("just", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 1140)])
    assert isinstance(AsyncThrottler([IP, just]).execute_task("just"), AsyncRequestContext)


def test_what_is_free_is_free_now() -> None:
    class Ticking:
        """A clock that goes on between two looks, as they all do."""

        now = 0.0

        def time(self) -> float:
            return 0.0

        def monotonic(self) -> float:
            self.now += 1e-6
            return self.now

    limits = [RateLimit("a", 10, 1), RateLimit.token_bucket("b", 10, 1)]
    shown = AsyncThrottler(limits, clock=Ticking()).snapshot()
    assert [each.next_free_s for each in shown.values()] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("links", "used", "slip"),
    [
        (["ip", "b", "ip"], {"a": 2, "ip": 6, "b": 3}, 'linked to "ip" twice'),
        (["a", "a"], {"a": 8, "ip": 0, "b": 0}, "linked to itself"),
        (["ip", "b"], {"a": 2, "ip": 3, "b": 3}, ""),
    ],
)
async def test_weights_under_one_limit_named_twice_add_up_and_are_told_of(
    links: list[str], used: dict[str, int], slip: str, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [LinkedLimitWeightPair(name, 3) for name in links]
    others = [RateLimit("ip", 10, 60), RateLimit("b", 10, 60)]
    throttler = AsyncThrottler([RateLimit("a", 10, 60, 2, pairs), *others])
    await throttler.acquire("a")
    assert {name: usage.used for name, usage in throttler.snapshot().items()} == used
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert [slip in each for each in said] == [True] * bool(slip)


def heavy_limits(weigh: Any = 1) -> list[RateLimit]:
    return [
        RateLimit("ip", 10, 1, reserved={Priority.CANCEL: 4, Priority.PLACE: 1}),
        RateLimit("fits", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 4)]),
        RateLimit("heavy", 10, 1, weigh, [LinkedLimitWeightPair("ip", 5)], priority=Priority.QUERY),
    ]


@pytest.mark.parametrize("weigh", [1, lambda request: 1], ids=["fixed", "computed in part"])
def test_a_weight_that_never_fits_is_told_before_the_first_call(
    weigh: Any, caplog: pytest.LogCaptureFixture
) -> None:
    throttler = AsyncThrottler(heavy_limits(weigh))  # 9 of 10, less 5 that are reserved
    [warned] = caplog.records
    assert warned.levelname == "WARNING"
    assert 'under "heavy" weighs 5 in rate limit "ip", of which 9 may be used' in warned.message
    assert "and 5 are reserved for better priorities" in warned.message
    assert 'reserve less of "ip", lower the weight or the margin' in warned.message
    with pytest.raises(WeightExceedsLimitError) as caught:
        throttler.execute_task("heavy", request=object())
    assert str(caught.value) == warned.message
    caplog.clear()
    throttler.rate_limits = heavy_limits()[:2]
    assert caplog.records == []
    throttler.rate_limits = heavy_limits(weigh)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"rate_limits": None}, "list of RateLimit"),
        ({"rate_limits": IP}, "list of RateLimit"),
        ({"rate_limits": "ip"}, "list of RateLimit"),
        ({"rate_limits": ["ip"]}, 'write RateLimit("its id", limit, seconds)'),
        ({"rate_limits": [IP, IP]}, 'two rate limits are named "ip"; rename one'),
        ({"rate_limits": [ORDERS]}, 'no rate limit "ip"'),
        ({"retry_interval": -1}, "leave it out"),
        ({"retry_interval": "1"}, "leave it out"),
        ({"safety_margin_pct": 1}, "fraction from 0 to below 1"),
        ({"safety_margin_pct": -0.01}, "fraction from 0"),
        ({"safety_margin_pct": float("nan")}, "fraction from 0"),
        ({"safety_margin_pct": Decimal("nan")}, "fraction from 0"),
        ({"safety_margin_pct": "5"}, "0.05 for 5 %"),
        ({"limits_share_percentage": 0}, "above 0 and up to 100"),
        ({"limits_share_percentage": 100.5}, "above 0 and up to 100"),
        ({"limits_share_percentage": float("nan")}, "above 0 and up to 100"),
        ({"limits_share_percentage": "50"}, "above 0 and up to 100"),
        ({"limits_share_percentage": True}, "above 0 and up to 100"),
        ({"clock": 5}, "clock needs time() and monotonic()"),
        ({"hook": 5}, "hook is a function"),
        ({"hook": asyncio.sleep}, "not awaited"),
        ({"hook": list}, "hook is the class list; pass one of its objects, list(...)"),
        ({"store": "redis://user:geheim@h"}, "RedisLimitStore(url"),
        ({"store": {}}, "methods of LimitStore"),
    ],
)
def test_a_throttler_refuses(wrong: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AsyncThrottler(**{"rate_limits": [IP], **wrong})
    assert fix in str(raised.value)
    assert "geheim" not in str(raised.value)


def test_a_link_to_nowhere_says_where_it_is() -> None:
    with pytest.raises(UnknownLimitError) as raised:
        AsyncThrottler([ORDERS])
    assert raised.value.__notes__ == ['rate limit "orders" links to it; add it or remove the link']


def test_it_shows_its_limits_and_how_many_wait() -> None:
    assert repr(AsyncThrottler([IP, ORDERS])) == (
        "AsyncThrottler(limits=['ip', 'orders'], waiting=0)"
    )
    assert repr(AsyncThrottler([IP]).execute_task("ip")) == 'AsyncRequestContext("ip")'
