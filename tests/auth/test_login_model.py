"""Whatever happens, in whatever order: one preparation at a time, and nobody is let in by mistake.

A driver does what it is told, or is late with it, and the exchange answers as it likes, at random.
The model knows nothing of the states: it keeps what was asked and answered, and judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.standing import LoginState
from networkpype.errors import (
    AuthenticationError,
    ConnectFailedError,
    HTTPAuthenticationError,
    HTTPStatusError,
    MissingCredentialsError,
    RateLimitedError,
)
from networkpype.hooks import LoginExpired, LoginFailed, LoginRejected, RenewalFailed
from networkpype.retry import Backoff
from networkpype.websocket.request import WebSocketJSONRequest
from networkpype.websocket.response import WebSocketResponse
from tests.auth.login_play import EXCHANGE_TIME, URL, frameless, with_frame

LIFETIMES = st.none() | st.sampled_from([0.3, 20.0, 100.0, 1e6, -1.0, math.nan])
ERRORS = st.sampled_from(
    [
        ConnectFailedError("down"),
        RateLimitedError("429", status=429, retry_after=25.0),
        HTTPStatusError("400", status=400),
        KeyError("token"),
        AuthenticationError("no"),
        HTTPAuthenticationError("401", status=401),
        MissingCredentialsError("no key"),
    ]
)
OUTCOMES = st.one_of(
    st.builds(AuthOutcome.accepted, LIFETIMES),
    st.sampled_from(
        [
            AuthOutcome.not_mine(),
            AuthOutcome.expired("expired"),
            AuthOutcome.rejected("slow", definite=False, retry_after_s=15.0),
            AuthOutcome.rejected("no"),
            AuthOutcome.challenge(),
            AuthOutcome.challenge(WebSocketJSONRequest({"answer": 1})),
        ]
    ),
)
FINAL = (AuthenticationError, MissingCredentialsError)


class Logins(RuleBasedStateMachine):
    @initialize(
        framed=st.booleans(),
        greets=st.booleans(),
        jitter=st.floats(0, 1),
        share=st.floats(0, 1),
        configured=LIFETIMES,
    )
    def begin(
        self, framed: bool, greets: bool, jitter: float, share: float, configured: float | None
    ) -> None:
        self.framed = framed
        self.greets = greets
        self.pattern = with_frame() if framed else frameless()
        self.pattern.greets = greets
        self.login = Login(
            self.pattern,
            lifetime_s=configured if configured is not None and configured > 0 else None,
            jitter=lambda: jitter,
            backoff=Backoff(jitter=lambda: share),
        )
        self.now = 1000.0
        self.epoch = 0
        self.in_flight: do.Prepare | None = None
        self.attempts: list[int] = [0]
        self.dialed: do.Dial | None = None
        self.open = False
        self.unanswered = 0
        self.knows_us = False
        self.failed: do.Fail | None = None
        self.not_before = -math.inf
        self.at_once_allowed = False
        self.term: tuple[float, float] | None = None

    # What the driver and the exchange do.

    @rule()
    def dial(self) -> None:
        self.leave()
        actions = self.login.dial(self.now)
        if self.failed is None:
            self.epoch += 1
        self.take(actions)

    @precondition(lambda self: self.in_flight is not None)
    @rule(
        lifetime_s=LIFETIMES,
        url=st.sampled_from([URL, URL, URL, f"{URL}2"]),
        headers=st.sampled_from([{}, {}, {"X": "1"}]),
    )
    def prepared(self, lifetime_s: float | None, url: str, headers: dict[str, str]) -> None:
        assert self.in_flight is not None
        prepare, self.in_flight = self.in_flight, None
        pre_auth = PreAuth(url, headers, lifetime_s)
        actions = self.login.prepared(pre_auth, self.now, EXCHANGE_TIME, prepare.attempt)
        self.at_once_allowed = True  # a fresh one after one that came to nothing
        # Renewed without a frame: the preparation itself is the exchange's word.
        self.take(actions, lets_in=self.open and not self.framed)

    @precondition(lambda self: self.in_flight is not None)
    @rule(error=ERRORS)
    def unprepared(self, error: Exception) -> None:
        assert self.in_flight is not None
        prepare, self.in_flight = self.in_flight, None
        actions = self.login.preparation_failed(error, self.now, prepare.attempt)
        assert kinds(actions, do.Fail) == (isinstance(error, FINAL) and not prepare.renewal)
        self.at_once_allowed = not isinstance(error, RateLimitedError)
        self.take(actions)

    @precondition(lambda self: self.dialed is not None and not self.open)
    @rule()
    def connected(self) -> None:
        self.open = True
        actions = self.login.connected(self.now, EXCHANGE_TIME, self.epoch)
        assert kinds(actions, do.Send) == self.framed
        self.take(actions, lets_in=not self.framed and not self.greets)
        self.unanswered = int(self.framed or self.greets)

    @precondition(lambda self: self.open)
    @rule(outcome=OUTCOMES)
    def received(self, outcome: AuthOutcome) -> None:
        told, actions = self.login.received(WebSocketResponse(outcome), self.now, self.epoch)
        assert told is outcome
        answers = self.unanswered > 0 and outcome.answer is None
        is_ack = answers and outcome.status.value in ("accepted", "challenge")
        if outcome.status.value == "expired":
            self.knows_us = False
            self.at_once_allowed = True
            self.unanswered = 0 if kinds(actions, do.Prepare) else self.unanswered
        if answers and outcome.status.value == "rejected":
            self.unanswered = 0
            assert kinds(actions, do.Fail) == outcome.definite
        assert kinds(actions, do.Admit) == is_ack
        if is_ack:
            self.unanswered = 0
        self.take(actions, lets_in=is_ack)
        if is_ack and outcome.lifetime_s is not None and outcome.lifetime_s > 0:
            self.term = (self.now, outcome.lifetime_s)

    @precondition(lambda self: self.dialed is not None or self.in_flight is not None)
    @rule()
    def disconnected(self) -> None:
        self.leave()
        self.take(self.login.disconnected(self.now, self.epoch))
        assert not self.login.is_authenticated

    @precondition(lambda self: self.failed is None and not self.open)
    @rule(prepared_s=LIFETIMES, acked_s=LIFETIMES)
    def all_goes_well(self, prepared_s: float | None, acked_s: float | None) -> None:
        """Get in from wherever it stands: chance alone seldom does."""
        if self.dialed is None and self.in_flight is None:
            self.dial()
            self.now = max(self.now, self.not_before)
            self.tick()
        if self.in_flight is not None:
            self.prepared(prepared_s, URL, {})
        if self.dialed is not None:
            self.connected()
        if self.unanswered:
            self.received(AuthOutcome.accepted(acked_s))
        assert self.login.is_authenticated or self.login.state is LoginState.PREPARING

    @precondition(lambda self: self.login.next_deadline is not None)
    @rule()
    def it_is_time(self) -> None:
        self.now = max(self.now, self.login.next_deadline or 0.0)
        self.tick()

    @rule(seconds=st.sampled_from([0.01, 0.9, 5.0, 10.0, 30.0, 61.0, 90_000.0]))
    def time_passes(self, seconds: float) -> None:
        """Tick in time, and sometimes late: the loop was blocked."""
        until = self.now + seconds
        while (at := self.login.next_deadline) is not None and at <= until:
            self.now = max(self.now, at)
            self.tick()
        self.now = until

    @rule(seconds=st.sampled_from([0.1, 15.0, 100.0, 1e6]))
    def time_jumps(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    def tick(self) -> None:
        self.at_once_allowed = False
        actions = self.login.tick(self.now)
        assert actions or self.login.next_deadline is None or self.login.next_deadline > self.now
        self.take(actions)
        at = self.login.next_deadline
        assert at is None or at > self.now, "a timer in the past was left unanswered"
        if self.login.is_authenticated and self.term is not None:
            since, lifetime_s = self.term
            assert self.now < since + lifetime_s, "it outlived what the exchange told"
            if self.now >= since + max(1.0, min(0.8 * lifetime_s, 86_400)):
                assert self.login.state is LoginState.REFRESHING, "not renewed at 80 %"

    @rule(back=st.integers(1, 3), outcome=OUTCOMES, error=ERRORS)
    def late_answers_come(self, back: int, outcome: AuthOutcome, error: Exception) -> None:
        before = self.seen()
        epoch, attempt = self.epoch - back, self.attempts[-1] - back
        if self.in_flight is None and back == 1:
            attempt = self.attempts[-1]  # answered already, or abandoned
        pre_auth = PreAuth(URL)
        assert not self.login.prepared(pre_auth, self.now, EXCHANGE_TIME, attempt)
        assert not self.login.preparation_failed(error, self.now, attempt)
        assert not self.login.connected(self.now, EXCHANGE_TIME, epoch)
        assert not self.login.received(WebSocketResponse(outcome), self.now, epoch)[1]
        assert not self.login.disconnected(self.now, epoch)
        if self.dialed is None and self.in_flight is None and self.failed is not None:
            assert not self.login.disconnected(self.now, self.epoch)
        if not self.open:
            assert not self.login.received(WebSocketResponse(outcome), self.now, self.epoch)[1]
        if self.dialed is None or self.open:
            assert not self.login.connected(self.now, EXCHANGE_TIME, self.epoch)
        assert self.seen() == before

    @precondition(lambda self: self.failed is not None)
    @rule()
    def reset(self) -> None:
        assert not self.login.reset(self.pattern)
        self.failed = None
        self.not_before = -math.inf

    # What must hold.

    @invariant()
    def nobody_is_let_in_by_mistake(self) -> None:
        assert self.login.is_authenticated <= (self.knows_us and self.open)
        assert (self.login.state is LoginState.AUTHENTICATED) <= self.login.is_authenticated

    @invariant()
    def whoever_waits_has_a_deadline(self) -> None:
        waits = {LoginState.PREPARING, LoginState.WAITING, LoginState.REFRESHING}
        assert (self.login.state in waits) <= (self.login.next_deadline is not None)
        idle = {LoginState.ANONYMOUS, LoginState.FAILED, LoginState.CONNECTING}
        assert (self.login.state in idle) <= (self.login.next_deadline is None)

    @invariant()
    def a_failure_is_final(self) -> None:
        assert (self.failed is not None) == (self.login.state is LoginState.FAILED)
        assert (self.failed is not None) == (self.login.error is not None)

    @invariant()
    def the_epoch_is_the_drivers(self) -> None:
        assert self.login.epoch == self.epoch

    def seen(self) -> tuple[object, ...]:
        login = self.login
        return login.state, login.is_authenticated, login.next_deadline, login.epoch, login.error

    def leave(self) -> None:
        self.dialed = None
        self.open = self.knows_us = False
        self.unanswered = 0

    def take(self, actions: Sequence[do.Action], *, lets_in: bool = False) -> None:
        """Do what is wanted, in order, and see that it may be."""
        for action in actions:
            match action:
                case do.Prepare(epoch, attempt, renewal):
                    assert self.failed is None
                    assert self.in_flight is None, "two preparations in flight"
                    assert self.now >= self.not_before or self.at_once_allowed
                    assert attempt > self.attempts[-1]
                    assert epoch == self.epoch
                    assert renewal <= (self.open and self.knows_us), "renewed what is not there"
                    self.in_flight = action
                    self.attempts.append(attempt)
                case do.Abandon(epoch, attempt):
                    assert self.in_flight is not None
                    assert self.in_flight.attempt == attempt
                    assert self.in_flight.epoch == epoch
                    self.in_flight = None
                case do.Dial(epoch):
                    assert (epoch, self.dialed, self.open) == (self.epoch, None, False)
                    self.dialed = action
                case do.Send(epoch, request):
                    assert epoch == self.epoch
                    assert self.open
                    if "op" in request.payload:
                        assert self.unanswered == 0, "two login frames without an answer"
                        self.unanswered += 1
                case do.Admit(epoch):
                    assert epoch == self.epoch
                    assert lets_in, "let in by nobody"
                    self.knows_us = True
                    self.term = None
                case do.Reconnect(epoch, _, retry_in_s):
                    assert epoch == self.epoch
                    assert 0 <= retry_in_s <= 25 + 60
                    self.not_before = max(self.not_before, self.now + retry_in_s)
                    self.leave()
                case do.Fail(epoch):
                    assert epoch == self.epoch
                    self.failed = action
                    self.leave()
                case do.Announce(LoginExpired()):
                    self.knows_us = False
                case do.Announce(
                    RenewalFailed(_, _, float(wait_s))
                    | LoginFailed(_, _, float(wait_s))
                    | LoginRejected(_, _, _, float(wait_s))
                ):
                    self.not_before = max(self.not_before, self.now + wait_s)
        if self.failed is not None:
            assert self.in_flight is None


def kinds(actions: Sequence[do.Action], kind: type[do.Action]) -> bool:
    return any(isinstance(action, kind) for action in actions)


Logins.TestCase.settings = settings(
    max_examples=2 * settings().max_examples, stateful_step_count=40
)
TestLogins = Logins.TestCase
