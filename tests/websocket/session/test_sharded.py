"""More subscriptions than one connection takes (F39): as many connections, read as one stream."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory
from networkpype.errors import (
    BufferFullError,
    ConcurrentReceiveError,
    ConfigurationError,
    HTTPAuthenticationError,
    MissingCredentialsError,
    NotConnectedError,
    RequestTimeoutError,
    StreamGapError,
)
from networkpype.hooks import Event
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.processor.base import WebSocketPostProcessor
from networkpype.websocket.response import WebSocketResponse
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import (
    Connected,
    Disconnected,
    Gap,
    LoopBlocked,
    Ready,
    SessionEvent,
    SessionMessage,
    SubscribeFailed,
)
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.sharded import ShardedSession
from networkpype.websocket.subscriptions import Subscription
from tests.support.stage import AT_ONCE, Guest, Script, Seen, Stage, serving, topics

NAMES = [f"c{number}" for number in range(1000)]


@asynccontextmanager
async def sharded(url: str, most: int, **options: Any) -> AsyncIterator[ShardedSession]:
    options = {
        "reconnect": Reconnect(backoff=AT_ONCE, most_dials=10_000),
        "close_timeout_s": 0.5,
        **options,
    }
    processors = options.pop("post_processors", None)
    factory = ConnectionManagersFactory(AsyncThrottler([]), ws_post_processors=processors)
    async with (
        factory,
        factory.get_sharded_session(url, max_subscriptions=most, **options) as session,
    ):
        yield session


@asynccontextmanager
async def watched(url: str, most: int, **options: Any) -> AsyncIterator[Seen]:
    async with sharded(url, most, **options) as session:
        seen = Seen(cast("WebSocketSession", session))
        try:
            yield seen
            await session.close()
            await asyncio.wait_for(seen.task, 5)
        finally:
            seen.task.cancel()


def of(seen: Seen) -> ShardedSession:
    return cast("ShardedSession", seen.session)


async def answering(guest: Guest) -> None:
    """Accept each subscribe, and send one message for each channel of it."""
    await guest.upgrade()
    while True:
        data = await guest.hear()
        if data.get("method") == "SUBSCRIBE":
            await guest.accept(data)
            await guest.say(*({"channel": channel} for channel in data["params"]))
        elif data.get("method") == "UNSUBSCRIBE":
            await guest.accept(data)


async def once(condition: Callable[[], object]) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def read_out(stream: AsyncIterator[Any], into: list[Any]) -> None:
    async for item in stream:
        into.append(item)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- F39 -------------------------------------------------------------------------------------------


async def test_a_thousand_subscriptions_over_ten_connections_and_one_that_drops() -> None:
    """F39: 100 on each; where one drops, its own 100 are asked for again and no other."""
    dialect = MethodSubscribe(batch=25)
    drop = asyncio.Event()

    async def dropping(guest: Guest) -> None:
        serving = asyncio.create_task(answering(guest))
        if guest.number == 4:
            await drop.wait()
            serving.cancel()
            return
        await serving

    before = asyncio.all_tasks()
    async with Stage(dropping) as stage:
        files = open_files()
        async with watched(stage.url, 100, subscriptions=topics(*NAMES, dialect=dialect)) as seen:
            await of(seen).ready(5)
            assert stage.connections == 10
            asked = [stage.subscribes(number) for number in range(1, 11)]
            assert [len(each) for each in asked] == [100] * 10
            assert sorted(channel for each in asked for channel in each) == sorted(NAMES)
            assert of(seen).live == set(NAMES)
            assert of(seen).shards == tuple(range(1, 11))

            drop.set()
            await seen.until(lambda: len(seen.of(Ready)) == 11)
            assert stage.connections == 11
            assert stage.subscribes(11) == asked[3]
            assert [len(stage.subscribes(number)) for number in range(1, 11)] == [100] * 10
            (gap,) = seen.of(Gap)
            (end,) = seen.of(Disconnected)
            assert (gap.shard, gap.epoch) == (end.shard, end.epoch)
            concerned = [each.channel for each in of(seen).subscriptions_of(gap.shard)]
            assert concerned == asked[3]
            await seen.until(lambda: len(seen.data) == 1100)
        assert Counter(each["channel"] for each in seen.data) == {
            name: 1 + (name in asked[3]) for name in NAMES
        }
        for item in seen.items:
            assert 1 <= item.shard <= 10
            if isinstance(item, SessionMessage):
                home = {each.channel for each in topics(*asked[0])}
                assert (item.data["channel"] in home) is (item.shard == shard_of(seen, asked[0]))
    assert open_files() <= files
    assert asyncio.all_tasks() == before


def shard_of(seen: Seen, channels: list[str]) -> int:
    """Return the shard whose connection was asked for these channels."""
    (found,) = {
        item.shard
        for item in seen.items
        if isinstance(item, SessionMessage) and item.data["channel"] == channels[0]
    }
    return found


async def test_each_message_and_event_says_its_shard_and_stands_in_order() -> None:
    """F39: what comes of one shard is in order, and its epochs are its own."""

    async def counting(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.accept(data)
        for number in range(500):
            await guest.say([data["params"][0], number])
            if number % 100 == 99:
                await asyncio.sleep(0)
        if guest.number < 4:
            return  # each of three is dropped once, in whatever order they were dialed
        await guest.serve()

    told: list[Event] = []
    async with (
        Stage(counting) as stage,
        watched(stage.url, 1, subscriptions=topics("a", "b", "c"), hook=told.append) as seen,
    ):
        await seen.until(lambda: len(seen.data) == 3000)
        for shard, channel in ((1, "a"), (2, "b"), (3, "c")):
            own = [item for item in seen.items if item.shard == shard]
            kinds = [type(item) for item in own if isinstance(item, SessionEvent)]
            first = [Connected, Ready, Disconnected, Gap]
            assert kinds[:4] == first
            assert kinds[4:] in ([Connected, Ready], [*first, Connected, Ready])
            data = [item.data for item in own if isinstance(item, SessionMessage)]
            assert data == [[channel, number] for number in range(500)] * (len(data) // 500)
            epochs = [item.epoch for item in own]
            assert epochs == sorted(epochs)
            assert epochs[0] == 1
        events = [each for each in told if isinstance(each, SessionEvent)]
        assert Counter(events) == Counter(seen.of(SessionEvent))


async def test_a_slow_consumer_meets_the_buffer_of_the_shard_alone() -> None:
    """F39: the shard that floods drops its own oldest and says so; the other's stay."""
    flooded = asyncio.Event()

    async def flooding(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.accept(data)
        count = 50 if data["params"] == ["loud"] else 5
        await guest.say(*([data["params"][0], number] for number in range(count)))
        if count == 50:
            flooded.set()
        await guest.serve()

    async with (
        Stage(flooding) as stage,
        sharded(
            stage.url,
            1,
            subscriptions=topics("loud", "calm"),
            buffer=Buffer(10, "drop oldest"),
        ) as session,
    ):
        await session.ready(5)
        await flooded.wait()
        await once(lambda: session.dropped >= 40 and session.waiting >= 17)
        seen = Seen(cast("WebSocketSession", session))
        await seen.until(lambda: [n for c, n in seen.data if c == "loud"][-1:] == [49])
        await seen.until(lambda: [n for c, n in seen.data if c == "calm"] == [*range(5)])
        (gap,) = seen.of(Gap)
        lost = 50 - len([n for c, n in seen.data if c == "loud"])
        assert (gap.shard, gap.lost, session.dropped) == (1, lost, lost)
        await session.close()
        await seen.task


async def test_a_shard_that_floods_does_not_keep_the_others_waiting() -> None:
    """F39: each has its turn after 64 items at most."""

    async def flooding(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.accept(data)
        await guest.say(*[data["params"][0]] * (1000 if data["params"] == ["loud"] else 1))
        await guest.serve()

    async with (
        Stage(flooding) as stage,
        sharded(stage.url, 1, subscriptions=topics("loud", "calm", "mild")) as session,
    ):
        await session.ready(5)
        await once(lambda: session.waiting >= 1002 + 6)
        order = [(await anext(session)) for _ in range(200)]
        data = [item.data for item in order if isinstance(item, SessionMessage)]
        assert {"loud", "calm", "mild"} == set(data)
        assert data.index("calm") < 130
        assert data.index("mild") < 130


async def test_a_shard_that_cannot_go_on_ends_all_and_what_waited_is_read_first() -> None:
    """F39: the error is the shard's, and the sockets of the others are closed."""
    refused = asyncio.Event()

    async def refusing(guest: Guest) -> None:
        if guest.number in (2, 3):
            await guest.read_head()
            refused.set()
            await guest.answer("401 Unauthorized", "Content-Length: 0")
            return
        await answering(guest)

    async with (
        Stage(refusing) as stage,
        watched(stage.url, 1, subscriptions=topics("a", "b")) as seen,
    ):
        error = await seen.end()
        assert isinstance(error, HTTPAuthenticationError)
        for _ in range(2):
            with pytest.raises(HTTPAuthenticationError):
                await anext(of(seen))
        with pytest.raises(HTTPAuthenticationError):
            await of(seen).ready(1)
        assert "closed" in repr(of(seen))


async def test_a_buffer_that_fails_ends_all() -> None:
    async def flooding(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*range(100))
        await guest.serve()

    async with (
        Stage(flooding) as stage,
        sharded(stage.url, 1, subscriptions=topics("a", "b"), buffer=Buffer(10, "fail")) as session,
    ):
        await once(lambda: "closed" in repr(session))
        got: list[Any] = []
        with pytest.raises(BufferFullError, match="shard"):
            await read_out(session, got)
        assert len([item for item in got if isinstance(item, SessionMessage)]) >= 8


# -- adding and removing ---------------------------------------------------------------------------


async def test_the_first_shard_with_room_takes_it_and_an_empty_one_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("networkpype.websocket.session.sharded._LINGER_S", 0.05)
    a, b, c, d, e = topics("a", "b", "c", "d", "e")
    async with (
        Stage(answering) as stage,
        watched(stage.url, 2, subscriptions=[a, b, c]) as seen,
    ):
        session = of(seen)
        await session.ready(5)
        session.add(d, e, a)
        await session.ready(5)
        homes = [[each.channel for each in session.subscriptions_of(n)] for n in (1, 2, 3)]
        assert homes == [["a", "b"], ["c", "d"], ["e"]]
        session.remove(a, c, d)  # a is wanted once more
        await session.ready(5)
        session.add(c)
        assert [each.channel for each in session.subscriptions_of(2)] == ["c"]
        await asyncio.sleep(0.15)
        assert list(session.shards) == [1, 2, 3], "one that is used again stays"
        session.remove(c)
        await asyncio.sleep(0.2)
        assert list(session.shards) == [1, 3]
        assert session.live == {"a", "b", "e"}
        assert stage.connections == 3
        session.remove(a, b)
        await asyncio.sleep(0.2)
        assert list(session.shards) == [1, 3], "the first stays, empty or not"
        session.add(a, b, c, d)
        await session.ready(5)
        assert session.live == {"a", "b", "c", "d", "e"}
        assert list(session.shards) == [1, 3, 4]
        assert [each.channel for each in session.subscriptions] == ["e", "a", "b", "c", "d"]


async def test_a_new_shard_gets_a_new_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("networkpype.websocket.session.sharded._LINGER_S", 0.0)
    a, b = topics("a", "b")
    async with Stage(answering) as stage, watched(stage.url, 1, subscriptions=[a, b]) as seen:
        await of(seen).ready(5)
        of(seen).remove(b)
        await once(lambda: of(seen).shards == (1,))
        of(seen).add(b)
        await of(seen).ready(5)
        assert of(seen).shards == (1, 3)
        await seen.until(lambda: len(seen.data) == 3)
        assert [(m.data["channel"], m.shard) for m in seen.of(SessionMessage)][-1] == ("b", 3)


async def test_a_shard_that_left_is_read_to_its_end_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("networkpype.websocket.session.sharded._LINGER_S", 0.0)

    async def flooding(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.accept(data)
        if data["params"] == ["b"]:
            await guest.say(*range(50))
        await guest.serve()

    a, b = topics("a", "b")
    async with (
        Stage(flooding) as stage,
        sharded(stage.url, 1, subscriptions=[a, b], buffer=Buffer(10, "drop oldest")) as session,
    ):
        await session.ready(5)
        await once(lambda: session.dropped >= 40)
        lost = session.dropped
        session.remove(b)
        await once(lambda: session.shards == (1,))
        seen = Seen(cast("WebSocketSession", session))
        await seen.until(lambda: seen.data[-1:] == [49])
        assert {each.shard for each in seen.of(SessionMessage)} == {2}
        (gap,) = seen.of(Gap)
        assert (gap.shard, gap.lost, session.dropped) == (2, lost, lost)
        await once(lambda: len(session._shards) == 1)
        assert session.dropped == lost
        assert session.subscriptions_of(2) == ()
        await session.close()
        await seen.task


async def test_what_cannot_be_ended_keeps_its_place_until_the_next_connection() -> None:
    """The exchange counts what it goes on to deliver."""

    class NoWayBack(MethodSubscribe):
        def unsubscribe(self, channels: Any, id: int) -> Any:
            return None

    a, b, c = topics("a", "b", "c", dialect=NoWayBack())
    async with Stage(answering) as stage, watched(stage.url, 2, subscriptions=[a, b]) as seen:
        session = of(seen)
        await session.ready(5)
        session.remove(a)
        await session.ready(5)
        session.add(c)
        await session.ready(5)
        assert session.shards == (1, 2)
        assert session.subscriptions_of(2) == (c,)


async def test_added_and_removed_before_it_is_open() -> None:
    a, b, c = topics("a", "b", "c")
    async with Stage(answering) as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]))
        session = factory.get_sharded_session(stage.url, max_subscriptions=1)
        session.add(a, b, c)
        session.remove(b)
        with pytest.raises(NotConnectedError, match="async with"):
            await session.ready(1)
        with pytest.raises(NotConnectedError, match="async with"):
            await anext(session)
        async with factory, await session:
            seen = Seen(cast("WebSocketSession", session))
            await session.ready(5)
            assert stage.connections == 2
            assert session.live == {"a", "c"}
            await session.close()
            await seen.task
        with pytest.raises(ConfigurationError, match="get another"):
            await session.open()


