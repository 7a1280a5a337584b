"""What a login does when the exchange says that it is over."""

from __future__ import annotations

import pytest

from networkpype.auth import actions as do
from networkpype.auth.actions import Admission
from networkpype.auth.outcome import AuthOutcome
from networkpype.errors import (
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
    DOWN,
    Play,
    events,
    only,
)


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
