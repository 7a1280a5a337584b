"""Refresh tokens that an exchange refused: what processes tell each other, and for how long."""

from __future__ import annotations

from hashlib import sha256

from networkpype.auth.access_tokens import HeldTokens
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
)

__all__ = ["COUNTED_S", "REFUSED_S", "check_refused", "refusal_in"]

REFUSED_S = (10.0, 60.0, 600.0)
"""For how long nobody tries what the exchange refused once, twice, or more often.

It may lock an account that goes on; but a refusal may be a hiccup of its gateway.
"""
COUNTED_S = 86_400.0
"""For how long a refusal counts where no other and no token comes."""
_HTTP_401 = "HTTP 401"
_OF_THE_TOKEN = (AuthenticationFailure.REJECTED, AuthenticationFailure.EXPIRED)


def refusal_in(latest: HeldTokens | None, error: BaseException) -> str:
    """Return what tells others that the exchange refused a refresh token; empty where not."""
    digest = "" if latest is None else _digest(latest)
    if not digest or not isinstance(error, NetworkpypeError):
        return ""
    if error.outcome is not Outcome.REJECTED:
        return ""
    if isinstance(error, AuthenticationError):
        return f"{digest}:{error.reason.value}" if error.reason in _OF_THE_TOKEN else ""
    # A refresh is no private request, so its 401 is a status as any other.
    is_refused = isinstance(error, HTTPStatusError) and error.status == 401
    return f"{digest}:{_HTTP_401}" if is_refused else ""


def check_refused(latest: HeldTokens, refused: str, left_s: float) -> None:
    """Raise what whoever tried this refresh token got, where `refused` is of it.

    `left_s` is for how long it rests yet.
    """
    digest, _, how = refused.partition(":")
    if not digest or digest != _digest(latest):
        return
    said = (
        f"the exchange refused the refresh token ({how}) when a process tried it, so it was not "
        f"tried again, and will not be for {left_s:.1f} s; where the exchange goes on refusing it, "
        "pass Credentials(secret=...) with a new one"
    )
    if how == _HTTP_401:
        raise HTTPStatusError(said, status=401, outcome=Outcome.NOT_SENT)
    raise AuthenticationError(said, reason=AuthenticationFailure(how), outcome=Outcome.NOT_SENT)


def _digest(tokens: HeldTokens) -> str:
    refresh = tokens.refresh.get_secret_value()
    return sha256(refresh.encode("utf-8", "surrogateescape")).hexdigest() if refresh else ""
