"""A host that fails is left alone, tried once, and used again: decided without a clock."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.circuit import CircuitBreaker, CircuitState
from networkpype.errors import CircuitOpenError, ConfigurationError, Outcome
from networkpype.hooks import CircuitClosed, CircuitOpened, Event

HOST = "api.example.com"


def opened(events: list[Event] | None = None) -> CircuitBreaker:
    """A breaker that three failures opened at 100 s, for 10 s."""
    breaker = CircuitBreaker(3, 10.0, hook=None if events is None else events.append)
    for _ in range(3):
        breaker.fail(breaker.admit(HOST, 100.0), 100.0)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker(3, 10.0)
    for _ in range(2):
        breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    breaker.succeed(breaker.admit(HOST, 0.0))
    for _ in range(2):
        breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    assert breaker.state(HOST) is CircuitState.CLOSED
    breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    assert breaker.state(HOST) is CircuitState.OPEN


def test_while_it_is_open_nothing_goes_out() -> None:
    events: list[Event] = []
    breaker = opened(events)
    assert events == [CircuitOpened(HOST, 3, 10.0)]
    for refuse in (breaker.check, breaker.admit):
        with pytest.raises(CircuitOpenError, match="failed 3 times in a row") as caught:
            refuse(HOST, 104.0)
        assert (caught.value.host, caught.value.retry_after) == (HOST, 6.0)
        assert caught.value.outcome is Outcome.NOT_SENT
    breaker.admit("other.example.com", 104.0)


def test_one_call_is_the_trial_and_its_success_closes() -> None:
    events: list[Event] = []
    breaker = opened(events)
    trial = breaker.admit(HOST, 110.0)
    assert breaker.state(HOST) is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpenError, match="one call is on its way"):
        breaker.admit(HOST, 110.0)
    breaker.succeed(trial)
    assert breaker.state(HOST) is CircuitState.CLOSED
    assert events[1:] == [CircuitClosed(HOST)]
    for _ in range(2):
        breaker.fail(breaker.admit(HOST, 110.0), 110.0)
    assert breaker.state(HOST) is CircuitState.CLOSED


def test_a_trial_that_fails_opens_it_again() -> None:
    events: list[Event] = []
    breaker = opened(events)
    breaker.fail(breaker.admit(HOST, 110.0), 112.0)
    assert events[1:] == [CircuitOpened(HOST, 4, 10.0)]
    with pytest.raises(CircuitOpenError):
        breaker.check(HOST, 121.9)
    breaker.check(HOST, 122.0)


def test_a_trial_that_was_cancelled_leaves_the_place_to_the_next() -> None:
    breaker = opened()
    breaker.abandon(breaker.admit(HOST, 110.0), 111.0)
    breaker.succeed(breaker.admit(HOST, 111.0))
    assert breaker.state(HOST) is CircuitState.CLOSED


def test_a_trial_that_never_ends_is_followed_by_another() -> None:
    breaker = opened()
    lost = breaker.admit(HOST, 110.0)
    with pytest.raises(CircuitOpenError):
        breaker.admit(HOST, 119.9)
    second = breaker.admit(HOST, 120.0)
    breaker.fail(lost, 120.0)
    assert breaker.state(HOST) is CircuitState.HALF_OPEN
    breaker.succeed(second)
    assert breaker.state(HOST) is CircuitState.CLOSED


def test_what_was_sent_before_a_change_says_nothing_after_it() -> None:
    breaker = CircuitBreaker(1, 10.0)
    early = [breaker.admit(HOST, 0.0) for _ in range(3)]
    breaker.fail(early[0], 1.0)
    breaker.succeed(early[1])
    assert breaker.state(HOST) is CircuitState.OPEN
    breaker.fail(early[2], 5.0)
    breaker.check(HOST, 11.0)  # the cool-down counts from the failure that opened it


def test_a_clock_of_another_loop_does_not_keep_it_open() -> None:
    breaker = opened()
    breaker.succeed(breaker.admit(HOST, 0.0))
    assert breaker.state(HOST) is CircuitState.CLOSED


@given(st.lists(st.tuples(st.sampled_from("sfan"), st.floats(0, 30)), max_size=60))
def test_it_is_never_shut_for_longer_than_a_cool_down(steps: list[tuple[str, float]]) -> None:
    breaker = CircuitBreaker(2, 10.0)
    now, last_let_out = 0.0, 0.0
    for what, later in steps:
        now += later
        refusal: CircuitOpenError | None = None
        try:
            trial = breaker.admit(HOST, now)
        except CircuitOpenError as error:
            refusal = error
        if refusal is not None:
            assert 0 < (refusal.retry_after or 0) <= 10.0 + 1e-9
            assert now - last_let_out <= 10.0 + 1e-9
            continue
        last_let_out = now
        match what:
            case "s":
                breaker.succeed(trial)
            case "f":
                breaker.fail(trial, now)
            case "a":
                breaker.abandon(trial, now)


@pytest.mark.parametrize(
    "settings",
    [{"failures": 0}, {"failures": 1.5}, {"cooldown_s": 0}, {"cooldown_s": math.inf}, {"hook": 1}],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        CircuitBreaker(**settings)


def test_it_shows_its_hosts() -> None:
    assert repr(opened()) == (
        "CircuitBreaker(failures=3, cooldown_s=10, {'api.example.com': 'open'})"
    )


@pytest.mark.parametrize(
    "place",
    [
        HOST,
        "API.example.com",
        f"{HOST}:443",
        f"https://{HOST}/v1/time?symbol=BTCUSDT",
        f"https://{HOST}",
        f"https://{HOST}:443/",
        f"{HOST}/v1/time",
    ],
)
def test_the_state_is_asked_by_host_or_url(place: str) -> None:
    assert opened().state(place) is CircuitState.OPEN


@pytest.mark.parametrize("place", [f"https://{HOST}:8443/", f"{HOST}:8443", "other.example.com"])
def test_another_port_is_another_host(place: str) -> None:
    assert opened().state(place) is CircuitState.CLOSED


@pytest.mark.parametrize("wrong", ["", "https://", "a b", "/v1/time", None, 1])
def test_what_is_no_host_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        CircuitBreaker().state(wrong)


def at_ports(*ports: int) -> tuple[CircuitBreaker, list[Event]]:
    """A breaker that one failure opened at each of these ports of one host."""
    events: list[Event] = []
    breaker = CircuitBreaker(1, 10.0, hook=events.append)
    for port in ports:
        breaker.fail(breaker.admit(f"127.0.0.1:{port}", 100.0), 100.0)
    return breaker, events


def test_a_host_without_its_port_stands_for_the_only_one_that_failed() -> None:
    breaker, _ = at_ports(45553)
    for host in ("127.0.0.1:45553", "http://127.0.0.1:45553/v1?a=1", "127.0.0.1", "127.0.0.1/v1"):
        assert breaker.state(host) is CircuitState.OPEN
    # Whoever writes a port, or a scheme that has one, means that one.
    for host in ("127.0.0.1:1", "127.0.0.1:443", "https://127.0.0.1", "0.0.1", "[::1]"):
        assert breaker.state(host) is CircuitState.CLOSED
    breaker.fail(breaker.admit("[::1]:8080", 100.0), 100.0)
    assert breaker.state("[::1]") is CircuitState.OPEN


def test_a_host_that_failed_itself_stands_for_itself() -> None:
    breaker = CircuitBreaker(2, 10.0)
    breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    for _ in range(2):
        breaker.fail(breaker.admit(f"{HOST}:8443", 0.0), 0.0)
    assert breaker.state(HOST) is CircuitState.CLOSED


def test_a_host_at_several_ports_is_asked_for_with_one() -> None:
    breaker, events = at_ports(8080, 8081)
    for ask in (breaker.state, breaker.reset):
        with pytest.raises(ConfigurationError, match=r"its port: 127\.0\.0\.1:8080, 127"):
            ask("127.0.0.1")
    assert [type(event) for event in events] == [CircuitOpened] * 2


def test_a_reset_lets_calls_out_at_once_and_tells() -> None:
    breaker, events = at_ports(8080, 8081)
    before = breaker.admit("127.0.0.1:8082", 100.0)
    events.clear()
    with pytest.raises(
        CircuitOpenError, match=r'sent\. Call again then, or reset\("127.0.0.1:8080'
    ):
        breaker.admit("127.0.0.1:8080", 101.0)
    breaker.reset("http://127.0.0.1:8080/v1")
    assert events == [CircuitClosed("127.0.0.1:8080")]
    assert breaker.state("127.0.0.1:8080") is CircuitState.CLOSED
    breaker.admit("127.0.0.1:8080", 101.0)
    assert breaker.state("127.0.0.1:8081") is CircuitState.OPEN
    breaker.reset()
    breaker.reset("127.0.0.1:8081")  # again, and one that never failed
    breaker.reset(HOST)
    assert events[1:] == [CircuitClosed("127.0.0.1:8081")]
    breaker.succeed(before)
    with pytest.raises(ConfigurationError, match="pass a host or a URL"):
        breaker.reset(3)  # type: ignore[arg-type]


def test_what_was_sent_before_a_reset_says_nothing_after_it() -> None:
    events: list[Event] = []
    breaker = CircuitBreaker(2, 10.0, hook=events.append)
    breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    late = breaker.admit(HOST, 0.0)
    breaker.reset(HOST)  # it was closed: nothing to tell, but the failure is forgotten
    breaker.fail(late, 0.0)
    breaker.fail(breaker.admit(HOST, 0.0), 0.0)
    assert breaker.state(HOST) is CircuitState.CLOSED
    assert events == []


def test_a_reset_while_a_trial_is_under_way_closes_it() -> None:
    events: list[Event] = []
    breaker = opened(events)
    trial = breaker.admit(HOST, 110.0)
    breaker.reset(HOST)
    breaker.fail(trial, 111.0)
    breaker.succeed(trial)
    assert breaker.state(HOST) is CircuitState.CLOSED
    assert events[1:] == [CircuitClosed(HOST)]
