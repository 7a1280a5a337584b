"""How one connection stands with its exchange: what a login keeps from one step to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from networkpype.auth.actions import Admission
from networkpype.auth.expiry import first_lifetime_s
from networkpype.auth.outcome import PreAuth
from networkpype.websocket.request import WebSocketRequest

__all__ = ["LoginState", "Standing", "Timer"]


class LoginState(Enum):
    """Where a login stands."""

    ANONYMOUS = "anonymous"
    """Nothing is under way; `Login.dial` begins."""
    PREPARING = "preparing"
    """What the dial needs is being got, or waits for its turn."""
    CONNECTING = "connecting"
    """The connection is being dialed."""
    WAITING = "waiting for the ack"
    """The frame was sent, or the greeting is expected."""
    AUTHENTICATED = "authenticated"
    """The exchange knows us."""
    REFRESHING = "refreshing"
    """A renewal, or a fresh login after an expiry, is under way on the open connection."""
    FAILED = "failed"
    """Refused for good, or impossible from here; only `Login.reset` leads on."""


class Timer(Enum):
    """What is due at a time; of several at once the first here goes first."""

    END = "the login ends"
    PREPARE_BY = "the preparation must have been answered"
    ACK_BY = "the login frame must have been answered"
    RETRY = "the next preparation may begin"
    RENEW = "the login is to be renewed"


@dataclass(slots=True, repr=False)
class Standing:
    """One connection from its dial to its end; a new one begins with nothing of the last."""

    pre_auth: PreAuth | None = None
    """What was dialed, or got since."""
    frame: WebSocketRequest | None = None
    """The last login frame; what is in it is not told."""
    sent_frame: bool = False
    admitted: bool = False
    """The exchange knew us once."""
    alive: bool = False
    """It still does."""
    renewal: bool = False
    """The preparation, under way or next, prolongs; otherwise it is a fresh one."""
    fresh_next: bool = False
    """The one under way prolongs what is no more: its answer is worth nothing."""
    begun_at: float = 0.0
    """When the last preparation began."""
    told_s: float | None = None
    """The last lifetime that the exchange told."""

    def admission(self) -> Admission:
        """Return what an ack means now."""
        if not self.admitted:
            return Admission.LOGIN
        return Admission.RENEWAL if self.alive else Admission.RECOVERY

    def life(
        self, now: float, acked_s: float | None, configured_s: float | None
    ) -> tuple[float, float | None]:
        """Return since when the login counts that was acked now, and its lifetime."""
        prepared_s = None if self.pre_auth is None else self.pre_auth.lifetime_s
        self.told_s = first_lifetime_s(acked_s, prepared_s, self.told_s)
        # Nobody knows when within its request a token was made; it is no older than that.
        since = self.begun_at if first_lifetime_s(acked_s) is None else now
        return since, first_lifetime_s(self.told_s, configured_s)
