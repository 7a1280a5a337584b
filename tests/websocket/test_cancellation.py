"""Whose cancellation is it? The caller's is never swallowed, and ours never reaches the caller."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest

from networkpype import (
    ConcurrentReceiveError,
    MessageTimeoutError,
    NetworkpypeError,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketResponse,
)
from networkpype.websocket.heartbeat import Verdict
from tests.support.raw_websocket import TEXT, RawServer, ended_in_time, frame, next_data

Reading = asyncio.Task[WebSocketResponse | None]


async def test_a_message_timeout_comes_once_an_expiry_and_the_connection_stays(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, message_timeout=0.08)
    for _ in range(3):
        reading = asyncio.create_task(connection.receive())
        await ended_in_time(reading, 0.08)
        with pytest.raises(MessageTimeoutError, match=r"within 0\.08 s; the connection is open"):
            await reading
        assert connection.connected
    await peer.write(frame(TEXT, '"still here"'))
    assert await next_data(connection) == "still here"
    assert issubclass(MessageTimeoutError, TimeoutError)


async def test_a_timeout_counts_from_when_the_reader_begins(
    server: RawServer, connection: WebSocketConnection
) -> None:
    await server.meet(connection, message_timeout=0.08)
    await asyncio.sleep(0.05)
    reading = asyncio.create_task(connection.receive())
    await ended_in_time(reading, 0.08)
    with pytest.raises(MessageTimeoutError):
        await reading


async def test_messages_around_the_timeout_are_not_lost(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, message_timeout=0.01)

    async def send() -> None:
        for number in range(40):
            await asyncio.sleep(0.001 * (8 + number % 5))
            await peer.write(frame(TEXT, str(number)))

    sending = asyncio.create_task(send())
    received: list[object] = []
    expired = 0
    while len(received) < 40:
        try:
            received.append(await next_data(connection))
        except MessageTimeoutError:
            expired += 1
    await sending
    assert received == list(range(40))
    assert expired > 0


@pytest.mark.parametrize("options", [{}, {"message_timeout": 5}, {"ping_timeout": 5}])
async def test_a_cancelled_receive_is_cancelled_and_loses_no_message(
    server: RawServer, connection: WebSocketConnection, options: dict[str, float]
) -> None:
    peer = await server.meet(connection, **options)
    for number in range(3):
        reading = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        reading.cancel("mine")
        with pytest.raises(asyncio.CancelledError, match="mine"):
            await reading
        await peer.write(frame(TEXT, str(number)))
        assert await next_data(connection) == number


async def test_a_cancellation_that_meets_a_message_leaves_it_for_the_next(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    for number in range(20):
        reading = asyncio.create_task(next_data(connection))
        await asyncio.sleep(0)
        await peer.write(frame(TEXT, str(number)))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        got = await next_data(connection) if reading.cancelled() else reading.result()
        assert got == number


async def test_asyncio_timeout_around_receive_works(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, message_timeout=5)
    for number in range(3):
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await connection.receive()
        assert not isinstance(caught.value, NetworkpypeError)
        await peer.write(frame(TEXT, str(number)))
        async with asyncio.timeout(1):
            assert await next_data(connection) == number
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.receive(), 0.01)


async def verdict_is_due(
    server: RawServer, connection: WebSocketConnection, verdict: Verdict
) -> Reading:
    """Return a reader whose verdict is due at the very next look, before it is told."""
    idle = verdict is Verdict.IDLE
    await server.meet(
        connection, ping_timeout=None if idle else 0.02, message_timeout=0.03 if idle else None
    )
    return asyncio.create_task(connection.receive())


TOLD = {Verdict.IDLE: MessageTimeoutError, Verdict.DEAD: WebSocketClosedError}


def before(line: object, then: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    tell = line._tell  # type: ignore[attr-defined]

    def first_then_tell(verdict: Verdict) -> None:
        then()
        tell(verdict)

    monkeypatch.setattr(line, "_tell", first_then_tell)


def after(line: object, then: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    tell = line._tell  # type: ignore[attr-defined]

    def first_tell_then(verdict: Verdict) -> None:
        tell(verdict)
        then()

    monkeypatch.setattr(line, "_tell", first_tell_then)


@pytest.mark.parametrize("order", [before, after])
@pytest.mark.parametrize("verdict", TOLD)
async def test_a_cancellation_at_the_same_moment_as_the_verdict_is_the_callers(
    server: RawServer,
    connection: WebSocketConnection,
    monkeypatch: pytest.MonkeyPatch,
    verdict: Verdict,
    order: Callable[..., None],
) -> None:
    reading = await verdict_is_due(server, connection, verdict)
    order(connection._line, reading.cancel, monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert reading.cancelling() == 1
    assert connection.connected
    # What was told to nobody is not told to the next, and the watch goes on.
    monkeypatch.undo()
    again = asyncio.create_task(connection.receive())
    with pytest.raises(TOLD[verdict]):
        async with asyncio.timeout(1.5):
            await again
    third = asyncio.create_task(connection.receive()) if connection.connected else None
    if third is not None:
        await asyncio.sleep(0)
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third


async def test_a_verdict_that_a_message_came_before_is_forgotten(
    server: RawServer, connection: WebSocketConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one turn of a loop that was blocked: first the message is read, then the verdict told."""
    loop = asyncio.get_running_loop()
    peer = await server.meet(connection, message_timeout=0.08)
    line = connection._line
    assert line is not None
    tell = line._tell

    def tell_after_a_block(verdict: Verdict) -> None:
        monkeypatch.undo()
        peer._writer.write(frame(TEXT, '"came"'))
        loop.call_soon(time.sleep, 0.01)
        line._timer = loop.call_later(0.001, tell, verdict)

    monkeypatch.setattr(line, "_tell", tell_after_a_block)
    assert await next_data(connection) == "came"
    reading = asyncio.create_task(connection.receive())
    await ended_in_time(reading, 0.08)  # neither at once nor late
    with pytest.raises(MessageTimeoutError):
        await reading


async def test_a_timeout_of_the_caller_at_the_same_moment_as_ours(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, message_timeout=0.02)
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.021):
                await connection.receive()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
    await peer.write(frame(TEXT, "1"))
    assert await next_data(connection) == 1


async def test_a_task_that_was_cancelled_before_can_still_receive(
    server: RawServer, connection: WebSocketConnection
) -> None:
    """Cleaning up after a cancellation, without uncancel(), as most code does."""
    peer = await server.meet(connection, message_timeout=0.02)

    async def clean_up() -> object:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        with pytest.raises(MessageTimeoutError):
            await connection.receive()
        await peer.write(frame(TEXT, "1"))
        return await next_data(connection)

    task = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 1


async def test_two_tasks_cannot_receive_at_once(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    first = asyncio.create_task(next_data(connection))
    await asyncio.sleep(0)
    with pytest.raises(ConcurrentReceiveError, match="another task is receiving"):
        await connection.receive()
    with pytest.raises(ConcurrentReceiveError):
        await connection.__anext__()
    await peer.write(frame(TEXT, "1"), frame(TEXT, "2"))
    assert await first == 1
    assert await next_data(connection) == 2, "one after the other they can"