async def test_a_subscription_that_is_refused_is_told_with_its_shard() -> None:
    async def refusing(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        if data["params"] == ["b"]:
            await guest.say({"id": data["id"], "error": {"code": 2, "msg": "unknown symbol"}})
        else:
            await guest.accept(data)
        await guest.serve()

    async with (
        Stage(refusing) as stage,
        watched(stage.url, 1, subscriptions=topics("a", "b", "c")) as seen,
    ):
        await of(seen).ready(5)
        await seen.until(lambda: seen.of(SubscribeFailed))
        (failed,) = seen.of(SubscribeFailed)
        assert (failed.key, failed.shard) == ("b", 2)
        assert repr(failed).startswith("SubscribeFailed(epoch=1, key='b', reason=")
        assert repr(failed).endswith("definite=True, shard=2)")
        assert of(seen).live == {"a", "c"}


def test_what_can_never_be_asked_for_is_refused_and_nothing_added() -> None:
    factory = ConnectionManagersFactory(AsyncThrottler([]))
    session = factory.get_sharded_session("ws://127.0.0.1:1/", max_subscriptions=1)
    public, private = topics("a")[0], Subscription("p", MethodSubscribe(), private=True)
    with pytest.raises(MissingCredentialsError):
        session.add(public, private)
    with pytest.raises(ConfigurationError, match="str"):
        session.add("a")  # type: ignore[arg-type]
    assert session.subscriptions == ()
    assert session.shards == (1,)
    for most in (0, -1, 1.5, True, "10"):
        with pytest.raises(ConfigurationError, match="max_subscriptions"):
            factory.get_sharded_session("ws://h", max_subscriptions=most)  # type: ignore[arg-type]


async def test_a_single_session_refuses_what_is_too_many_and_adds_none() -> None:
    """F39: refused by name, before anything is sent."""
    async with Stage(answering) as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]))
        with pytest.raises(ConfigurationError, match="get_sharded_session"):
            factory.get_ws_session(
                stage.url, subscriptions=topics("a", "b", "c"), max_subscriptions=2
            )
        session = factory.get_ws_session(
            stage.url, subscriptions=topics("a"), max_subscriptions=2, close_timeout_s=0.5
        )
        async with factory, session:
            await session.ready(5)
            with pytest.raises(ConfigurationError, match="takes 2"):
                session.add(*topics("b", "c"))
            assert [each.key for each in session.subscriptions] == ["a"]
            session.add(*topics("a", "b"))
            await session.ready(5)
            assert session.live == {"a", "b"}
            assert stage.subscribes(1) == ["a", "b"]


