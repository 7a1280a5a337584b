"""Access tokens that one process refreshes and all use, kept in one Redis."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from networkpype.auth.access_tokens import HeldTokens
from networkpype.errors import (
    ConfigurationError,
    Outcome,
    RequestTimeoutError,
    SharedTokenError,
)
from networkpype.shared.insist import insist
from networkpype.shared.link import RedisLink, RedisLostError, Script
from networkpype.shared.refusals import COUNTED_S, REFUSED_S, check_refused, refusal_in

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisTokens"]

_SCRIPT = Script(files("networkpype.shared").joinpath("tokens.lua").read_text(encoding="utf-8"))
_POLL_S = 0.05
_LEASE_USED = 0.9
"""The part of its lease that a refresh may take: afterwards another process may have begun one."""
_LONGEST_S = 10 * 365 * 86_400.0
_PARTS = ("access", "refresh", "refresher", "refused", "refusals")
Word = str | SecretStr


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the script said, with nothing in it that shows a token."""

    kind: str
    tokens: HeldTokens
    refused: str = ""
    left_s: float = 0.0


class RedisTokens:
    """Keep the access tokens of accounts for all processes, of which one at a time refreshes them.

    ::

        tokens = RedisTokens("redis://127.0.0.1:6379", name="ethgas-main")
        auth = exchange_auth("ethgas", credentials, token_store=tokens)
        ...
        await tokens.close()

    Processes that were given the same credentials share a token. Whoever needs a new one first gets
    it from the exchange, by the latest refresh token, which many exchanges take once; the others
    wait for it, `wait_s` at most. A process that dies over it holds them up for `lease_s`, and may
    have spent the refresh token: the exchange refuses the next then (AuthenticationError). A
    refresh may take nine tenths of `lease_s`, its wait for a rate limit included.

    A refresh token that the exchange refused (AuthenticationError, or HTTP 401) is tried by no
    process for 10 s, after the second time for 60 s, then for 600 s each time, for an account may
    be locked by that: each raises the same error, but with NOT_SENT. A token that is kept, or a day
    without a refusal, ends the count.

    **Redis holds secrets then**: access token and refresh token as they are, the one until it ends,
    the other for `refresh_lifetime_s`. Let nobody else read it: a password or ACL, TLS
    (``rediss://``), and an eye on MONITOR, SLOWLOG, dumps and replicas, which show them too. They
    stand under a digest of the credentials, which is none.

    Where Redis does not answer for `timeout_s`, no token is refreshed: SharedTokenError (NOT_SENT);
    the one that a process has it goes on using. What no waiting mends (a wrong password, a node of
    a cluster passed as one Redis) is a ConfigurationError until it has worked. Redis should keep
    its data (appendonly): a refresh token that is lost with it is known to the process alone that
    got it.

    `redis` is a URL or a client of `redis.asyncio`, also of a cluster or of sentinels, which stays
    yours to close. One instance serves one event loop. Needs the extra `redis`. Raises
    MissingExtraError, and ConfigurationError for a wrong argument.
    """

    def __init__(
        self,
        redis: Redis | RedisCluster | str,
        *,
        name: str,
        lease_s: float = 30.0,
        wait_s: float = 60.0,
        refresh_lifetime_s: float = 7 * 86_400.0,
        timeout_s: float = 2.0,
    ) -> None:
        if not isinstance(name, str) or not name or set(name) & set("{}"):
            raise ConfigurationError(
                f"name is what the processes call what they share, without braces; got {name!r}"
            )
        spans = {"lease_s": lease_s, "wait_s": wait_s, "refresh_lifetime_s": refresh_lifetime_s}
        for option, seconds in spans.items():
            is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
            if not is_number or not 0 < seconds <= _LONGEST_S:
                raise ConfigurationError(f"{option} is seconds above 0, got {seconds!r}")
        self._link = RedisLink(redis, timeout_s=timeout_s, tells_server=False)
        self.name = name
        self._lease_s, self._wait_s, self._timeout_s = lease_s, wait_s, timeout_s
        self._refresh_lifetime_s = refresh_lifetime_s
        self._worked = False

    async def renewed(
        self,
        account: str,
        held: HeldTokens,
        refresh: Callable[[HeldTokens], Awaitable[HeldTokens]],
        *,
        now: Callable[[], float],
    ) -> HeldTokens:
        """See `TokenStore.renewed`; AccessTokens calls it."""
        loop = asyncio.get_running_loop()
        latest: HeldTokens | None = None
        who, give_up_at = secrets.token_hex(8), loop.time() + self._wait_s
        try:
            while True:
                began_at = loop.time()
                answer = await self._enter(account, who, held)
                if answer.kind == "token":
                    return answer.tokens
                if answer.kind == "lead":
                    break
                if loop.time() > give_up_at:
                    raise SharedTokenError(
                        f"another process has been at it for {self._wait_s:g} s (wait_s)"
                    )
                await asyncio.sleep(_POLL_S)
            latest = _later(held, answer.tokens)
            check_refused(latest, answer.refused, answer.left_s)
            fresh = await self._led(refresh, latest, began_at + self._lease_s * _LEASE_USED)
        except BaseException as error:
            await self._leave(account, who, refusal_in(latest, error))
            raise
        fresh = replace(fresh, generation=latest.generation)
        return await self._keep(account, who, fresh, now)

    async def close(self) -> None:
        """Close the connection; a renewal that comes later opens it again."""
        await self._link.close()

    async def __aenter__(self) -> RedisTokens:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f'RedisTokens(name="{self.name}")'

    async def _led(
        self,
        refresh: Callable[[HeldTokens], Awaitable[HeldTokens]],
        latest: HeldTokens,
        until: float,
    ) -> HeldTokens:
        """Return what the exchange gives to the one process that asks it."""
        deadline = asyncio.timeout_at(until)
        try:
            async with deadline:
                return await refresh(latest)
        except TimeoutError:
            if not deadline.expired():
                raise
        raise RequestTimeoutError(
            f"the access token was not refreshed within its lease, {self._lease_s:g} s; pass "
            "RedisTokens(lease_s=...) with more than the exchange and the rate limits take",
            outcome=Outcome.UNKNOWN,
        )

    async def _enter(self, account: str, who: str, held: HeldTokens) -> _Answer:
        refused = held.access if held.expires_at == 0 else ""
        lease, generation = _ms(self._lease_s), str(held.generation)
        words = ["enter", who, lease, generation, refused]
        return await self._ask(account, words, self._timeout_s)

    async def _keep(
        self, account: str, who: str, fresh: HeldTokens, now: Callable[[], float]
    ) -> HeldTokens:
        """Keep what the exchange gave, or return what another has kept since.

        It is tried for as long as others wait for it: without it they would use a refresh token
        that is spent.
        """
        life_s = self._refresh_lifetime_s
        if fresh.expires_at is not None:
            life_s = min(max(0.001, fresh.expires_at - now()), _LONGEST_S)
        lasting_s = max(life_s, self._refresh_lifetime_s)
        expires = "" if fresh.expires_at is None else repr(fresh.expires_at)
        words: list[Word] = ["keep", who, str(fresh.generation), fresh.access, expires]
        words += [_ms(life_s), fresh.refresh, _ms(lasting_s)]
        try:
            return (await self._ask(account, words, max(self._lease_s, self._timeout_s))).tokens
        except SharedTokenError as error:
            reason = error.reason
        raise SharedTokenError(reason, Outcome.UNKNOWN)

    async def _leave(self, account: str, who: str, refused: str) -> None:
        """Let the next one go, unless Redis is not there: the lease ends by itself."""
        with suppress(RedisLostError):
            spans = map(_ms, (COUNTED_S, *REFUSED_S))
            await self._run(account, ["leave", who, refused, *spans])

    async def _ask(self, account: str, words: Sequence[Word], timeout_s: float) -> _Answer:
        try:
            answer = await insist(partial(self._run, account, words), timeout_s)
        except RedisLostError as error:
            reason, is_final = error.reason, error.is_final
        else:
            self._worked = True
            return answer
        if is_final and not self._worked:
            # Once it has worked it is no fault of anybody's settings.
            raise ConfigurationError(f"{self._link.where}: {reason}")
        raise SharedTokenError(reason)

    async def _run(self, account: str, words: Sequence[Word]) -> _Answer:
        here = f"{{networkpype:{self.name}:{account}}}:"
        keys = [f"{here}{part}" for part in _PARTS]
        try:
            # In no local variable, which a traceback may print.
            return _read(await self._link.run(_SCRIPT, keys, [_plain(word) for word in words]))
        except RedisLostError as error:
            reason, is_final = error.reason, error.is_final
        except ValueError:
            reason, is_final = "an answer that the script does not give", False
        raise RedisLostError(reason, is_final=is_final)


def _read(reply: Any) -> _Answer:
    kind, *rest = (each.decode() if isinstance(each, bytes) else str(each) for each in reply)
    access, expires, refresh, generation, refused, left_ms = "", "", "", "0", "", "0"
    if kind == "token":
        access, expires, refresh, generation = rest
    elif kind == "lead":
        refresh, generation, refused, left_ms = rest
    ends = float(expires) if expires else None
    tokens = HeldTokens(SecretStr(access), ends, SecretStr(refresh), int(generation))
    return _Answer(kind, tokens, refused, int(left_ms) / 1000)


def _later(held: HeldTokens, kept: HeldTokens) -> HeldTokens:
    """Return what to refresh with: the refresh token that came last, here or elsewhere."""
    if kept.generation < held.generation or not kept.refresh:
        generation = max(kept.generation, held.generation)
        return replace(held, generation=generation)
    return replace(held, refresh=kept.refresh, generation=kept.generation)


def _plain(word: Word) -> str:
    return word if isinstance(word, str) else word.get_secret_value()


def _ms(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))
