"""What stops a login, and what does not."""

from __future__ import annotations

import pytest

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.standing import LoginState
from networkpype.credentials import Credentials
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    HTTPAuthenticationError,
    HTTPStatusError,
    MissingCredentialsError,
    NetworkpypeError,
    Outcome,
)
from networkpype.exchanges import exchange_auth
from networkpype.hooks import (
    LoginExpired,
    LoginFailed,
    LoginRejected,
)
from networkpype.websocket.response import WebSocketResponse
from tests.auth.login_play import (
    ACCEPTED,
    BUSY,
    DOWN,
    Play,
    Staged,
    frameless,
    only,
    with_frame,
)


@pytest.mark.parametrize("fault", [KeyError("PRIVATE"), RuntimeError("PRIVATE"), TypeError()])
def test_a_frame_that_cannot_be_built_is_tried_again_later(fault: Exception) -> None:
    pattern = with_frame()
    pattern.fault = fault
    play = Play(pattern)
    play.dial()
    play.prepared()
    announced, again = play.connected()
    reason = type(fault).__name__
    assert isinstance(announced, do.Announce)
    assert isinstance(announced.event, LoginFailed)
    assert announced.event.reason == reason
    assert isinstance(again, do.Reconnect)
    assert (again.reason, again.retry_in_s > 0) == (reason, True)
    assert play.state() is LoginState.ANONYMOUS
    pattern.fault = None
    play.dial()
    play.sleep(again.retry_in_s)
    play.prepared()
    assert only(do.Send, play.connected())


@pytest.mark.parametrize("fault", [KeyError("PRIVATE"), ConfigurationError("no token")])
def test_a_renewal_whose_frame_cannot_be_built_keeps_the_login_while_it_lasts(
    fault: Exception,
) -> None:
    pattern = with_frame()
    play = Play(pattern)
    play.log_in(100)
    pattern.fault = fault
    play.sleep(80)
    play.prepared(100)
    assert play.login.is_authenticated
    assert play.login.next_deadline is not None
    pattern.fault = None
    play.sleep(5)
    assert only(do.Send, play.prepared(100))


def test_a_pattern_that_cannot_forget_leaves_the_login_where_it_was() -> None:
    class Stubborn(Staged):
        def reset(self) -> None:
            if self.fault is not None:
                raise self.fault

    pattern = Stubborn({"op": "login"})
    play = Play(pattern)
    pattern.fault = KeyError("x")
    with pytest.raises(KeyError):
        play.dial()
    assert (play.state(), play.login.epoch) == (LoginState.ANONYMOUS, 0)


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


async def logged_in(auth: SchemeAuth) -> Login:
    assert auth.ws_pattern is not None
    login = Login(auth.ws_pattern)
    login.dial(0.0)
    login.prepared(await login.pattern.pre_auth(None), 0.0, 0.0, 1)
    login.connected(0.0, 0.0, 1)
    return login


async def test_what_the_exchange_echoes_after_the_ack_is_hidden() -> None:
    pattern = AccessTokenLogin(
        url="wss://h.example/",
        refresh_url="https://h.example/refresh",
        lifetime_s=3600,
        bearer_header=False,
    )
    credentials = Credentials(key="first-access-token", secret="refresh")
    login = await logged_in(SchemeAuth(credentials, pattern=pattern))
    login.received(WebSocketResponse({"cmd": "login", "status": "success"}), 1.0, 1)
    assert login.is_authenticated
    over = {"cmd": "token_expired", "data": {"message": "first-access-token is over"}}
    _, actions = login.received(WebSocketResponse(over), 2.0, 1)
    assert actions[0] == do.Announce(LoginExpired(1, "*** is over"))


async def test_a_key_that_a_refused_subscribe_echoes_is_hidden() -> None:
    auth = exchange_auth("gate", Credentials(key="key-0123456789", secret="secret-0123456789"))
    login = await logged_in(auth)
    refused = {"event": "subscribe", "error": {"message": "invalid key key-0123456789"}}
    _, (_, fail) = login.received(WebSocketResponse(refused), 1.0, 1)
    assert isinstance(fail, do.Fail)
    assert str(fail.error) == "the exchange refused the login: invalid key ***"


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.REJECTED])
def test_what_another_process_was_refused_rests_and_does_not_end_it(outcome: Outcome) -> None:
    play = Play()
    play.dial()
    play.unprepared(AuthenticationError("refused the refresh token", outcome=outcome))
    is_over = outcome is Outcome.REJECTED
    assert (play.login.state is LoginState.FAILED) is is_over
    assert (play.login.next_deadline is None) is is_over