# -- reading and closing ---------------------------------------------------------------------------


async def test_messages_alone_and_the_gap_of_a_shard() -> None:
    async def dropping(guest: Guest) -> None:
        await guest.enter()
        await guest.say(guest.number)
        if guest.number > 1:
            await guest.serve()

    async with Stage(dropping) as stage, sharded(stage.url, 1, subscriptions=topics("a")) as one:
        got: list[Any] = []
        with pytest.raises(StreamGapError, match=r"ShardedSession\(.*shard 1: "):
            await read_out(one.messages(), got)
        gaps: list[Gap] = []
        async for message in one.messages(on_gap=gaps.append):
            got.append(message)
            break
        assert [message.data for message in got] == [1, 2]
        assert not gaps


async def test_post_processors_run_once_and_a_cancelled_one_loses_nothing() -> None:
    entered = asyncio.Event()

    class Slow(WebSocketPostProcessor):
        async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
            entered.set()
            await asyncio.sleep(0.05)
            return WebSocketResponse({"seen": response.data})

    async with (
        Stage(answering) as stage,
        sharded(stage.url, 1, subscriptions=topics("a"), post_processors=[Slow()]) as session,
    ):
        stream = session.messages()
        task = asyncio.create_task(anext(stream))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        message = await anext(stream)
        assert (message.data, message.shard) == ({"seen": {"channel": "a"}}, 1)


