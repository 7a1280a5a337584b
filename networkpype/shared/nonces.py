"""Nonces of one API key that any number of processes take from one Redis.

Of nonces that arrive out of order (read 2026-11): Kraken's nonce window,
https://support.kraken.com/articles/360001148023, and Bitfinex's advice of a key for each client,
https://docs.bitfinex.com/docs/api-access.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol

from networkpype.errors import ConfigurationError, SharedNonceError
from networkpype.shared.insist import insist
from networkpype.shared.link import RedisLink, RedisLostError, Script
from networkpype.signing.encodings import check_known
from networkpype.signing.nonces import PER_SECOND, NonceUnit

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisNonces"]

_SCRIPT = Script(files("networkpype.shared").joinpath("nonces.lua").read_text(encoding="utf-8"))
_DIGITS: dict[NonceUnit, int] = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class Clock(Protocol):
    """Tells the time in Unix seconds; a `TimeSynchronizer` is one."""

    def time(self) -> float: ...


class RedisNonces:
    """Give strictly increasing numbers near the time in `unit` to all processes of one API key.

    ::

        nonces = RedisNonces("redis://127.0.0.1:6379", name="kraken-main")
        auth = exchange_auth("kraken", credentials, nonce=nonces)
        ...
        await nonces.close()

    `name` is what the processes call the key, and the same in each of them; what else shares the
    name, such as a `RedisLimitStore`, does no harm. `unit` is the exchange's, as in
    ``exchange("bitfinex").nonce_unit``, or a finer one that the key was used with before. A
    signature awaits its nonce, one round trip. A login frame cannot (NoNonceReservedError).

    The time is that of Redis, or of `time_provider`. A clock that is set back changes nothing, nor
    does Redis that comes back without its data: each process tells the last nonce that it knows,
    and after every restart nonces go on a second above. Both at once, or nonces more than a second
    ahead of the time (the unit is coarser than the requests), need a Redis that keeps its data
    (appendonly); else the exchange may refuse what follows until the time has caught up.

    Where Redis gives none for `timeout_s`, the signature raises SharedNonceError (NOT_SENT). Keep
    it below the `preparation_s` of a concurrent limit (5 s). What no waiting mends (a wrong
    password, a node of a cluster passed as one Redis) is a ConfigurationError until it has worked.

    Requests of two processes may overtake each other on their way, and those of one process too:
    hold a ``RateLimit.concurrent(..., 1)`` for the key, which a `RedisLimitStore` shares as well,
    or have the exchange accept nonces out of order, where it can (Kraken's nonce window).

    `redis` is a URL or a client of `redis.asyncio`, also of a cluster or of sentinels, which stays
    yours to close. One instance serves one event loop. Needs the extra `redis`. Raises
    MissingExtraError, and ConfigurationError for a wrong argument.
    """

    def __init__(
        self,
        redis: Redis | RedisCluster | str,
        *,
        name: str,
        unit: NonceUnit = "ms",
        time_provider: Clock | None = None,
        timeout_s: float = 2.0,
    ) -> None:
        if not isinstance(name, str) or not name or set(name) & set("{}"):
            raise ConfigurationError(
                f"name is what the processes call the API key, without braces; got {name!r}"
            )
        check_known("nonce unit", unit, PER_SECOND)
        self._link = RedisLink(redis, timeout_s=timeout_s)
        self.name = name
        self.unit = unit
        self._keys = [f"{{networkpype:{name}}}:nonce"]
        self._time_provider = time_provider
        self._timeout_s = timeout_s
        self._last = 0

    async def reserve(self) -> int:
        """Return the next nonce, above all that any process was given; it may be left unused."""
        try:
            # A nonce that was given and did not arrive is skipped: asking again is safe.
            return await insist(self._ask, self._timeout_s)
        except RedisLostError as error:
            reason, is_final = error.reason, error.is_final
        if is_final and not self._last:
            # Once it has worked it is no fault of anybody's settings.
            raise ConfigurationError(f"{self._link.where}: {reason}")
        raise SharedNonceError(reason)

    async def close(self) -> None:
        """Close the connection; a nonce that is asked for later opens it again."""
        await self._link.close()

    async def __aenter__(self) -> RedisNonces:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f'RedisNonces(name="{self.name}", unit="{self.unit}")'

    async def _ask(self) -> int:
        while True:
            if not self._link.connected:
                await self._link.connect()
            server, per_second = self._link.server, PER_SECOND[self.unit]
            words = [self.unit, str(self._last), str(per_second), server, self._time()]
            kind, value = await self._link.run(_SCRIPT, self._keys, words)
            if kind in (b"unit", "unit"):
                break
            number = int(value)
            if number <= self._last:
                continue  # a server that lost its data since this was asked
            self._last = number
            if server == self._link.server:
                return number
            # Redis was started again in between and may have given it as its former self.
        other = value if isinstance(value, str) else value.decode()
        raise ConfigurationError(
            f'"{self.name}" counts in {other}, and these nonces in {self.unit}; give all processes '
            "the same unit, or a key that was never used with the other one another name"
        )

    def _time(self) -> str:
        if self._time_provider is None:
            return f"t{_DIGITS[self.unit]}"
        seconds = self._time_provider.time()
        if not 0 <= seconds < math.inf:
            raise ConfigurationError(f"the clock says {seconds}; pass one that tells the time")
        return str(int(seconds * PER_SECOND[self.unit] + 1e-3))
