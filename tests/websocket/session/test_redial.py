"""When to dial again, and when to stop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.retry import Backoff
from networkpype.websocket.session.redial import Reconnect, Redial


def redial(jitter: float = 1.0, **policy: Any) -> Redial:
    return Redial(Reconnect(backoff=Backoff(jitter=lambda: jitter), **policy))


def fail(redial: Redial, now: float, **end: Any) -> float:
    """Dial and fail at once; return how long until the next."""
    redial.dialed(now)
    assert redial.lost(now, **end)
    return redial.next_dial_at(now) - now


@pytest.mark.parametrize(
    "wrong",
    [
        {"healthy_after_s": -1},
        {"window_s": float("nan")},
        {"rollover_s": float("inf")},
        {"rollover_s": 0},
        {"most_dials": 0},
        {"most_attempts": 1.5},
    ],
)
def test_a_wrong_policy_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Reconnect(**wrong)


def test_the_first_dial_is_at_once() -> None:
    assert redial().next_dial_at(5.0) == 5.0


def test_the_wait_doubles_up_to_a_cap() -> None:
    one = redial(most_dials=100)
    assert [fail(one, 1000.0 * n) for n in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert one.failures == 9


@given(st.floats(0, 1), st.integers(0, 12))
def test_the_jitter_is_of_the_whole_wait(share: float, failures: int) -> None:
    one = redial(share, most_dials=100)
    for n in range(failures):
        fail(one, 1000.0 * n)
    wait_s = fail(one, 1e6)
    assert wait_s == pytest.approx(share * min(60.0, 2.0**failures), abs=1e-6)


def test_sessions_that_drop_together_come_again_apart() -> None:
    waits = []
    for _ in range(200):
        one = Redial(Reconnect())
        for n in range(4):
            fail(one, 100.0 * n)
        waits.append(fail(one, 1000.0))
    assert min(waits) < 2
    assert max(waits) > 14
    assert max(waits) <= 16


@pytest.mark.parametrize(("ready_s", "expected"), [(29.9, 8.0), (30.0, 1.0)])
def test_only_a_healthy_spell_begins_anew(ready_s: float, expected: float) -> None:
    one = redial()
    for n in range(3):
        fail(one, 100.0 * n)
    one.dialed(1000.0)
    one.ready(1005.0)
    one.ready(1020.0)  # a subscription that was added later: the spell began before
    assert one.lost(1005.0 + ready_s)
    assert one.next_dial_at(1005.0 + ready_s) - (1005.0 + ready_s) == pytest.approx(expected)


def test_time_before_it_was_ready_does_not_count() -> None:
    one = redial()
    fail(one, 0.0)
    one.dialed(100.0)
    one.lost(200.0)  # it took its time to fail
    assert one.next_dial_at(200.0) == 202.0


def test_a_failed_rollover_finds_the_count_that_the_healthy_spell_left() -> None:
    one = redial(most_attempts=3)
    fail(one, 0.0)
    fail(one, 10.0)
    one.dialed(20.0)
    one.ready(21.0)
    one.dialed(90_000.0)  # the second connection, while the first delivers
    assert one.lost(90_001.0) is True
    assert one.failures == 1


def test_what_the_exchange_asks_for_is_waited_in_any_case() -> None:
    one = redial(0.0)
    assert fail(one, 0.0, floor_s=42.0) == 42.0
    two = redial(0.5)
    assert fail(two, 0.0, floor_s=42.0) == 42.5  # and the back-off comes on top


def test_a_longer_wait_is_not_shortened_by_the_next_end() -> None:
    one = redial(0.0)
    one.dialed(0.0)
    one.lost(0.0, floor_s=60.0)
    one.lost(1.0)
    assert one.next_dial_at(1.0) == 60.0


@pytest.mark.parametrize("end", [{"code": 1008}, {"code": 1003}, {"status": 401}, {"status": 404}])
def test_a_fatal_end_stops_the_second_time_in_a_row(end: dict[str, int]) -> None:
    one = redial()
    one.dialed(0.0)
    assert one.lost(0.0, **end) is True  # once more, with a fresh token
    one.dialed(100.0)
    assert one.lost(100.0, **end) is False


@pytest.mark.parametrize("end", [{"code": 1006}, {"code": 1012}, {"status": 503}, {"status": 429}])
def test_an_end_that_may_pass_never_stops(end: dict[str, int]) -> None:
    one = redial()
    for n in range(50):
        fail(one, 100.0 * n, **end)


def test_in_a_row_means_with_nothing_in_between() -> None:
    one = redial()
    fail(one, 0.0, status=401)
    fail(one, 100.0, code=1006)
    fail(one, 200.0, status=401)
    one.dialed(300.0)
    one.ready(301.0)
    assert one.lost(302.0, code=1008) is True
    one.dialed(400.0)
    assert one.lost(400.0, status=403) is False


def test_attempts_may_have_a_limit() -> None:
    one = redial(most_attempts=3)
    fail(one, 0.0)
    fail(one, 100.0)
    one.dialed(200.0)
    assert one.lost(200.0) is False


steps = st.lists(
    st.tuples(
        st.sampled_from(["lost", "ready", "wait", "roll over"]),
        st.floats(0, 200, allow_subnormal=False),
    ),
    max_size=120,
)


@given(steps, st.integers(1, 5), st.sampled_from([0.5, 10.0, 60.0]), st.floats(0, 1))
def test_no_window_holds_more_dials_than_allowed(
    steps: list[tuple[str, float]], most: int, window_s: float, jitter: float
) -> None:
    backoff = Backoff(initial_s=0.01, cap_s=0.1, jitter=lambda: jitter)
    one = Redial(Reconnect(backoff=backoff, most_dials=most, window_s=window_s, healthy_after_s=0))
    now, dials = 0.0, []
    for step, seconds in steps:
        if step == "wait":
            now += seconds
        elif step == "ready":
            one.ready(now)
        else:
            if step == "lost":
                one.lost(now)
            now = one.next_dial_at(now)
            one.dialed(now)
            dials.append(now)
    for first, beyond in zip(dials, dials[most:], strict=False):
        assert beyond - first >= window_s * (1 - 1e-9)


def test_the_window_moves_with_the_dials() -> None:
    one = redial(0.0, most_dials=3)
    for at in (0.0, 10.0, 20.0):
        fail(one, at)
    assert [one.next_dial_at(at) for at in (25.0, 59.0, 61.0)] == [60.0, 60.0, 61.0]
    one.dialed(60.0)
    assert one.next_dial_at(60.0) == 70.0


def test_accept_then_close_dials_as_often_as_the_budget_allows() -> None:
    one = Redial(Reconnect(backoff=Backoff(jitter=lambda: 0.0), healthy_after_s=0.0))
    now, dials = 0.0, 0
    while (now := one.next_dial_at(now)) < 60.0:
        one.dialed(now)
        dials += 1
        one.ready(now)
        one.lost(now)
    assert dials == 20
    assert now == 60.0
