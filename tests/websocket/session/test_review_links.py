"""One connection under adverse users, loops and buffers: nobody is blamed for what others did."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory
from networkpype.auth.login import Login
from networkpype.errors import BufferFullError, ConnectFailedError, ReconnectError
from networkpype.hooks import Event, LoginExpired
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session import logins as session_logins
from networkpype.websocket.session.beats import Heartbeat, Quiet
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import (
    Disconnected,
    Gap,
    Ready,
    SessionEvent,
    SessionMessage,
)
from networkpype.websocket.session.redial import Reconnect, Redial
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.watch import Soon, Watch
from tests.support.raw_websocket import close_frame
from tests.support.stage import AT_ONCE, Guest, Stage, staged, topics, watched
from tests.support.tokens import TokenAuth, TokenPattern, let_in


async def read_for(seconds: float, session: WebSocketSession) -> list[Any]:
    items: list[Any] = []

    async def read() -> None:
        async for item in session:
            items.append(item)

    task = asyncio.create_task(read())
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return items


async def read_to_its_end(items: list[Any], session: WebSocketSession) -> BaseException | None:
    try:
        async for item in session:
            items.append(item)
    except Exception as error:
        return error
    return None


# -- a buffer that is full -------------------------------------------------------------------------


async def test_an_answer_that_nobody_can_read_is_not_late() -> None:
    """The consumer sleeps longer than `ack_timeout_s`; the ack lies behind what he has to read."""
    dialect = MethodSubscribe(ack_timeout_s=0.2)

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*[{"n": number} for number in range(500)])
        await guest.serve()

    async with (
        Stage(play) as stage,
        staged(
            stage.url, subscriptions=topics("a", dialect=dialect), buffer=Buffer(20, "block")
        ) as session,
    ):
        await session.ready(2)
        await asyncio.sleep(0.1)
        session.add(*topics("b", dialect=dialect))
        await asyncio.sleep(0.5)
        items = await read_for(0.3, session)
        assert [i.data["n"] for i in items if isinstance(i, SessionMessage)] == list(range(500))
        assert not [i for i in items if isinstance(i, Gap)]
        assert session.live == {"a", "b"}
        assert stage.connections == 1


async def test_an_answer_that_never_comes_is_late_when_all_is_read() -> None:
    """The clock goes on from where it stood."""
    dialect = MethodSubscribe(ack_timeout_s=0.2)

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*[{"n": number} for number in range(500)])
        while True:
            await guest.hear()

    async with (
        Stage(play) as stage,
        staged(
            stage.url, subscriptions=topics("a", dialect=dialect), buffer=Buffer(20, "block")
        ) as session,
    ):
        await session.ready(2)
        await asyncio.sleep(0.1)
        session.add(*topics("b", dialect=dialect))
        await asyncio.sleep(0.5)
        items = await read_for(0.5, session)
        assert [type(i).__name__ for i in items if isinstance(i, SessionEvent)][2:5] == [
            *("SubscribeFailed", "Disconnected", "Gap")
        ]


async def test_a_renewal_whose_answer_nobody_can_read_is_no_end_of_the_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = partial(Login, backoff=AT_ONCE, ack_timeout_s=0.1, jitter=lambda: 0.0)
    monkeypatch.setattr(session_logins, "Login", quick)
    events: list[Event] = []

    async def play(guest: Guest) -> None:
        await let_in(guest)
        await guest.accept(await guest.hear())
        await guest.say(*[{"n": number} for number in range(300)])
        while True:
            data = await guest.hear()
            assert data["op"] == "login"
            await guest.say({"op": "login", "ok": True})

    async with Stage(play) as stage:
        async with staged(
            "",
            auth=TokenAuth(TokenPattern(stage.url, lifetime_s=1.3)),
            subscriptions=topics("orders", private=True),
            hook=events.append,
            buffer=Buffer(20),
        ) as session:
            await session.ready(2)
            await asyncio.sleep(1.8)
            items = await read_for(0.3, session)
            assert stage.connections == 1
            assert not [e for e in events if isinstance(e, (LoginExpired, Disconnected))]
            assert len([i for i in items if isinstance(i, SessionMessage)]) == 300
        assert [data["op"] for _, data in stage.heard if "op" in data][:2] == ["login", "login"]


def test_reading_time_stands_still_while_nobody_reads() -> None:
    quiet = Quiet()
    told: list[str] = []
    quiet.on_reading = lambda: told.append("reads")
    assert (quiet.reading_time(10.0), quiet.since(10.0)) == (10.0, float("inf"))
    quiet.pause(12.0)
    assert (quiet.is_paused, quiet.reading_time(20.0), quiet.since(20.0)) == (True, 12.0, 0.0)
    quiet.go_on(20.0)
    assert (quiet.is_paused, quiet.reading_time(21.0), quiet.since(21.0)) == (False, 13.0, 1.0)
    assert told == ["reads"]


# -- the user's own code ---------------------------------------------------------------------------


async def test_a_ping_that_cannot_be_made_ends_the_session_with_that_error() -> None:
    """It is called by a timer: whose exception nobody would see, and no other timer would ring."""

    def ping(id: int) -> Any:
        raise KeyError("a defect")

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.serve()

    beats = Heartbeat(ping_s=None, message=ping, message_s=0.05)
    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=beats) as seen,
    ):
        assert isinstance(await seen.end(), KeyError)


async def test_close_after_a_failure_waits_until_all_is_gone() -> None:
    """The peer does not answer the close frame: that takes a while, and then nothing is left."""

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*[{"n": number} for number in range(100)])
        await asyncio.sleep(60)

    before = asyncio.all_tasks()
    async with Stage(play) as stage, ConnectionManagersFactory(AsyncThrottler([])) as factory:
        session = factory.get_ws_session(
            stage.url,
            subscriptions=topics("a"),
            buffer=Buffer(20, "fail"),
            close_timeout_s=0.4,
        )
        async with session:
            await asyncio.sleep(0.1)
            with pytest.raises(BufferFullError):
                _ = [item async for item in session]
        left = asyncio.all_tasks() - before
        names = [getattr(task.get_coro(), "__qualname__", "") for task in left]
        assert not [name for name in names if name.startswith(("Supervisor", "Link"))]


# -- how it ended ----------------------------------------------------------------------------------


async def test_a_subscribe_on_what_is_lost_does_not_hide_how_it_ended() -> None:
    """Nor does it throw away what was not read yet."""

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*[{"n": number} for number in range(30)])
        await guest.write(close_frame(1008, "key revoked"))
        guest.hang_up()

    async with (
        Stage(play) as stage,
        staged(
            stage.url,
            subscriptions=topics("a"),
            buffer=Buffer(5, "block"),
            reconnect=Reconnect(most_attempts=1),
        ) as session,
    ):
        await session.ready(2)
        await asyncio.sleep(0.2)
        session.add(*topics("b"))
        await asyncio.sleep(0.1)
        items: list[Any] = []
        error = await read_to_its_end(items, session)
        assert isinstance(error, ReconnectError)
        assert error.code == 1008
        assert [i.data["n"] for i in items if isinstance(i, SessionMessage)] == list(range(30))
        assert [i.reason for i in items if isinstance(i, Disconnected)] == ["key revoked"]


# -- a loop that was busy --------------------------------------------------------------------------


async def test_a_loop_that_was_busy_for_a_moment_blames_nobody() -> None:
    """Less than what is announced as blocked, and more than the answer had time: it has come."""
    dialect = MethodSubscribe(ack_timeout_s=0.1)

    async def play(guest: Guest) -> None:
        await guest.enter()
        data = await guest.hear()
        await guest.accept(data)
        # The client reads this after its own timer was due: both run in this one loop.
        time.sleep(0.3)  # noqa: ASYNC251
        await guest.serve()

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a", dialect=dialect)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        seen.session.add(*topics("b", dialect=dialect))
        await asyncio.sleep(0.6)
        assert not seen.of(Disconnected)
        assert seen.session.live == {"a", "b"}


class Timers:
    """What a Watch looked at, and when."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.began = self.now()
        self.looks: list[float] = []
        self.blocked: list[float] = []
        self.failed: list[Exception] = []
        self.due: list[float] = []
        self.raises: Exception | None = None
        self.watch = Watch(self.look, blocked=self.blocked.append, failed=self.failed.append)

    def look(self, now: float) -> float | None:
        self.looks.append(round(now - self.began, 3))
        if self.raises is not None:
            raise self.raises
        return self.began + self.due.pop(0) if self.due else None


