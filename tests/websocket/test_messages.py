"""What frames become, at the wire."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from decimal import Decimal
from typing import Any

import orjson
import pytest

from networkpype import (
    BodyTooLargeError,
    ConnectionsFactory,
    DecodeError,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketJSONRequest,
    decimal_loads,
)
from networkpype.testing import MockExchange
from tests.support.raw_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    Peer,
    RawServer,
    frame,
    next_data,
)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (frame(TEXT, '{"a":[1,"ü"]}'), {"a": [1, "ü"]}),
        (frame(TEXT, "pong"), "pong"),
        (frame(TEXT), ""),
        (frame(TEXT, "\0🎉"), "\0🎉"),
        (frame(BINARY, b"\x00\xff"), b"\x00\xff"),
        (frame(BINARY), b""),
        (frame(BINARY, b'{"a":1}'), b'{"a":1}'),
        (frame(TEXT, '"' + "x" * 70_000 + '"'), "x" * 70_000),
    ],
)
async def test_text_is_parsed_or_kept_and_binary_is_bytes(
    server: RawServer, connection: WebSocketConnection, sent: bytes, message: object
) -> None:
    peer = await server.meet(connection)
    await peer.write(sent)
    assert await next_data(connection) == message


async def test_fragments_are_one_message_and_control_frames_may_come_between(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    await peer.write(
        frame(TEXT, b'["\xc3', fin=False),  # cut within a character
        frame(PING, b"between"),
        frame(CONTINUATION, b"\xbc", fin=False),
        frame(CONTINUATION, b"", fin=False),
        frame(CONTINUATION, b'"]'),
        frame(BINARY, b"a", fin=False),
        frame(CONTINUATION, b"b"),
    )
    assert await next_data(connection) == ["ü"]
    assert await next_data(connection) == b"ab"
    pong = await peer.read_frame()
    assert (pong.opcode, pong.payload) == (PONG, b"between")


async def test_bytes_may_come_one_by_one(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    reading = asyncio.create_task(next_data(connection))
    for byte in frame(TEXT, '{"a":1}'):
        await peer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await reading == {"a": 1}


async def test_a_broken_message_is_an_error_and_the_next_still_arrives(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    await peer.write(frame(TEXT, '{"a":'), frame(TEXT, "[1]"), frame(TEXT, "[}"), frame(TEXT, "2"))
    with pytest.raises(DecodeError) as caught:
        await next_data(connection)
    assert caught.value.raw == b'{"a":'
    assert await next_data(connection) == [1]
    with pytest.raises(DecodeError):
        async for _ in connection:
            pass
    assert [response.data async for response in until_two(connection)] == [2]
    assert connection.connected


async def until_two(connection: WebSocketConnection) -> Any:
    """Iterate again after an error."""
    async for response in connection:
        yield response
        if response.data == 2:
            return


@pytest.mark.parametrize("size", [99, 100, 101])
@pytest.mark.parametrize("fragments", [1, 3])
async def test_the_largest_message_is_max_message_bytes(
    server: RawServer, connection: WebSocketConnection, size: int, fragments: int
) -> None:
    peer = await server.meet(connection, max_message_bytes=100)
    step = size // fragments
    for start in range(0, size, step):
        piece = b"x" * min(step, size - start)
        is_last = start + step >= size
        await peer.write(frame(BINARY if start == 0 else CONTINUATION, piece, fin=is_last))
    if size <= 100:
        assert await next_data(connection) == b"x" * size
    else:
        with pytest.raises(WebSocketClosedError) as caught:
            await next_data(connection)
        assert caught.value.code == 1009


@pytest.mark.parametrize("packing", ["gzip", "deflate", "zlib"])
async def test_declared_compression_is_undone(
    connection: WebSocketConnection, packing: Any
) -> None:
    async with MockExchange(frames=packing) as exchange:
        await connection.connect(exchange.ws_url, compression=packing)
        await connection.send(WebSocketJSONRequest({"method": "SUBSCRIBE", "params": ["x@book"]}))
        assert await next_data(connection) == {"result": None, "id": None}, "replies are text"
        await exchange.push("x@book", {"bids": ["1.0"] * 50})
        assert (await next_data(connection))["data"] == {"bids": ["1.0"] * 50}
        await connection.disconnect()


async def test_a_bad_compressed_frame_costs_that_frame_alone(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection, compression="gzip", max_message_bytes=10_000)
    await peer.write(
        frame(BINARY, gzip.compress(b"[1") + gzip.compress(b"]")),
        frame(BINARY, gzip.compress(b"[2]")[:-1]),
        frame(BINARY, gzip.compress(bytes(5_000_000))),
        frame(BINARY, gzip.compress(b"\xff")),
        frame(BINARY),
        frame(BINARY, gzip.compress(b"[3]")),
    )
    assert await next_data(connection) == [1]
    for kind, words in (
        (DecodeError, "cut short"),
        (BodyTooLargeError, "more than 10000 bytes"),
        (DecodeError, "not UTF-8"),
        (DecodeError, "cut short"),
    ):
        with pytest.raises(kind, match=words):
            await next_data(connection)
    assert await next_data(connection) == [3]


@pytest.mark.parametrize(
    ("loads", "price"), [(None, 0.1), (orjson.loads, 0.1), (decimal_loads, Decimal("0.10"))]
)
async def test_the_json_library_is_the_factorys(
    server: RawServer, loads: Any, price: object
) -> None:
    async with ConnectionsFactory(json_loads=loads) as connections:
        connection = await connections.get_ws_connection()
        peer = await server.meet(connection)
        await peer.write(frame(TEXT, '{"p":0.10}'))
        data = await next_data(connection)
        assert data == {"p": price}
        assert type(data["p"]) is type(price)


class Squeezing:
    """The server's side of permessage-deflate."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._out = zlib.compressobj(wbits=-15)
        self._in = zlib.decompressobj(wbits=-15)

    async def write(self, text: str) -> None:
        packed = self._out.compress(text.encode()) + self._out.flush(zlib.Z_SYNC_FLUSH)
        await self._peer.write(frame(TEXT, packed.removesuffix(b"\0\0\xff\xff"), rsv=RSV1))

    async def read(self) -> bytes:
        got = await self._peer.read_frame()
        assert got.first_byte & RSV1, "RFC 7692 section 6.1: a compressed message says so"
        return self._in.decompress(got.payload + b"\0\0\xff\xff")


