"""How connections end (F26, F27, F30), and where on their way (F35)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from networkpype.errors import ReconnectError, WebSocketClosedError
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import Disconnected, Gap, Ready
from tests.support.lag import LoopLag
from tests.support.raw_websocket import CLOSE, TEXT, close_frame, frame
from tests.support.stage import Guest, Script, Seen, Stage, serving, topics, watched


def ending(how: Callable[[Guest], Awaitable[None]]) -> Script:
    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say({"n": 1})
        await how(guest)

    return play


async def fin(guest: Guest) -> None:
    guest.hang_up()


async def rst(guest: Guest) -> None:
    guest.reset()


def closing(code: int | None, reason: str = "") -> Callable[[Guest], Awaitable[None]]:
    async def close(guest: Guest) -> None:
        await guest.write(close_frame(code, reason))
        answer = await guest.read_frame()
        guest.stage.controls.append((guest.number, answer))
        await guest.read_end()

    return close


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [
        pytest.param(fin, 1006, "the connection was lost without a close frame", id="F26-FIN"),
        pytest.param(rst, 1006, "the connection was lost without a close frame", id="F26-RST"),
        pytest.param(closing(None), 1005, "", id="F26-without-code"),
        *(
            pytest.param(closing(code, "told so"), code, "told so", id=f"F26-{code}")
            for code in (1000, 1001, 1006, 1008, 1009, 1011, 1012, 1013, 4000, 4999)
        ),
    ],
)
async def test_each_end_is_told_and_survived(
    how: Callable[[Guest], Awaitable[None]], code: int, reason: str
) -> None:
    """F26: code and reason, the gap at once, and the same subscriptions on the next connection."""
    async with (
        Stage(ending(how), serving) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        (ended,) = seen.of(Disconnected)
        assert ended.code == code
        assert reason in ended.reason
        assert seen.story == [
            *("Connected 1", "Ready 1", "{'n': 1}", "Disconnected 1", "Gap 1"),
            *("Connected 2", "Ready 2"),
        ]
        assert (stage.subscribes(1), stage.subscribes(2)) == (["a"], ["a"])
        if reason == "told so":
            assert [got.opcode for _, got in stage.controls] == [CLOSE], "it was answered"


async def test_a_policy_violation_before_it_was_ready_ends_the_session_the_second_time() -> None:
    """F26: 1008 says that what we ask for can never be right."""

    async def refuse(guest: Guest) -> None:
        await guest.upgrade()
        await guest.hear()
        await closing(1008, "no such key")(guest)

    async with Stage(refuse) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        error = await seen.end()
        assert isinstance(error, ReconnectError)
        assert error.code == 1008
        assert "no such key" in str(error)
        assert isinstance(error.__cause__, WebSocketClosedError)
        assert stage.connections == 2


async def black_hole(guest: Guest) -> None:
    await guest.enter()
    guest.pause_reading()
    await asyncio.Event().wait()


async def time_to_the_end(seen: Seen) -> float:
    """Return how long it took to find out, less what a busy machine may have added."""
    began = asyncio.get_running_loop().time()
    with LoopLag() as lag:
        await seen.until(lambda: seen.of(Disconnected))
    took = asyncio.get_running_loop().time() - began
    assert took > 0.2, "too early"
    return took - 2 * lag.worst_s - 0.02


async def test_a_black_hole_is_found_in_time() -> None:
    """F27, F30: the peer neither reads nor writes: a ping, half of its interval, and the end."""
    async with (
        Stage(black_hole, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=Heartbeat(ping_s=0.2)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert await time_to_the_end(seen) < 0.3 * 1.1
        (ended,) = seen.of(Disconnected)
        assert (ended.code, ended.reason) == (1006, "no pong came in time")
        await seen.until(lambda: len(seen.of(Ready)) == 2)


async def test_an_application_that_does_not_answer_is_found_in_time() -> None:
    """F27, F30: without pings of the protocol, by the application's."""
    beats = Heartbeat(ping_s=None, message={"op": "ping"}, message_s=0.2, reply_s=0.1)
    async with (
        Stage(black_hole, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=beats) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert await time_to_the_end(seen) < 0.3 * 1.1
        assert "ping" in seen.of(Disconnected)[0].reason


# -- F35: on each step of the way ------------------------------------------------------------------


async def at_tcp(guest: Guest) -> None:
    guest.reset()


async def in_the_upgrade(guest: Guest) -> None:
    await guest.read_head()
    await guest.write(b"HTTP/1.1 101 Switching Pro")
    guest.reset()


async def after_the_upgrade(guest: Guest) -> None:
    await guest.upgrade()
    guest.reset()


def at_subscribe(number: int, *, answers: bool) -> Script:
    async def play(guest: Guest) -> None:
        await guest.enter(number - 1)
        data = await guest.hear()
        if answers:
            await guest.accept(data)
        guest.reset()

    return play


async def at_the_first_data(guest: Guest) -> None:
    await guest.enter(3)
    await guest.write(frame(TEXT, '{"n": 1}')[:5])
    guest.reset()


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(at_tcp, id="F35-tcp"),
        pytest.param(in_the_upgrade, id="F35-upgrade"),
        pytest.param(after_the_upgrade, id="F35-open"),
        pytest.param(at_subscribe(1, answers=False), id="F35-1st-subscribe"),
        pytest.param(at_subscribe(2, answers=False), id="F35-2nd-subscribe"),
        pytest.param(at_subscribe(2, answers=True), id="F35-2nd-ack"),
        pytest.param(at_subscribe(3, answers=False), id="F35-3rd-subscribe"),
        pytest.param(at_the_first_data, id="F35-first-data"),
    ],
)
async def test_a_drop_on_the_way_ends_in_the_exact_set(step: Script) -> None:
    """F35: three times in a row; then all is live, and each was asked for once a connection."""
    async with (
        Stage(step, step, step, serving) as stage,
        watched(stage.url, subscriptions=topics("a", "b", "c")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready) and seen.of(Ready)[-1].epoch == 4)
        assert seen.session.live == {"a", "b", "c"}
        assert stage.subscribes(4) == ["a", "b", "c"]
        for number in (1, 2, 3):
            asked = stage.subscribes(number)
            assert asked == ["a", "b", "c"][: len(asked)]
        assert [each.epoch for each in seen.of(Disconnected)] == [1, 2, 3]


async def test_a_drop_in_the_tls_handshake_is_dialed_again() -> None:
    """F35: bytes that are no TLS, then the end."""

    async def no_tls(guest: Guest) -> None:
        await guest.write(b"\x15\x03\x01\x00\x02\x02\x28")
        guest.reset()

    async with (
        Stage(no_tls) as stage,
        watched(stage.url.replace("ws:", "wss:"), subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: len(seen.of(Disconnected)) == 3)
        assert not seen.of(Gap)


async def test_a_drop_while_closing_is_no_error() -> None:
    """F35: the peer resets when it gets our close frame."""

    async def play(guest: Guest) -> None:
        await guest.enter()
        assert (await guest.read_frame()).opcode == CLOSE
        guest.reset()

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        await seen.session.close()
        await seen.task
        assert (seen.error, stage.connections) == (None, 1)
        assert seen.story == ["Connected 1", "Ready 1"], "one's own close is no event"
