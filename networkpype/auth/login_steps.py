"""The steps that a login takes, whatever made it take them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

from networkpype.auth import actions as do
from networkpype.auth.actions import Action
from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.setbacks import (
    Setbacks,
    is_final,
    needs_fresh,
    reason_of,
    scrubbed,
    wait_told_s,
)
from networkpype.auth.standing import LoginState, Standing, Timer
from networkpype.errors import AuthenticationError, AuthenticationFailure, NetworkpypeError
from networkpype.hooks import Event, LoginFailed, LoginRejected, RenewalFailed

__all__ = ["LoginSteps"]


class LoginSteps:
    """Where a login stands, what is due when, and how it moves on."""

    __slots__ = (
        "_attempt",
        "_due",
        "_not_before",
        "_preparation_timeout_s",
        "_setbacks",
        "_standing",
        "epoch",
        "error",
        "pattern",
        "state",
    )

    pattern: WebSocketAuthPattern

    def __init__(self, setbacks: Setbacks, preparation_timeout_s: float) -> None:
        self._setbacks = setbacks
        self._preparation_timeout_s = preparation_timeout_s
        self._due: dict[Timer, float] = {}
        self._standing = Standing()
        self._not_before = -math.inf
        self._attempt = 0
        self.epoch = 0
        """The number of the connection that is there or being made, or was there last."""
        self.state = LoginState.ANONYMOUS
        """Where the login stands."""
        self.error: NetworkpypeError | None = None
        """Why it failed for good."""

    @property
    def is_authenticated(self) -> bool:
        """Tell whether the exchange knows us; so it does while a renewal is on its way in time."""
        return self._standing.alive

    @property
    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `tick` wants to be called, None for not at all."""
        return min(self._due.values(), default=None)

    def _prepare(self, now: float, *, renewal: bool) -> Sequence[Action]:
        standing = self._standing
        standing.renewal, standing.fresh_next, standing.begun_at = renewal, False, now
        self._attempt += 1
        self._due[Timer.PREPARE_BY] = now + self._preparation_timeout_s
        return [do.Prepare(self.epoch, self._attempt, renewal)]

    def _set_back(self, now: float, floor_s: float = 0.0) -> float:
        """Count a failure and return the wait; a wait that was asked for outlives connections."""
        wait_s = self._setbacks.next_wait_s(now, floor_s)
        self._not_before = max(self._not_before, now + wait_s)
        return self._not_before - now

    def _put_off(
        self,
        reason: str,
        now: float,
        floor_s: float = 0.0,
        failure: AuthenticationFailure | None = None,
    ) -> Sequence[Action]:
        """Try again later: on this connection while it is logged in or not yet made."""
        wait_s = self._set_back(now, floor_s)
        event: Event = LoginFailed(self.epoch, reason, wait_s)
        if self._standing.alive:
            event = RenewalFailed(self.epoch, reason, wait_s)
        elif failure is not None:
            event = LoginRejected(self.epoch, reason, failure, wait_s)
        if self._standing.alive or self.state is LoginState.PREPARING:
            self._due[Timer.RETRY] = self._not_before
            return [do.Announce(event)]
        return [do.Announce(event), *self._reconnect(reason, now)]

    def _reconnect(self, reason: str, now: float) -> Sequence[Action]:
        left = self._leave(LoginState.ANONYMOUS)
        return [*left, do.Reconnect(self.epoch, reason, max(0.0, self._not_before - now))]

    def _fail(self, error: NetworkpypeError, reason: str) -> Sequence[Action]:
        self.error = error
        event: Event = LoginFailed(self.epoch, reason, None)
        if isinstance(error, AuthenticationError):
            event = LoginRejected(self.epoch, reason, error.reason, None)
        left = self._leave(LoginState.FAILED)
        return [do.Announce(event), *left, do.Fail(self.epoch, error)]

    def _refuse(self, outcome: AuthOutcome, now: float) -> Sequence[Action]:
        reason = self._told(outcome.reason)
        failure = outcome.failure or AuthenticationFailure.REJECTED
        if outcome.definite:
            error = AuthenticationError(f"the exchange refused the login: {reason}", reason=failure)
            return self._fail(error, reason)
        self._due.pop(Timer.ACK_BY, None)
        return self._put_off(reason, now, wait_told_s(outcome.retry_after_s), failure)

    def _told(self, reason: str) -> str:
        return scrubbed(reason, self.pattern, self._standing.pre_auth, [self._standing.frame])

    def _broke(self, error: BaseException, now: float) -> Sequence[Action]:
        """Judge why there is nothing to log in with."""
        standing, floor_s = self._standing, wait_told_s(error)
        if is_final(error, renewal=standing.renewal):
            return self._fail(error, reason_of(error))
        if standing.fresh_next and not floor_s:
            return self._prepare(now, renewal=False)
        standing.renewal = standing.renewal and not needs_fresh(error)
        return self._put_off(reason_of(error), now, floor_s)

    def _leave(self, state: LoginState) -> Sequence[Action]:
        """Have no connection any more, and nothing under way for it."""
        under_way = Timer.PREPARE_BY in self._due
        self._due.clear()
        self.state, self._standing = state, Standing()
        return [do.Abandon(self.epoch, self._attempt)] if under_way else []

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} does not pickle or copy: it holds secrets")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.state.value}, epoch={self.epoch})"
