from __future__ import annotations

import math
from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.throttler.kinds import Priority
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit, TaskLog


def test_a_limit_is_made_by_position_as_in_1_1_5_and_by_name() -> None:
    pairs = [LinkedLimitWeightPair("ip", 5)]
    by_position = RateLimit("orders", 10, 1.5, 2, pairs)
    by_name = RateLimit(
        limit_id="orders", limit=10, time_interval=1.5, weight=2, linked_limits=pairs
    )
    assert by_position == by_name
    assert by_position != RateLimit("orders", 10, 1.5, 3, pairs)


def test_a_limit_weighs_one_and_links_to_nothing_unless_told() -> None:
    limit = RateLimit("orders", 10, 1)
    assert (limit.weight, limit.linked_limits) == (1, [])
    assert LinkedLimitWeightPair("ip").weight == 1
    assert limit.linked_limits is not RateLimit("orders", 10, 1).linked_limits


def test_a_limit_can_be_changed_and_copied_without_sharing_its_links() -> None:
    limit = RateLimit("orders", 10, 1, linked_limits=[LinkedLimitWeightPair("ip")])
    twin = limit.copy(limit=20)
    twin.linked_limits[0].weight = 7
    assert (limit.limit, limit.linked_limits[0].weight) == (10, 1)
    assert (twin.limit, twin.linked_limits[0].weight) == (20, 7)


def test_the_caller_s_list_of_links_is_not_kept() -> None:
    pairs = [LinkedLimitWeightPair("ip")]
    limit = RateLimit("orders", 10, 1, linked_limits=pairs)
    pairs.clear()
    assert limit.linked_limits == [LinkedLimitWeightPair("ip")]


def test_filtering_keeps_the_limits_that_are_not_named() -> None:
    limits = [RateLimit(name, 1, 1) for name in ("a", "b", "c")]
    assert RateLimit.filter_rate_limits_list(limits, ["b", "z"]) == [limits[0], limits[2]]


def test_a_task_log_holds_what_it_is_given() -> None:
    limit = RateLimit("a", 1, 1)
    assert TaskLog(12.5, limit) == TaskLog(timestamp=12.5, rate_limit=limit, weight=1)


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"limit_id": ""}, "limit_id is a name"),
        ({"limit_id": None}, "limit_id is a name"),
        ({"limit": 0}, "limit is a whole number of at least 1, got 0"),
        ({"limit": True}, "limit is a whole number"),
        ({"limit": "10"}, "limit is a whole number"),
        ({"limit": 2.5}, "multiply the limit and all its weights by the same factor"),
        ({"time_interval": 0}, "time_interval is seconds, finite and above 0"),
        ({"time_interval": -1.0}, "time_interval is seconds"),
        ({"time_interval": math.inf}, "finite"),
        ({"time_interval": math.nan}, "finite"),
        ({"time_interval": "1"}, "time_interval is seconds"),
        ({"weight": -1}, "weight is a whole number of at least 0, got -1"),
        ({"weight": 0.5}, "multiply the limit and all its weights"),
        ({"linked_limits": "ip"}, "list of LinkedLimitWeightPair"),
        ({"linked_limits": None}, "list of LinkedLimitWeightPair"),
        ({"linked_limits": ["ip"]}, 'write LinkedLimitWeightPair("its id", weight)'),
    ],
)
def test_a_limit_refuses(wrong: dict[str, Any], fix: str) -> None:
    arguments = {"limit_id": "orders", "limit": 10, "time_interval": 1, **wrong}
    with pytest.raises(ConfigurationError) as raised:
        RateLimit(**arguments)
    assert fix in str(raised.value)


@pytest.mark.parametrize("arguments", [("",), (3,), ("ip", -1), ("ip", 1.5), ("ip", None)])
def test_a_link_refuses(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="LinkedLimitWeightPair"):
        LinkedLimitWeightPair(*arguments)


@pytest.mark.parametrize(
    "arguments", [(math.nan, RateLimit("a", 1, 1)), (1.0, "a"), (1.0, RateLimit("a", 1, 1), -1)]
)
def test_a_task_log_refuses(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="TaskLog"):
        TaskLog(*arguments)


def test_a_limit_shows_what_it_was_told() -> None:
    assert repr(RateLimit("ip", 1200, 60)) == "RateLimit('ip', limit=1200, time_interval=60)"
    shown = repr(RateLimit.token_bucket("a", 1, 2, burst=3, priority=Priority.CANCEL))
    assert shown == (
        "RateLimit('a', limit=1, time_interval=2, kind=LimitKind.TOKEN_BUCKET, burst=3, "
        "priority=Priority.CANCEL)"
    )
    kept = repr(RateLimit("a", 5, 1, reserved={Priority.CANCEL: 2, Priority.PLACE: 1}))
    assert kept.endswith("reserved={Priority.CANCEL: 2, Priority.PLACE: 1})")
