"""What a login wants done: the words that `Login` speaks to whoever owns the socket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from networkpype.auth.outcome import PreAuth
from networkpype.errors import NetworkpypeError
from networkpype.hooks import Event
from networkpype.websocket.request import WebSocketRequest

__all__ = [
    "Abandon",
    "Action",
    "Admission",
    "Admit",
    "Announce",
    "Dial",
    "Fail",
    "Prepare",
    "Reconnect",
    "Send",
]


@dataclass(frozen=True, slots=True)
class Action:
    """Base of all actions. They are meant in the order in which they are returned."""


@dataclass(frozen=True, slots=True)
class Prepare(Action):
    """Await ``pattern.renew(rest)`` where `renewal` is set, else ``pattern.pre_auth(rest)``.

    Answer once, with `Login.prepared` or `Login.preparation_failed` and this `attempt`; do it in a
    task of its own, for frames and ticks go on.
    """

    epoch: int
    attempt: int
    renewal: bool


@dataclass(frozen=True, slots=True)
class Abandon(Action):
    """Cancel the preparation `attempt` and wait for its end; an answer is not needed any more."""

    epoch: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Dial(Action):
    """Open a WebSocket to `pre_auth`; answer with `Login.connected` or `Login.disconnected`."""

    epoch: int
    pre_auth: PreAuth


@dataclass(frozen=True, slots=True)
class Send(Action):
    """Send this frame as it is on the connection `epoch`: it is signed."""

    epoch: int
    request: WebSocketRequest


class Admission(Enum):
    """What let a connection in."""

    LOGIN = "login"
    """The first in this epoch: private subscriptions may go out."""
    RENEWAL = "renewal"
    """In time: the old one was still good, and subscriptions stand."""
    RECOVERY = "recovery"
    """After the old one had ended: private subscriptions may have to be made again."""


@dataclass(frozen=True, slots=True)
class Admit(Action):
    """The connection `epoch` is logged in now."""

    epoch: int
    admission: Admission


@dataclass(frozen=True, slots=True)
class Reconnect(Action):
    """Close the connection `epoch` if it is open, and call `Login.dial` when you like.

    `retry_in_s` is the least wait before anything is asked of the exchange again; a dial that comes
    earlier waits for the rest of it in `Login`.
    """

    epoch: int
    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Fail(Action):
    """Close the connection and raise `error`: trying again cannot help until `Login.reset`."""

    epoch: int
    error: NetworkpypeError


@dataclass(frozen=True, slots=True)
class Announce(Action):
    """Hand the event to the hook."""

    event: Event