@virtual_time
async def test_a_watch_looks_when_it_is_due() -> None:
    timers = Timers()
    timers.due = [1.0, 3.0]
    timers.watch.look()
    await asyncio.sleep(10)
    assert timers.looks == [0.0, 1.0, 3.0]


async def test_a_watch_that_rings_late_looks_into_the_sockets_first() -> None:
    timers = Timers()
    timers.due = [0.05, 60.0]
    timers.watch.look()
    time.sleep(0.1)  # noqa: ASYNC251
    timers.watch.look()  # somebody changes something meanwhile: that is no second look
    assert timers.looks == [0.0]
    order: list[str] = []
    asyncio.get_running_loop().call_soon(order.append, "what had come")
    await asyncio.sleep(0.05)
    assert len(timers.looks) == 2
    assert order == ["what had come"]
    assert not timers.blocked, "it is not told for so little"
    timers.watch.stop()


async def test_a_watch_tells_what_looking_raised() -> None:
    timers = Timers()
    timers.raises = KeyError("a defect")
    timers.watch.look()
    assert timers.failed == [timers.raises]


async def test_soon_is_once_however_often() -> None:
    calls: list[int] = []
    soon = Soon(lambda: calls.append(1))
    for _ in range(5):
        soon()
    assert (calls, soon.is_due) == ([], True)
    await asyncio.sleep(0)
    assert (calls, soon.is_due) == ([1], False)


