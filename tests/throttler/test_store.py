"""The seam: another store decides, and the throttler asks it no more than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.store.base import (
    Account,
    Capacity,
    Charge,
    LimitStore,
    Observation,
    Usage,
)
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.throttler import AsyncThrottler
from tests.throttler.callers import Callers, finish


class Watched:
    """A store of its own that lets a MemoryStore count, and remembers what it was asked."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.limits: Mapping[str, Capacity] = {}
        self.charges: list[Sequence[Charge]] = []
        self.asked = 0

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        self.limits = limits
        self.memory.configure(limits)

    def account(self, charges: Sequence[Charge]) -> Account:
        self.charges.append(charges)
        return WatchedAccount(self, self.memory.account(charges))

    def usage(self, limit_id: str, now: float) -> Usage:
        return self.memory.usage(limit_id, now)

    def block(self, limit_id: str, until: float, now: float) -> None:
        self.memory.block(limit_id, until, now)

    def unblock(self, limit_id: str, now: float) -> None:
        self.memory.unblock(limit_id, now)

    def observe(self, limit_id: str, seen: Observation, now: float) -> tuple[float, float]:
        return self.memory.observe(limit_id, seen, now)

    def fresh(self) -> Watched:
        return Watched()


class WatchedAccount:
    def __init__(self, store: Watched, account: Account) -> None:
        self.store, self.account = store, account
        self.charges = account.charges

    def forecast(self, now: float, ahead: Mapping[str, int]) -> float:
        return self.account.forecast(now, ahead)

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        self.store.asked += 1
        return self.account.try_charge(now, ahead, hold)

    def lift(self, at: float, now: float) -> bool:
        return self.account.lift(at, now)

    def settle(self, now: float) -> None:
        self.account.settle(now)

    def refund(self, at: float | None) -> None:
        self.account.refund(at)


def test_a_store_hears_capacities_and_what_calls_cost() -> None:
    store = Watched()
    orders = RateLimit("orders", 10, 1, 0, [LinkedLimitWeightPair("ip", 5)])
    AsyncThrottler([RateLimit("ip", 100, 60), orders], store=store)
    assert store.limits == {"ip": Capacity(95, 60), "orders": Capacity(9, 1)}
    assert store.charges == [(Charge("ip", 1),), (Charge("ip", 5),)]


async def test_a_copy_counts_with_a_fresh_store_of_the_same_kind() -> None:
    store: LimitStore = Watched()
    throttler = AsyncThrottler([RateLimit("a", 5, 60)], store=store)
    twin = throttler.copy()
    await twin.acquire("a")
    assert store.usage("a", asyncio.get_running_loop().time())[0] == 0
    assert twin.snapshot()["a"].used == 1


@virtual_time
async def test_a_store_is_asked_once_a_call_and_twice_a_wake() -> None:
    store = Watched()
    callers = Callers(AsyncThrottler([RateLimit("a", 100, 1)], 0.1, 0, store=store))
    await finish([callers.call("a", str(number)) for number in range(1000)])
    # Each admission, the first refusal and one that ends each of the nine wakes but the last.
    assert store.asked == 1000 + 2 + 8


def test_a_memory_store_shows_what_is_used() -> None:
    store = MemoryStore()
    store.configure({"a": Capacity(5, 1.0)})
    store.account([Charge("a", 3)]).try_charge(0.0)
    assert repr(store) == 'MemoryStore(Window("a", 3 of 5))'
