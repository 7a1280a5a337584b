"""What a frame means for a login, and what a connection needs before it is dialed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

from networkpype.errors import AuthenticationFailure
from networkpype.redact import mask_url
from networkpype.websocket.request import WebSocketRequest

__all__ = ["AuthOutcome", "AuthStatus", "PreAuth"]


class AuthStatus(Enum):
    """What a frame says about who we are."""

    ACCEPTED = "accepted"
    """The exchange knows who we are."""
    REJECTED = "rejected"
    """It refused: for good where `definite`, else for now."""
    EXPIRED = "expired"
    """What was good is no more; a fresh login is needed."""
    CHALLENGE = "challenge"
    """It asked something: `answer` is to be sent; without one the login is complete."""
    NOT_MINE = "not mine"
    """The frame has nothing to do with the login: data, another ack, a pong."""


@dataclass(frozen=True, slots=True, repr=False)
class AuthOutcome:
    """The meaning of one frame; make it with the class methods.

    `lifetime_s` counts from the ack, None where the exchange told none. `reason` is the exchange's
    own text, escaped, and not in the repr, for some echo the key. `definite` is False for a refusal
    that may pass, such as a rate limit; `retry_after_s` is the wait that came with it. `answer` is
    the frame that a challenge wants.
    """

    status: AuthStatus
    lifetime_s: float | None = None
    reason: str = ""
    failure: AuthenticationFailure | None = None
    definite: bool = True
    retry_after_s: float | None = None
    answer: WebSocketRequest | None = None

    @classmethod
    def accepted(cls, lifetime_s: float | None = None) -> AuthOutcome:
        """The exchange knows who we are, for so long."""
        return cls(AuthStatus.ACCEPTED, lifetime_s=lifetime_s)

    @classmethod
    def rejected(
        cls,
        reason: str,
        *,
        failure: AuthenticationFailure = AuthenticationFailure.REJECTED,
        definite: bool = True,
        retry_after_s: float | None = None,
    ) -> AuthOutcome:
        """The exchange refused the login."""
        return cls(
            AuthStatus.REJECTED,
            reason=reason,
            failure=failure,
            definite=definite,
            retry_after_s=retry_after_s,
        )

    @classmethod
    def expired(cls, reason: str = "") -> AuthOutcome:
        """The token or key that was good is no more; a fresh one is needed."""
        return cls(
            AuthStatus.EXPIRED,
            reason=reason,
            failure=AuthenticationFailure.EXPIRED,
            definite=False,
        )

    @classmethod
    def challenge(cls, answer: WebSocketRequest | None = None) -> AuthOutcome:
        """The exchange asked something; without an `answer` to send the login is complete."""
        return cls(AuthStatus.CHALLENGE, answer=answer)

    @classmethod
    def not_mine(cls) -> AuthOutcome:
        """The frame is somebody else's."""
        return _NOT_MINE

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("AuthOutcome does not pickle or copy: it may hold an answer that is signed")

    def __repr__(self) -> str:
        shown = [self.status.name]
        for name in ("lifetime_s", "failure", "retry_after_s", "answer"):
            value = getattr(self, name)
            if value is not None:
                told = value.name if isinstance(value, Enum) else repr(value)
                shown.append(f"{name}={told}")
        if not self.definite:
            shown.append("definite=False")
        return f"AuthOutcome({', '.join(shown)})"


_NOT_MINE = AuthOutcome(AuthStatus.NOT_MINE)


@dataclass(frozen=True, slots=True, repr=False)
class PreAuth:
    """What to dial: the whole URL, headers of the handshake, and how long what was got is good.

    `lifetime_s` is that of a listen key or token, None where it lives as long as the connection.
    `query` and path of the URL may hold a key: show it masked only.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    lifetime_s: float | None = None

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("PreAuth does not pickle or copy: it may hold a token")

    def __repr__(self) -> str:
        # The host alone: an account's id is too short for a mask to know it in a path.
        start, host = self.url.partition("://")[::2]
        shown = mask_url(f"{start}://{host.partition('/')[0].partition('?')[0]}")
        return f"PreAuth({shown}/..., lifetime_s={self.lifetime_s})"
