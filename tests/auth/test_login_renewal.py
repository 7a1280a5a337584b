"""How a login is renewed in time, and what it does when that fails."""

from __future__ import annotations

import pytest

from networkpype.auth import actions as do
from networkpype.auth.actions import Admission
from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.standing import LoginState
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    HTTPAuthenticationError,
    HTTPStatusError,
    RateLimitedError,
)
from networkpype.hooks import (
    LoginExpired,
    LoginFailed,
    LoginRenewed,
    RenewalFailed,
)
from tests.auth.login_play import (
    ACCEPTED,
    BUSY,
    DOWN,
    Play,
    events,
    frameless,
    only,
)


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
    assert play.login.state is LoginState.REFRESHING
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
