"""What a venue is: a check of REST requests, a way to refuse, and a conversation on its socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = [
    "Check",
    "Endpoint",
    "Errors",
    "Frame",
    "Socket",
    "Venue",
    "arguments",
    "compact",
    "errors",
]

Check = Callable[[ReceivedRequest, Account], None]
"""Raises `Refusal` unless the request is the account's."""

Endpoint = Callable[[ReceivedRequest, Account], Answer]
"""Answers a request that was let in."""

Errors = Callable[[Refusal], Answer]
"""Writes a refusal as the exchange does."""

Frame = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Venue:
    """One exchange, or one market of it, as its servers behave.

    `endpoints` maps ``POST /path`` to what answers there behind `check`; `key_only` names those of
    them that want the key and no signature, `open` those that want nothing. `signs` tells what a
    signature covers: of query, body, time.
    """

    check: Check
    refuse: Errors
    socket: type[Socket] | None = None
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    key_only: Mapping[str, Check] = field(default_factory=dict)
    open: frozenset[str] = frozenset()
    keys: str = "hex"
    """What a secret looks like; see `make_keys`."""
    fields: tuple[str, ...] = ("key", "secret")
    signs: frozenset[str] = frozenset({"query", "body", "time"})


class Socket:
    """One client's WebSocket; a family overrides what it has of handshake, login and tokens."""

    greeting: ClassVar[tuple[Frame, ...]] = ()
    """What the exchange sends as soon as a client is there."""
    unrelated: ClassVar[tuple[Frame, ...]] = ({"e": "serverTime", "data": {"id": "unrelated"}},)
    """What is sent between a login and its ack."""
    encoding: ClassVar[str] = "text"
    """How frames are sent: text, gzip or deflate."""

    def __init__(self, account: Account, request: ReceivedRequest) -> None:
        self.account = account
        self.request = request
        self.logged_in = False

    def open(self) -> list[Frame]:
        """Check the handshake, before the upgrade; return what greets the client."""
        return list(self.greeting)

    def turned_away(self, refusal: Refusal) -> list[Frame]:
        """Refuse a login that is the handshake; return what greets the client where it is open."""
        raise refusal

    def is_login(self, frame: Frame) -> bool:
        """Tell whether the frame wants to log in."""
        return False

    def check_login(self, frame: Frame) -> None:
        """Raise `Refusal` unless the login is right."""

    def accepted(self, frame: Frame) -> Frame:
        """Return the ack of a login."""
        return {}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        """Return the refusal of a login."""
        return {}

    def is_private(self, frame: Frame) -> bool:
        """Tell whether the frame asks for what is private."""
        return False

    def check_private(self, frame: Frame) -> None:
        """Raise `Refusal` unless this may be asked for now."""
        if not self.logged_in:
            raise Refusal(Why.LOGIN)

    def answered(self, frame: Frame) -> Frame | None:
        """Return the answer to anything but a login."""
        return None

    def topics(self, frame: Frame) -> tuple[bool, list[str]]:
        """Return whether the frame begins or ends subscriptions, and what they are named."""
        return False, []

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        """Return the refusal of something private."""
        return self.refused(frame, refusal)

    def expired(self) -> Frame | None:
        """Return the event that says a token or key has ended, None where there is none."""
        return None


def errors(body: Callable[[Any, str], object], table: Mapping[Why, tuple[int, Any, str]]) -> Errors:
    """Make the refusals of an exchange from a table of status, code and message."""

    def refuse(refusal: Refusal) -> Answer:
        status, code, message = table.get(refusal.why) or table[Why.SIGNATURE]
        return Answer(body(code, message), status)

    return refuse


def arguments(given: object, count: int) -> list[Any]:
    """Return a list of so many arguments; refuse anything else."""
    if not isinstance(given, list) or len(given) != count:
        raise Refusal(Why.MISSING, f"{count} arguments wanted")
    return given


def compact(value: Any) -> str:
    """Write JSON without spaces, letters beyond ASCII as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
