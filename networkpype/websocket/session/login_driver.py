"""What a login decides, done on one connection of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.standing import LoginState
from networkpype.errors import ConfigurationError
from networkpype.hooks import Event
from networkpype.websocket.first_login import exchange_time
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.session.events import MarkedMessage
from networkpype.websocket.session.options import LinkEnd

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.auth.patterns.base import RESTCaller

__all__ = ["Hands", "LoginDriver"]

# So long after the reader waited for room, an answer may still lie unread.
_GRACE_S = 5.0


@dataclass(slots=True)
class Hands:
    """By what a login acts: the connection's own functions. `looked` arms its timer anew."""

    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    dial: Callable[[str, Mapping[str, str]], Coroutine[Any, Any, None]]
    send: Callable[[WebSocketRequest], Coroutine[Any, Any, None]]
    admit: Callable[[do.Admission], None]
    end: Callable[[LinkEnd], None]
    hook: Callable[[Event], None]
    expired: Callable[[], None]
    looked: Callable[[], None]


class LoginDriver:
    """Tell a `Login` what happens on the connection `epoch`, and do what it wants.

    `url`, where it is given, is dialed in place of the pattern's own.
    """

    def __init__(
        self,
        login: Login,
        epoch: int,
        url: str,
        rest: RESTCaller,
        auth: Auth | None,
        hands: Hands,
    ) -> None:
        self._login = login
        self._epoch = epoch
        self._url = url
        self._rest = rest
        self._auth = auth
        self._hands = hands
        self._now = asyncio.get_running_loop().time
        self._was_in = False
        self._preparing: dict[int, asyncio.Task[None]] = {}

    @property
    def is_authenticated(self) -> bool:
        return self._login.is_authenticated

    @property
    def reads_frames(self) -> bool:
        """Tell whether it has to see every message."""
        return self._login.reads_frames

    def dial(self) -> None:
        """Begin: get what is needed, then dial."""
        self._perform(self._login.dial(self._now(), self._epoch))

    def connected(self) -> None:
        """Log in: the connection is open."""
        at = self._exchange_time()
        self._perform(self._login.connected(self._now(), at, self._epoch))

    def heard(self, message: MarkedMessage) -> AuthOutcome:
        """Return what a message means for the login."""
        outcome, actions = self._login.received(message, self._now(), self._epoch)
        if actions:
            self._perform(actions)
            self._hands.looked()
        return outcome

    def do_due(self, now: float, read_s: float) -> float | None:
        """Do what is due, and return when the next thing is, None for never or not by the clock.

        `read_s` is for how long messages have been read all the time. Where it is an answer that
        decides what comes next, it may lie unread; before that, such as for a renewal, time alone
        does.
        """
        awaits_answer = self._login.state in (LoginState.WAITING, LoginState.REFRESHING)
        if awaits_answer and read_s < _GRACE_S:
            return now + _GRACE_S - read_s if read_s else None
        self._perform(self._login.tick(now))
        return self._login.next_deadline

    def _exchange_time(self) -> float:
        pattern = self._login.pattern
        return pattern.identity.time() if self._auth is None else exchange_time(pattern, self._auth)

    def disconnected(self) -> None:
        """Forget the connection."""
        self._perform(self._login.disconnected(self._now(), self._epoch))

    def _perform(self, actions: Sequence[do.Action]) -> None:
        hands = self._hands
        for action in actions:
            match action:
                case do.Announce():
                    hands.hook(action.event)
                case do.Prepare():
                    self._preparing[action.attempt] = hands.spawn(self._prepare(action))
                case do.Abandon():
                    if task := self._preparing.pop(action.attempt, None):
                        task.cancel()
                case do.Dial():
                    hands.spawn(hands.dial(action.pre_auth.url, action.pre_auth.headers))
                case do.Send():
                    hands.spawn(hands.send(action.request))
                case do.Admit():
                    hands.admit(action.admission)
                case do.Reconnect():
                    hands.end(LinkEnd(action.reason, floor_s=action.retry_in_s))
                case do.Fail():
                    hands.end(LinkEnd(str(action.error), cause=action.error, is_final=True))
        was_in, self._was_in = self._was_in, self._login.is_authenticated
        if was_in and not self._was_in:
            hands.expired()

    async def _prepare(self, action: do.Prepare) -> None:
        login, rest = self._login, self._rest
        pattern = login.pattern
        try:
            pre_auth = await (pattern.renew(rest) if action.renewal else pattern.pre_auth(rest))
            pre_auth = self._at_own_url(pre_auth, pattern.url)
        except Exception as error:
            actions = login.preparation_failed(error, self._now(), action.attempt)
        else:
            at = self._exchange_time()
            actions = login.prepared(pre_auth, self._now(), at, action.attempt)
        finally:
            self._preparing.pop(action.attempt, None)
        self._perform(actions)
        self._hands.looked()

    def _at_own_url(self, pre_auth: PreAuth, plain_url: str) -> PreAuth:
        if not self._url or self._url == pre_auth.url:
            return pre_auth
        if pre_auth.url != plain_url:
            raise ConfigurationError(
                "the login makes the address itself, with a key or token in it; leave url= out, "
                "or move the exchange with Exchange.at(...)"
            )
        return PreAuth(self._url, pre_auth.headers, pre_auth.lifetime_s)
