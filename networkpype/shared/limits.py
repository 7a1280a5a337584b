"""Rate limits that several processes share, counted in Redis."""

from __future__ import annotations

import asyncio
import math
import weakref
from typing import TYPE_CHECKING

from networkpype.errors import ConfigurationError, Outcome, TransportError
from networkpype.shared.counting import RedisLimits
from networkpype.shared.link import RedisLink, RedisLostError
from networkpype.throttler.store.shared import Batch, StoreLostError

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.cluster import RedisCluster

__all__ = ["RedisLimitStore"]


class RedisLimitStore:
    """Counts the calls of all throttlers, in any process on any machine, that share one `name`.

    ::

        store = RedisLimitStore("redis://127.0.0.1:6379", name="binance-main")
        throttler = AsyncThrottler(limits, store=store)
        ...
        await store.close()

    Give it the limits of one API key (or address) under one name, the same in every process; what
    is different there (a margin, a share) holds for the calls of that throttler. One script decides
    about a call under all its limits, in one round trip, by the clock of Redis.

    A call that is under way counts until its answer, and where its process dies for `lease_s`
    seconds more and then an interval; one that was granted less than `timeout_s` / 4 before, for an
    interval and `timeout_s`. `timeout_s` is how long an answer of Redis may take before it counts
    as lost; a refusal by `max_wait` may be that late. Then nothing goes until it is back
    (LimitStoreLost, LimitStoreRestored); with `local_share_pct` calls go on at that percentage of
    each limit after a time of quiet: an interval, and what a call may take to be prepared (5 s at
    most). Give each of n processes less than 100 / n. That is for a Redis that is lost to all:
    where one process alone does not reach it, the others go on using the whole of each limit, and
    its part comes on top. Where that may happen, take that much off by `safety_margin_pct`.

    `AsyncThrottler.snapshot` shows what Redis told that throttler last; `ping` has it told now, and
    checks at the start of a program that Redis is there and does what it is asked. Until it does
    for the first time, what no waiting mends (a wrong password, a user without the rights) is
    a ConfigurationError to every caller.

    Redis that comes back without its counts is quiet for the longest time for which a call may
    count, `most_paused_s` at most: below the longest interval, limits may be broken then. Let Redis
    keep its data (appendonly) rather.

    `redis` is a URL or a client of `redis.asyncio`, which stays yours to close: a `Redis`, a
    `RedisCluster`, or the `master_for` of a `Sentinel`. Needs the extra `redis`. Raises
    MissingExtraError, and ConfigurationError for a wrong argument.
    """

    def __init__(
        self,
        redis: Redis | RedisCluster | str,
        *,
        name: str,
        lease_s: float = 10.0,
        timeout_s: float = 1.0,
        local_share_pct: float | None = None,
        most_paused_s: float = math.inf,
    ) -> None:
        if not isinstance(name, str) or not name or set(name) & set("{}"):
            raise ConfigurationError(
                f"name is what the processes call what they share, without braces; got {name!r}"
            )
        for option, seconds in (("lease_s", lease_s), ("most_paused_s", most_paused_s)):
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds < 1:
                raise ConfigurationError(f"{option} is seconds of at least 1, got {seconds!r}")
        if lease_s == math.inf:
            raise ConfigurationError("lease_s is finite: a process that died would hold for ever")
        if local_share_pct is not None:
            _check_percentage(local_share_pct)
        link = RedisLink(redis, timeout_s=timeout_s)  # refuses what it refuses
        self._redis = redis
        self._where = f'{link.where} (name="{name}")'
        self._lost = ""
        self._worked = False
        self.name = name
        self.lease_s = float(lease_s)
        self.timeout_s = float(timeout_s)
        self.local_share_pct = local_share_pct
        self.most_paused_s = float(most_paused_s)
        # Weak: a throttler that nobody has any more is not kept for being closed.
        self._joined: weakref.WeakSet[RedisLimits] = weakref.WeakSet()

    def join(self) -> RedisLimits:
        """Return the way to Redis for one more throttler; AsyncThrottler calls it."""
        joined = self._way()
        self._joined.add(joined)
        return joined

    async def ping(self) -> None:
        """Have Redis run the script and tell every throttler of this loop how full its limits are.

        For the start of a program: it finds wrong addresses, passwords and rights before a call
        has to wait for them. Raises TransportError where Redis is not there, ConfigurationError
        where it refuses and has done so from the first, each with the reason.
        """
        probe = self._way()
        reason, is_final = "", False
        try:
            await probe.run(Batch(), asyncio.get_running_loop().time)
            # Longer than the deadline: theirs is over what was under way before, too.
            async with asyncio.timeout(2 * self.timeout_s + 1):
                for joined in list(self._joined):
                    if joined.hear is not None:
                        await joined.hear()
        except StoreLostError as error:
            reason, is_final = str(error), error.is_final
        except TimeoutError:
            reason = self._lost or f"{self._where}: no answer to what a throttler asks"
        finally:
            await probe.close()
        # Out here, without the frames below.
        if is_final:
            raise ConfigurationError(f"{reason}; set that right, there or in RedisLimitStore(...)")
        if reason:
            raise TransportError(f"{reason}; nothing was sent", outcome=Outcome.NOT_SENT)

    async def close(self) -> None:
        """Close the connections; calls that come later open them again."""
        for joined in list(self._joined):
            await joined.close()

    def _way(self) -> RedisLimits:
        link = RedisLink(self._redis, timeout_s=self.timeout_s)
        bell = RedisLink(self._redis, timeout_s=self.timeout_s, tells_server=False)
        return RedisLimits(self, link, bell)

    async def __aenter__(self) -> RedisLimitStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        lost = f", lost: {self._lost}" if self._lost else ""
        return f'RedisLimitStore(name="{self.name}"{lost})'

    def heard(self) -> None:
        """Note that Redis does what it is asked."""
        self._lost, self._worked = "", True

    def missed(self, error: RedisLostError) -> StoreLostError:
        """Note that Redis does not; return what the queue is told.

        Once it has worked it is no fault of anybody's settings: a failover may be under way.
        """
        between = " " if error.reason.startswith("cannot") else ": "
        self._lost = f"{self._where}{between}{error.reason}"
        return StoreLostError(self._lost, error.is_final and not self._worked)


def _check_percentage(percent: object) -> None:
    if isinstance(percent, (int, float)) and not isinstance(percent, bool) and 1 <= percent <= 100:
        return
    hint = ""
    if isinstance(percent, float) and 0 < percent < 1:
        hint = f"; write {percent * 100:g} for {percent * 100:g} %"
    raise ConfigurationError(
        f"local_share_pct is a percentage from 1 to 100, got {percent!r}{hint}"
    )
