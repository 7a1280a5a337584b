from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import aiohttp
import pytest
import trustme

from networkpype import (
    AlreadyConnectedError,
    ConnectFailedError,
    ConnectionsFactory,
    Event,
    NotConnectedError,
    Outcome,
    RequestTimeoutError,
    TLSError,
    WebSocketClosed,
    WebSocketConnection,
    WebSocketOpened,
)
from networkpype.testing import MockExchange
from tests.support.raw_websocket import (
    TEXT,
    RawServer,
    ended_in_time,
    frame,
    no_socket_left,
    until_lost,
)


async def test_the_handshake_is_what_was_asked_for(
    server: RawServer, connection: WebSocketConnection
) -> None:
    url = server.url + "?topic=a%2Fb&x=1"
    dial = asyncio.create_task(
        connection.connect(
            url, ws_headers={"X-Api": "k"}, subprotocols=["v2", "v1"], origin="https://example.com"
        )
    )
    peer = await server.accept()
    await peer.upgrade("Sec-WebSocket-Protocol: v1")
    await dial
    assert peer.head.startswith(b"GET /ws?topic=a%2Fb&x=1 HTTP/1.1\r\n")
    sent = {name: peer.header(name) for name in ("X-Api", "Origin", "Sec-WebSocket-Protocol")}
    assert sent == {
        "X-Api": "k",
        "Origin": "https://example.com",
        "Sec-WebSocket-Protocol": "v2,v1",
    }
    assert connection.connected


async def test_what_comes_with_the_upgrade_is_not_lost(
    server: RawServer, connection: WebSocketConnection
) -> None:
    dial = asyncio.create_task(connection.connect(server.url))
    peer = await server.accept()
    await peer.upgrade(then=frame(TEXT, '"first"'))
    await dial
    response = await connection.receive()
    assert response is not None
    assert response.data == "first"


