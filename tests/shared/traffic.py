"""Callers that never rest, and a ledger of what arrived that knows nothing of Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

from pydantic import SecretStr

from networkpype import AsyncThrottler, RateLimit, RedisLimitStore, RedisNonces, RedisTokens
from networkpype.auth.access_tokens import HeldTokens
from networkpype.errors import AuthenticationError
from networkpype.hooks import Event, LimitStoreLost, LimitStoreRestored
from networkpype.shared.link import RedisLink, RedisLostError, Script
from tests.shared.own_cluster import DEADLINE_S, until

__all__ = ["Counting", "Renewing", "Traffic", "once_it_answers"]

UNITS = 20


class Traffic:
    """Three throttlers under one limit, as three processes have them, each with three callers.

    They do as many calls as they are allowed to.
    """

    def __init__(self, client: Callable[[], Any], name: str, interval_s: float) -> None:
        self._interval_s = interval_s
        self._may = [asyncio.Semaphore(0) for _ in range(3)]
        self.arrived: list[float] = []
        self.begun = self.ended = 0
        self.events: list[list[Event]] = []
        self._clients = [client() for _ in range(3)]
        self._stores = [
            RedisLimitStore(each, name=name, timeout_s=0.5, lease_s=5) for each in self._clients
        ]
        self._allowed = 0
        self._is_on = True
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for store, may in zip(self._stores, self._may, strict=True):
            events: list[Event] = []
            self.events.append(events)
            throttler = AsyncThrottler(
                [RateLimit("order", UNITS, self._interval_s)],
                safety_margin_pct=0,
                store=store,
                hook=events.append,
            )
            self._tasks += [asyncio.create_task(self._call(throttler, may)) for _ in range(3)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for store, client in zip(self._stores, self._clients, strict=True):
            await store.close()
            await client.aclose()

    async def _call(self, throttler: AsyncThrottler, may: asyncio.Semaphore) -> None:
        while True:
            await may.acquire()
            if not self._is_on:
                return
            self.begun += 1
            async with throttler.in_flight("order", departed=False) as flight:
                await flight.depart()
                self.arrived.append(time.monotonic())
            self.ended += 1

    def allow(self, calls: int, *throttlers: int) -> None:
        """Have so many calls done by each of these throttlers."""
        for number in throttlers:
            self._allowed += calls
            for _ in range(calls):
                self._may[number].release()

    async def all_done(self) -> None:
        """Return when all that were allowed have ended."""
        await until(lambda: self._fails() or self.ended >= self._allowed)

    async def go_on(self, calls: int) -> None:
        """Return when that many more have arrived."""
        so_far = len(self.arrived)
        await until(lambda: self._fails() or len(self.arrived) >= so_far + calls)

    async def finish(self) -> None:
        """Begin nothing more, and return when all that was begun has ended; raise what they did."""
        self._is_on = False
        self.allow(3, 0, 1, 2)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*self._tasks)

    def _fails(self) -> bool:
        """Raise what a caller raised."""
        for task in self._tasks:
            if task.done():
                task.result()
        return False

    @property
    def most_in_a_window(self) -> int:
        times, most, first = sorted(self.arrived), 0, 0
        for index, at in enumerate(times):
            while times[first] <= at - self._interval_s:
                first += 1
            most = max(most, index - first + 1)
        return most

    @property
    def is_back(self) -> bool:
        """Whether each throttler was told that its store is back."""
        self._fails()
        return all(each[-1:] == ["LimitStoreRestored"] for each in self.changes)

    @property
    def forgot(self) -> bool:
        """Whether one of them was told that it came back without its counts."""
        events = [event for each in self.events for event in each]
        return any(isinstance(event, LimitStoreRestored) and event.forgot for event in events)

    @property
    def changes(self) -> list[list[str]]:
        """What each throttler was told of its store."""
        kinds = (LimitStoreLost, LimitStoreRestored)
        return [
            [type(each).__name__ for each in events if isinstance(each, kinds)]
            for events in self.events
        ]


class Counting:
    """Processes that take nonces of one key, where the time stands still.

    So a nonce is above the last for no other reason than that somebody remembers the last.
    """

    def __init__(self, client: Callable[[], Any], name: str) -> None:
        self._clients = [client() for _ in range(3)]
        self.takers = [
            RedisNonces(each, name=name, time_provider=self, timeout_s=25) for each in self._clients
        ]

    def time(self) -> float:
        return 1_700_000_000.0

    async def take(self, taker: int, count: int) -> list[int]:
        return [await self.takers[taker].reserve() for _ in range(count)]

    async def close(self) -> None:
        for taker, client in zip(self.takers, self._clients, strict=True):
            await taker.close()
            await client.aclose()


class Renewing:
    """Two processes with one account, at an exchange that takes a refresh token once."""

    def __init__(self, client: Callable[[], Any], name: str, account: str) -> None:
        self._account = account
        self._clients = [client() for _ in range(2)]
        self._stores = [RedisTokens(each, name=name, timeout_s=25) for each in self._clients]
        first = HeldTokens(SecretStr(""), None, SecretStr("refresh 0"))
        self._held = [first, first]
        self._spent = 0
        self.tried: list[str] = []

    async def renew(self, process: int) -> str:
        """Return the access token that the process then has."""
        self._held[process] = await self._stores[process].renewed(
            self._account, self._held[process], self._refresh, now=time.time
        )
        return self._held[process].access.get_secret_value()

    async def _refresh(self, latest: HeldTokens) -> HeldTokens:
        refresh = latest.refresh.get_secret_value()
        self.tried.append(refresh)
        if refresh != f"refresh {self._spent}":
            raise AuthenticationError("that refresh token is spent")
        self._spent += 1
        access, refresh = f"access {self._spent}", f"refresh {self._spent}"
        return HeldTokens(SecretStr(access), None, SecretStr(refresh), latest.generation)

    async def close(self) -> None:
        for store, client in zip(self._stores, self._clients, strict=True):
            await store.close()
            await client.aclose()


async def once_it_answers(link: RedisLink, script: Script, key: str, *words: str) -> Any:
    """Return what the script does, which is asked for again while Redis is lost."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await link.run(script, [key], words)
            except RedisLostError:
                await asyncio.sleep(0.05)