async def test_a_blocked_loop_is_told_of_each_shard() -> None:
    told: list[Event] = []
    beats = Heartbeat(message={"op": "ping"}, message_s=0.1)
    async with (
        Stage(serving) as stage,
        sharded(
            stage.url, 1, subscriptions=topics("a", "b"), hook=told.append, heartbeat=beats
        ) as session,
    ):
        await session.ready(5)
        time.sleep(0.8)  # noqa: ASYNC251  that is what it is about
        await once(lambda: len([each for each in told if isinstance(each, LoopBlocked)]) >= 2)
        assert {each.shard for each in told if isinstance(each, LoopBlocked)} == {1, 2}


async def test_one_task_reads() -> None:
    async with Stage(serving) as stage, sharded(stage.url, 1, subscriptions=topics("a")) as one:
        await one.ready(5)
        seen = Seen(cast("WebSocketSession", one))
        await seen.until(lambda: len(seen.items) == 2)
        with pytest.raises(ConcurrentReceiveError):
            await anext(one)
        await one.close()
        await seen.task


async def never(guest: Guest) -> None:
    await guest.upgrade()
    await guest.hear()
    await asyncio.sleep(60)


@pytest.mark.parametrize("script", [serving, never])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_close_has_a_deadline_and_leaves_nothing(script: Script, cancelled: bool) -> None:
    """Ten connections to a peer that answers no close frame take no longer than one."""
    before = asyncio.all_tasks()
    async with Stage(script) as stage:
        files = open_files()
        async with sharded(stage.url, 1, subscriptions=topics(*NAMES[:10])) as session:
            await stage.until(lambda: len(stage.heard) == 10)
            if script is never:
                with pytest.raises(RequestTimeoutError, match="shard 1"):
                    await session.ready(0.01)
            began = asyncio.get_running_loop().time()
            closing = asyncio.create_task(session.close())
            if cancelled:
                await asyncio.sleep(0)
                closing.cancel()
            await asyncio.wait({closing})
            await session.close()
            assert asyncio.get_running_loop().time() - began < 2.0
            assert all(shard.session.has_ended for shard in session._shards)
            await asyncio.wait_for(read_out(session, []), 1)
        assert open_files() <= files + 10, "the exchange's end of some"
    assert asyncio.all_tasks() == before


async def test_closing_the_factory_ends_it() -> None:
    async with Stage(serving) as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]))
        session = factory.get_sharded_session(
            stage.url, max_subscriptions=1, subscriptions=topics("a", "b"), close_timeout_s=0.5
        )
        await session.open()
        seen = Seen(cast("WebSocketSession", session))
        await session.ready(5)
        assert repr(session).endswith("/ws, ready, 2 subscriptions, 2 shards)")
        assert session.is_ready
        await factory.close()
        await asyncio.wait_for(seen.task, 1)
        assert seen.error is None
        with pytest.raises(NotConnectedError, match="closed"):
            await session.ready(1)
