"""What a signed call costs: `execute_request` beside aiohttp with HMAC written by hand.

Both send three parameters, a timestamp and an HMAC-SHA256 over them with the key in a header, and
parse 1 KB of JSON. Ours also copies, throttles, asks the synchronized clock, and keeps a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlencode

import aiohttp
import orjson

from benchmarks._measure import Contestant, compare, ratio_row, server
from benchmarks._report import Row, table
from networkpype import (
    AsyncThrottler,
    Auth,
    ConnectionManagersFactory,
    JSONLoads,
    RateLimit,
    RESTRequest,
    TimeSynchronizer,
    WebSocketRequest,
)

KEY, SECRET = "k" * 64, b"s" * 64
AT_ONCE = 50
# A round is some milliseconds, so that whatever else the machine does hits all alike.
ROUNDS = {1: (40, 200), AT_ONCE: (150, 60)}
"""How many calls a round, and how many rounds, where so many calls are made at a time."""
LIMIT_ID = "orders"
NEVER_FULL = 100_000_000

Call: TypeAlias = "Callable[[], Awaitable[None]]"


class BenchAuth(Auth):
    """Sign the query string, as many exchanges want it."""

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        timestamp = int(self.time_provider.time() * 1000)
        assert isinstance(request.params, dict)
        request.params = {**request.params, "timestamp": timestamp}
        query = request.query_string
        signature = hmac.new(SECRET, query.encode(), hashlib.sha256).hexdigest()
        request.params = f"{query}&signature={signature}"  # encoded once, sent as signed
        request.headers = {**(request.headers or {}), "X-API-KEY": KEY}
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


def parameters() -> dict[str, str | int]:
    return {"symbol": "BTCUSDT", "orderId": 28_457_000_001, "recvWindow": 5000}


def by_hand(session: aiohttp.ClientSession, url: str) -> Call:
    async def call() -> None:
        params = {**parameters(), "timestamp": int(time.time() * 1000)}
        query = urlencode(params)
        params["signature"] = hmac.new(SECRET, query.encode(), hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-API-KEY": KEY}
        async with session.get(url, params=params, headers=headers) as response:
            answer = await response.json()
        assert answer["status"] == "FILLED"

    return call


class Ours:
    """Managers as a connector has them; each with its own session, as the bare one has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._factories = contextlib.AsyncExitStack()

    async def call(self, throttler: AsyncThrottler, loads: JSONLoads | None = None) -> Call:
        synchronizer = TimeSynchronizer()
        synchronizer.add_time_offset_ms_sample(12.5)
        factory = ConnectionManagersFactory(
            throttler, BenchAuth(), time_synchronizer=synchronizer, json_loads=loads
        )
        await self._factories.enter_async_context(factory)
        manager = await factory.get_rest_manager()

        async def call() -> None:
            answer = await manager.execute_request(
                self._url, LIMIT_ID, params=parameters(), is_auth_required=True, timeout=10
            )
            assert answer["status"] == "FILLED"

        return call

    async def aclose(self) -> None:
        await self._factories.aclose()


def nearly_empty() -> AsyncThrottler:
    """Return a throttler with about 10 entries alive: what is done in 2 ms."""
    return AsyncThrottler([RateLimit(limit_id=LIMIT_ID, limit=NEVER_FULL, time_interval=0.002)])


async def crowded() -> AsyncThrottler:
    """Return a throttler with 100,000 entries alive, and more with every call."""
    throttler = AsyncThrottler([RateLimit(limit_id=LIMIT_ID, limit=NEVER_FULL, time_interval=3600)])
    for _ in range(100_000):
        async with throttler.execute_task(LIMIT_ID):
            pass
    return throttler


def at_once(call: Call, lanes: int) -> Contestant:
    """Make so many calls at a time, as many as it is told in all."""

    async def lane(calls: int) -> None:
        for _ in range(calls):
            await call()

    async def job(calls: int) -> None:
        if lanes == 1:
            await lane(calls)
        else:
            await asyncio.gather(*(lane(calls // lanes) for _ in range(lanes)))

    return job


async def measure(url: str) -> list[Row]:
    async with aiohttp.ClientSession() as session, contextlib.aclosing(Ours(url)) as ours:
        calls = {
            "bare": by_hand(session, url),
            "ours": await ours.call(nearly_empty()),
            "orjson": await ours.call(nearly_empty(), orjson.loads),
            "crowded": await ours.call(await crowded()),
        }
        report = []
        for lanes, (calls_a_round, rounds) in ROUNDS.items():
            cost = await compare(
                {name: at_once(call, lanes) for name, call in calls.items()},
                calls=calls_a_round,
                rounds=rounds,
            )
            cpu = {name: each.cpu_us for name, each in cost.items()}
            report += [
                ratio_row(
                    f"signed GET / by hand, {lanes} at a time", cpu["ours"], cpu["bare"], 1.0
                ),
                ratio_row(
                    f"the same with orjson, {lanes} at a time", cpu["orjson"], cpu["bare"], 0.9
                ),
                ratio_row(
                    f"100,000 entries in the window / 10, {lanes} at a time",
                    cpu["crowded"],
                    cpu["ours"],
                    1.03,
                ),
            ]
        return report


def rows() -> list[Row]:
    with server("rest") as address:
        return asyncio.run(measure(f"http://{address}/api/v3/order"))


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
