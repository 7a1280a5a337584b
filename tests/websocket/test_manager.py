"""In what order the manager works, seen from the server."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    Auth,
    ConfigurationError,
    ConnectionManagersFactory,
    MissingCredentialsError,
    NotConnectedError,
    Outcome,
    RateLimit,
    RESTRequest,
    UnknownLimitError,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPostProcessor,
    WebSocketPreProcessor,
    WebSocketRequest,
    WebSocketResponse,
)
from networkpype.testing import FakeClock, MockExchange


class Note(WebSocketPreProcessor, WebSocketPostProcessor):
    """Write a mark into whatever passes."""

    def __init__(self, mark: str, log: list[str] | None = None) -> None:
        self._mark = mark
        self._log = [] if log is None else log

    async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
        self._log.append(f"pre {self._mark}")
        request.payload.setdefault("marks", []).append(self._mark)
        return request

    async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
        return WebSocketResponse([self._mark, response.data])


class Sign(Auth):
    """Sign what it is given, and remember it."""

    def __init__(self, log: list[str] | None = None) -> None:
        super().__init__()
        self.given: list[WebSocketRequest] = []
        self._log = [] if log is None else log

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        self._log.append("auth")
        self.given.append(request)
        request.payload["signature"] = "signed " + ",".join(request.payload.get("marks", []))
        return request


def sent(exchange: MockExchange) -> list[Any]:
    return [json.loads(received.data) for received in exchange.ws_received]


async def connected(
    connection: WebSocketConnection, exchange: MockExchange, *args: Any, **kwargs: Any
) -> WebSocketManager:
    manager = WebSocketManager(connection, *args, **kwargs)
    await manager.connect(exchange.ws_url)
    return manager


async def test_processors_run_in_order_and_the_signature_comes_last(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    log: list[str] = []
    auth = Sign(log)
    manager = await connected(connection, exchange, [Note("1", log), Note("2", log)], None, auth)
    request = WebSocketJSONRequest({"method": "PING", "deep": {"a": [1]}}, is_auth_required=True)
    await manager.send(request)
    await exchange.until(lambda: exchange.ws_received)
    assert log == ["pre 1", "pre 2", "auth"]
    assert sent(exchange) == [
        {"method": "PING", "deep": {"a": [1]}, "marks": ["1", "2"], "signature": "signed 1,2"}
    ]
    assert request == WebSocketJSONRequest(
        {"method": "PING", "deep": {"a": [1]}}, is_auth_required=True
    ), "the caller's request never changes"
    assert auth.given[0].payload["deep"]["a"] is not request.payload["deep"]["a"]


async def test_a_public_message_is_not_signed(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    auth = Sign()
    manager = await connected(connection, exchange, auth=auth)
    await manager.subscribe(WebSocketJSONRequest({"method": "PING"}))
    await exchange.until(lambda: exchange.ws_received)
    assert sent(exchange) == [{"method": "PING"}]
    assert auth.given == []


async def test_a_private_message_without_auth_is_refused_and_nothing_is_sent(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    class MakePrivate(WebSocketPreProcessor):
        async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
            request.is_auth_required = True
            return request

    plain = await connected(connection, exchange)
    with pytest.raises(MissingCredentialsError, match="pass auth= to ConnectionManagersFactory"):
        await plain.send(WebSocketJSONRequest({"op": "login"}, is_auth_required=True))
    turning = WebSocketManager(connection, [MakePrivate()])
    with pytest.raises(MissingCredentialsError):
        await turning.send(WebSocketJSONRequest({"op": "login"}))
    await plain.send(WebSocketJSONRequest({"method": "PING"}))
    await exchange.until(lambda: exchange.ws_received)
    assert sent(exchange) == [{"method": "PING"}]


async def test_post_processors_run_in_order_on_every_way_of_receiving(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    manager = await connected(connection, exchange, None, [Note("1"), Note("2")])
    for id_ in (1, 2):
        await manager.send(WebSocketJSONRequest({"method": "PING", "id": id_}))
    response = await manager.receive()
    assert response == WebSocketResponse(["2", ["1", {"result": "pong", "id": 1}]])
    async for response in manager.iter_messages():
        assert response.data == ["2", ["1", {"result": "pong", "id": 2}]]
        break


class Forgetful(WebSocketPreProcessor, WebSocketPostProcessor, Auth):
    async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
        return None  # type: ignore[return-value]

    async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
        return None  # type: ignore[return-value]

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return None  # type: ignore[return-value]

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return None  # type: ignore[return-value]


async def test_whoever_forgets_to_return_is_named(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    forgetful = Forgetful()
    manager = await connected(connection, exchange, [forgetful])
    with pytest.raises(ConfigurationError, match=r"Forgetful\.pre_process returned NoneType"):
        await manager.send(WebSocketJSONRequest({}))
    manager = WebSocketManager(connection, auth=forgetful)
    with pytest.raises(ConfigurationError, match=r"Forgetful\.ws_authenticate returned NoneType"):
        await manager.send(WebSocketJSONRequest({}, is_auth_required=True))
    assert sent(exchange) == []
    manager = WebSocketManager(connection, None, [forgetful])
    await manager.send(WebSocketJSONRequest({"method": "PING"}))
    with pytest.raises(ConfigurationError, match=r"Forgetful\.post_process returned NoneType"):
        await manager.receive()
    await manager.send(WebSocketJSONRequest({"method": "PING"}))
    with pytest.raises(ConfigurationError, match="must return a WebSocketResponse"):
        await anext(manager.iter_messages())


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"connection": "ws"}, r"connection: a str has no receive\(\)"),
        ({"ws_pre_processors": [5]}, r"ws_pre_processors: a int has no pre_process\(\)"),
        ({"ws_post_processors": [5]}, r"ws_post_processors: a int has no post_process\(\)"),
        ({"auth": "key"}, r"auth: a str has no ws_authenticate\(\)"),
        ({"throttler": 5}, r"throttler: a int has no execute_task\(\)"),
    ],
)
async def test_a_wrong_part_is_named(
    connection: WebSocketConnection, argument: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        WebSocketManager(**{"connection": connection, **argument})


async def test_a_request_that_is_none_is_refused(connection: WebSocketConnection) -> None:
    with pytest.raises(ConfigurationError, match="the request is a dict"):
        await WebSocketManager(connection).send({})  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def factory() -> AsyncIterator[ConnectionManagersFactory]:
    limits = [RateLimit("orders", limit=1, time_interval=0.05)]
    throttler = AsyncThrottler(limits, safety_margin_pct=0)
    async with ConnectionManagersFactory(throttler) as factory:
        yield factory


async def test_a_limit_is_kept_and_order_too(
    exchange: MockExchange, factory: ConnectionManagersFactory
) -> None:
    async with await factory.get_ws_manager() as manager:
        await manager.connect(exchange.ws_url)
        requests = [WebSocketJSONRequest({"id": id_}, "orders") for id_ in range(4)]
        await asyncio.gather(*(manager.send(request) for request in requests))
        await exchange.until(lambda: len(exchange.ws_received) == 4)
        assert [message["id"] for message in sent(exchange)] == [0, 1, 2, 3]
        arrivals = [frame.arrived_at for frame in exchange.ws_received]
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
        assert min(gaps) > 0.045


async def test_a_message_without_a_limit_waits_for_none(
    exchange: MockExchange, factory: ConnectionManagersFactory
) -> None:
    async with await factory.get_ws_manager() as manager:
        await manager.connect(exchange.ws_url)
        await manager.send(WebSocketJSONRequest({"id": 0}, "orders"))
        waiting = asyncio.create_task(manager.send(WebSocketJSONRequest({"id": 1}, "orders")))
        await asyncio.sleep(0)
        await manager.send(WebSocketJSONRequest({"id": 2}))
        assert not waiting.done()
        await waiting
        await exchange.until(lambda: len(exchange.ws_received) == 3)
        assert [message["id"] for message in sent(exchange)] == [0, 2, 1]


async def test_an_unknown_limit_is_refused_with_the_nearest(
    exchange: MockExchange, factory: ConnectionManagersFactory
) -> None:
    manager = await factory.get_ws_manager()
    await manager.connect(exchange.ws_url)
    with pytest.raises(UnknownLimitError, match='did you mean "orders"') as caught:
        await manager.send(WebSocketJSONRequest({}, "order"))
    assert caught.value.outcome is Outcome.NOT_SENT
    assert sent(exchange) == []
    await manager.disconnect()


async def test_a_limit_without_a_throttler_is_refused(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    manager = await connected(connection, exchange)
    with pytest.raises(ConfigurationError, match="has no throttler; pass throttler="):
        await manager.send(WebSocketJSONRequest({}, "orders"))
    assert sent(exchange) == []


async def test_no_capacity_is_paid_for_what_cannot_be_sent(
    exchange: MockExchange, factory: ConnectionManagersFactory
) -> None:
    manager = await factory.get_ws_manager()
    for _ in range(5):  # with a limit of one, the second would wait
        with pytest.raises(NotConnectedError, match="nothing was sent"):
            await manager.send(WebSocketJSONRequest({}, "orders"))
        with pytest.raises(MissingCredentialsError):
            await manager.send(WebSocketJSONRequest({}, "orders", is_auth_required=True))
    await manager.connect(exchange.ws_url)
    async with asyncio.timeout(0.04):
        await manager.send(WebSocketJSONRequest({}, "orders"))
    await manager.disconnect()


async def test_a_manager_disconnects_at_the_end_of_its_block(
    exchange: MockExchange, factory: ConnectionManagersFactory
) -> None:
    async with await factory.get_ws_manager() as manager:
        assert not manager.connected
        await manager.connect(exchange.ws_url)
        assert manager.connected
        await manager.send(WebSocketJSONRequest({"method": "PING"}))
        assert manager.last_recv_time == 0
        await manager.receive()
        assert manager.last_recv_time > 0
        await manager.ping(b"p")
        await exchange.until(lambda: exchange.pings == [b"p"])
    assert not manager.connected
    await exchange.until(lambda: exchange.websockets == 0)
