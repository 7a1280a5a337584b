"""What the exchange says about waiting: 429, 418 and 503, counted at the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Event,
    HTTPStatusError,
    Outcome,
    RateLimit,
    RateLimitedError,
    RESTManager,
    RESTMethod,
    ThrottleTimeoutError,
)
from networkpype.rest import attempts
from networkpype.testing import FakeClock
from tests.support.raw_server import RawServer, answer
from tests.support.retrying import OK, answers, hits, policy, waits
from tests.support.signing import LIMIT_ID, rest_manager

DATE = "Date: Sat, 21 Nov 2026 10:00:00 GMT"


def slow_down(*headers: str, status: int = 429) -> bytes:
    return answer(b'{"msg":"slow down"}', f"{status} Slow", DATE, *headers)


class Slept(list[float]):
    """The waits between attempts: they take no time, but the throttler's clock moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def manager(self, **options: Any) -> AsyncIterator[RESTManager]:
        limits = [RateLimit(LIMIT_ID, 1000, 1.0), RateLimit("other", 1000, 1.0)]
        throttler = AsyncThrottler(limits, clock=self.clock)
        async with ConnectionManagersFactory(throttler, **options) as factory:
            yield await factory.get_rest_manager()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    slept = Slept()
    monkeypatch.setattr(attempts, "sleep", slept.sleep)
    return slept


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: 0.25", 0.25),
        ("Retry-After: Sat, 21 Nov 2026 10:00:09 GMT", 9.0),
    ],
)
async def test_a_read_waits_as_long_as_the_exchange_says(
    slept: Slept, status: int, header: str, wait_s: float
) -> None:
    events: list[Event] = []
    async with (
        RawServer(answers(slow_down(header, status=status), OK)) as server,
        slept.manager(retry=policy(), hook=events.append) as manager,
    ):
        assert await manager.execute_request(server.url, LIMIT_ID) == {"ok": 1}
        assert hits(server) == 2
    assert slept == waits(events) == [wait_s]


@pytest.mark.parametrize(
    "header",
    [
        "Retry-After: Sat, 21 Nov 2026 09:59:00 GMT",
        "Retry-After: 0",
        "Retry-After: soon",
        "X-Other: 1",
    ],
)
async def test_where_no_wait_is_told_the_limits_interval_is_waited(header: str) -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1000, 0.2)])
    async with (
        RawServer(answers(slow_down(header), OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await manager.execute_request(server.url, LIMIT_ID) == {"ok": 1}
        assert loop.time() - began >= 0.2
        assert hits(server) == 2


async def test_nothing_reaches_the_server_within_the_wait() -> None:
    async with (
        RawServer(answers(slow_down("Retry-After: 0.3"), OK)) as server,
        rest_manager(retry=policy()) as manager,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        call = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
        await server.until(lambda: hits(server) == 2)
        assert loop.time() - began >= 0.3
        assert await call == {"ok": 1}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "header",
    ["Retry-After: 31", "Retry-After: 1e300", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"],
)
async def test_an_absurd_wait_is_an_error_at_once(slept: Slept, status: int, header: str) -> None:
    async with (
        RawServer(answers(slow_down(header, status=status), OK)) as server,
        slept.manager(retry=policy()) as manager,
    ):
        with pytest.raises(RateLimitedError) as caught:
            await manager.execute_request(server.url, LIMIT_ID)
        assert hits(server) == 1
    assert (caught.value.retry_after or 0) > 30
    assert "is longer than longest_wait_s=30" in "".join(caught.value.__notes__)
    assert slept == []


@pytest.mark.parametrize("told", [{"timeout": 1.0}, {}])
async def test_a_wait_beyond_the_calls_end_is_an_error_at_once(
    slept: Slept, told: dict[str, Any]
) -> None:
    async with (
        RawServer(answers(slow_down("Retry-After: 8"), OK)) as server,
        slept.manager(retry=policy(max_elapsed_s=8.0)) as manager,
    ):
        with pytest.raises(RateLimitedError):
            await manager.execute_request(server.url, LIMIT_ID, **told)
        assert (hits(server), slept) == (1, [])


async def test_a_write_that_was_too_much_is_not_repeated_without_the_callers_word(
    slept: Slept,
) -> None:
    script = answers(slow_down("Retry-After: 2"), OK)
    async with RawServer(script) as server, slept.manager(retry=policy()) as manager:
        with pytest.raises(RateLimitedError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, method=RESTMethod.POST)
        assert (hits(server), slept) == (1, [])
    assert (caught.value.outcome, caught.value.retry_after) == (Outcome.REJECTED, 2.0)


async def test_a_write_with_the_callers_word_waits_and_is_repeated(slept: Slept) -> None:
    script = answers(slow_down("Retry-After: 2"), OK)
    async with RawServer(script) as server, slept.manager(retry=policy()) as manager:
        await manager.execute_request(
            server.url, LIMIT_ID, method=RESTMethod.POST, idempotency_key="a"
        )
        assert (hits(server), slept) == (2, [2.0])


async def test_a_ban_is_raised_unless_the_policy_lists_it(slept: Slept) -> None:
    ban = slow_down("Retry-After: 5", status=418)
    async with (
        RawServer(answers(ban, ban, OK)) as server,
        slept.manager(retry=policy()) as manager,
    ):
        with pytest.raises(RateLimitedError) as caught:
            await manager.execute_request(server.url, LIMIT_ID)
        assert (caught.value.status, hits(server), slept) == (418, 1, [])
        for limit_id in (LIMIT_ID, "other"):  # every lane stands still
            with pytest.raises(ThrottleTimeoutError):
                await manager.execute_request(server.url, limit_id, max_wait=4.9)
        assert hits(server) == 1
        slept.clock.advance(5)
        await manager.execute_request(server.url, LIMIT_ID, retry=policy(statuses={418}))
        assert (hits(server), slept) == (3, [5.0])


async def test_a_block_that_outlasts_max_wait_ends_the_call_with_the_exchanges_words() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1000, 60.0)])
    async with (
        RawServer(answers(slow_down(), OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        with pytest.raises(RateLimitedError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, max_wait=1.0)
        assert hits(server) == 1
    assert "1 attempt was made and no more: ThrottleTimeoutError" in caught.value.__notes__[0]


async def test_without_a_policy_nothing_waits(slept: Slept) -> None:
    script = answers(slow_down("Retry-After: 1"), OK)
    async with RawServer(script) as server, slept.manager() as manager:
        with pytest.raises(HTTPStatusError):
            await manager.execute_request(server.url, LIMIT_ID)
        assert (hits(server), slept) == (1, [])
