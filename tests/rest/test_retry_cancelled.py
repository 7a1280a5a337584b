"""A call that is cancelled between or within its attempts sends nothing more and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Event,
    RateLimit,
    RESTManager,
    RESTMethod,
    RESTPreProcessor,
    RESTRequest,
    RetryScheduled,
)
from networkpype.retry import Backoff
from tests.support.raw_server import RawServer
from tests.support.retrying import GONE, OK, answers, hits, policy
from tests.support.signing import LIMIT_ID, rest_manager

SLOW = Backoff(initial_s=30, jitter=lambda: 1.0)


async def cancelled(
    manager: RESTManager, url: str, when: Callable[[], object]
) -> asyncio.CancelledError:
    call = asyncio.create_task(
        manager.execute_request(url, LIMIT_ID, method=RESTMethod.POST, idempotent=True)
    )
    async with asyncio.timeout(2):
        while not when():  # noqa: ASYNC110, an event would have to be woven into each script
            await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    return caught.value


async def test_while_it_waits_to_send_again() -> None:
    events: list[Event] = []
    async with (
        RawServer(answers(GONE, OK)) as server,
        rest_manager(retry=policy(backoff=SLOW), hook=events.append) as manager,
    ):
        error = await cancelled(
            manager, server.url, lambda: any(isinstance(each, RetryScheduled) for each in events)
        )
        assert hits(server) == 1
    assert error.__notes__ == [
        "1 attempt was made and no more: cancelled while it waited to send again",
        "of those that ended the worst outcome is: unknown",
    ]


async def test_while_the_second_attempt_waits_for_capacity() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 30.0)])
    async with (
        RawServer(answers(GONE, OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        error = await cancelled(manager, server.url, lambda: throttler.snapshot()[LIMIT_ID].waiting)
        assert hits(server) == 1
    assert "the worst outcome is: unknown" in error.__notes__[1]
    assert throttler.snapshot()[LIMIT_ID].waiting == 0


async def test_before_the_second_attempt_is_sent() -> None:
    reached: list[RESTRequest] = []

    class Slow(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            reached.append(request)
            if len(reached) == 2:
                await asyncio.Event().wait()
            return request

    async with (
        RawServer(answers(GONE, OK)) as server,
        rest_manager(retry=policy(), rest_pre_processors=[Slow()]) as manager,
    ):
        await cancelled(manager, server.url, lambda: len(reached) == 2)
        assert hits(server) == 1


async def test_after_the_second_attempt_was_sent() -> None:
    async with (
        RawServer(answers(GONE, lambda peer: peer.silence(), OK)) as server,
        rest_manager(retry=policy()) as manager,
    ):
        await cancelled(manager, server.url, lambda: hits(server) == 2)
        await server.until(lambda: server.hang_ups == 1)
        assert hits(server) == 2


async def test_at_any_turn_of_the_loop_no_attempt_follows() -> None:
    for turns in range(60):
        async with (
            RawServer(answers(GONE, GONE, OK)) as server,
            rest_manager(retry=policy()) as manager,
        ):
            call = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            sent = hits(server)
            for _ in range(20):
                await asyncio.sleep(0)
            # What had left the socket may arrive; nothing else does.
            assert hits(server) - sent <= 1