@asynccontextmanager
async def full_listener() -> AsyncIterator[str]:
    """Listen with a line that is full: the next who connects gets no answer (Linux)."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        await asyncio.sleep(0.02)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"


async def begin_to_answer(server: RawServer) -> None:
    await (await server.accept()).write(b"HTTP/1.1 101 Switching Protocols\r\nUpgr")


@pytest.mark.parametrize("stage", ["tcp", "tls", "upgrade", "headers"])
async def test_a_stall_ends_at_the_deadline_with_nothing_left_open(
    connections: ConnectionsFactory, stage: str
) -> None:
    connection = await connections.get_ws_connection()
    with no_socket_left():
        async with RawServer() as server, full_listener() as full_url:
            urls = {"tcp": full_url, "tls": server.url.replace("ws:", "wss:")}
            url = urls.get(stage, server.url)
            dial = asyncio.create_task(connection.connect(url, dial_timeout_s=0.2))
            if stage == "headers":
                await begin_to_answer(server)
            await ended_in_time(dial, 0.2)
            with pytest.raises(RequestTimeoutError, match=r"not connected within 0\.2 s") as caught:
                await dial
            if stage in ("tls", "upgrade"):
                await (await server.accept()).read_end()
    assert caught.value.outcome is Outcome.NOT_SENT
    assert not connection.connected


async def test_a_refused_port(connection: WebSocketConnection) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(ConnectFailedError, match="no connection") as caught:
            await connection.connect(f"ws://127.0.0.1:{port}/ws")
    assert caught.value.outcome is Outcome.NOT_SENT


class NoName(aiohttp.abc.AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        raise OSError(None, "no such name")

    async def close(self) -> None: ...


async def test_a_name_that_does_not_resolve() -> None:
    async with ConnectionsFactory(resolver=NoName()) as connections:
        connection = await connections.get_ws_connection()
        with pytest.raises(ConnectFailedError) as caught:
            await connection.connect("wss://api.example.com/ws")
    assert caught.value.outcome is Outcome.NOT_SENT


@pytest.fixture
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_an_untrusted_certificate_is_refused(
    connection: WebSocketConnection, certificate: ssl.SSLContext
) -> None:
    async with MockExchange(ssl_context=certificate) as exchange:
        with pytest.raises(TLSError, match="TLS failed"):
            await connection.connect(exchange.ws_url)
        assert exchange.received == []


async def test_verification_is_switched_off_loudly_or_not_at_all(
    connection: WebSocketConnection,
    certificate: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with MockExchange(ssl_context=certificate) as exchange:
        with caplog.at_level(logging.WARNING, "networkpype"):
            await connection.connect(exchange.ws_url, verify_ssl=False)
        assert connection.connected
        assert "TLS is not verified" in caplog.text
        await connection.disconnect()


async def test_connecting_twice_is_refused_and_harms_nothing(
    server: RawServer, connection: WebSocketConnection
) -> None:
    peer = await server.meet(connection)
    with pytest.raises(AlreadyConnectedError, match=r"already connected.*disconnect\(\) first"):
        await connection.connect(server.url)
    await peer.write(frame(TEXT, "1"))
    response = await connection.receive()
    assert response is not None
    assert response.data == 1
    assert server.connections == 1


async def test_connecting_while_dialing_is_refused_and_harms_nothing(
    server: RawServer, connection: WebSocketConnection
) -> None:
    dial = asyncio.create_task(connection.connect(server.url))
    peer = await server.accept()
    with pytest.raises(AlreadyConnectedError, match="already connecting"):
        await connection.connect(server.url)
    await peer.upgrade()
    await dial
    assert connection.connected
    assert server.connections == 1


async def test_dialing_again_after_each_kind_of_end(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    await server.meet(connection)
    await connection.disconnect()
    peer = await server.meet(connection)
    peer.reset()
    await until_lost(connection)
    peer = await server.meet(connection)
    await peer.write(frame(TEXT, '"third"'))
    response = await connection.receive()
    assert response is not None
    assert response.data == "third"
    opened_and_closed = [type(event) for event in events]
    assert opened_and_closed == [WebSocketOpened, WebSocketClosed] * 2 + [WebSocketOpened]
    unread = events[3]
    assert isinstance(unread, WebSocketClosed)
    assert (unread.code, unread.expected) == (1006, False)


async def test_a_failed_dial_leaves_the_connection_usable(
    server: RawServer, connection: WebSocketConnection
) -> None:
    dial = asyncio.create_task(connection.connect(server.url))
    (await server.accept()).hang_up()
    with pytest.raises(ConnectFailedError):
        await dial
    await server.meet(connection)
    assert connection.connected


async def test_a_dial_cancelled_at_any_step_leaks_nothing(connections: ConnectionsFactory) -> None:
    connection = await connections.get_ws_connection()
    for steps in range(200):
        with no_socket_left():
            async with RawServer() as server:

                async def greet(server: RawServer = server) -> None:
                    await (await server.accept()).upgrade()

                greeting = asyncio.create_task(greet())
                dial = asyncio.create_task(connection.connect(server.url, close_timeout_s=0.02))
                for _ in range(steps):
                    await asyncio.sleep(0)
                done = dial.done()
                dial.cancel()
                greeting.cancel()
                await asyncio.wait([dial, greeting])
                assert dial.cancelled() is not done
                assert connection.connected is done
                await connection.disconnect()
        if done:
            return
    pytest.fail("the dial never ended")


async def test_disconnecting_while_dialing_leaves_no_connection_behind(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    dial = asyncio.create_task(connection.connect(server.url))
    peer = await server.accept()
    await connection.disconnect()
    await peer.upgrade()
    with pytest.raises(NotConnectedError, match=r"disconnect\(\) was called while dialing"):
        await dial
    assert await peer.read_end() == b""
    assert not connection.connected
    assert events == []
    await server.meet(connection)
    assert connection.connected


async def test_a_closed_session_is_told_from_a_failed_dial(connections: ConnectionsFactory) -> None:
    connection = await connections.get_ws_connection()
    await connections.close()
    with pytest.raises(NotConnectedError, match="session is closed"):
        await connection.connect("ws://127.0.0.1:9/ws")
