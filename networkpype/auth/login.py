"""A login over the life of a connection: what to do next, decided without a clock or a socket.

```text
              dial            prepared          connected         ack
 ANONYMOUS ---------> PREPARING -----> CONNECTING -----> WAITING -----> AUTHENTICATED
     ^                  | ^ back-off                        |             |      ^ ack, or
     |                  +-+                                 |     80 %,   v      | nothing to send
     +------------------ Reconnect -------------------------+   expired  REFRESHING
                                                                          | ^ back-off
   FAILED: a definite refusal, from anywhere, until `reset`               +-+
```
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from networkpype.auth import actions as do
from networkpype.auth.actions import Action, Admission
from networkpype.auth.expiry import check_seconds, renewal_delay_s
from networkpype.auth.login_steps import LoginSteps
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern, no_outcome
from networkpype.auth.setbacks import Setbacks
from networkpype.auth.standing import LoginState, Timer
from networkpype.errors import ConfigurationError, RequestTimeoutError
from networkpype.hooks import LoggedIn, LoginExpired, LoginFailed, LoginRenewed
from networkpype.retry import Backoff
from networkpype.websocket.response import WebSocketResponse

__all__ = ["Login"]

_LEAST_LIFE_S = 1.0  # between an admission and its renewal, whatever lifetime the exchange tells
_OPEN = frozenset({LoginState.WAITING, LoginState.AUTHENTICATED, LoginState.REFRESHING})
_DEFAULT_HANDLER = WebSocketAuthPattern.handle_auth_response


class Login(LoginSteps):
    """Decide how one connection logs in and stays so; a driver does what the actions say.

    Tell it what happens: `dial`, `prepared` or `preparation_failed`, `connected`, `received`,
    `disconnected`, and `tick` at `next_deadline`. Each returns the actions to perform, in order.
    `now` is monotonic seconds and drives the timers; `exchange_time` is the exchange's clock in
    Unix seconds and goes into signatures. An answer to what is no longer asked, of an earlier
    `epoch` or preparation, changes nothing; one that comes before the tick that would have given
    it up counts.

    It owns `pattern`, which is bound to an identity. The ack's lifetime goes before the one that
    the preparation told, that before the last one told on this connection, and all before
    `lifetime_s`. The ack's counts from the ack, the others from the beginning of the preparation.
    A renewal keeps the connection, unless it gives another address, or other handshake headers and
    no frame. One whose frame is not answered in time takes a new connection too: a late ack could
    not be told from that of a second try.

    One `backoff` counts failures of all kinds, and forgets them when a login stood for `settle_s`.
    `jitter` returns numbers from 0 to 1, which spread renewals: `random.random` by default.
    """

    __slots__ = ("_ack_timeout_s", "_jitter", "_lifetime_s")

    def __init__(
        self,
        pattern: WebSocketAuthPattern,
        *,
        lifetime_s: float | None = None,
        ack_timeout_s: float = 10.0,
        preparation_timeout_s: float = 30.0,
        settle_s: float = 60.0,
        backoff: Backoff | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        if lifetime_s is not None:
            check_seconds("lifetime_s", lifetime_s)
        check_seconds("ack_timeout_s", ack_timeout_s)
        check_seconds("preparation_timeout_s", preparation_timeout_s)
        check_seconds("settle_s", settle_s)
        setbacks = Setbacks(Backoff() if backoff is None else backoff, settle_s)
        super().__init__(setbacks, preparation_timeout_s)
        self._lifetime_s = lifetime_s
        self._ack_timeout_s = ack_timeout_s
        self._jitter = random.random if jitter is None else jitter
        self.reset(pattern)

    @property
    def reads_frames(self) -> bool:
        """Tell whether `received` can ever matter; where it cannot, spare yourself the calls."""
        return type(self.pattern).handle_auth_response is not _DEFAULT_HANDLER

    def reset(self, pattern: WebSocketAuthPattern | None = None) -> Sequence[Action]:
        """Begin anew after a failure, with another bound pattern where credentials changed."""
        if pattern is not None:
            if not isinstance(pattern, WebSocketAuthPattern):
                raise ConfigurationError(
                    f"pattern is a {type(pattern).__name__}; pass auth.ws_pattern"
                )
            self.pattern = pattern
        self.error, self._not_before = None, -math.inf
        self._setbacks.forget()
        return self._leave(LoginState.ANONYMOUS)

    def dial(self, now: float, epoch: int | None = None) -> Sequence[Action]:
        """Begin a new connection and leave the last; its number is one higher, or `epoch`."""
        if self.error is not None:
            return [do.Fail(self.epoch, self.error)]
        if epoch is not None and epoch <= self.epoch:
            raise ConfigurationError(f"epoch is {epoch}; pass more than the last, {self.epoch}")
        self.pattern.reset()  # first, for one that raises leaves all as it was
        actions = self._leave(LoginState.PREPARING)
        self.epoch = self.epoch + 1 if epoch is None else epoch
        if now >= self._not_before:
            return [*actions, *self._prepare(now, renewal=False)]
        self._due[Timer.RETRY] = self._not_before
        return actions

    def prepared(
        self, pre_auth: PreAuth, now: float, exchange_time: float, attempt: int
    ) -> Sequence[Action]:
        """Take what a `Prepare` returned."""
        if not self._is_answer(attempt):
            return []
        if self._standing.fresh_next:
            return self._prepare(now, renewal=False)
        dialed, self._standing.pre_auth = self._standing.pre_auth, pre_auth
        if dialed is None:
            self.state = LoginState.CONNECTING
            return [do.Dial(self.epoch, pre_auth)]
        if pre_auth.url != dialed.url:
            return self._reconnect("the exchange gave another address", now)
        return self._log_in(now, exchange_time, shakes_hands=pre_auth.headers != dialed.headers)

    def preparation_failed(
        self, error: BaseException, now: float, attempt: int
    ) -> Sequence[Action]:
        """Take what a `Prepare` raised."""
        return self._broke(error, now) if self._is_answer(attempt) else []

    def connected(self, now: float, exchange_time: float, epoch: int) -> Sequence[Action]:
        """Log in: the dialed connection is open.

        Without a frame that is all, unless the pattern `greets`: then the greeting is the ack.
        """
        if epoch != self.epoch or self.state is not LoginState.CONNECTING:
            return []
        return self._log_in(now, exchange_time)

    def received(
        self, response: WebSocketResponse, now: float, epoch: int
    ) -> tuple[AuthOutcome, Sequence[Action]]:
        """Return what the frame means for the login, and the actions.

        An ack or a refusal that answers nothing, such as a second one, is told and not acted upon.
        Where no frame was sent each definite refusal counts, such as that of a signed subscribe.
        """
        if epoch != self.epoch or self.state not in _OPEN:
            return AuthOutcome.not_mine(), ()
        outcome = self.pattern.handle_auth_response(response)
        if not isinstance(outcome, AuthOutcome):
            raise no_outcome(self.pattern, outcome)
        if outcome.status is AuthStatus.NOT_MINE:
            return outcome, ()
        return outcome, self._heed(outcome, now)

    def disconnected(self, now: float, epoch: int) -> Sequence[Action]:
        """Forget the connection: it ended, whoever ended it, or could not be made."""
        if epoch != self.epoch or self.state in (LoginState.ANONYMOUS, LoginState.FAILED):
            return []
        if Timer.ACK_BY not in self._due:
            return self._leave(LoginState.ANONYMOUS)
        # Some exchanges answer a wrong key with the end of the line: no storm of logins then.
        wait_s = self._set_back(now)
        reason = "the connection ended before the login was answered"
        failed = do.Announce(LoginFailed(self.epoch, reason, wait_s))
        return [failed, *self._leave(LoginState.ANONYMOUS)]

    def tick(self, now: float) -> Sequence[Action]:
        """Do what is due; `next_deadline` lies after `now` then."""
        actions: list[Action] = []
        while due := [timer for timer in Timer if self._due.get(timer, math.inf) <= now]:
            del self._due[due[0]]
            actions += self._ring(due[0], now)
        return actions

    def _ring(self, timer: Timer, now: float) -> Sequence[Action]:
        if timer is Timer.END:
            reason = "it ended before it was renewed"
            expired = do.Announce(LoginExpired(self.epoch, reason))
            self._set_back(now)
            return [expired, *self._reconnect(reason, now)]
        if timer is Timer.PREPARE_BY:
            late = f"the preparation took longer than {self._preparation_timeout_s:g} s"
            abandoned = do.Abandon(self.epoch, self._attempt)
            return [abandoned, *self._broke(RequestTimeoutError(late), now)]
        if timer is Timer.ACK_BY:
            self._standing.alive = False  # what comes late must not count for a second frame
            late = f"no answer to the login within {self._ack_timeout_s:g} s"
            return self._put_off(late, now)
        if timer is Timer.RENEW:
            self.state = LoginState.REFRESHING
            return self._prepare(now, renewal=True)
        return self._prepare(now, renewal=self._standing.renewal)

    def _is_answer(self, attempt: int) -> bool:
        if attempt != self._attempt:
            return False
        return self._due.pop(Timer.PREPARE_BY, None) is not None

    def _log_in(
        self, now: float, exchange_time: float, *, shakes_hands: bool = False
    ) -> Sequence[Action]:
        """Send the frame, or be in without one; `shakes_hands`: only a new handshake could tell."""
        try:
            self._standing.frame = self.pattern.build_auth_message(exchange_time)
        except Exception as error:  # of a pattern's own too, or nobody would ever ask again
            broken = error
        else:
            frame = self._standing.frame
            self._standing.sent_frame = frame is not None
            is_new = self.state is LoginState.CONNECTING
            if frame is None and shakes_hands:
                return self._reconnect("the handshake has to be made again", now)
            if frame is None and not (is_new and self.pattern.greets):
                return self._admit(now, None)
            if is_new:
                self.state = LoginState.WAITING
            self._due[Timer.ACK_BY] = now + self._ack_timeout_s
            return [] if frame is None else [do.Send(self.epoch, frame)]
        return self._broke(broken, now)

    def _heed(self, outcome: AuthOutcome, now: float) -> Sequence[Action]:
        awaited = Timer.ACK_BY in self._due
        if outcome.answer is not None:
            return [do.Send(self.epoch, outcome.answer)]
        if outcome.status is AuthStatus.EXPIRED:
            return self._expire(outcome.reason, now)
        if outcome.status is AuthStatus.REJECTED:
            if awaited or (not self._standing.sent_frame and outcome.definite):
                return self._refuse(outcome, now)
            return []
        return self._admit(now, outcome.lifetime_s) if awaited else []

    def _admit(self, now: float, acked_s: float | None) -> Sequence[Action]:
        standing = self._standing
        since, life_s = standing.life(now, acked_s, self._lifetime_s)
        admission = standing.admission()
        standing.admitted = standing.alive = True
        self.state = LoginState.AUTHENTICATED
        self._due.clear()
        delay_s = renewal_delay_s(life_s, jitter=self._jitter())
        if life_s is not None and delay_s is not None:
            self._due[Timer.RENEW] = max(since + delay_s, now + _LEAST_LIFE_S)
            self._due[Timer.END] = since + life_s
        self._setbacks.went_well(now)
        event = LoggedIn if admission is Admission.LOGIN else LoginRenewed
        return [do.Announce(event(self.epoch, life_s)), do.Admit(self.epoch, admission)]

    def _expire(self, reason: str, now: float) -> Sequence[Action]:
        reason = self._told(reason)
        expired = do.Announce(LoginExpired(self.epoch, reason))
        if Timer.PREPARE_BY in self._due or (Timer.ACK_BY in self._due and self._standing.admitted):
            if not self._standing.alive:
                return []
            # One at a time: what is under way comes to its end, but cannot prolong what is no more.
            self._standing.alive = False
            self._due.pop(Timer.END, None)
            self._standing.fresh_next = self._standing.renewal and Timer.PREPARE_BY in self._due
            return [expired]
        if not self._setbacks.none_since(now):
            self._set_back(now)
            return [expired, *self._reconnect("the login expired again", now)]
        self._setbacks.next_wait_s(now)  # the first is not waited, but counts
        self.state, self._standing.alive = LoginState.REFRESHING, False
        self._due.clear()
        return [expired, *self._prepare(now, renewal=False)]
