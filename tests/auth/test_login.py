"""How a login gets in, and what it does when it does not: move by move."""

from __future__ import annotations

import math

import pytest

from networkpype.auth import actions as do
from networkpype.auth.actions import Admission
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.standing import LoginState
from networkpype.errors import (
    ConfigurationError,
    MissingCredentialsError,
    NetworkpypeError,
    RateLimitedError,
)
from networkpype.hooks import (
    LoggedIn,
    LoginFailed,
)
from networkpype.websocket.request import WebSocketJSONRequest
from networkpype.websocket.response import WebSocketResponse
from tests.auth.login_play import (
    ACCEPTED,
    DOWN,
    EXCHANGE_TIME,
    URL,
    Play,
    events,
    frameless,
    only,
    with_frame,
)


def test_it_prepares_dials_sends_the_frame_and_waits_for_the_ack() -> None:
    play = Play()
    assert play.state() is LoginState.ANONYMOUS
    assert play.login.next_deadline is None
    assert play.dial() == [do.Prepare(epoch=1, attempt=1, renewal=False)]
    assert play.state() is LoginState.PREPARING
    assert play.prepared() == [do.Dial(1, PreAuth(URL))]
    assert play.state() is LoginState.CONNECTING
    (sent,) = play.connected()
    assert isinstance(sent, do.Send)
    assert sent.epoch == 1
    assert play.state() is LoginState.WAITING
    assert not play.login.is_authenticated
    assert play.received(ACCEPTED) == [
        do.Announce(LoggedIn(1, None)),
        do.Admit(1, Admission.LOGIN),
    ]
    assert play.state() is LoginState.AUTHENTICATED
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


def test_where_the_server_greets_the_greeting_is_the_ack() -> None:
    pattern = frameless()
    pattern.greets = True
    play = Play(pattern)
    play.dial()
    play.prepared(100)
    assert play.connected() == []
    assert not play.login.is_authenticated
    assert play.login.next_deadline == play.now + 10
    assert do.Admit(1, Admission.LOGIN) in play.received(ACCEPTED)
    play.sleep(80)
    assert do.Admit(1, Admission.RENEWAL) in play.prepared(100)  # nobody greets twice


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
