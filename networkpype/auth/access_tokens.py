"""The access token that REST requests and WebSocket logins of one account share."""

from __future__ import annotations

import math
from binascii import a2b_base64
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NoReturn, Protocol

from pydantic import SecretStr

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.errors import NotConnectedError
from networkpype.timekeeping.single_flight import SingleFlight

__all__ = ["AccessTokens", "HeldTokens", "TokenStore"]


@dataclass(frozen=True, slots=True, repr=False)
class HeldTokens:
    """An access token, when it ends in Unix seconds, and the refresh token that came with it.

    `generation` counts the refreshes of all processes, 0 for what the credentials hold. Empty texts
    are tokens that are not there.
    """

    access: SecretStr
    expires_at: float | None
    refresh: SecretStr
    generation: int = 0

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("HeldTokens do not pickle or copy: they are secrets")

    def __repr__(self) -> str:
        return f"HeldTokens(***, generation={self.generation})"


class TokenStore(Protocol):
    """Keeps the tokens of accounts for all processes, of which one at a time refreshes them."""

    async def renewed(
        self,
        account: str,
        held: HeldTokens,
        refresh: Callable[[HeldTokens], Awaitable[HeldTokens]],
        *,
        now: Callable[[], float],
    ) -> HeldTokens:
        """Return tokens of a later generation than `held`, from whoever has them.

        Where nobody has, await `refresh`, of all processes this one alone, with the latest tokens
        that there are, and keep what it returns. `account` is a digest and no secret, `now` the
        exchange's clock. An access token in `held` whose end is 0 was refused, and nobody else is
        to have it. What `refresh` raises is raised, and errors of the store with NOT_SENT where it
        was not begun.
        """
        ...


class AccessTokens:
    """Holds an access token, when it ends, and the token that gets the next one; shows none.

    They begin with the credentials: `key` is an access token, `secret` a refresh token, and either
    alone will do. All that use an identity find the same object with `of`. With a store, a renewal
    is one for all processes that began with the same credentials.
    """

    __slots__ = (
        "_access",
        "_account",
        "_ended",
        "_flight",
        "_generation",
        "_identity",
        "_refresh",
        "expires_at",
    )

    def __init__(
        self, access: str = "", refresh: str = "", *, identity: Identity | None = None
    ) -> None:
        self._identity = identity
        self._account = ""
        if identity is not None and identity.token_store is not None:
            self._account = _account(identity)
        self._generation = 0
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
                await self._renew(renew)
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

    async def _renew(self, renew: Callable[[], Coroutine[Any, Any, None]]) -> None:
        identity = self._identity
        if identity is None or identity.token_store is None:
            await renew()
            return

        async def refresh(latest: HeldTokens) -> HeldTokens:
            if latest.refresh:
                self._refresh = latest.refresh
            await renew()
            # Where the store cannot keep it: later than what the store has.
            self._generation = latest.generation + 1
            return self._held()

        # `identity.time` is another one after `use_clock`.
        taken = await identity.token_store.renewed(
            self._account, self._held(), refresh, now=lambda: identity.time()
        )
        if taken.access != self._access:  # or it may have been refused since
            self._access, self.expires_at = taken.access, taken.expires_at
        self._generation = taken.generation
        if taken.refresh:
            self._refresh = taken.refresh

    def _held(self) -> HeldTokens:
        return HeldTokens(self._access, self.expires_at, self._refresh, self._generation)

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
        return AccessTokens(identity.key, identity=identity)
    return AccessTokens(identity.key, identity.reveal("secret"), identity=identity)


def _account(identity: Identity) -> str:
    """Return what processes with the same credentials have in common, and no secret."""
    hashed = sha256(b"networkpype access tokens")
    # An address is one in capitals too.
    for text in (identity.key, identity.reveal("secret"), identity.wallet.lower()):
        hashed.update(sha256(text.encode("utf-8", "surrogateescape")).digest())
    return hashed.hexdigest()[:32]


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