async def test_ready_waits_for_what_was_added_a_moment_ago() -> None:
    release = asyncio.Event()

    async def play(guest: Guest) -> None:
        await guest.enter()
        data = await guest.hear()
        await release.wait()
        await guest.accept(data)
        await guest.serve()

    async with Stage(play) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.session.ready(2)
        seen.session.add(*topics("b"))
        waiting = asyncio.create_task(seen.session.ready(2))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        release.set()
        await waiting
        (before,) = topics("c")
        seen.session.add(before)
        seen.session.remove(before)
        await seen.session.ready(2)
        assert seen.session.live == {"a", "b"}


# -- logins ----------------------------------------------------------------------------------------


async def test_a_token_that_cannot_be_had_is_told_in_the_stream_and_counts() -> None:
    pattern = TokenPattern("ws://127.0.0.1:9/ws")

    def down(number: int) -> Any:
        raise ConnectFailedError("the token endpoint is down")

    pattern.mint = down
    async with watched(
        "",
        auth=TokenAuth(pattern),
        subscriptions=topics("a"),
        reconnect=Reconnect(most_attempts=2, backoff=AT_ONCE),
    ) as seen:
        assert isinstance(await seen.end(), ReconnectError)
        ends = seen.of(Disconnected)
        assert [(each.epoch, "token endpoint" in each.reason) for each in ends] == [(1, True)] * 2
        assert ends[0].retry_in_s is not None
        assert ends[1].retry_in_s is None
        assert not seen.of(Gap)


async def test_from_its_end_to_the_next_login_the_private_streams_are_missing() -> None:
    """The gap stands where the login ended; until the next one the session is not ready."""
    recovers = asyncio.Event()

    async def play(guest: Guest) -> None:
        await let_in(guest)
        for _ in range(2):
            await guest.accept(await guest.hear())
        await guest.say({"n": 1}, {"op": "expired"}, {"n": 2})
        while True:
            data = await guest.hear()
            if data.get("op") == "login":
                await recovers.wait()
                await guest.say({"op": "login", "ok": True})
            else:
                await guest.accept(data)

    async with (
        Stage(play) as stage,
        watched(
            "",
            auth=TokenAuth(TokenPattern(stage.url)),
            subscriptions=[*topics("ticker"), *topics("orders", private=True)],
        ) as seen,
    ):
        await seen.until(lambda: 2 in [each.get("n") for each in seen.data])
        assert seen.story == ["Connected 1", "Ready 1", "{'n': 1}", "Gap 1", "{'n': 2}"]
        assert not seen.session.is_ready
        assert seen.session.live == {"ticker"}
        recovers.set()
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert seen.session.is_ready
        assert seen.session.live == {"ticker", "orders"}
        assert len(seen.of(Gap)) == 1
        assert stage.subscribes(1).count("orders") == 2


# -- the rest --------------------------------------------------------------------------------------


async def test_the_options_do_not_show_a_listen_key() -> None:
    key = "SECRETLISTENKEY0123456789"
    async with staged(
        f"ws://127.0.0.1:9/{key}?listenKey={key}", ws_headers={"X-KEY": key}
    ) as session:
        assert key not in repr(session._options)


def test_second_dials_count_for_themselves_within_one_budget() -> None:
    one = Redial(Reconnect(backoff=AT_ONCE, most_dials=3, window_s=60, most_attempts=5))
    one.dialed(0.0)
    one.ready(1.0)
    two = one.beside()
    for at in (100.0, 101.0):
        two.dialed(at)
        two.lost(at, status=403)
    assert (one.failures, two.failures) == (0, 2)
    one.dialed(102.0)
    assert one.next_dial_at(103.0) == 160.0
    assert one.lost(103.0, code=1008), "the first of its kind"
    one.hold(500.0)
    assert one.next_dial_at(200.0) == 500.0
