"""However a connection ends by itself, it is one error, and what came before comes before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from networkpype import (
    Event,
    NotConnectedError,
    Outcome,
    WebSocketClosed,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketOpened,
)
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    RSV1,
    TEXT,
    Peer,
    RawServer,
    close_frame,
    frame,
    until_lost,
)

End = Callable[[Peer], Awaitable[None]]


def writes(data: bytes) -> End:
    async def end(peer: Peer) -> None:
        await peer.write(data)

    return end


async def fin(peer: Peer) -> None:
    peer.hang_up()


async def rst(peer: Peer) -> None:
    peer.reset()


LOST = "lost without a close frame"

ENDS: dict[str, tuple[End, int, str]] = {
    "code and reason": (writes(close_frame(1012, "restart")), 1012, "restart"),
    "normal": (writes(close_frame(1000)), 1000, ""),
    "going away": (writes(close_frame(1001, "bye")), 1001, "bye"),
    "policy": (writes(close_frame(1008, "too many subscriptions")), 1008, "too many"),
    "application": (writes(close_frame(4001, "token expired")), 4001, "token expired"),
    "no code": (writes(close_frame()), 1005, ""),
    "control characters": (writes(close_frame(1000, "a\r\nb\x1b[2J")), 1000, r"a\x0d\x0ab\x1b"),
    "fin": (fin, 1006, LOST),
    "rst": (rst, 1006, LOST),
    "fin in a frame": (writes(frame(TEXT, "123456")[:4]), 1006, LOST),
    "bad UTF-8": (writes(frame(TEXT, b"\xff")), 1007, "UTF-8"),
    "bad UTF-8 in the reason": (writes(frame(CLOSE, b"\x03\xe8\xff")), 1007, "UTF-8"),
    "oversize": (writes(frame(TEXT, "x" * 1001)), 1009, "raise max_message_bytes"),
    "oversize in fragments": (
        writes(frame(TEXT, "x" * 600, fin=False) + frame(CONTINUATION, "x" * 600)),
        1009,
        "raise max_message_bytes",
    ),
    "oversize by its header": (writes(b"\x82\x7f\x7f" + b"\xff" * 7), 1009, "raise max_message"),
    "reserved opcode": (writes(frame(3, "x")), 1002, "opcode"),
    "reserved control opcode": (writes(frame(11)), 1002, "opcode"),
    "reserved bit": (writes(frame(TEXT, "x", rsv=0x20)), 1002, "reserved bits"),
    "compressed, not negotiated": (writes(frame(TEXT, "x", rsv=RSV1)), 1002, "reserved bits"),
    "long ping": (writes(b"\x89\x7e\x00\x80" + b"x" * 128), 1002, "125 bytes"),
    "fragmented ping": (writes(frame(PING, "x", fin=False)), 1002, "fragmented control"),
    "continuation of nothing": (writes(frame(CONTINUATION, "x")), 1002, "non started"),
    "message in a message": (
        writes(frame(TEXT, "x", fin=False) + frame(BINARY, b"y", fin=False)),
        1002,
        "opcode",
    ),
    "one byte of a code": (writes(frame(CLOSE, b"\x03")), 1002, "close frame"),
    "a code that nobody may send": (writes(close_frame(1004)), 1002, "Invalid close code"),
}


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_is_one_error_with_code_and_reason(
    server: RawServer, connection: WebSocketConnection, events: list[Event], end: str
) -> None:
    act, code, reason = ENDS[end]
    peer = await server.meet(connection, max_message_bytes=1000)
    await peer.write(frame(TEXT, '"before"'), frame(BINARY, b"too"))
    await act(peer)
    if end == "fin in a frame":
        peer.hang_up()
    assert [(await connection.__anext__()).data for _ in range(2)] == ["before", b"too"]
    with pytest.raises(WebSocketClosedError) as caught:
        async with asyncio.timeout(1):
            await connection.receive()
    error = caught.value
    assert error.code == code
    assert reason in error.reason
    assert f"code {code}" in str(error)
    assert error.outcome is Outcome.UNKNOWN
    assert isinstance(error, ConnectionError)
    assert error.__cause__ is error.__context__ is None
    assert not connection.connected
    opened, closed = events
    assert opened == WebSocketOpened(server.url)
    assert closed == WebSocketClosed(server.url, code, error.reason, expected=False)
    with pytest.raises(NotConnectedError):
        await connection.receive()
    with pytest.raises(NotConnectedError):
        await connection.send(WebSocketJSONRequest({}))
    assert len(events) == 2


@pytest.mark.parametrize("code", [1000, 1012, 4001, None])
async def test_a_close_frame_is_answered_and_the_socket_dropped(
    server: RawServer, connection: WebSocketConnection, code: int | None
) -> None:
    peer = await server.meet(connection, close_timeout_s=5)
    await peer.write(close_frame(code))
    with pytest.raises(WebSocketClosedError):
        async with asyncio.timeout(0.5):  # also where the server leaves the TCP connection open
            await connection.receive()
    assert (await peer.read_frame()).opcode == CLOSE
    assert await peer.read_end() == b""


@pytest.mark.parametrize(
    ("bad", "code"), [(frame(3), 1002), (frame(TEXT, b"\xff"), 1007), (b"\x82\x7e\xff\xff", 1009)]
)
async def test_a_peer_that_breaks_the_protocol_is_told_why(
    server: RawServer, connection: WebSocketConnection, bad: bytes, code: int
) -> None:
    peer = await server.meet(connection, max_message_bytes=1000)
    await peer.write(bad)
    with pytest.raises(WebSocketClosedError):
        await connection.receive()
    assert (await peer.read_frame()).close_code == code
    assert await peer.read_end() == b""


async def test_iterating_ends_in_the_same_error(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    await peer.write(frame(TEXT, "1"), frame(TEXT, "2"), close_frame(1001))
    seen: list[object] = []

    async def iterate() -> None:
        async for response in connection:
            seen.append(response.data)

    with pytest.raises(WebSocketClosedError):
        await iterate()
    assert seen == [1, 2]


@pytest.mark.parametrize("end", [fin, rst])
async def test_connected_tells_the_truth_though_nobody_reads(
    server: RawServer, connection: WebSocketConnection, end: End
) -> None:
    assert not connection.connected
    peer = await server.meet(connection)
    assert connection.connected
    await peer.write(frame(TEXT, "1"), frame(TEXT, "2"))
    await end(peer)
    await until_lost(connection)
    for sending in (connection.send(WebSocketJSONRequest({})), connection.ping()):
        with pytest.raises(WebSocketClosedError, match="nothing was sent") as caught:
            await sending
        assert caught.value.outcome is Outcome.NOT_SENT
    received = [(await connection.__anext__()).data for _ in range(2)]
    assert received == [1, 2], "what had come is still there"
    with pytest.raises(WebSocketClosedError):
        await connection.receive()


@pytest.mark.parametrize("end", [fin, writes(close_frame(1001))])
async def test_a_long_backlog_is_delivered_before_the_end(
    server: RawServer, connection: WebSocketConnection, end: End
) -> None:
    peer = await server.meet(connection)
    count = 5000

    async def pour() -> None:
        await peer.write(*[frame(TEXT, f'[{number},"{"x" * 500}"]') for number in range(count)])
        await end(peer)

    pouring = asyncio.create_task(pour())
    await asyncio.sleep(0.03)  # until nothing more goes into the buffers
    seen = [(await connection.__anext__()).data[0] for _ in range(count)]
    assert seen == list(range(count))
    with pytest.raises(WebSocketClosedError):
        await connection.receive()
    await pouring


async def test_a_reader_of_the_old_connection_learns_of_its_loss_though_it_was_dialed_anew(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    peer = await server.meet(connection)
    reading = asyncio.create_task(connection.receive())
    await asyncio.sleep(0)

    async def dial_as_soon_as_lost() -> None:
        await until_lost(connection)
        await connection.connect(server.url, close_timeout_s=0.05)

    dial = asyncio.create_task(dial_as_soon_as_lost())
    await asyncio.sleep(0)
    peer.reset()
    with pytest.raises(WebSocketClosedError):
        await reading
    fresh = await server.accept()
    await fresh.upgrade()
    await dial
    assert [type(event) for event in events] == [WebSocketOpened, WebSocketClosed, WebSocketOpened]
    await fresh.write(frame(TEXT, '"fresh"'))
    assert (await connection.__anext__()).data == "fresh"


async def test_a_hook_that_raises_harms_nothing(
    server: RawServer, connection: WebSocketConnection, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(event: Event) -> None:
        raise RuntimeError("broken hook")

    connection = WebSocketConnection(connection._session, hook=hook)
    peer = await server.meet(connection)
    assert connection.connected
    await peer.write(close_frame(1001))
    with pytest.raises(WebSocketClosedError):
        await connection.receive()
    await server.meet(connection)
    await connection.disconnect()
    failed = [record.getMessage() for record in caplog.records]
    assert [line.rpartition(" ")[2] for line in failed] == [
        "WebSocketOpened",
        "WebSocketClosed",
    ] * 2
