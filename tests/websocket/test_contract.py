"""What users of networkpype 1.1.5 wrote keeps working: names, order, defaults, builtin errors."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from networkpype import (
    AlreadyConnectedError,
    ConcurrentReceiveError,
    MessageTimeoutError,
    NotConnectedError,
    WebSocketClosedError,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPlainTextRequest,
    WebSocketPostProcessor,
    WebSocketPreProcessor,
    WebSocketRequest,
    WebSocketResponse,
)
from networkpype.testing import MockExchange
from tests.support.raw_websocket import BINARY, TEXT, RawServer, frame

REQUIRED = inspect.Parameter.empty

POSITIONAL: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (WebSocketConnection, {"aiohttp_client_session": REQUIRED}),
    (
        WebSocketConnection.connect,
        {
            "ws_url": REQUIRED,
            "ping_timeout": 10,
            "auto_ping": False,
            "message_timeout": None,
            "ws_headers": None,
            "verify_ssl": True,
        },
    ),
    (WebSocketConnection.disconnect, {}),
    (WebSocketConnection.send, {"request": REQUIRED}),
    (WebSocketConnection.receive, {}),
    (
        WebSocketManager,
        {
            "connection": REQUIRED,
            "ws_pre_processors": None,
            "ws_post_processors": None,
            "auth": None,
        },
    ),
    (WebSocketManager.connect, {"ws_url": REQUIRED}),
    (WebSocketManager.disconnect, {}),
    (WebSocketManager.subscribe, {"request": REQUIRED}),
    (WebSocketManager.send, {"request": REQUIRED}),
    (WebSocketManager.receive, {}),
    (WebSocketManager.iter_messages, {}),
    (
        WebSocketJSONRequest,
        {"payload": REQUIRED, "throttler_limit_id": None, "is_auth_required": False},
    ),
    (
        WebSocketPlainTextRequest,
        {"payload": REQUIRED, "throttler_limit_id": None, "is_auth_required": False},
    ),
    (WebSocketRequest.send_with_connection, {"connection": REQUIRED}),
    (WebSocketResponse, {"data": REQUIRED}),
    (WebSocketPreProcessor.pre_process, {"request": REQUIRED}),
    (WebSocketPostProcessor.post_process, {"response": REQUIRED}),
]


@pytest.mark.parametrize(("function", "expected"), POSITIONAL)
def test_positional_parameters_have_their_old_order_and_defaults(
    function: Callable[..., Any], expected: dict[str, Any]
) -> None:
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    assert list(parameters.items()) == list(expected.items())


@pytest.mark.parametrize(("function", "expected"), POSITIONAL)
def test_what_is_new_is_keyword_only_and_optional(
    function: Callable[..., Any], expected: dict[str, Any]
) -> None:
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in expected and name not in ("self", "payload"):
            assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
            assert parameter.kind is parameter.VAR_KEYWORD or parameter.default is not REQUIRED


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("connection", ["WebSocketConnection"]),
        ("manager", ["WebSocketManager"]),
        ("response", ["WebSocketResponse"]),
        ("request", ["WebSocketRequest", "WebSocketJSONRequest", "WebSocketPlainTextRequest"]),
        ("processor.base", ["WebSocketPreProcessor", "WebSocketPostProcessor"]),
    ],
)
def test_the_old_import_paths_hold(module: str, names: list[str]) -> None:
    room = importlib.import_module(f"networkpype.websocket.{module}")
    assert set(names) <= set(room.__all__)


def test_requests_and_responses_are_dataclasses() -> None:
    fields = ["payload", "throttler_limit_id", "is_auth_required"]
    assert [field.name for field in dataclasses.fields(WebSocketJSONRequest)] == fields
    assert [field.name for field in dataclasses.fields(WebSocketResponse)] == ["data"]
    assert WebSocketResponse({"a": 1}) == WebSocketResponse({"a": 1})


@pytest.mark.parametrize("kind", [WebSocketPreProcessor, WebSocketPostProcessor, WebSocketRequest])
def test_processors_and_the_base_request_are_abstract(kind: type) -> None:
    assert inspect.isabstract(kind)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (NotConnectedError, RuntimeError),
        (AlreadyConnectedError, RuntimeError),
        (ConcurrentReceiveError, RuntimeError),
        (MessageTimeoutError, TimeoutError),
        (MessageTimeoutError, asyncio.TimeoutError),
        (WebSocketClosedError, ConnectionError),
    ],
)
def test_errors_are_the_builtins_that_programs_catch(error: type, builtin: type) -> None:
    assert issubclass(error, builtin)


async def test_a_program_of_old(exchange: MockExchange, connection: WebSocketConnection) -> None:
    manager = WebSocketManager(connection, None, None, None)
    await manager.connect(
        exchange.ws_url,
        ping_timeout=10,
        auto_ping=False,
        message_timeout=5,
        ws_headers={"X-Client": "old"},
        verify_ssl=True,
    )
    await manager.subscribe(WebSocketJSONRequest({"method": "SUBSCRIBE", "params": ["x@ticker"]}))
    await manager.send(WebSocketPlainTextRequest(payload='{"method":"PING","id":1}'))
    await manager.ping()
    kinds = set()
    async for response in manager.iter_messages():
        assert isinstance(response, WebSocketResponse)
        kinds.add("result" if "result" in response.data else response.data["stream"])
        if len(kinds) == 2:
            break
    assert kinds == {"result", "x@ticker"}
    assert (await manager.receive()) is not None
    assert manager.last_recv_time > 1_700_000_000
    await manager.disconnect()
    await manager.disconnect()


async def test_connect_takes_its_arguments_by_position(
    server: RawServer, connection: WebSocketConnection
) -> None:
    dial = asyncio.create_task(
        connection.connect(server.url, None, True, 0.01, {"X-A": "b"}, True, close_timeout_s=0.02)
    )
    peer = await server.accept()
    await peer.upgrade()
    await dial
    assert peer.header("X-A") == "b"
    with pytest.raises(asyncio.TimeoutError):
        await connection.receive()
    await peer.write(frame(TEXT, "pong"), frame(BINARY, b"\x00"))
    received = [await connection.receive(), await connection.receive()]
    assert received == [WebSocketResponse("pong"), WebSocketResponse(b"\x00")]
