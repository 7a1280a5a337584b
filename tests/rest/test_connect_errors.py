"""What goes wrong before a byte is sent: name, port, proxy, certificate."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
import trustme
from aiohttp.abc import AbstractResolver

from networkpype import (
    ConnectFailedError,
    ConnectionsFactory,
    Outcome,
    TLSError,
    TransportError,
)
from tests.support.example_host import ExampleTLS
from tests.support.raw_server import Peer, RawServer, answer, answering
from tests.support.signing import LIMIT_ID, rest_manager


class NoSuchName(AbstractResolver):
    async def resolve(self, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def close(self) -> None:
        """Hold nothing."""


async def connect_failure(url: str, **options: Any) -> ConnectFailedError:
    call = options.pop("call", {})
    connections = ConnectionsFactory(**options)
    async with rest_manager(connections_factory=connections) as manager:
        with pytest.raises(ConnectFailedError) as caught:
            await manager.execute_request(url, LIMIT_ID, timeout=2, **call)
    error = caught.value
    assert error.outcome is Outcome.NOT_SENT
    assert isinstance(error, (TransportError, ConnectionError, OSError))
    assert (error.__cause__, error.__context__) == (None, None)
    return error


async def test_nobody_listens(unused_tcp_port: int) -> None:
    error = await connect_failure(f"http://127.0.0.1:{unused_tcp_port}/v1")
    assert str(error) == (
        f"GET http://127.0.0.1:{unused_tcp_port}/v1: "
        "no connection (ClientConnectorError: Connection refused)"
    )


async def test_the_name_does_not_resolve() -> None:
    error = await connect_failure("http://api.exchange.invalid/", resolver=NoSuchName())
    assert "Name or service not known" in str(error)
    assert "GET http://api.exchange.invalid/" in str(error)


async def test_the_proxy_refuses_and_its_password_stays_hidden(unused_tcp_port: int) -> None:
    proxy = f"http://user:proxy-password@127.0.0.1:{unused_tcp_port}"
    error = await connect_failure("http://127.0.0.1:9/", call={"proxy": proxy})
    assert "proxy-password" not in repr(error)


async def test_the_proxy_will_not_connect() -> None:
    raw = answer(b"", "407 Proxy Authentication Required")
    async with RawServer(answering(raw)) as server:
        proxy = server.url.replace("//", "//user:proxy-password@")
        error = await connect_failure("https://127.0.0.1:9/", call={"proxy": proxy})
    assert "Proxy Authentication Required" in str(error)
    assert "proxy-password" not in repr(error)


async def test_a_certificate_that_nobody_vouches_for(example_tls: ExampleTLS) -> None:
    async with RawServer(answering(answer()), example_tls.server) as server:
        error = await connect_failure(server.url)
        assert server.requests == []
    assert isinstance(error, TLSError)
    assert "unable to get local issuer certificate" in str(error)


async def test_a_certificate_of_another_host(example_tls: ExampleTLS) -> None:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    async with RawServer(answering(answer()), server_context) as server:
        error = await connect_failure(server.url, ssl_context=client_context)
        assert server.requests == []
    assert isinstance(error, TLSError)
    assert "IP address mismatch" in str(error)


async def test_a_server_that_speaks_no_tls() -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with RawServer(plain) as server:
        error = await connect_failure(server.url.replace("http:", "https:"))
    assert isinstance(error, TLSError)
    assert "WRONG_VERSION_NUMBER" in str(error)


async def test_a_server_that_hangs_up_in_the_handshake() -> None:
    async def hang_up(peer: Peer) -> None:
        peer.reset()

    async with RawServer(hang_up) as server:
        await connect_failure(server.url.replace("http:", "https:"))


async def test_a_private_authority_is_trusted_where_its_context_is_given(
    example_tls: ExampleTLS,
) -> None:
    connections = ConnectionsFactory(ssl_context=example_tls.client)
    async with (
        RawServer(answering(answer(b"1")), example_tls.server) as server,
        rest_manager(connections_factory=connections) as manager,
    ):
        assert await manager.execute_request(server.url, LIMIT_ID) == 1
