"""Plant secrets in every place that a WebSocket has, and look for them wherever something shows."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from networkpype import (
    Auth,
    ConfigurationError,
    Event,
    NetworkpypeError,
    RESTRequest,
    WebSocketBinaryRequest,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPlainTextRequest,
    WebSocketRequest,
)
from tests.support.raw_websocket import RawServer, close_frame, frame, until_lost

LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
TOKEN = "tok-7f3a9c1e5b"
API_KEY = "apikey-55d0c1a2"
SIGNATURE = "5f1bb1a0c2d34e"
SECRETS = (LISTEN_KEY, TOKEN, API_KEY, SIGNATURE)


def secret_url(server: RawServer) -> str:
    return f"{server.url}/{LISTEN_KEY}?token={TOKEN}&symbol=btcusdt"


HEADERS = {"X-MBX-APIKEY": API_KEY}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk an error and all that hangs on it, suppressed or not."""
    while error is not None:
        yield error
        if error.__cause__ is not None:
            yield from chain(error.__cause__)
        error = error.__context__


def shown(error: BaseException) -> str:
    """Everything that a log, a debugger or a pickle could take from the error."""
    parts = ["".join(traceback.format_exception(error))]
    for each in chain(error):
        parts += [repr(each), str(each), repr(each.args), repr(vars(each))]
        if isinstance(each, NetworkpypeError):
            parts.append(repr(pickle.dumps(each)))
    return "\n".join(parts)


def assert_clean(*texts: object) -> None:
    for text in map(str, texts):
        for secret in SECRETS:
            assert secret not in text
            assert secret[:20] not in text or len(secret) <= 20


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
        assert_clean(caplog.text)


