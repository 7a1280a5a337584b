"""The access token that REST requests and WebSocket logins of one account share."""

from __future__ import annotations

import math
from binascii import a2b_base64
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from pydantic import SecretStr

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.errors import NotConnectedError
from networkpype.timekeeping.single_flight import SingleFlight

__all__ = ["AccessTokens"]


class AccessTokens:
    """Holds an access token, when it ends, and the token that gets the next one; shows none.

    They begin with the credentials: `key` is an access token, `secret` a refresh token, and either
    alone will do. All that use an identity find the same object with `of`.
    """

    __slots__ = ("_access", "_ended", "_flight", "_refresh", "expires_at")

    def __init__(self, access: str = "", refresh: str = "") -> None:
        self._access = SecretStr(access)
        self._refresh = SecretStr(refresh)
        self._flight = SingleFlight()
        self._ended: list[Exception | None] = []
        self.expires_at = _end_of(access)
        """Unix seconds, None where nothing tells."""

    @classmethod
    def of(cls, identity: Identity) -> AccessTokens:
        """Return the tokens of this identity."""
        return identity.kept("access tokens", _first)

    @property
    def access(self) -> str:
        """Return the current access token, empty where there is none yet."""
        return self._access.get_secret_value()

    @property
    def refresh(self) -> str:
        """Return the refresh token, empty where there is none."""
        return self._refresh.get_secret_value()

    def take(self, access: str, *, expires_at: float, refresh: str = "") -> None:
        """Replace the access token, and the refresh token where a new one came with it.

        A token that tells its own end is believed over `expires_at`.
        """
        self._access = SecretStr(access)
        self.expires_at = _end_of(access) or expires_at
        if refresh:
            self._refresh = SecretStr(refresh)

    async def renewed(self, renew: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await `renew`, or the one that another connection of this account has under way.

        It goes on where who waits for it is cancelled: many a refresh token is good for one use, so
        what it brought would be lost.
        """
        if not self._flight.under_way:
            self._ended = []
        ended = self._ended

        async def run() -> None:
            try:
                await renew()
            except Exception as error:
                ended.append(error)
            else:
                ended.append(None)

        await self._flight.watch(run, None)
        if self._ended is ended:
            self._ended = []  # an error would keep the frames that it came through
        if not ended:
            raise NotConnectedError("the refresh of the access token was cancelled")
        if ended[0] is not None:
            raise ended[0]

    def spend(self, access: str) -> None:
        """Take this access token for ended, for the exchange said so; a newer one stays."""
        if access and access == self.access:
            self.expires_at = 0.0

    def remaining_s(self, now: float) -> float | None:
        """Return how long the access token is still good, None where nothing tells."""
        return None if self.expires_at is None else self.expires_at - now

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("AccessTokens do not pickle or copy: they are secrets")

    def __repr__(self) -> str:
        return "AccessTokens(***)" if self.access else "AccessTokens()"


def _first(identity: Identity) -> AccessTokens:
    # A wallet's secret is its private key, and no token.
    if identity.has_private_key:
        return AccessTokens(identity.key)
    return AccessTokens(identity.key, identity.reveal("secret"))


def _end_of(token: str) -> float | None:
    """Return the ``exp`` of a JWT, unverified: whoever made the token knows when it ends."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    body = parts[1].replace("-", "+").replace("_", "/")
    try:
        claims = codec.loads(a2b_base64(body + "=" * (-len(body) % 4)))
        end = claims.get("exp") if isinstance(claims, dict) else None
        if isinstance(end, (int, float)) and not isinstance(end, bool) and math.isfinite(end):
            return float(end)
    # The last two are of numbers and nestings that no exchange means.
    except (ValueError, OverflowError, RecursionError):
        pass
    return None
