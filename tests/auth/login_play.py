"""A login on a stage: a pattern that does as it is told, and a driver without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.standing import LoginState
from networkpype.errors import ConnectFailedError
from networkpype.hooks import Event
from networkpype.retry import Backoff
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

URL = "wss://ws.exchange/private"
EXCHANGE_TIME = 1_700_000_000.0
ACCEPTED = AuthOutcome.accepted()
BUSY = AuthOutcome.rejected("slow down", definite=False)
DOWN = ConnectFailedError("no route")

ActionT = TypeVar("ActionT", bound=do.Action)


class Staged(WebSocketAuthPattern):
    """Send `frame` with the time in it, where there is one; a response's data is its outcome."""

    def __init__(self, frame: dict[str, Any] | None = None) -> None:
        self.url = URL
        self.frame = frame
        self.resets = 0
        self.asked = 0
        self.fault: Exception | None = None

    def reset(self) -> None:
        self.resets += 1

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        if self.fault is not None:
            raise self.fault
        return None if self.frame is None else WebSocketJSONRequest({**self.frame, "time": now})

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        self.asked += 1
        assert isinstance(response.data, AuthOutcome)
        return response.data


def with_frame() -> Staged:
    return Staged({"op": "login"})


def frameless() -> Staged:
    return Staged()


class Play:
    """Say what happens at `now`; the actions that follow are returned and kept in `all`."""

    def __init__(
        self, pattern: WebSocketAuthPattern | None = None, *, share: float = 1.0, **settings: Any
    ) -> None:
        settings.setdefault("jitter", lambda: 0.0)
        settings.setdefault("backoff", Backoff(jitter=lambda: share))
        self.login = Login(with_frame() if pattern is None else pattern, **settings)
        self.now = 1000.0
        self.all: list[do.Action] = []

    def dial(self, epoch: int | None = None) -> list[do.Action]:
        return self._note(self.login.dial(self.now, epoch))

    def prepared(
        self,
        lifetime_s: float | None = None,
        *,
        url: str = URL,
        headers: dict[str, str] | None = None,
        attempt: int | None = None,
    ) -> list[do.Action]:
        pre_auth = PreAuth(url, headers or {}, lifetime_s)
        attempt = self.attempt if attempt is None else attempt
        return self._note(self.login.prepared(pre_auth, self.now, EXCHANGE_TIME, attempt))

    def unprepared(self, error: BaseException, attempt: int | None = None) -> list[do.Action]:
        attempt = self.attempt if attempt is None else attempt
        return self._note(self.login.preparation_failed(error, self.now, attempt))

    def connected(self, epoch: int | None = None) -> list[do.Action]:
        epoch = self.login.epoch if epoch is None else epoch
        return self._note(self.login.connected(self.now, EXCHANGE_TIME, epoch))

    def received(self, outcome: AuthOutcome, epoch: int | None = None) -> list[do.Action]:
        epoch = self.login.epoch if epoch is None else epoch
        _, actions = self.login.received(WebSocketResponse(outcome), self.now, epoch)
        return self._note(actions)

    def disconnected(self, epoch: int | None = None) -> list[do.Action]:
        return self._note(
            self.login.disconnected(self.now, self.login.epoch if epoch is None else epoch)
        )

    def sleep(self, seconds: float) -> list[do.Action]:
        """Let time pass, ticking at each deadline on the way."""
        until, actions = self.now + seconds, list[do.Action]()
        while (at := self.login.next_deadline) is not None and at <= until:
            self.now = max(self.now, at)
            actions += self._note(self.login.tick(self.now))
        self.now = until
        return actions

    def log_in(
        self, lifetime_s: float | None = None, *, prepared_s: float | None = None
    ) -> list[do.Action]:
        """Go all the way to the ack."""
        self.dial()
        self.prepared(prepared_s)
        actions = self.connected()
        if only(do.Send, actions):
            actions += self.received(AuthOutcome.accepted(lifetime_s))
        return actions

    def state(self) -> LoginState:
        """Return the state; unlike an attribute's, its type stays open from one to the next."""
        return self.login.state

    @property
    def attempt(self) -> int:
        return only(do.Prepare, self.all)[-1].attempt

    def _note(self, actions: Sequence[do.Action]) -> list[do.Action]:
        self.all += actions
        return list(actions)


def only(kind: type[ActionT], actions: Sequence[do.Action]) -> list[ActionT]:
    return [each for each in actions if isinstance(each, kind)]


def events(actions: Sequence[do.Action]) -> list[Event]:
    return [each.event for each in only(do.Announce, actions)]
