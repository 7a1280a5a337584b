"""A call that is cancelled leaves nothing behind: no task, no socket in use, a true event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    ConnectionsFactory,
    Event,
    NotConnectedError,
    Outcome,
    RateLimit,
    RequestFinished,
    RESTManager,
    RESTPreProcessor,
    RESTRequest,
)
from tests.support.raw_server import Peer, RawServer, Script, answer, answering
from tests.support.signing import LIMIT_ID, rest_manager


async def cancelled(manager: RESTManager, url: str, when: Callable[[], object]) -> None:
    """Start a call, cancel it as soon as `when` holds, and see it end as cancelled."""
    call = asyncio.create_task(manager.execute_request(url, LIMIT_ID))
    async with asyncio.timeout(2):
        while not when():  # noqa: ASYNC110, an event would have to be woven into each script
            await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def never_answer(peer: Peer) -> None:
    await peer.request()
    await peer.silence()


async def stop_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(answer(b"{", "200 OK", "Content-Length: 9"))
    await peer.silence()


async def test_while_waiting_for_capacity_nothing_is_sent() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 3600.0)])
    async with (
        RawServer(answering(answer())) as server,
        ConnectionManagersFactory(throttler) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID)
        turns = iter(range(10))
        await cancelled(manager, server.url, lambda: next(turns) == 9)
        assert len(server.requests) == 1


async def test_before_it_is_sent_nothing_is_sent() -> None:
    events: list[Event] = []
    reached: list[RESTRequest] = []

    class Slow(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            reached.append(request)
            await asyncio.Event().wait()
            return request

    async with (
        RawServer(never_answer) as server,
        rest_manager(rest_pre_processors=[Slow()], hook=events.append) as manager,
    ):
        await cancelled(manager, server.url, lambda: reached)
        assert server.connections == 0
    (event,) = events
    assert isinstance(event, RequestFinished)
    assert (event.error, event.outcome) == ("CancelledError", Outcome.NOT_SENT)


@pytest.mark.parametrize("script", [never_answer, stop_in_the_body])
async def test_after_it_was_sent_the_outcome_is_unknown_and_the_socket_closed(
    script: Script,
) -> None:
    events: list[Event] = []
    async with (
        RawServer(script) as server,
        rest_manager(
            hook=events.append, connections_factory=ConnectionsFactory(max_connections=1)
        ) as manager,
    ):
        await cancelled(manager, server.url, lambda: len(server.requests) == 1)
        # The one connection that there may be is free again, and it is another one.
        await cancelled(manager, server.url, lambda: len(server.requests) == 2)
        assert server.connections == 2
        await server.until(lambda: server.hang_ups == 2)
    for event in events:
        assert isinstance(event, RequestFinished)
        assert (event.error, event.outcome) == ("CancelledError", Outcome.UNKNOWN)


async def test_many_cancelled_at_random_turns_leave_the_pool_usable() -> None:
    async with (
        RawServer(answering(answer(b"1"))) as server,
        rest_manager(connections_factory=ConnectionsFactory(max_connections=3)) as manager,
    ):
        for turns in range(40):
            calls = [
                asyncio.create_task(manager.execute_request(server.url, LIMIT_ID)) for _ in range(3)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        async with asyncio.timeout(2):
            answers = await asyncio.gather(
                *(manager.execute_request(server.url, LIMIT_ID) for _ in range(3))
            )
    assert answers == [1, 1, 1]


async def test_closing_the_factory_fails_the_calls_under_way_with_a_typed_error() -> None:
    async with RawServer(never_answer) as server:
        factory = ConnectionManagersFactory(AsyncThrottler([RateLimit(LIMIT_ID, 100, 1.0)]))
        manager = await factory.get_rest_manager()
        call = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
        await server.until(lambda: server.requests)
        await factory.close()
        # Not by the server: what the socket says would blame it.
        with pytest.raises(NotConnectedError, match=r"factory was closed while .* way") as end:
            await call
    assert end.value.outcome is Outcome.UNKNOWN


async def test_hundreds_at_once_each_get_their_own_answer() -> None:
    async def echo_path(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await asyncio.sleep(0)
            await peer.send(answer(request.split(b" ")[1].removeprefix(b"/")))

    async with RawServer(echo_path) as server, rest_manager() as manager:
        answers = await asyncio.gather(
            *(manager.execute_request(f"{server.url}/{count}", LIMIT_ID) for count in range(300))
        )
        assert answers == list(range(300))
        assert server.connections <= 100