FAILURES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "401": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", {}),
    "429": (b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", {}),
    "302": (b"HTTP/1.1 302 No\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", {}),
    "200": (b"HTTP/1.1 200 Ok\r\nContent-Length: 0\r\n\r\n", {}),
    "garbage": (b"\0\r\n\r\n", {}),
    "lost": (b"", {}),
    "stalled": (b"HTTP", {"dial_timeout_s": 0.03}),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failed_dial_shows_no_secret(
    server: RawServer, connection: WebSocketConnection, events: list[Event], failure: str
) -> None:
    answer, options = FAILURES[failure]
    dial = asyncio.create_task(
        connection.connect(secret_url(server), ws_headers=HEADERS, **options)
    )
    peer = await server.accept()
    head = await peer.read_head()
    assert LISTEN_KEY.encode() in head, "the server did get them"
    assert API_KEY.encode() in head
    await peer.write(answer)
    if failure == "lost":
        peer.reset()
    with pytest.raises(NetworkpypeError) as caught:
        await dial
    assert_clean(shown(caught.value), connection, events)
    assert "symbol=btcusdt" in str(caught.value), "what is harmless stays readable"


async def open_with_secrets(
    server: RawServer, connection: WebSocketConnection, **options: Any
) -> Any:
    dial = asyncio.create_task(
        connection.connect(secret_url(server), ws_headers=HEADERS, close_timeout_s=0.02, **options)
    )
    peer = await server.accept()
    await peer.upgrade()
    await dial
    return peer


@pytest.mark.parametrize(
    "reason", [f"listen key {LISTEN_KEY} expired", f"bad {TOKEN}", f"key {API_KEY}"]
)
async def test_a_close_reason_that_echoes_a_secret_is_masked(
    server: RawServer, connection: WebSocketConnection, events: list[Event], reason: str
) -> None:
    peer = await open_with_secrets(server, connection)
    await peer.write(close_frame(4001, reason))
    with pytest.raises(WebSocketClosedError) as caught:
        await connection.receive()
    assert "***" in caught.value.reason
    assert_clean(shown(caught.value), connection, events)


async def test_a_message_timeout_and_a_dead_peer_show_no_secret(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    await open_with_secrets(server, connection, ping_timeout=0.04, message_timeout=0.02)
    manager = WebSocketManager(connection)
    assert_clean(repr(manager), repr(connection), str(connection))
    while connection.connected:
        with pytest.raises(NetworkpypeError) as caught:
            await manager.receive()
        assert_clean(shown(caught.value), manager, events)
    assert isinstance(caught.value, WebSocketClosedError)


async def test_connecting_twice_and_wrong_arguments_show_no_secret(
    server: RawServer, connection: WebSocketConnection
) -> None:
    await open_with_secrets(server, connection)
    with pytest.raises(NetworkpypeError) as caught:
        await connection.connect(secret_url(server))
    assert_clean(shown(caught.value))
    await connection.disconnect()
    wrong: list[dict[str, Any]] = [
        {"ws_url": secret_url(server).replace("ws://", "ftp://")},
        {"ws_url": secret_url(server), "ws_headers": {"X-Key": API_KEY + "\r\n"}},
        {"ws_url": secret_url(server), "ssl": "off"},
    ]
    for arguments in wrong:
        with pytest.raises(ConfigurationError) as refused:
            await connection.connect(**arguments)
        assert_clean(shown(refused.value))


LOGIN = {"op": "login", "args": {"apiKey": API_KEY, "signature": SIGNATURE}}


class Sign(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        request.payload["signature"] = SIGNATURE
        return request


@pytest.mark.parametrize(
    "request_",
    [
        WebSocketJSONRequest(LOGIN, "private", True),
        WebSocketPlainTextRequest(SIGNATURE),
        WebSocketBinaryRequest(SIGNATURE.encode()),
    ],
)
def test_a_request_shows_its_kind_and_not_its_payload(request_: WebSocketRequest) -> None:
    assert_clean(repr(request_), str(request_), f"{request_}", [request_])
    assert type(request_).__name__ in repr(request_)
    assert type(request_.payload).__name__ in repr(request_)


async def test_a_failed_send_shows_no_secret(
    server: RawServer, connection: WebSocketConnection
) -> None:
    manager = WebSocketManager(connection, auth=Sign())
    sends: list[WebSocketRequest] = [
        WebSocketJSONRequest({**LOGIN, "x": object()}, is_auth_required=True),
        WebSocketJSONRequest({**LOGIN, "x": float("nan")}, is_auth_required=True),
        WebSocketPlainTextRequest(f"{SIGNATURE}\ud83d"),
        WebSocketPlainTextRequest(LOGIN),
        WebSocketJSONRequest(LOGIN, "no such limit", is_auth_required=True),
    ]
    peer = await open_with_secrets(server, connection)
    for request in sends:
        with pytest.raises(ConfigurationError) as refused:
            await manager.send(request)
        assert_clean(shown(refused.value))
    peer.reset()
    await until_lost(connection)
    with pytest.raises(NetworkpypeError) as caught:
        await manager.send(WebSocketJSONRequest(LOGIN))
    assert_clean(shown(caught.value))
    with pytest.raises(NetworkpypeError) as private:
        await WebSocketManager(connection).send(WebSocketJSONRequest(LOGIN, is_auth_required=True))
    assert_clean(shown(private.value))


async def test_a_broken_frame_shows_no_secret(
    server: RawServer, connection: WebSocketConnection, events: list[Event]
) -> None:
    peer = await open_with_secrets(server, connection)
    await peer.write(frame(1, '{"listenKey":"' + LISTEN_KEY), frame(3))
    with pytest.raises(NetworkpypeError) as caught:
        await connection.receive()
    error = caught.value
    assert LISTEN_KEY.encode() in error.raw, "the caller may look"  # type: ignore[attr-defined]
    assert_clean(traceback.format_exception(error), repr(error), repr(pickle.dumps(error)))
    with pytest.raises(WebSocketClosedError) as closed:
        await connection.receive()
    assert_clean(shown(closed.value), events)
