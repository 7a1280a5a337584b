"""What leaves the socket, byte for byte, and what does not."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from networkpype import (
    ConfigurationError,
    NotConnectedError,
    Outcome,
    WebSocketBinaryRequest,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketPlainTextRequest,
    WebSocketRequest,
)
from networkpype.websocket.request import FrameSender
from tests.support.raw_websocket import BINARY, CLOSE, PING, TEXT, RawServer, until_lost


class TwoFrames(WebSocketRequest):
    """A user's own kind of message."""

    async def send_with_connection(self, connection: FrameSender) -> None:
        await connection.send_str("head")
        await connection.send_bytes(self.payload)


@pytest.mark.parametrize(
    ("request_", "frames"),
    [
        (
            WebSocketJSONRequest({"method": "SUBSCRIBE", "params": ["x@trade"], "ü": None}),
            [(TEXT, b'{"method":"SUBSCRIBE","params":["x@trade"],"\\u00fc":null}')],
        ),
        (WebSocketJSONRequest([1, 2.5, True, "\n"]), [(TEXT, b'[1,2.5,true,"\\n"]')]),
        (WebSocketJSONRequest("ping"), [(TEXT, b'"ping"')]),
        (WebSocketPlainTextRequest("ping"), [(TEXT, b"ping")]),
        (WebSocketPlainTextRequest('{"a": 1 } ☃🎉'), [(TEXT, '{"a": 1 } ☃🎉'.encode())]),
        (WebSocketPlainTextRequest(""), [(TEXT, b"")]),
        (WebSocketPlainTextRequest("x" * 70_000), [(TEXT, b"x" * 70_000)]),
        (WebSocketBinaryRequest(b"\x00\xff"), [(BINARY, b"\x00\xff")]),
        (WebSocketBinaryRequest(bytearray(b"ab")), [(BINARY, b"ab")]),
        (WebSocketBinaryRequest(memoryview(b"abc")[1:]), [(BINARY, b"bc")]),
        (TwoFrames(b"tail"), [(TEXT, b"head"), (BINARY, b"tail")]),
    ],
)
async def test_a_request_leaves_as_these_frames(
    server: RawServer,
    connection: WebSocketConnection,
    request_: WebSocketRequest,
    frames: list[tuple[int, bytes]],
) -> None:
    peer = await server.meet(connection)
    await connection.send(request_)
    for opcode, payload in frames:
        got = await peer.read_frame()
        assert (got.opcode, got.payload) == (opcode, payload)
        assert got.first_byte & 0xF0 == 0x80, "one whole frame, no reserved bit"


BROKEN: list[tuple[Any, str]] = [
    (WebSocketJSONRequest({"price": Decimal("1.0")}), "cannot be JSON.*Decimal"),
    (WebSocketJSONRequest({"price": float("nan")}), "cannot be JSON"),
    (WebSocketJSONRequest({"at": object()}), "cannot be JSON"),
    (WebSocketPlainTextRequest({"a": 1}), "the payload is a dict; pass str"),
    (WebSocketPlainTextRequest("\ud83d"), "half of a surrogate pair"),
    (WebSocketBinaryRequest("text"), "the payload is a str; pass bytes"),
    ({"method": "SUBSCRIBE"}, "the request is a dict; pass a WebSocketJSONRequest"),
    (None, "the request is a NoneType"),
]


@pytest.mark.parametrize(("request_", "words"), BROKEN)
async def test_what_cannot_be_sent_is_refused_and_the_connection_is_fine(
    server: RawServer, connection: WebSocketConnection, request_: Any, words: str
) -> None:
    peer = await server.meet(connection)
    with pytest.raises(ConfigurationError, match=words) as caught:
        await connection.send(request_)
    assert caught.value.outcome is Outcome.NOT_SENT
    await connection.send(WebSocketPlainTextRequest("next"))
    assert (await peer.read_frame()).payload == b"next"


@pytest.mark.parametrize("payload", [b"x" * 126, "text", None])
async def test_a_ping_that_cannot_be_sent_is_refused(
    server: RawServer, connection: WebSocketConnection, payload: Any
) -> None:
    peer = await server.meet(connection)
    with pytest.raises(ConfigurationError, match="at most 125 bytes"):
        await connection.ping(payload)
    await connection.ping(b"x" * 125)
    got = await peer.read_frame()
    assert (got.opcode, got.payload) == (PING, b"x" * 125)


Act = Callable[[WebSocketConnection], Any]


@pytest.mark.parametrize(
    "act",
    [lambda ws: ws.send(WebSocketJSONRequest({})), lambda ws: ws.ping()],
    ids=["send", "ping"],
)
async def test_nothing_is_sent_while_not_connected(
    server: RawServer, connection: WebSocketConnection, act: Act
) -> None:
    def refused() -> Any:
        return pytest.raises(NotConnectedError, match=r"nothing was sent; await connect\(")

    with refused() as caught:
        await act(connection)
    assert caught.value.outcome is Outcome.NOT_SENT
    dial = asyncio.create_task(connection.connect(server.url, close_timeout_s=0.02))
    peer = await server.accept()
    with refused():
        await act(connection)
    await peer.upgrade()
    await dial
    await connection.disconnect()
    with refused():
        await act(connection)
    assert (await peer.read_frame()).opcode == CLOSE, "the first and last that arrived"


async def test_many_tasks_may_send_at_once(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    requests = [WebSocketPlainTextRequest(f"{number}" * 50_000) for number in range(10)]
    sending = asyncio.gather(*(connection.send(request) for request in requests))
    got = {(await peer.read_frame()).payload.decode() for _ in requests}
    await sending
    assert got == {request.payload for request in requests}


async def test_a_send_that_the_connection_breaks_under_is_of_unknown_outcome(
    server: RawServer, connection: WebSocketConnection
) -> None:
    class Slow(WebSocketRequest):
        async def send_with_connection(self, ws: FrameSender) -> None:
            await ws.send_str("first")
            peer.reset()
            await until_lost(connection)
            await ws.send_str(self.payload)

    peer = await server.meet(connection)
    with pytest.raises(WebSocketClosedError, match="broke while sending") as caught:
        await connection.send(Slow("second"))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.code == 1006
    assert caught.value.__context__ is None


def test_requests_compare_by_value_and_copy_deeply() -> None:
    request = WebSocketJSONRequest({"params": ["a"]}, "limit", True)
    assert request == WebSocketJSONRequest({"params": ["a"]}, "limit", True)
    assert request != WebSocketJSONRequest({"params": ["b"]}, "limit", True)
    other: WebSocketRequest = WebSocketPlainTextRequest({"params": ["a"]}, "limit", True)
    assert other != request
    request.extra = [1]  # type: ignore[attr-defined]
    twin = copy.deepcopy(request)
    assert (twin, twin.extra) == (request, [1])  # type: ignore[attr-defined]
    twin.payload["params"].append("b")
    assert request.payload == {"params": ["a"]}
    assert copy.copy(request).payload is request.payload
    assert type(copy.deepcopy(TwoFrames(b"x"))) is TwoFrames


def test_the_base_request_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        WebSocketRequest("payload")  # type: ignore[abstract]


def test_a_request_does_not_pickle() -> None:
    with pytest.raises(TypeError, match="may hold a signature"):
        pickle.dumps(WebSocketJSONRequest({"signature": "s"}))
