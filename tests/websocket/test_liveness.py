"""Pings, pongs and silence at the wire, with real but short timers."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from networkpype import (
    MessageTimeoutError,
    Outcome,
    WebSocketBinaryRequest,
    WebSocketClosedError,
    WebSocketConnection,
)
from networkpype.testing import FakeClock, MockExchange
from tests.support.raw_websocket import (
    PING,
    PONG,
    TEXT,
    Peer,
    RawServer,
    ended_in_time,
    frame,
    next_data,
)

Sending = asyncio.Task[None]


@pytest.mark.parametrize("auto_ping", [False, True])
async def test_a_ping_is_echoed_with_its_payload(
    exchange: MockExchange, connection: WebSocketConnection, auto_ping: bool
) -> None:
    await connection.connect(exchange.ws_url, auto_ping=auto_ping)
    reading = asyncio.create_task(connection.receive())
    for payload in (b"", b"\x00\xff 17", b"x" * 125):
        await exchange.ping_websockets(payload)
    await exchange.until(lambda: len(exchange.pongs) == 3)
    assert exchange.pongs == [b"", b"\x00\xff 17", b"x" * 125]
    reading.cancel()


async def test_a_flood_of_pings_is_answered_to_the_last(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    reading = asyncio.create_task(next_data(connection))
    pings = [b"%d" % number for number in range(10_000)]

    async def flood() -> None:
        await peer.write(*[frame(PING, payload) for payload in pings], frame(TEXT, '"after"'))

    flooding = asyncio.create_task(flood())
    answers = [await peer.read_frame() for _ in pings]
    assert {answer.opcode for answer in answers} == {PONG}
    assert [answer.payload for answer in answers] == pings
    assert await reading == "after"
    await flooding


async def test_control_frames_are_no_messages(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    await peer.write(frame(PONG, b"nobody asked"), frame(PING, b"1"), frame(PONG))
    await peer.write(frame(TEXT, "1"), frame(PING, b"2"), frame(TEXT, "2"))
    assert [await next_data(connection) for _ in range(2)] == [1, 2]


async def test_only_data_frames_move_the_time_of_the_last_message(
    server: RawServer, connection: WebSocketConnection
) -> None:
    clock = FakeClock()
    connection = WebSocketConnection(connection._session, clock=clock)
    peer = await server.meet(connection, message_timeout=0.05)
    assert connection.last_recv_time == 0
    await peer.write(frame(TEXT, "1"))
    await next_data(connection)
    first = clock.time()
    assert connection.last_recv_time == first
    clock.advance(7)
    await peer.write(frame(PING, b"x"), frame(PONG))
    with pytest.raises(MessageTimeoutError):
        await connection.receive()
    assert (await peer.read_frame()).opcode == PONG
    assert connection.last_recv_time == first
    await peer.write(frame(TEXT, "2"))
    await next_data(connection)
    assert connection.last_recv_time == first + 7
    await connection.disconnect()
    assert connection.last_recv_time == first + 7


async def test_our_own_ping_carries_its_payload(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    await connection.connect(exchange.ws_url)
    await connection.ping(b"and you?")
    await exchange.until(lambda: exchange.pings)
    assert exchange.pings == [b"and you?"]


async def test_silence_brings_a_ping_and_no_pong_the_end(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, ping_timeout=0.2)
    ping = asyncio.create_task(peer.read_frame())
    reading = asyncio.create_task(connection.receive())
    await asyncio.gather(ended_in_time(ping, 0.2), ended_in_time(reading, 0.3))
    assert (ping.result().opcode, ping.result().payload) == (PING, b"")
    with pytest.raises(WebSocketClosedError, match="no pong came in time") as caught:
        await reading
    assert caught.value.code == 1006
    assert not connection.connected
    assert await peer.read_end() == b""


async def keep(peer: Peer, frames: list[bytes], every_s: float) -> None:
    for data in frames:
        await asyncio.sleep(every_s)
        await peer.write(data)


@pytest.mark.parametrize("sign_of_life", [frame(PONG), frame(PING, b"x"), frame(TEXT, "1")])
async def test_any_frame_keeps_it_alive(
    server: RawServer, connection: WebSocketConnection, sign_of_life: bytes
) -> None:
    peer = await server.meet(connection, ping_timeout=0.08)

    async def read_until_the_end() -> None:
        async for response in connection:
            if response.data == "end":
                return

    reading = asyncio.create_task(read_until_the_end())
    await keep(peer, [sign_of_life] * 4, 0.09)  # after each ping, before its pong is due
    await peer.write(frame(TEXT, "end"))
    await reading
    assert connection.connected


async def test_a_frame_that_takes_longer_than_a_pong_is_no_silence(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, ping_timeout=0.08)
    reading = asyncio.create_task(next_data(connection))
    whole = frame(TEXT, '"' + "x" * 298 + '"')
    await keep(peer, [whole[:3], *[whole[at : at + 27] for at in range(3, len(whole), 27)]], 0.03)
    assert await reading == "x" * 298


@pytest.mark.parametrize("patience", ["message_timeout", "asyncio.timeout"])
async def test_a_reader_who_starts_anew_all_the_time_still_finds_the_peer_dead(
    server: RawServer, connection: WebSocketConnection, patience: str
) -> None:
    ours = patience == "message_timeout"
    await server.meet(connection, ping_timeout=0.2, message_timeout=0.03 if ours else None)

    async def read_with_short_patience() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if ours else 0.03):
                    await connection.receive()

    with pytest.raises(WebSocketClosedError, match="no pong"):
        async with asyncio.timeout(1):
            await read_with_short_patience()


async def test_a_slow_consumer_is_never_killed_and_loses_nothing(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, ping_timeout=0.02)
    count = 2000
    sending = asyncio.create_task(
        peer.write(*[frame(TEXT, f'[{number},"{"x" * 500}"]') for number in range(count)])
    )
    await asyncio.sleep(0.09)  # several times what a silent peer would get
    assert connection.connected
    pings = [await peer.read_frame() for _ in range(3)]
    assert {ping.opcode for ping in pings} == {PING}, "and the line is kept warm meanwhile"
    for number in range(count):
        message = await next_data(connection)
        assert isinstance(message, list)
        assert message[0] == number
    await sending


async def clogged(server: RawServer, connection: WebSocketConnection) -> tuple[Peer, Sending]:
    """Connect to a peer that takes nothing more, with a send that waits for it."""
    peer = await server.meet(connection, ping_timeout=0.02)
    peer.pause_reading()
    sending = asyncio.create_task(connection.send(WebSocketBinaryRequest(b"x" * 20_000_000)))
    await asyncio.sleep(0)
    return peer, sending


async def test_a_ping_that_is_stuck_is_followed_by_no_other(
    server: RawServer, connection: WebSocketConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.meet(connection, ping_timeout=0.01)
    assert connection._line is not None
    before = asyncio.all_tasks()
    monkeypatch.setattr(connection._line.ws, "ping", asyncio.Event().wait)
    await asyncio.sleep(0.06)
    assert len(asyncio.all_tasks() - before) == 1
    await connection.disconnect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_send_that_the_peer_does_not_take_ends_with_the_connection(
    server: RawServer, connection: WebSocketConnection
) -> None:
    _, sending = await clogged(server, connection)
    await asyncio.sleep(0.05)
    assert not sending.done()
    await connection.disconnect()
    with pytest.raises(WebSocketClosedError, match="broke while sending") as caught:
        await sending
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_a_peer_that_pings_and_takes_no_pongs_is_found_out(
    server: RawServer, connection: WebSocketConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("networkpype.websocket.line._TAKE_S", 0.05)
    peer, sending = await clogged(server, connection)
    await peer.write(*[frame(PING, b"x" * 125)] * 10_000)
    with pytest.raises(WebSocketClosedError):
        async with asyncio.timeout(1):
            await connection.receive()
    assert not connection.connected
    with pytest.raises(WebSocketClosedError):
        await sending


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize("rounds", range(3))
async def test_a_blocked_loop_kills_nobody(
    exchange: MockExchange, connection: WebSocketConnection, rounds: int
) -> None:
    """The peer answered in time; we were the ones who did not look."""
    await connection.connect(exchange.ws_url, ping_timeout=0.08)
    reading = asyncio.create_task(connection.receive())
    await exchange.until(lambda: exchange.pings)
    block_the_loop(0.15 + rounds * 0.02)
    for _ in range(10):
        await asyncio.sleep(0.002)
    assert not reading.done()
    assert connection.connected
    reading.cancel()


async def test_a_blocked_loop_times_no_message_out_that_has_come(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, ping_timeout=None, message_timeout=0.05)
    for number in range(5):
        reading = asyncio.create_task(next_data(connection))
        await asyncio.sleep(0.01)
        await peer.write(frame(TEXT, str(number)))  # it lies in the socket when we block
        block_the_loop(0.08)
        assert await reading == number


async def test_a_block_just_before_the_timer_runs_times_nothing_out(
    server: RawServer, connection: WebSocketConnection
) -> None:
    """The timer is due, and in the same turn another callback blocks while the message comes."""
    peer = await server.meet(connection, ping_timeout=None, message_timeout=0.06)
    assert connection._line is not None
    timer = connection._line._timer
    assert timer is not None

    def block() -> None:
        peer._writer.write(frame(TEXT, '"came"'))
        block_the_loop(0.08)

    await asyncio.sleep(0.03)
    reading = asyncio.create_task(next_data(connection))
    asyncio.get_running_loop().call_at(timer.when() - 1e-6, block)
    assert await reading == "came"
