"""What certainly never left is not paid for, and what is told of it is true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    CircuitBreaker,
    ConnectFailedError,
    ConnectionManagersFactory,
    HTTPStatusError,
    NotConnectedError,
    Outcome,
    RateLimit,
    RequestTimeoutError,
    RESTMethod,
)
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.retrying import OK, answers, hits, policy


def five_an_hour() -> AsyncThrottler:
    return AsyncThrottler([RateLimit("a", 5, 3600.0)], safety_margin_pct=0)


def used(throttler: AsyncThrottler) -> tuple[float, int]:
    usage = throttler.snapshot()["a"]
    return usage.used, usage.held


async def post(factory: ConnectionManagersFactory, url: str, **options: Any) -> Any:
    manager = await factory.get_rest_manager()
    return await manager.execute_request(url, "a", method=RESTMethod.POST, data={"a": 1}, **options)


async def test_a_call_that_found_nobody_there_costs_nothing() -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    throttler = five_an_hour()
    async with ConnectionManagersFactory(throttler) as factory:
        with pytest.raises(ConnectFailedError):
            await post(factory, f"http://127.0.0.1:{port}/")
    assert used(throttler) == (0, 0)


async def test_a_closing_factory_charges_for_what_was_written_alone() -> None:
    outcomes = set()
    for turns in range(1, 100):
        throttler = five_an_hour()
        async with RawServer(answers(OK)) as server:
            factory = ConnectionManagersFactory(throttler)
            call = asyncio.create_task(post(factory, server.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            done = call.done()
            await factory.close()
            result: Any = (await asyncio.gather(call, return_exceptions=True))[0]
            if done:
                assert result == {"ok": 1}
                break
            if isinstance(result, NotConnectedError):
                outcomes.add(result.outcome)
                paid = 0 if result.outcome is Outcome.NOT_SENT else 1
                assert used(throttler) == (paid, 0), turns
                if not paid:
                    assert hits(server) == 0
    assert outcomes == {Outcome.NOT_SENT, Outcome.UNKNOWN}


async def test_a_call_without_an_answer_is_paid_for() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.silence()

    throttler = five_an_hour()
    async with RawServer(silent) as server, ConnectionManagersFactory(throttler) as factory:
        with pytest.raises(RequestTimeoutError) as caught:
            await post(factory, server.url, timeout=0.1)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert used(throttler) == (1, 0)


@pytest.mark.parametrize("by", ["circuit", "limit"])
async def test_why_there_was_no_further_attempt_does_not_deny_the_first(by: str) -> None:
    breaker = CircuitBreaker(1, 30) if by == "circuit" else None
    throttler = AsyncThrottler([RateLimit("a", 9 if breaker else 1, 3600.0)], safety_margin_pct=0)
    unavailable = answer(b"{}", status="503 Service Unavailable")
    async with (
        RawServer(answers(unavailable)) as server,
        ConnectionManagersFactory(throttler, circuit_breaker=breaker, retry=policy()) as factory,
    ):
        with pytest.raises(HTTPStatusError) as caught:
            await post(factory, server.url, idempotent=True, max_wait=0.5)
        assert hits(server) == 1
    assert caught.value.outcome is Outcome.UNKNOWN
    (note,) = caught.value.__notes__
    assert "it was not sent again" in note
    assert "nothing was sent" not in note


class Swallowing:
    """A throttler of the user's own: on Python 3.11, `wait_for` takes a cancellation for its own
    end where its turn comes at the same moment."""

    def __init__(self) -> None:
        self.turn = asyncio.Event()

    def execute_task(self, limit_id: str) -> Swallowing:
        return self

    async def __aenter__(self) -> None:
        try:
            await self.turn.wait()
        except asyncio.CancelledError:
            if not self.turn.is_set():
                raise

    async def __aexit__(self, *error: object) -> None: ...


async def test_a_throttler_that_swallows_the_end_of_a_wait_sends_nothing() -> None:
    throttler: Any = Swallowing()
    async with RawServer(answers(OK)) as server:
        factory = ConnectionManagersFactory(throttler)
        call = asyncio.create_task(post(factory, server.url))
        for _ in range(5):
            await asyncio.sleep(0)
        throttler.turn.set()
        factory._connections.end_waits()
        with pytest.raises(NotConnectedError) as caught:
            await call
        assert caught.value.outcome is Outcome.NOT_SENT
        assert call.cancelling() == 0
        assert hits(server) == 0
        await factory.close()
