"""What may be sent again and when: back-off, policy and budget, without a socket."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    CircuitOpenError,
    ConfigurationError,
    ConnectFailedError,
    DecodeError,
    HTTPAuthenticationError,
    HTTPStatusError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RateLimitedError,
    RedirectRefusedError,
    RequestTimeoutError,
    ThrottleTimeoutError,
    TLSError,
    TransportError,
    WebSocketClosedError,
)
from networkpype.rest.method import RESTMethod
from networkpype.retry import Backoff, RetryBudget, RetryPolicy, check_idempotency_key


def backoff(jitter: float = 1.0, **settings: Any) -> Backoff:
    return Backoff(jitter=lambda: jitter, **settings)


def test_the_longest_wait_doubles_up_to_a_minute() -> None:
    waits = [backoff().delay_s(attempt) for attempt in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_is_before_the_first_try_counts_as_the_first() -> None:
    assert backoff().delay_s(-3) == 1


def test_the_jitter_is_full() -> None:
    assert backoff(0.0).delay_s(5) == 0
    assert backoff(0.25).delay_s(5) == 8


def test_the_waits_of_many_are_spread_by_default() -> None:
    waits = sorted(Backoff(initial_s=60).delay_s(0) for _ in range(1000))
    assert waits[0] < 6
    assert waits[-1] > 54
    assert max(b - a for a, b in itertools.pairwise(waits)) < 3


def test_a_floor_is_waited_first_and_the_jitter_comes_on_top() -> None:
    assert backoff(0.5).delay_s(3, floor_s=7) == 11
    assert backoff(0.0).delay_s(3, floor_s=7) == 7


@pytest.mark.parametrize(("jitter", "share"), [(-1.0, 0.0), (2.0, 1.0), (math.inf, 1.0)])
def test_a_jitter_out_of_range_is_held_to_it(jitter: float, share: float) -> None:
    assert backoff(jitter).delay_s(2) == share * 4


@given(st.integers(-5, 10**9), st.floats(0.001, 1e9), st.floats(1, 1e9), st.floats(0, 1))
def test_no_wait_leaves_its_range(attempt: int, initial: float, factor: float, j: float) -> None:
    it = backoff(j, initial_s=initial, factor=factor, cap_s=initial * 7)
    assert 0 <= it.delay_s(attempt) <= it.longest_s(attempt) <= initial * 7
    assert it.longest_s(attempt) >= it.longest_s(attempt - 1) >= initial


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initial_s": 0}, "initial_s is 0; pass more than 0"),
        ({"initial_s": math.nan}, "initial_s is nan; pass more than 0"),
        ({"factor": 0.5}, "factor is 0.5; pass at least 1"),
        ({"cap_s": 0.5}, "cap_s is 0.5; pass at least 1"),
        ({"cap_s": math.inf}, "cap_s is inf; pass a finite number of at least 1"),
        ({"jitter": 0.5}, "jitter is 0.5; pass a function that returns a number from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Backoff(**settings)
    assert str(caught.value) == message


def test_it_shows_what_it_does() -> None:
    assert repr(Backoff()) == "Backoff(initial_s=1.0, factor=2.0, cap_s=60.0)"


def decide(policy: RetryPolicy, error: BaseException, attempt: int = 1, **how: Any) -> float | None:
    return policy.decide(error, attempt, **how).wait_s


AT_ONCE = Backoff(initial_s=1.0, jitter=lambda: 0.0)
POLICY = RetryPolicy(backoff=AT_ONCE)
LOST = TransportError("lost")
BROKEN = HTTPStatusError("broken", status=503, outcome=Outcome.UNKNOWN)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("error", [LOST, BROKEN, RequestTimeoutError("late")])
def test_a_read_is_sent_again_whatever_became_of_it(error: BaseException, method: str) -> None:
    assert decide(POLICY, error, method=method) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("error", [LOST, BROKEN, RateLimitedError("slow", status=429)])
def test_a_write_needs_the_callers_word(error: BaseException, method: str) -> None:
    assert decide(POLICY, error, method=method) is None
    assert "the caller's word: idempotent=True" in POLICY.decide(error, 1, method=method).reason
    assert decide(POLICY, error, method=method, idempotent=True) == 0
    listed = RetryPolicy(backoff=AT_ONCE, methods={method.lower()})
    assert decide(listed, error, method=method) == 0
    assert decide(listed, error, method="GET") is None


@pytest.mark.parametrize("error", [ConnectFailedError("no"), RequestTimeoutError("no")])
def test_what_was_not_sent_may_be_sent(error: NetworkpypeError) -> None:
    error.outcome = Outcome.NOT_SENT
    assert decide(POLICY, error, method="POST") == 0


@pytest.mark.parametrize(
    "error",
    [
        TLSError("certificate"),
        RedirectRefusedError("moved", status=302),
        WebSocketClosedError("closed"),
        DecodeError("no JSON"),
        ConfigurationError("wrong"),
        ThrottleTimeoutError("full"),
        CircuitOpenError("open"),
        NotConnectedError("closed"),
        AuthenticationError("refused"),
        HTTPAuthenticationError("refused", status=401),
        *(HTTPStatusError("no", status=status) for status in (400, 403, 404, 409, 418, 422, 451)),
        HTTPStatusError("not implemented", status=501),
        ValueError("a bug"),
        asyncio.CancelledError(),
    ],
)
def test_what_another_attempt_cannot_cure_is_final(error: BaseException) -> None:
    for idempotent in (False, True):
        assert decide(POLICY, error, idempotent=idempotent) is None
    assert "is not cured by sending again" in POLICY.decide(error, 1).reason


def test_the_attempts_are_counted() -> None:
    assert [decide(POLICY, LOST, attempt) for attempt in (1, 2, 3, 4)] == [0, 0, None, None]
    assert decide(RetryPolicy(attempts=1), LOST) is None
    assert "attempts=3 are used up" in POLICY.decide(LOST, 3).reason


def test_the_waits_grow_and_begin_after_what_the_exchange_told() -> None:
    policy = RetryPolicy(attempts=9, backoff=Backoff(initial_s=1, jitter=lambda: 1.0))
    assert [decide(policy, LOST, attempt) for attempt in (1, 2, 3)] == [1, 2, 4]
    told = RateLimitedError("slow", status=429, retry_after=7.0)
    assert [decide(policy, told, attempt) for attempt in (1, 2)] == [8, 9]


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    policy = RetryPolicy(backoff=AT_ONCE, longest_wait_s=10, max_elapsed_s=12)
    told = RateLimitedError("slow", status=429, retry_after=10.5)
    assert policy.decide(told, 1) == (None, "a wait of 10.5 s is longer than longest_wait_s=10")
    told.retry_after = 9.0
    assert decide(policy, told, elapsed_s=2.9) == 9
    assert decide(policy, told, elapsed_s=3.0) is None
    assert "max_elapsed_s=12" in policy.decide(told, 1, elapsed_s=3.0).reason


def test_a_refused_timestamp_is_signed_anew_where_the_clock_was_mended() -> None:
    late = HTTPAuthenticationError("late", status=400)
    late.reason = AuthenticationFailure.TIMESTAMP
    slow = RetryPolicy(backoff=Backoff(jitter=lambda: 1.0))
    assert decide(slow, late) is None
    assert decide(slow, late, clock_mended=True) == 0
    assert decide(slow, late, clock_mended=True, method="POST") is None
    assert decide(slow, late, clock_mended=True, method="POST", idempotent=True) == 0
    assert decide(slow, late, 3, clock_mended=True) is None


@given(
    st.integers(1, 5),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    st.sampled_from([*Outcome]),
    st.booleans(),
    st.floats(0, 100),
)
def test_nothing_that_may_have_been_executed_is_sent_again_unasked(
    attempt: int, method: str, outcome: Outcome, word: bool, elapsed: float
) -> None:
    error = TransportError("lost", outcome=outcome)
    policy = RetryPolicy(attempts=4)
    wait_s = decide(policy, error, attempt, method=method, idempotent=word, elapsed_s=elapsed)
    if wait_s is not None:
        assert attempt < 4
        assert elapsed + wait_s < policy.max_elapsed_s
        assert word or method == "GET" or outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("method", list(RESTMethod))
def test_every_method_of_a_call_may_be_listed(method: RESTMethod) -> None:
    assert RetryPolicy(methods=[method]).may_repeat(method, idempotent=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attempts": 0}, "attempts is 0; pass a whole number, at least 1"),
        ({"attempts": True}, "attempts is True"),
        ({"longest_wait_s": math.inf}, "longest_wait_s is inf; pass seconds above zero"),
        ({"max_elapsed_s": 0}, "max_elapsed_s is 0; pass seconds above zero"),
        ({"statuses": {429, 401}}, "status 401 says that the request itself was refused"),
        ({"statuses": {"503"}}, "status '503' says"),
        ({"statuses": "503"}, "methods and statuses are collections"),
        ({"methods": "GET"}, "methods and statuses are collections"),
        ({"methods": ["get", "FOO"]}, "methods has 'FOO'; pass some of DELETE, GET, HEAD"),
        ({"idempotency_header": "X Key"}, "idempotency_header 'X Key' is no name of a header"),
        ({"idempotency_header": "X\r\nA: b"}, "is no name of a header"),
        ({"backoff": 1.0}, "backoff is 1.0"),
        ({"budget": 10}, "budget is 10"),
    ],
)
def test_a_wrong_setting_of_a_policy_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        RetryPolicy(**settings)


@given(st.floats(0, 1), st.integers(0, 20), st.integers(0, 300))
def test_retries_are_a_share_of_the_calls_and_a_few(share: float, burst: int, calls: int) -> None:
    budget = RetryBudget(share, burst)
    retries = 0
    for _ in range(calls):
        budget.deposit()
        while budget.withdraw():
            retries += 1
    assert retries <= burst + share * calls + 1e-6
    assert retries >= burst or not calls


def test_a_quiet_hour_saves_no_storm_up() -> None:
    budget = RetryBudget(share=0.2, burst=3)
    for _ in range(10_000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]
    assert repr(budget) == "RetryBudget(share=0.2, burst=3, left=0)"


@pytest.mark.parametrize("settings", [{"share": 1.1}, {"share": math.nan}, {"burst": -1}])
def test_a_wrong_budget_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        RetryBudget(**settings)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "schlüssel", None, 7])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="idempotency_key") as caught:
        check_idempotency_key(key)
    assert not key or str(key) not in str(caught.value)
