"""The script of the shared limits on a clock that a test moves, in a real Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from networkpype.shared.counting import SOURCE, RedisLimits
from networkpype.shared.limits import RedisLimitStore
from networkpype.shared.link import RedisLink, Script
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Call, Hold, Reply
from tests.shared.own_redis import OwnRedis

__all__ = ["START_S", "Scripted", "Side"]

START_S = 1_800_000_000
_TIME = "redis.call('TIME')"
assert SOURCE.count(_TIME) == 1

_OURS = "redis.call('HMGET', 'clock', 's', 'us')"


class _Limits(RedisLimits):
    script = Script(SOURCE.replace(_TIME, _OURS))
    clock = Script(f"return {_OURS}")


class Side:
    """One process of several; ids of its calls count from 1."""

    def __init__(self, scripted: Scripted, limits: Mapping[str, Capacity], lease_s: float) -> None:
        store = RedisLimitStore(scripted.redis.url, name="scripted", lease_s=lease_s)
        self.limits = _Limits(
            store, RedisLink(scripted.redis.url), RedisLink(scripted.redis.url, tells_server=False)
        )
        self.limits.configure(limits)
        self._scripted = scripted
        self._calls = 0

    async def run(self, batch: Batch) -> Reply:
        reply = await self.limits.run(batch, lambda: self._scripted.now)
        assert not reply.forgot
        return reply

    async def ask(
        self,
        *charges: Charge,
        hold: Hold = Hold.FINAL,
        rank: int = 2,
        waited_s: float = 0.0,
        call_id: int | None = None,
        again: bool = False,
        waiting: int = 1,
    ) -> tuple[int, float]:
        """Return the number of the call, and in how many seconds to ask again, 0 if granted."""
        if call_id is None:
            self._calls += 1
            call_id = self._calls
        ask = Ask(call_id, hold, rank, 0, waited_s, again, waiting, charges)
        return call_id, (await self.run(Batch(asks=[ask]))).waits[0]

    async def settle(self, call_id: int, *charges: Charge, age_s: float = 0.0) -> None:
        await self.run(Batch(settled=[Call(call_id, charges, age_s)]))

    async def renew(self, call_id: int, *charges: Charge) -> None:
        await self.run(Batch(renewals=[Call(call_id, charges)]))

    async def refund(self, call_id: int, *charges: Charge) -> None:
        await self.run(Batch(refunds=[Call(call_id, charges)]))

    async def used(self, *names: str) -> Sequence[float]:
        reply = await self.run(Batch(refunds=[Call(0, tuple(Charge(name, 1) for name in names))]))
        return [reply.usage[name].used for name in names]


class Scripted:
    """`async with`; `now` starts at 0, and the clock of Redis goes with it."""

    def __init__(self, redis: OwnRedis) -> None:
        self.redis = redis
        self.now = 0.0
        self.link = RedisLink(redis.url)
        self._sides: list[Side] = []

    def side(self, limits: Mapping[str, Capacity], lease_s: float = 10.0) -> Side:
        side = Side(self, limits, lease_s)
        self._sides.append(side)
        return side

    async def advance(self, seconds: float) -> None:
        self.now += seconds
        await self.set_clock(self.now)

    async def set_clock(self, now: float) -> None:
        us = round((START_S + now) * 1e6)
        script = Script("return redis.call('HSET', 'clock', 's', ARGV[1], 'us', ARGV[2])")
        await self.link.run(script, [], [str(us // 1_000_000), str(us % 1_000_000)])

    async def forget(self) -> None:
        """Begin anew: no counts, no claims, time 0."""
        await self.link.run(Script("return redis.call('FLUSHALL')"), [], [])
        self.now = 0.0
        await self.set_clock(0.0)

    async def __aenter__(self) -> Self:
        await self.forget()
        return self

    async def close(self) -> None:
        for side in self._sides:
            await side.limits.close()
        self._sides.clear()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
        await self.link.close()
