"""How a session is read: one consumer, any number of interruptions, nothing lost between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    Backoff,
    ConcurrentReceiveError,
    ConfigurationError,
    Connected,
    ConnectionManagersFactory,
    DecodeError,
    Disconnected,
    Gap,
    NotConnectedError,
    Ready,
    ReconnectError,
    RequestTimeoutError,
    StreamGapError,
    Subscription,
    UnknownLimitError,
    WebSocketSession,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import MockExchange, MockVenue
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.spoken import spoken_by

AT_ONCE = Reconnect(backoff=Backoff(initial_s=0.001, cap_s=0.001))
ORDERS = Subscription("book@numbers", spoken_by("binance"))


@asynccontextmanager
async def streaming() -> AsyncIterator[tuple[MockExchange, WebSocketSession]]:
    async with (
        MockExchange(ticker_interval_s=3600) as venue,
        ConnectionManagersFactory(AsyncThrottler([])) as factory,
        factory.get_ws_session(venue.ws_url, subscriptions=[ORDERS], reconnect=AT_ONCE) as session,
    ):
        await session.ready(2)
        yield venue, session


async def push(venue: MockExchange, *numbers: int) -> None:
    for number in numbers:
        assert await venue.push("book@numbers", number) == 1


async def numbers_of(session: WebSocketSession, count: int) -> list[int]:
    found = []
    async with asyncio.timeout(2):
        async for message in session.messages(on_gap=lambda gap: None):
            found.append(message.data["data"])
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


async def test_an_iterator_outlives_a_timeout() -> None:
    async with streaming() as (venue, session):
        messages = session.messages()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(messages)
        await push(venue, 1, 2)
        assert [(await anext(messages)).data["data"] for _ in range(2)] == [1, 2]


async def test_an_iterator_outlives_a_gap_and_a_function_of_the_users_that_raises() -> None:
    async with streaming() as (venue, session):
        told: list[Gap] = []

        def on_gap(gap: Gap) -> None:
            told.append(gap)
            raise KeyError("mine")

        messages = session.messages(on_gap=on_gap)
        await push(venue, 1)
        assert (await anext(messages)).data["data"] == 1
        await venue.drop_websockets()
        with pytest.raises(KeyError):
            await anext(messages)
        await session.ready(2)
        await push(venue, 2)
        assert (await anext(messages)).data["data"] == 2
        await venue.drop_websockets()
        alone = session.messages()
        with pytest.raises(StreamGapError, match="without a close frame") as caught:
            await anext(alone)
        assert caught.value.lost is None
        await session.ready(2)
        await push(venue, 3)
        assert (await anext(alone)).data["data"] == 3
    assert len(told) == 1


async def test_a_gap_that_was_not_told_to_the_end_is_told_again() -> None:
    async with streaming() as (venue, session):
        told: list[Gap] = []

        async def on_gap(gap: Gap) -> None:
            told.append(gap)
            if len(told) == 1:
                await asyncio.Event().wait()

        messages = session.messages(on_gap=on_gap)
        await venue.drop_websockets()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(messages)
        assert len(told) == 1
        await session.ready(2)
        await push(venue, 1)
        assert (await anext(messages)).data["data"] == 1
        assert told == [told[0]] * 2


async def test_a_broken_message_stands_in_its_place_and_ends_nothing() -> None:
    async with streaming() as (venue, session):
        messages = session.messages()
        await push(venue, 1)
        assert (await anext(messages)).data["data"] == 1
        session._queue.put_raw("{broken", 1)
        await push(venue, 2)
        with pytest.raises(DecodeError):
            await anext(messages)
        assert (await anext(messages)).data["data"] == 2


async def test_a_second_consumer_is_told_and_the_first_goes_on() -> None:
    async with streaming() as (venue, session):
        for _ in range(200):  # wherever the turn of the loop falls
            await push(venue, 0)
        assert await numbers_of(session, 200) == [0] * 200
        first = asyncio.create_task(numbers_of(session, 1))
        second = asyncio.create_task(numbers_of(session, 1))
        done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop()
        assert isinstance(refused.exception(), ConcurrentReceiveError)
        await push(venue, 7)
        kept = first if refused is second else second
        assert await kept == [7]


async def test_whoever_gives_up_waiting_leaves_nothing_behind() -> None:
    async with (
        ConnectionManagersFactory(AsyncThrottler([])) as factory,
        factory.get_ws_session("ws://127.0.0.1:9/ws") as session,
    ):
        for _ in range(20):
            with pytest.raises(RequestTimeoutError, match="not ready within"):
                await session.ready(0.001)
        async with asyncio.timeout(2):
            async for item in session:
                if isinstance(item, Disconnected):
                    break
        with pytest.raises(RequestTimeoutError, match=r"what failed last: .*refused"):
            await session.ready(0.001)
        assert session._settled == []


async def test_what_ended_it_is_raised_each_time_and_does_not_grow() -> None:
    once = Reconnect(backoff=Backoff(initial_s=0.001), most_attempts=1)
    async with (
        ConnectionManagersFactory(AsyncThrottler([])) as factory,
        factory.get_ws_session("ws://127.0.0.1:9/ws", reconnect=once) as session,
    ):
        depths = []
        for _ in range(5):
            with pytest.raises(ReconnectError) as caught:
                await session.ready(2)
            depth, frame = 0, caught.value.__traceback__
            while frame is not None:
                depth, frame = depth + 1, frame.tb_next
            depths.append(depth)
        assert len(set(depths[1:])) == 1
        assert [type(await anext(session)).__name__] == ["Disconnected"]
        with pytest.raises(ReconnectError):
            await anext(session)


async def test_before_it_is_open_it_says_how() -> None:
    async with ConnectionManagersFactory(AsyncThrottler([])) as factory:
        session = factory.get_ws_session("ws://127.0.0.1:9/ws")
        with pytest.raises(NotConnectedError, match="async with"):
            await anext(session)


async def test_the_epoch_stays_that_of_the_last_connection() -> None:
    slow = Reconnect(backoff=Backoff(initial_s=50, cap_s=50, jitter=lambda: 1.0))
    async with (
        MockExchange() as venue,
        ConnectionManagersFactory(AsyncThrottler([])) as factory,
        factory.get_ws_session(venue.ws_url, reconnect=slow) as session,
    ):
        assert session.epoch == 0
        await session.ready(2)
        await venue.drop_websockets()
        async with asyncio.timeout(2):
            async for item in session:
                if isinstance(item, Gap):
                    break
        assert (session.epoch, session.is_ready) == (1, False)


async def test_a_private_subscription_needs_a_login_where_the_exchange_has_one() -> None:
    private = Subscription("orders", spoken_by("binance"), private=True)
    async with MockVenue("okx") as venue:
        auth = exchange_auth(exchange("okx").at(venue.url, venue.ws_url), venue.credentials)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            session = factory.get_ws_session(venue.ws_url, login=False)
            with pytest.raises(ConfigurationError, match="login=True"):
                session.add(private)


async def test_closing_after_the_loop_is_gone_is_no_error() -> None:
    async with streaming() as (_, session):
        assert isinstance(session, WebSocketSession)
    await session.close()
    assert [type(each) async for each in session] == [Connected, Ready]


async def test_options_that_would_do_harm_are_refused_at_once() -> None:
    async with ConnectionManagersFactory(AsyncThrottler([])) as factory:
        for name in ("ping_timeout", "message_timeout", "timeout"):
            options: dict[str, Any] = {name: 5}
            with pytest.raises(
                ConfigurationError, match=f"no option {name}; .*heartbeat=Heartbeat"
            ):
                factory.get_ws_session("ws://127.0.0.1:9/ws", **options)
        one: Any = ORDERS
        with pytest.raises(ConfigurationError, match="pass a list"):
            factory.get_ws_session("ws://127.0.0.1:9/ws", subscriptions=one)
        with pytest.raises(UnknownLimitError, match='"none"'):
            factory.get_ws_session("ws://127.0.0.1:9/ws", throttler_limit_id="none")
