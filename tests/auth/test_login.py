"""What a login does next, told move by move."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from networkpype.auth import actions as do
from networkpype.auth.actions import Admission
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.standing import LoginState
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    ConnectFailedError,
    HTTPAuthenticationError,
    HTTPStatusError,
    MissingCredentialsError,
    NetworkpypeError,
    Outcome,
    RateLimitedError,
)
from networkpype.hooks import (
    LoggedIn,
    LoginExpired,
    LoginFailed,
    LoginRejected,
    LoginRenewed,
    RenewalFailed,
)
from networkpype.websocket.request import WebSocketJSONRequest
from networkpype.websocket.response import WebSocketResponse
from tests.auth.login_play import EXCHANGE_TIME, URL, Play, events, frameless, only, with_frame

ACCEPTED = AuthOutcome.accepted()
BUSY = AuthOutcome.rejected("slow down", definite=False)
DOWN = ConnectFailedError("no route")


# The way in.


def test_it_prepares_dials_sends_the_frame_and_waits_for_the_ack() -> None:
    play = Play()
    assert play.login.state is LoginState.ANONYMOUS
    assert play.login.next_deadline is None
    assert play.dial() == [do.Prepare(epoch=1, attempt=1, renewal=False)]
    assert play.login.state is LoginState.PREPARING
    assert play.prepared() == [do.Dial(1, PreAuth(URL))]
    assert play.login.state is LoginState.CONNECTING
    (sent,) = play.connected()
    assert isinstance(sent, do.Send)
    assert sent.epoch == 1
    assert play.login.state is LoginState.WAITING
    assert not play.login.is_authenticated
    assert play.received(ACCEPTED) == [
        do.Announce(LoggedIn(1, None)),
        do.Admit(1, Admission.LOGIN),
    ]
    assert play.login.state is LoginState.AUTHENTICATED
    assert play.login.is_authenticated
    assert play.login.next_deadline is None


def test_the_frame_is_signed_with_the_time_of_the_exchange() -> None:
    play = Play()
    play.dial()
    play.prepared()
    (sent,) = only(do.Send, play.connected())
    assert sent.request.payload == {"op": "login", "time": EXCHANGE_TIME}


def test_without_a_frame_it_is_in_as_soon_as_it_is_connected() -> None:
    play = Play(frameless())
    play.dial()
    play.prepared()
    assert not play.login.is_authenticated
    assert play.connected() == [do.Announce(LoggedIn(1, None)), do.Admit(1, Admission.LOGIN)]


def test_the_pattern_forgets_the_last_connection_at_every_dial() -> None:
    pattern = with_frame()
    play = Play(pattern)
    play.log_in()
    play.disconnected()
    play.dial()
    assert pattern.resets == 2


def test_other_frames_are_told_apart_and_change_nothing() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    deadline = play.login.next_deadline
    outcome, actions = play.login.received(
        WebSocketResponse(AuthOutcome.not_mine()), play.now, play.login.epoch
    )
    assert (outcome.status, list(actions)) == (AuthStatus.NOT_MINE, [])
    assert (play.login.state, play.login.next_deadline) == (LoginState.WAITING, deadline)


def test_a_challenge_is_answered_and_the_ack_awaited_by_the_same_deadline() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    answer = WebSocketJSONRequest({"answer": 1})
    play.sleep(9)
    assert play.received(AuthOutcome.challenge(answer)) == [do.Send(1, answer)]
    assert play.login.state is LoginState.WAITING
    assert only(do.Reconnect, play.sleep(1.5)) != []


def test_a_challenge_without_an_answer_is_the_ack() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    assert do.Admit(1, Admission.LOGIN) in play.received(AuthOutcome.challenge())


def test_a_challenge_to_one_who_is_in_is_answered() -> None:
    play = Play()
    play.log_in()
    answer = WebSocketJSONRequest({"answer": 1})
    assert play.received(AuthOutcome.challenge(answer)) == [do.Send(1, answer)]
    assert play.login.is_authenticated


def test_the_reader_is_told_whether_frames_matter() -> None:
    assert Play().login.reads_frames
    assert not Login(WebSocketAuthPattern()).reads_frames


# Deadlines and failures on the way in.


def test_no_ack_within_ten_seconds_takes_a_new_connection_after_a_while() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    assert play.login.next_deadline == play.now + 10
    assert play.sleep(9.999) == []
    reason = "no answer to the login within 10 s"
    assert play.sleep(0.001) == [
        do.Announce(LoginFailed(1, reason, 1.0)),
        do.Reconnect(1, reason, 1.0),
    ]
    assert play.login.state is LoginState.ANONYMOUS


def test_a_dial_that_comes_too_early_waits_for_the_rest() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    play.sleep(10)
    play.sleep(0.25)
    assert play.dial() == []
    assert play.sleep(0.5) == []
    assert play.sleep(0.25) == [do.Prepare(epoch=2, attempt=2, renewal=False)]


def test_a_preparation_that_fails_is_tried_again_with_back_off() -> None:
    play = Play()
    play.dial()
    for number, wait_s in enumerate([1, 2, 4, 8, 16, 32, 60, 60], 1):
        assert play.unprepared(DOWN) == [
            do.Announce(LoginFailed(1, "ConnectFailedError: no route", wait_s))
        ]
        assert play.sleep(wait_s - 0.001) == []
        assert play.sleep(0.001) == [do.Prepare(1, number + 1, renewal=False)]


def test_a_preparation_that_never_ends_is_abandoned() -> None:
    play = Play()
    play.dial()
    assert play.sleep(30) == [
        do.Abandon(1, 1),
        do.Announce(
            LoginFailed(1, "RequestTimeoutError: the preparation took longer than 30 s", 1.0)
        ),
    ]
    assert play.prepared(attempt=1) == []
    assert play.sleep(1) == [do.Prepare(1, 2, renewal=False)]


@pytest.mark.parametrize("told", [20.0, 500_000.0, math.inf, math.nan, -5.0, None])
def test_a_wait_that_the_exchange_asks_for_is_kept_for_a_day_at_most(told: float | None) -> None:
    play = Play(share=0.5)
    play.dial()
    (event,) = events(play.unprepared(RateLimitedError("429", status=429, retry_after=told)))
    asked = {20.0: 20.0, 500_000.0: 86_400.0, math.inf: 86_400.0}.get(told or 0.0, 0.0)
    assert isinstance(event, LoginFailed)
    assert event.retry_in_s == asked + 0.5


def test_a_wait_that_was_asked_for_outlives_the_connection() -> None:
    play = Play(share=0.0)
    play.log_in(100)
    play.sleep(80)
    play.unprepared(RateLimitedError("429", status=429, retry_after=60))
    (reconnect,) = only(do.Reconnect, play.sleep(20))
    assert reconnect.retry_in_s == 40
    assert play.dial() == []
    assert play.sleep(39.9) == []
    assert only(do.Prepare, play.sleep(0.1)) != []


def test_a_line_that_ends_before_the_ack_counts_as_a_failure() -> None:
    play = Play()
    for wait_s in [1, 2, 4]:
        play.dial()
        play.sleep(wait_s)  # what is left of the last wait
        play.prepared()
        play.connected()
        (event,) = events(play.disconnected())
        reason = "the connection ended before the login was answered"
        assert event == LoginFailed(play.login.epoch, reason, wait_s)


def test_a_dial_that_fails_is_for_the_driver_to_repeat() -> None:
    play = Play()
    play.dial()
    play.prepared()
    assert play.disconnected() == []
    assert play.login.state is LoginState.ANONYMOUS
    assert play.dial() == [do.Prepare(2, 2, renewal=False)]


def test_a_line_that_ends_while_preparing_abandons_the_preparation() -> None:
    play = Play()
    play.dial()
    assert play.disconnected() == [do.Abandon(1, 1)]
    assert play.login.next_deadline is None


def test_a_second_dial_leaves_the_first() -> None:
    play = Play()
    play.dial()
    assert play.dial() == [do.Abandon(1, 1), do.Prepare(2, 2, renewal=False)]


def test_an_epoch_of_the_drivers_own_must_rise() -> None:
    play = Play()
    assert play.dial(epoch=7) == [do.Prepare(7, 1, renewal=False)]
    with pytest.raises(ConfigurationError, match="epoch is 7; pass more than the last, 7"):
        play.dial(epoch=7)


def test_a_frame_that_cannot_be_built_is_a_failure_of_the_login() -> None:
    pattern = with_frame()
    play = Play(pattern)
    play.dial()
    play.prepared()
    pattern.fault = NetworkpypeError("the device is busy")
    assert play.connected() == [
        do.Announce(LoginFailed(1, "NetworkpypeError: the device is busy", 1.0)),
        do.Reconnect(1, "NetworkpypeError: the device is busy", 1.0),
    ]
    pattern.fault = MissingCredentialsError("needs a secret")
    play.dial()
    play.sleep(1)
    play.prepared()
    assert play.connected() == [
        do.Announce(LoginFailed(2, "MissingCredentialsError: needs a secret", None)),
        do.Fail(2, pattern.fault),
    ]


# Refusals.


def test_a_definite_refusal_stops_until_a_reset() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    refusal = AuthOutcome.rejected("bad key", failure=AuthenticationFailure.PERMISSION)
    announced, fail = play.received(refusal)
    assert announced == do.Announce(
        LoginRejected(1, "bad key", AuthenticationFailure.PERMISSION, None)
    )
    assert isinstance(fail, do.Fail)
    assert isinstance(fail.error, AuthenticationError)
    assert fail.error.reason is AuthenticationFailure.PERMISSION
    assert str(fail.error) == "the exchange refused the login: bad key"
    assert play.login.state is LoginState.FAILED
    assert play.login.next_deadline is None
    assert play.received(ACCEPTED) == play.disconnected() == play.sleep(1e6) == []
    assert play.login.state is LoginState.FAILED
    assert play.dial() == [fail]
    play.login.reset(with_frame())
    assert play.dial() == [do.Prepare(2, 2, renewal=False)]


def test_a_refusal_that_may_pass_takes_a_new_connection_after_the_wait_asked_for() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    refusal = AuthOutcome.rejected("slow down", definite=False, retry_after_s=5)
    assert play.received(refusal) == [
        do.Announce(LoginRejected(1, "slow down", AuthenticationFailure.REJECTED, 6.0)),
        do.Reconnect(1, "slow down", 6.0),
    ]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (AuthenticationError("x", reason=AuthenticationFailure.NONCE), AuthenticationFailure.NONCE),
        (HTTPAuthenticationError("x", status=401), AuthenticationFailure.REJECTED),
        (MissingCredentialsError("x"), None),
        (ConfigurationError("x"), None),
    ],
)
def test_a_preparation_that_is_refused_stops(
    error: NetworkpypeError, failure: AuthenticationFailure | None
) -> None:
    play = Play()
    play.dial()
    announced, fail = play.unprepared(error)
    assert fail == do.Fail(1, error)
    assert play.login.error is error
    reason = f"{type(error).__name__}: x"
    assert announced == do.Announce(
        LoginFailed(1, reason, None) if failure is None else LoginRejected(1, reason, failure, None)
    )


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        TimeoutError(),
        KeyError("token"),
        HTTPStatusError("x", status=500, outcome=Outcome.UNKNOWN),
        HTTPStatusError("x", status=404),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    play = Play()
    play.dial()
    assert only(do.Fail, play.unprepared(error)) == []
    assert only(do.Prepare, play.sleep(1)) != []


def test_a_refusal_that_answers_nothing_is_told_and_not_acted_upon() -> None:
    play = Play()
    play.log_in()
    refusal = AuthOutcome.rejected("that topic is not yours")
    outcome, actions = play.login.received(WebSocketResponse(refusal), play.now, 1)
    assert outcome is refusal
    assert list(actions) == []
    assert play.login.is_authenticated


def test_without_a_frame_every_definite_refusal_counts() -> None:
    play = Play(frameless())
    play.log_in()
    assert play.received(BUSY) == []
    assert only(do.Fail, play.received(AuthOutcome.rejected("bad signature"))) != []


# Lifetimes and renewal.


@pytest.mark.parametrize(
    ("acked", "prepared", "configured", "renewed_after"),
    [
        (100.0, 200.0, 300.0, 80.0),
        (None, 200.0, 300.0, 160.0),
        (None, None, 300.0, 240.0),
        (1e6, None, None, 86_400.0),
        (None, None, None, None),
    ],
)
def test_the_acks_lifetime_goes_before_the_prepared_and_that_before_the_configured_one(
    acked: float | None,
    prepared: float | None,
    configured: float | None,
    renewed_after: float | None,
) -> None:
    play = Play(lifetime_s=configured)
    play.log_in(acked, prepared_s=prepared)
    at = play.login.next_deadline
    assert (None if at is None else at - play.now) == renewed_after


def test_the_acks_lifetime_counts_from_the_ack_and_the_others_from_the_preparation() -> None:
    for acked, since in [(100.0, 12.0), (None, 0.0)]:
        play = Play()
        start = play.now
        play.dial()
        play.sleep(5)
        play.prepared(100)
        play.connected()
        play.sleep(7)
        play.received(AuthOutcome.accepted(acked))
        assert play.login.next_deadline == start + since + 80


def test_the_jitter_makes_a_renewal_earlier_and_never_later() -> None:
    for jitter, after in [(0.0, 80.0), (1.0, 72.0)]:
        play = Play(jitter=lambda jitter=jitter: jitter)
        play.log_in(100)
        assert play.login.next_deadline == play.now + after


def test_a_renewal_without_a_frame_ends_with_the_preparation() -> None:
    play = Play(frameless())
    play.log_in(prepared_s=100)
    assert play.sleep(80) == [do.Prepare(1, 2, renewal=True)]
    assert play.login.state is LoginState.REFRESHING
    assert play.login.is_authenticated
    assert play.prepared(100) == [
        do.Announce(LoginRenewed(1, 100)),
        do.Admit(1, Admission.RENEWAL),
    ]
    assert play.login.next_deadline == play.now + 80


def test_a_renewal_with_a_frame_sends_it_on_the_open_connection() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    assert [type(each) for each in play.prepared()] == [do.Send]
    assert play.login.is_authenticated
    assert play.received(AuthOutcome.accepted(50)) == [
        do.Announce(LoginRenewed(1, 50)),
        do.Admit(1, Admission.RENEWAL),
    ]
    assert play.login.next_deadline == play.now + 40


def test_a_renewal_that_tells_no_lifetime_keeps_the_last_one() -> None:
    play = Play(lifetime_s=7)
    play.log_in(100)
    play.sleep(80)
    play.prepared()
    assert events(play.received(ACCEPTED)) == [LoginRenewed(1, 100)]


def test_another_address_takes_a_new_connection_at_once() -> None:
    play = Play(frameless())
    play.log_in(prepared_s=100)
    play.sleep(80)
    (reconnect,) = play.prepared(url="wss://ws.exchange/other")
    assert reconnect == do.Reconnect(1, "the exchange gave another address", 0.0)
    assert play.dial() == [do.Prepare(2, 3, renewal=False)]


def test_other_headers_take_a_new_connection_unless_a_frame_tells_it() -> None:
    bearer = {"Authorization": "Bearer new"}
    play = Play(frameless())
    play.log_in(prepared_s=100)
    play.sleep(80)
    assert play.prepared(headers=bearer) == [
        do.Reconnect(1, "the handshake has to be made again", 0.0)
    ]
    play = Play()
    play.log_in(prepared_s=100)
    play.sleep(80)
    assert [type(each) for each in play.prepared(headers=bearer)] == [do.Send]


def test_a_renewal_that_fails_is_told_and_tried_again_while_the_old_login_lives() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    for wait_s in [1, 2, 4]:
        assert play.unprepared(DOWN) == [
            do.Announce(RenewalFailed(1, "ConnectFailedError: no route", wait_s))
        ]
        assert play.login.is_authenticated
        (again,) = only(do.Prepare, play.sleep(wait_s))
        assert again.renewal
    play.prepared()
    assert do.Admit(1, Admission.RENEWAL) in play.received(ACCEPTED)


def test_when_the_old_login_dies_first_a_fresh_one_is_made_on_a_new_connection() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.unprepared(RateLimitedError("429", status=429, retry_after=3600))
    reason = "it ended before it was renewed"
    expired, reconnect = play.sleep(20)
    assert expired == do.Announce(LoginExpired(1, reason))
    assert isinstance(reconnect, do.Reconnect)
    assert not play.login.is_authenticated


def test_a_renewal_that_is_slower_than_the_old_login_is_abandoned() -> None:
    play = Play(preparation_timeout_s=60)
    play.log_in(100)
    play.sleep(80)
    expired, abandoned, reconnect = play.sleep(20)
    assert isinstance(expired, do.Announce)
    assert abandoned == do.Abandon(1, 2)
    assert reconnect == do.Reconnect(1, "it ended before it was renewed", 1.0)
    assert play.prepared() == []


def test_a_tick_after_a_long_sleep_begins_no_renewal_of_what_is_dead() -> None:
    play = Play()
    play.log_in(100)
    actions = play.login.tick(play.now + 5000)
    assert only(do.Prepare, actions) == []
    assert only(do.Reconnect, actions) != []


def test_a_renewal_that_the_exchange_refuses_is_followed_by_a_fresh_preparation() -> None:
    for error in [
        HTTPAuthenticationError("x", status=401),
        HTTPStatusError("x", status=400),
        ConfigurationError("no refresh token"),
    ]:
        play = Play()
        play.log_in(100)
        play.sleep(80)
        assert [type(event) for event in events(play.unprepared(error))] == [RenewalFailed]
        (fresh,) = only(do.Prepare, play.sleep(1))
        assert not fresh.renewal
        if not isinstance(error, HTTPStatusError) or isinstance(error, AuthenticationError):
            assert only(do.Fail, play.unprepared(error)) != []


def test_a_renewal_that_came_too_often_is_no_less_a_renewal() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.unprepared(RateLimitedError("429", status=429, retry_after=2))
    assert play.sleep(3) == [do.Prepare(1, 3, renewal=True)]


def test_a_refused_renewal_frame_that_may_pass_is_prepared_again() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.prepared()
    assert events(play.received(BUSY)) == [RenewalFailed(1, "slow down", 1.0)]
    assert play.login.is_authenticated
    assert play.sleep(1) == [do.Prepare(1, 3, renewal=True)]
    assert play.sleep(15) == []  # the refused frame is awaited no more


def test_a_definite_refusal_of_a_renewal_frame_stops() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.prepared()
    assert only(do.Fail, play.received(AuthOutcome.rejected("revoked"))) != []


def test_a_renewal_frame_without_an_answer_takes_a_new_connection() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.prepared()
    actions = play.sleep(10)
    assert [type(event) for event in events(actions)] == [LoginFailed]
    assert only(do.Reconnect, actions) != []
    assert play.received(ACCEPTED) == []


# Expiry.


def test_an_expired_login_is_replaced_at_once_by_a_fresh_one() -> None:
    play = Play()
    play.log_in()
    play.sleep(10)
    assert play.received(AuthOutcome.expired("token expired")) == [
        do.Announce(LoginExpired(1, "token expired")),
        do.Prepare(1, 2, renewal=False),
    ]
    assert not play.login.is_authenticated
    assert [type(each) for each in play.prepared()] == [do.Send]
    assert play.received(ACCEPTED) == [
        do.Announce(LoginRenewed(1, None)),
        do.Admit(1, Admission.RECOVERY),
    ]


def test_the_same_news_twice_makes_one_preparation() -> None:
    play = Play()
    play.log_in()
    play.received(AuthOutcome.expired())
    assert play.received(AuthOutcome.expired()) == []
    play.prepared()
    assert play.received(AuthOutcome.expired()) == []
    assert do.Admit(1, Admission.RECOVERY) in play.received(ACCEPTED)


@pytest.mark.parametrize("ends_well", [True, False])
def test_expiry_during_a_renewal_waits_for_its_end_and_then_begins_afresh(ends_well: bool) -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    assert play.received(AuthOutcome.expired()) == [do.Announce(LoginExpired(1, ""))]
    assert not play.login.is_authenticated
    assert play.sleep(25) == []  # what ended has no end to come
    fresh = play.prepared() if ends_well else play.unprepared(DOWN)
    assert fresh == [do.Prepare(1, 3, renewal=False)]


def test_expiry_during_a_renewal_does_not_overrun_a_wait_that_was_asked_for() -> None:
    play = Play()
    play.log_in(100)
    play.sleep(80)
    play.received(AuthOutcome.expired())
    actions = play.unprepared(RateLimitedError("429", status=429, retry_after=5))
    assert only(do.Prepare, actions) == []
    assert only(do.Reconnect, actions)[0].retry_in_s == 6


def test_an_expired_login_that_cannot_be_replaced_takes_a_new_connection() -> None:
    play = Play()
    play.log_in()
    play.received(AuthOutcome.expired())
    failed, reconnect = play.unprepared(DOWN)
    assert failed == do.Announce(LoginFailed(1, "ConnectFailedError: no route", 2.0))
    assert reconnect == do.Reconnect(1, "ConnectFailedError: no route", 2.0)


def test_logins_that_expire_at_once_make_no_storm() -> None:
    play = Play()
    play.log_in()
    play.received(AuthOutcome.expired())
    waits = []
    for _ in range(4):
        play.prepared()
        if only(do.Dial, play.all[-1:]):
            play.connected()
        play.received(ACCEPTED)
        (reconnect,) = only(do.Reconnect, play.received(AuthOutcome.expired()))
        waits.append(reconnect.retry_in_s)
        play.dial()
        play.sleep(reconnect.retry_in_s)
    assert waits == [2, 4, 8, 16]


def test_a_login_that_stood_for_a_while_forgets_the_failures_before_it() -> None:
    for stood_s, wait_s in [(59.0, 8.0), (60.0, 1.0)]:
        play = Play()
        play.dial()
        for backed_off_s in [1, 2, 4]:
            play.unprepared(DOWN)
            play.sleep(backed_off_s)
        play.prepared()
        play.connected()
        play.received(ACCEPTED)
        play.sleep(stood_s)
        play.disconnected()
        play.dial()
        (failed,) = events(play.unprepared(DOWN))
        assert isinstance(failed, LoginFailed)
        assert failed.retry_in_s == wait_s


def test_renewals_do_not_interrupt_the_time_that_a_login_stood() -> None:
    play = Play()
    play.dial()
    play.unprepared(DOWN)
    play.sleep(1)
    play.prepared()
    play.connected()
    play.received(AuthOutcome.accepted(50))
    for _ in range(2):
        play.sleep(40)
        play.prepared()
        play.received(AuthOutcome.accepted(50))
    play.sleep(40)
    assert events(play.unprepared(DOWN)) == [RenewalFailed(1, "ConnectFailedError: no route", 1)]


def test_a_first_login_with_an_old_token_is_made_again_with_a_fresh_one() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    assert only(do.Prepare, play.received(AuthOutcome.expired())) == [do.Prepare(1, 2, False)]
    play.prepared()
    assert do.Admit(1, Admission.LOGIN) in play.received(ACCEPTED)


def test_a_fresh_token_that_is_old_already_takes_a_new_connection() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    play.received(AuthOutcome.expired())
    play.prepared()
    assert only(do.Reconnect, play.received(AuthOutcome.expired())) != []


@pytest.mark.parametrize("lifetime_s", [1e-9, 0.5, 1.1])
def test_an_absurdly_short_lifetime_makes_no_storm(lifetime_s: float) -> None:
    play = Play(share=1.0)
    begun_at = play.now
    play.log_in(lifetime_s)
    while play.now - begun_at < 600:
        for action in play.sleep(0.05):
            if isinstance(action, do.Reconnect):
                play.dial()
            elif isinstance(action, do.Prepare):
                play.prepared()
                play.connected()
                play.received(AuthOutcome.accepted(lifetime_s))
    assert len(only(do.Send, play.all)) < 601


# Nothing late is accepted.


def test_nothing_of_an_earlier_epoch_counts() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    play.disconnected()
    play.sleep(1)
    play.dial()
    pattern = play.login.pattern
    play.prepared()
    play.connected()
    asked = pattern.asked  # type: ignore[attr-defined]
    for outcome in [ACCEPTED, AuthOutcome.rejected("no"), AuthOutcome.expired()]:
        assert play.received(outcome, epoch=1) == []
    assert pattern.asked == asked  # type: ignore[attr-defined]
    assert play.connected(epoch=1) == play.disconnected(epoch=1) == []
    assert play.login.state is LoginState.WAITING
    assert do.Admit(2, Admission.LOGIN) in play.received(ACCEPTED)


def test_an_answer_to_an_earlier_preparation_counts_for_nothing() -> None:
    play = Play()
    play.dial()
    play.dial()
    assert play.prepared(attempt=1) == play.unprepared(AuthenticationError(), attempt=1) == []
    assert play.login.state is LoginState.PREPARING
    assert only(do.Dial, play.prepared(attempt=2)) != []
    assert play.prepared(attempt=2) == []


def test_a_frame_counts_only_on_an_open_connection() -> None:
    play = Play()
    play.dial()
    assert play.received(ACCEPTED) == []
    play.prepared()
    assert play.received(ACCEPTED) == []
    assert play.login.state is LoginState.CONNECTING


def test_a_second_ack_is_harmless() -> None:
    play = Play()
    play.log_in(100)
    deadline = play.login.next_deadline
    play.sleep(1)
    assert play.received(AuthOutcome.accepted(500)) == []
    assert play.login.next_deadline == deadline
    play.sleep(79)
    assert play.received(ACCEPTED) == []
    assert play.login.state is LoginState.REFRESHING


def test_an_ack_before_the_tick_that_would_have_given_it_up_counts() -> None:
    play = Play()
    play.dial()
    play.prepared()
    play.connected()
    play.now += 60
    assert do.Admit(1, Admission.LOGIN) in play.received(ACCEPTED)


# What may be seen.


def test_no_repr_or_reason_shows_a_secret() -> None:
    token = "eyJhbGciOi-the-token"
    pattern = with_frame()
    pattern.frame = {"op": "login", "token": token}
    play = Play(pattern)
    play.dial()
    play.prepared(url=f"wss://ws.exchange/ws?listenKey={token}9", headers={"X-Sign": "s3cr3t-sign"})
    play.connected()
    outcome = AuthOutcome.rejected(f"bad {token} and s3cr3t-sign and {token}9\x1b[0m")
    (event,) = events(play.received(outcome))
    assert isinstance(event, LoginRejected)
    assert event.reason == r"bad *** and *** and ***\x1b[0m"
    seen = repr(play.all) + repr(play.login) + str(play.login.error)
    assert "eyJ" not in seen
    assert "s3cr3t" not in seen


def test_errors_of_others_are_told_by_name_alone() -> None:
    play = Play()
    play.dial()
    (event,) = events(play.unprepared(KeyError("the-token")))
    assert event == LoginFailed(1, "KeyError", 1.0)


def test_it_shows_where_it_stands() -> None:
    assert repr(Play().login) == "Login(anonymous, epoch=0)"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_does_not_travel(take: Any) -> None:
    with pytest.raises(TypeError, match="Login does not pickle or copy"):
        take(Play().login)


@pytest.mark.parametrize(
    "settings",
    [
        {"lifetime_s": 0},
        {"ack_timeout_s": 0},
        {"preparation_timeout_s": -1},
        {"settle_s": math.nan},
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} is .*; pass seconds"):
        Login(with_frame(), **settings)


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"pattern is a str; pass auth\.ws_pattern"):
        Login("okx")  # type: ignore[arg-type]
