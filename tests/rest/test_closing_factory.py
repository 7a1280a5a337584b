"""A factory that is closed ends its own calls, wherever they are, and blames nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Event,
    NotConnectedError,
    Outcome,
    RateLimit,
    RESTMethod,
    RESTPreProcessor,
    RESTRequest,
    RetryScheduled,
)
from networkpype.circuit import CircuitBreaker, CircuitState
from networkpype.retry import Backoff
from networkpype.testing.virtual_time import virtual_time
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.retrying import GONE, OK, answers, hits, policy
from tests.support.signing import LIMIT_ID

HELD_UP = "the factory was closed while the call waited for capacity"
SLOW = Backoff(initial_s=3600.0, cap_s=3600.0, jitter=lambda: 0.5)


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def ended(call: asyncio.Task[Any]) -> NotConnectedError:
    with pytest.raises(NotConnectedError) as caught:
        await asyncio.wait_for(call, 1.0)
    return caught.value


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110, an event would have to be woven into the throttler
            await asyncio.sleep(0)


def one_an_hour() -> AsyncThrottler:
    return AsyncThrottler([RateLimit(LIMIT_ID, 1, 3600.0)], safety_margin_pct=0)


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.silence()


class OfTheUser(AsyncThrottler):
    """Says anew what a task is, so it is entered as it stands."""

    def execute_task(self, limit_id: str, **how: Any) -> Any:
        return super().execute_task(limit_id, **how)


@pytest.mark.parametrize("kind", [AsyncThrottler, OfTheUser])
@pytest.mark.parametrize("retry", [None, policy()])
async def test_calls_that_wait_for_capacity_end_at_once_and_pay_nothing(
    kind: type[AsyncThrottler], retry: Any
) -> None:
    throttler = kind([RateLimit(LIMIT_ID, 1, 3600.0)], safety_margin_pct=0)
    async with RawServer(answers(OK)) as server:
        async with ConnectionManagersFactory(throttler, retry=retry) as factory:
            manager = await factory.get_rest_manager()
            await manager.execute_request(server.url, LIMIT_ID)
            calls = [start(manager.execute_request(server.url, LIMIT_ID)) for _ in range(3)]
            await until(lambda: throttler.snapshot()[LIMIT_ID].waiting == 3)
        for call in calls:
            error = await ended(call)
            assert (str(error), error.outcome) == (HELD_UP, Outcome.NOT_SENT)
            assert call.cancelling() == 0
        usage = throttler.snapshot()[LIMIT_ID]
        assert (hits(server), usage.used, usage.waiting) == (1, 1, 0)
        # Nor does one that comes later pay, or wait.
        error = await ended(start(manager.execute_request(server.url, LIMIT_ID)))
        assert "get a new manager from the factory" in str(error)
        assert throttler.snapshot()[LIMIT_ID].waiting == 0


async def test_a_call_that_comes_later_pays_nothing() -> None:
    throttler = one_an_hour()
    async with ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_rest_manager()
    error = await ended(start(manager.execute_request("http://127.0.0.1:1/", LIMIT_ID)))
    assert error.outcome is Outcome.NOT_SENT
    assert throttler.snapshot()[LIMIT_ID].used == 0


async def test_a_call_that_was_prepared_too_long_waits_anew_and_ends_too() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 0.05)], safety_margin_pct=0)
    prepared = asyncio.Event()

    class Slow(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            await prepared.wait()
            return request

    async with RawServer(answers(OK)) as server:
        async with ConnectionManagersFactory(throttler, rest_pre_processors=[Slow()]) as factory:
            manager = await factory.get_rest_manager()
            call = start(manager.execute_request(server.url, LIMIT_ID))
            await asyncio.sleep(0.1)  # its charge has expired by then
            throttler.block(3600.0)
            prepared.set()
            await until(lambda: throttler.snapshot()[LIMIT_ID].waiting)
        assert str(await ended(call)) == HELD_UP
        assert (hits(server), throttler.snapshot()[LIMIT_ID].waiting) == (0, 0)


async def test_a_factory_that_shares_the_throttler_goes_on() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 2, 60.0)], safety_margin_pct=0)
    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(throttler) as other,
    ):
        theirs = await other.get_rest_manager()
        async with ConnectionManagersFactory(throttler) as factory:
            ours = await factory.get_rest_manager()
            await theirs.execute_request(server.url, LIMIT_ID)
            throttler.block(3600.0)
            calls = [
                start(manager.execute_request(server.url, LIMIT_ID)) for manager in (ours, theirs)
            ]
            await until(lambda: throttler.snapshot()[LIMIT_ID].waiting == 2)
        await ended(calls[0])
        throttler.unblock()
        assert await calls[1] == {"ok": 1}
        assert hits(server) == 2


@virtual_time
async def test_the_callers_own_cancellation_stays_one() -> None:
    throttler = one_an_hour()
    await throttler.acquire(LIMIT_ID)
    factory = ConnectionManagersFactory(throttler)
    manager = await factory.get_rest_manager()
    call = start(manager.execute_request("http://127.0.0.1:1/", LIMIT_ID))
    await asyncio.sleep(1)
    call.cancel()
    await factory.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert throttler.snapshot()[LIMIT_ID].waiting == 0


@virtual_time
async def test_the_callers_own_timeout_and_task_go_on_after_it() -> None:
    throttler = one_an_hour()
    await throttler.acquire(LIMIT_ID)
    factory = ConnectionManagersFactory(throttler)
    manager = await factory.get_rest_manager()

    async def caller() -> str:
        async with asyncio.timeout(60):
            try:
                await manager.execute_request("http://127.0.0.1:1/", LIMIT_ID)
            except NotConnectedError:
                await asyncio.sleep(1)  # a task that was left cancelled would end here
                return "went on"
        return ""

    call = start(caller())
    await asyncio.sleep(1)
    await factory.close()
    assert await call == "went on"


@pytest.mark.parametrize(
    ("step", "outcome"),
    [(GONE, Outcome.UNKNOWN), (answer(b"no", "429 No"), Outcome.REJECTED)],
)
async def test_a_call_that_waits_to_be_sent_again_ends_with_the_worst_outcome(
    step: bytes | None, outcome: Outcome
) -> None:
    events: list[Event] = []
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 9, 60.0)])
    retry = policy(backoff=SLOW, longest_wait_s=9e9, max_elapsed_s=9e9)
    async with RawServer(answers(step)) as server:
        async with ConnectionManagersFactory(throttler, retry=retry, hook=events.append) as factory:
            manager = await factory.get_rest_manager()
            call = start(manager.execute_request(server.url, LIMIT_ID, return_err=True))
            await until(lambda: any(isinstance(event, RetryScheduled) for event in events))
        error = await ended(call)
        assert (hits(server), error.outcome) == (1, outcome)
        assert "waited to be sent again" in str(error)
        assert error.__notes__[0] == "1 attempt was made and no more: the factory was closed"


async def test_calls_under_way_are_not_the_hosts_failure() -> None:
    breaker = CircuitBreaker(1, 60.0)
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 9, 60.0)])
    async with RawServer(silent) as server:
        async with ConnectionManagersFactory(throttler, circuit_breaker=breaker) as factory:
            manager = await factory.get_rest_manager()
            call = start(
                manager.execute_request(
                    server.url, LIMIT_ID, method=RESTMethod.POST, retry=policy(), idempotent=True
                )
            )
            await server.until(lambda: server.requests)
        error = await ended(call)
        assert "the factory was closed while the call was under way" in str(error)
        assert error.outcome is Outcome.UNKNOWN
        assert breaker.state(server.url) is CircuitState.CLOSED
        assert hits(server) == 1


async def test_what_waits_only_is_kept() -> None:
    """Nothing is noted of a call that has capacity at once, nor left of one that had to wait."""
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 0.05)], safety_margin_pct=0)
    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(throttler) as factory,
    ):
        manager = await factory.get_rest_manager()
        kept = manager._sender._connection.waits._open
        noted: list[object] = []

        class Noting(set):  # type: ignore[type-arg]
            def add(self, wait: object) -> None:
                noted.append(wait)
                super().add(wait)

        manager._sender._connection.waits._open = Noting(kept)
        await manager.execute_request(server.url, LIMIT_ID)
        assert noted == []
        await manager.execute_request(server.url, LIMIT_ID)
        assert len(noted) == 1
        assert not manager._sender._connection.waits._open


async def test_the_repr_says_that_it_is_closed() -> None:
    factory = ConnectionManagersFactory(one_an_hour())
    assert "closed" not in repr(factory)
    async with factory:
        await factory.get_rest_manager()
        assert "closed" not in repr(factory)
    assert repr(factory).endswith(", closed)")
    assert repr(factory._connections) == "ConnectionsFactory(closed)"
    async with factory:
        assert "closed" not in repr(factory)