async def squeeze(server: RawServer, connection: WebSocketConnection, *answer: str) -> Peer:
    dial = asyncio.create_task(
        connection.connect(
            server.url, permessage_deflate=True, max_message_bytes=1000, close_timeout_s=0.05
        )
    )
    peer = await server.accept()
    await peer.upgrade(*answer)
    await dial
    return peer


async def test_permessage_deflate_is_negotiated_and_used_both_ways(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await squeeze(server, connection, "Sec-WebSocket-Extensions: permessage-deflate")
    assert (peer.header("Sec-WebSocket-Extensions") or "").startswith("permessage-deflate")
    squeezing = Squeezing(peer)
    for number in range(3):  # the window is kept from message to message
        await squeezing.write(f'["abcabcabc",{number}]')
        assert await next_data(connection) == ["abcabcabc", number]
        await connection.send(WebSocketJSONRequest({"n": number}))
        assert await squeezing.read() == b'{"n":%d}' % number


async def test_permessage_deflate_that_the_server_declines_is_not_used(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await squeeze(server, connection)
    await connection.send(WebSocketJSONRequest({"n": 1}))
    got = await peer.read_frame()
    assert (got.first_byte, got.payload) == (0x80 | TEXT, b'{"n":1}')


async def test_permessage_deflate_is_not_offered_unless_asked_for(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    assert peer.header("Sec-WebSocket-Extensions") is None


async def test_a_deflate_bomb_is_not_inflated_beyond_the_limit(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await squeeze(server, connection, "Sec-WebSocket-Extensions: permessage-deflate")
    squeezing = Squeezing(peer)
    await squeezing.write('"' + "x" * 998 + '"')
    assert len(await next_data(connection)) == 998
    await squeezing.write("x" * 50_000)
    with pytest.raises(WebSocketClosedError) as caught:
        await next_data(connection)
    assert caught.value.code == 1009
