from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from networkpype import (
    ConnectionsFactory,
    Event,
    NotConnectedError,
    WebSocketBinaryRequest,
    WebSocketClosed,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPostProcessor,
    WebSocketResponse,
)
from networkpype.testing import MockExchange
from tests.support.raw_websocket import (
    CLOSE,
    TEXT,
    Peer,
    RawServer,
    close_frame,
    ended_in_time,
    frame,
    no_socket_left,
)

CLOSE_TIMEOUT_S = 0.2


async def answer_close(peer: Peer, code: int | None = 1000) -> None:
    while (await peer.read_frame()).opcode != CLOSE:
        pass
    await peer.write(close_frame(code))


async def iterate(iterator: AsyncIterator[WebSocketResponse]) -> list[object]:
    return [response.data async for response in iterator]


async def test_the_close_handshake(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    peer = await server.meet(connection)
    answering = asyncio.create_task(answer_close(peer, 1000))
    await connection.disconnect()
    await answering
    assert not connection.connected
    assert await peer.read_end() == b""
    assert events[1:] == [WebSocketClosed(server.url, 1000, "", expected=True)]


@pytest.mark.parametrize(("sent", "code"), [(1001, 1001), (None, 1005)])
async def test_the_peers_own_code_is_reported(
    server: RawServer,
    connection: WebSocketConnection,
    events: list[Event],
    sent: int | None,
    code: int,
) -> None:
    peer = await server.meet(connection)
    answering = asyncio.create_task(answer_close(peer, sent))
    await connection.disconnect()
    await answering
    assert events[1:] == [WebSocketClosed(server.url, code, "", expected=True)]


async def test_disconnecting_is_safe_to_repeat_and_before_connecting(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    await connection.disconnect()
    await server.meet(connection)
    await asyncio.gather(*(connection.disconnect() for _ in range(3)))
    await connection.disconnect()
    assert [type(event) for event in events].count(WebSocketClosed) == 1


@pytest.mark.parametrize("silent", [True, False])
async def test_it_takes_no_longer_than_its_timeout_whatever_the_peer_does(
    server: RawServer, connection: WebSocketConnection, events: list[Event], silent: bool
) -> None:
    peer = await server.meet(connection, close_timeout_s=CLOSE_TIMEOUT_S)

    async def talk_on() -> None:
        while not silent:
            await peer.write(frame(TEXT, "1") * 100)
            await asyncio.sleep(0.001)

    talking = asyncio.create_task(talk_on())
    await ended_in_time(asyncio.create_task(connection.disconnect()), CLOSE_TIMEOUT_S)
    talking.cancel()
    await peer.read_end()
    assert events[1:] == [WebSocketClosed(server.url, 1006, "", expected=True)]


async def test_a_peer_that_takes_nothing_cannot_keep_the_socket(
    connections: ConnectionsFactory,
) -> None:
    connection = await connections.get_ws_connection()
    with no_socket_left():
        async with RawServer() as server:
            peer = await server.meet(connection)
            peer.pause_reading()
            payload = WebSocketBinaryRequest(b"x" * 20_000_000)
            sending = asyncio.create_task(connection.send(payload))
            await asyncio.sleep(0)
            await connection.disconnect()
            with pytest.raises(ConnectionError, match="while sending"):
                await sending


async def test_a_task_in_receive_gets_none(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    answering = asyncio.create_task(answer_close(peer))
    await connection.disconnect()
    assert await reading is None
    await answering
    with pytest.raises(NotConnectedError):
        await connection.receive()


@pytest.mark.parametrize("turns", range(6))
async def test_a_loop_over_messages_ends_cleanly_at_whatever_moment(
    server: RawServer, connection: WebSocketConnection, turns: int
) -> None:
    peer = await server.meet(connection)
    await peer.write(frame(TEXT, "1"), frame(TEXT, "2"))
    reading = asyncio.create_task(iterate(connection))
    for _ in range(turns):
        await asyncio.sleep(0)
    await connection.disconnect()
    assert await reading in ([], [1], [1, 2])


async def test_a_consumer_that_is_busy_when_it_happens_ends_cleanly(
    server: RawServer, connection: WebSocketConnection
) -> None:
    manager = WebSocketManager(connection)
    peer = await server.meet(connection)
    await peer.write(frame(TEXT, "1"), frame(TEXT, "2"))
    busy, go_on = asyncio.Event(), asyncio.Event()

    async def consume() -> list[object]:
        seen = []
        async for response in manager.iter_messages():
            seen.append(response.data)
            busy.set()
            await go_on.wait()
        return seen

    consuming = asyncio.create_task(consume())
    await busy.wait()
    await manager.disconnect()
    go_on.set()
    assert await consuming == [1]


@pytest.mark.parametrize("processed", [False, True])
async def test_disconnecting_within_the_loop_ends_it(
    exchange: MockExchange, connection: WebSocketConnection, processed: bool
) -> None:
    class Same(WebSocketPostProcessor):
        async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
            return response

    manager = WebSocketManager(connection, ws_post_processors=[Same()] if processed else [])
    await manager.connect(exchange.ws_url)
    await manager.send(WebSocketJSONRequest({"method": "PING", "id": 1}))
    seen = []
    async for response in manager.iter_messages():
        seen.append(response.data)
        await manager.disconnect()
    assert seen == [{"result": "pong", "id": 1}]
    assert [response async for response in manager.iter_messages()] == []


async def test_iterating_what_was_never_connected_is_an_error(
    connection: WebSocketConnection,
) -> None:
    with pytest.raises(NotConnectedError, match=r"await connect\(\.\.\.\) first"):
        await iterate(WebSocketManager(connection).iter_messages())


async def test_a_cancelled_disconnect_drops_the_socket_all_the_same(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    peer = await server.meet(connection, close_timeout_s=30)
    leaving = asyncio.create_task(connection.disconnect())
    assert (await peer.read_frame()).opcode == CLOSE
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await peer.read_end() == b""
    assert not connection.connected
    assert isinstance(events[-1], WebSocketClosed)
    await server.meet(connection)


async def test_after_a_cancelled_reader_it_still_shakes_hands(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    """The usual end of a program: the reader is cancelled, then the connection is closed."""
    peer = await server.meet(connection)
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    answering = asyncio.create_task(answer_close(peer, 1000))
    await connection.disconnect()
    await answering
    assert events[1:] == [WebSocketClosed(server.url, 1000, "", expected=True)]


async def test_both_sides_closing_at_once(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)
    await peer.write(close_frame(1001))
    await connection.disconnect()
    assert await reading is None
    assert (await peer.read_frame()).opcode == CLOSE


async def test_closing_the_factory_closes_every_socket_and_ends_every_loop() -> None:
    with no_socket_left():
        async with MockExchange() as exchange, ConnectionsFactory() as connections:
            readers = []
            for _ in range(5):
                connection = await connections.get_ws_connection()
                await connection.connect(exchange.ws_url)
                readers.append(asyncio.create_task(iterate(connection)))
            await exchange.until(lambda: exchange.websockets == 5)
            await connections.close()
            assert await asyncio.gather(*readers) == [[]] * 5
            await exchange.until(lambda: exchange.websockets == 0)


async def test_closing_the_factory_ends_a_dial(connections: ConnectionsFactory) -> None:
    connection = await connections.get_ws_connection()
    with no_socket_left():
        async with RawServer() as server:
            dial = asyncio.create_task(connection.connect(server.url))
            peer = await server.accept()
            await connections.close()
            with pytest.raises((ConnectionError, NotConnectedError)):
                await dial
            await peer.read_end()


async def test_a_connection_that_was_forgotten_closes_itself_with_a_warning(
    connections: ConnectionsFactory,
) -> None:
    with no_socket_left():
        async with RawServer() as server:
            forgotten = await connections.get_ws_connection()
            peer = await server.meet(forgotten, ping_timeout=10, message_timeout=10)
            with pytest.warns(ResourceWarning, match=r"unclosed .*; await disconnect\(\)"):
                del forgotten
            assert await peer.read_end() == b""


async def test_two_hundred_rounds_leave_nothing_behind() -> None:
    tasks = asyncio.all_tasks()
    async with MockExchange() as exchange, ConnectionsFactory() as connections:
        connection = await connections.get_ws_connection()
        await connection.connect(exchange.ws_url)
        await connection.disconnect()
        await exchange.until(lambda: exchange.websockets == 0)
        for _ in range(3):
            await asyncio.sleep(0)
        running = asyncio.all_tasks()
        with no_socket_left():
            for _ in range(200):
                await connection.connect(exchange.ws_url)
                await connection.disconnect()
            await exchange.until(lambda: exchange.websockets == 0)
            for _ in range(5):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() <= running
    assert asyncio.all_tasks() == tasks
