"""Nothing late is accepted by a login, and nothing secret is seen of it."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from networkpype.auth import actions as do
from networkpype.auth.actions import Admission
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.standing import LoginState
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
)
from networkpype.hooks import (
    LoginFailed,
    LoginRejected,
)
from tests.auth.login_play import (
    ACCEPTED,
    Play,
    events,
    only,
    with_frame,
)


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
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} is .*; pass seconds"):
        Login(with_frame(), **settings)


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"pattern is a str; pass auth\.ws_pattern"):
        Login("okx")  # type: ignore[arg-type]
