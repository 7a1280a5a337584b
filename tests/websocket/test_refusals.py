"""The server does not want to: every refusal of the upgrade is typed and final."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    ConnectFailedError,
    HTTPAuthenticationError,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimitedError,
    RedirectRefusedError,
    WebSocketConnection,
)
from tests.support.raw_websocket import Peer, RawServer


async def refused(
    server: RawServer, connection: WebSocketConnection, *answer: str, accept: str | None = None
) -> NetworkpypeError:
    """Dial, answer so, assert that nothing stayed open, and return the error."""
    dial = asyncio.create_task(connection.connect(server.url))
    peer = await server.accept()
    if accept is None:
        await peer.read_head()
        await peer.answer(*answer, "Connection: close")
    else:
        await peer.upgrade(accept=accept)
    with pytest.raises(NetworkpypeError) as caught:
        await dial
    assert await peer.read_end() == b""
    assert not connection.connected
    await server.meet(connection)  # and it can be dialed again
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        ("400 Bad Request", HTTPStatusError, Outcome.REJECTED),
        ("401 Unauthorized", HTTPAuthenticationError, Outcome.REJECTED),
        ("403 Forbidden", HTTPAuthenticationError, Outcome.REJECTED),
        ("404 Not Found", HTTPStatusError, Outcome.REJECTED),
        ("426 Upgrade Required", HTTPStatusError, Outcome.REJECTED),
        ("429 Too Many Requests", RateLimitedError, Outcome.REJECTED),
        ("500 Internal Server Error", HTTPStatusError, Outcome.UNKNOWN),
        ("503 Service Unavailable", HTTPStatusError, Outcome.UNKNOWN),
    ],
)
async def test_an_error_status_is_typed(
    server: RawServer,
    connection: WebSocketConnection,
    status: str,
    kind: type[HTTPStatusError],
    outcome: Outcome,
) -> None:
    error = await refused(server, connection, status, "X-Why: because")
    assert type(error) is kind
    assert isinstance(error, HTTPStatusError)
    assert (error.status, error.outcome) == (int(status[:3]), outcome)
    assert error.headers["X-Why"] == "because"
    assert (error.url, error.body) == (server.url, "")
    assert str(error).startswith(f"WebSocket {server.url}: HTTP {status[:3]}: the upgrade was")


async def test_401_and_403_say_which(server: RawServer, connection: WebSocketConnection) -> None:
    for status, reason in (
        ("401 X", AuthenticationFailure.REJECTED),
        ("403 X", AuthenticationFailure.PERMISSION),
    ):
        error = await refused(server, connection, status)
        assert isinstance(error, AuthenticationError)
        assert error.reason is reason
        await connection.disconnect()


@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        ("429 X", "Retry-After: 17", 17.0),
        ("429 X", "X: y", None),
        ("418 X", "Retry-After: 120", 120.0),
        ("503 X", "Retry-After: 2.5", 2.5),
    ],
)
async def test_the_servers_wait_is_kept(
    server: RawServer,
    connection: WebSocketConnection,
    status: str,
    header: str,
    wait: float | None,
) -> None:
    error = await refused(server, connection, status, header)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == wait


async def test_what_the_server_echoes_of_a_secret_is_masked(
    server: RawServer, connection: WebSocketConnection
) -> None:
    listen_key, token, key = "5f1b" * 16, "tok+7f3a9c1e5b", "apikey-55d0c1a2"
    url = f"{server.url}/{listen_key}?symbol=btc;token={token}"
    dial = asyncio.create_task(connection.connect(url, ws_headers={"X-Key": key}))
    peer = await server.accept()
    head = await peer.read_head()
    for secret in (listen_key, token, key):
        assert secret.encode() in head, "the server did get it"
    echoes = f"X-Echo: {listen_key.upper()} {token.replace('+', '%2B')} {key}", f"X-{key}: btc"
    await peer.answer("401 No", *echoes, "Connection: close")
    with pytest.raises(HTTPAuthenticationError) as caught:
        await dial
    assert caught.value.headers["X-Echo"] == "*** *** ***"
    assert caught.value.url == f"{server.url}/***?symbol=btc;token=***"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["200 OK"], "HTTP 200, handshake failed"),
        (["101 X", "Upgrade: h2c", "Connection: Upgrade"], "Invalid upgrade header"),
        (["101 X", "Upgrade: websocket"], "Invalid connection header"),
        (["101 X", "Upgrade: websocket", "Connection: Upgrade"], "Invalid challenge"),
        (["abc", "\0"], "no connection"),
    ],
)
async def test_an_answer_that_is_no_handshake_is_no_connection(
    server: RawServer, connection: WebSocketConnection, answer: list[str], words: str
) -> None:
    error = await refused(server, connection, *answer)
    assert type(error) is ConnectFailedError
    assert error.outcome is Outcome.NOT_SENT
    assert words in str(error)


async def test_a_wrong_accept_key_is_no_connection(
    server: RawServer, connection: WebSocketConnection
) -> None:
    error = await refused(server, connection, accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    assert type(error) is ConnectFailedError
    assert "Invalid challenge response" in str(error)


@pytest.mark.parametrize("end", [Peer.hang_up, Peer.reset])
@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 101 Switch"])
async def test_a_connection_lost_in_the_upgrade_was_none(
    server: RawServer, connection: WebSocketConnection, end: Any, begin: bytes
) -> None:
    dial = asyncio.create_task(connection.connect(server.url))
    peer = await server.accept()
    await peer.read_head()
    await peer.write(begin)
    end(peer)
    with pytest.raises(ConnectFailedError, match="lost in the upgrade") as caught:
        await dial
    assert caught.value.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_its_target_sees_nothing(
    server: RawServer, connection: WebSocketConnection, status: int
) -> None:
    async with RawServer() as target:
        location = target.url.replace("ws:", "http:")
        error = await refused(server, connection, f"{status} Elsewhere", f"Location: {location}")
        assert isinstance(error, RedirectRefusedError)
        assert (error.status, error.outcome) == (status, Outcome.NOT_SENT)
        assert target.connections == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"ws_url": "127.0.0.1/ws"}, "no scheme"),
    ({"ws_url": "ftp://example.com"}, "no scheme that can be sent"),
    ({"ws_url": "wss://user:pw@example.com/ws"}, "user info"),
    ({"ws_url": "ws://example.com:port/ws"}, "port that is no number"),
    ({"ws_url": None}, "ws_url is a NoneType; pass str"),
    ({"ws_url": b"ws://example.com"}, "ws_url is a bytes; pass str"),
    ({"ws_headers": {"X": "a\r\nY: b"}}, "control character"),
    ({"ws_headers": {"X\n": "a"}}, "not a token"),
    ({"ws_headers": {"X": 1}}, "pass it as str"),
    ({"ws_headers": "X: 1"}, "ws_headers is a str; pass a mapping"),
    ({"origin": "https://a\r\nX: y"}, "control character"),
    ({"proxy_headers": {"X": "\0"}}, "control character"),
    ({"subprotocols": "v1"}, r"subprotocols is 'v1'; pass a list"),
    ({"subprotocols": ["v1\r\nX: y"]}, "pass a list of tokens"),
    ({"subprotocols": [1]}, "pass a list of tokens"),
    ({"subprotocols": 1}, "pass a list of tokens"),
    ({"ping_timeout": -1}, "ping_timeout is -1; pass seconds above zero"),
    ({"ping_timeout": float("nan")}, "ping_timeout is nan"),
    ({"ping_timeout": "10"}, "ping_timeout is '10'"),
    ({"message_timeout": 0}, "message_timeout is 0"),
    ({"message_timeout": float("inf")}, "message_timeout is inf"),
    ({"dial_timeout_s": 0}, "dial_timeout_s is 0"),
    ({"dial_timeout_s": None}, "dial_timeout_s is None"),
    ({"close_timeout_s": 0}, "close_timeout_s is 0"),
    ({"close_timeout_s": True}, "close_timeout_s is True"),
    ({"max_message_bytes": 0}, "max_message_bytes is 0; pass an int from 1"),
    ({"max_message_bytes": 1.5}, r"max_message_bytes is 1\.5"),
    ({"max_message_bytes": 2**31}, "max_message_bytes is 2147483648"),
    ({"compression": "brotli"}, "compression 'brotli' is unknown"),
    ({"heartbeat": 5}, "no option heartbeat; beside its own it takes origin, proxy"),
    ({"autoping": True}, "no option autoping"),
    ({"ssl": "off"}, "refused an option"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
async def test_a_wrong_argument_is_named_before_anything_is_sent(
    server: RawServer, connection: WebSocketConnection, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        await connection.connect(**{"ws_url": server.url, **arguments})
    assert caught.value.outcome is Outcome.NOT_SENT
    assert server.connections == 0
    await server.meet(connection)  # a mistake does not lock the connection


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"aiohttp_client_session": None}, "pass an aiohttp.ClientSession"),
        ({"json_loads": "orjson"}, "json_loads is a str; pass a callable"),
        ({"hook": 5}, "hook is a int; pass a callable"),
    ],
)
async def test_a_wrong_argument_of_the_constructor(arguments: dict[str, Any], words: str) -> None:
    class Session:
        ws_connect = None

    with pytest.raises(ConfigurationError, match=words):
        WebSocketConnection(**{"aiohttp_client_session": Session(), **arguments})
