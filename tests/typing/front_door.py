"""A connector as its author types it; `mypy --strict` is the test, and nothing here is run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_type

import orjson

from networkpype import (
    AsyncThrottler,
    Auth,
    ConnectionManagersFactory,
    ConnectionsFactory,
    Event,
    HTTPStatusError,
    LinkedLimitWeightPair,
    Outcome,
    RateLimit,
    RateLimitedError,
    RequestFinished,
    RESTManager,
    RESTMethod,
    RESTPostProcessor,
    RESTPreProcessor,
    RESTRequest,
    RESTResponse,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketRequest,
    WebSocketResponse,
    decimal_loads,
)


class ExchangeAuth(Auth):
    def __init__(self, key: str, time_provider: TimeSynchronizer | None = None) -> None:
        super().__init__(time_provider)
        self._key = key

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        assert_type(request.path_qs, str)
        assert_type(request.query_string, str)
        assert_type(request.host, str)
        assert_type(request.body_bytes, bytes)
        assert_type(self.time_provider.time(), float)
        request.headers = {**(request.headers or {}), "X-API-KEY": self._key}
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class Forgetful(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request


class Stamp(RESTPreProcessor):
    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        return request


class Count(RESTPostProcessor):
    async def post_process(self, response: RESTResponse) -> RESTResponse:
        return response


def note(event: Event) -> None:
    if isinstance(event, RequestFinished):
        assert_type(event.outcome, Outcome | None)


async def server_time_ms() -> float:
    return 0.0


def build() -> ConnectionManagersFactory:
    clock = TimeSynchronizer()
    limits = [
        RateLimit("ip", limit=1200, time_interval=60),
        RateLimit("order", 50, 10.0, weight=1, linked_limits=[LinkedLimitWeightPair("ip", 2)]),
    ]
    Forgetful()  # type: ignore[abstract]
    ConnectionManagersFactory()  # type: ignore[call-arg]
    ConnectionManagersFactory("throttler")  # type: ignore[arg-type]
    return ConnectionManagersFactory(
        throttler=AsyncThrottler(limits),
        auth=ExchangeAuth("key", clock),
        rest_pre_processors=[TimeSynchronizerRESTPreProcessor(clock, server_time_ms), Stamp()],
        rest_post_processors=[Count()],
        time_synchronizer=clock,
        base_url="https://api.example.com",
        hook=note,
        connections_factory=ConnectionsFactory(json_loads=decimal_loads, trust_env=True),
    )


async def trade(factory: ConnectionManagersFactory, headers: Mapping[str, str]) -> Decimal:
    async with factory:
        manager = await factory.get_rest_manager()
        assert_type(manager, RESTManager)
        assert_type(factory.auth, Auth | None)
        for params in ({"a": 1}, [("a", "1"), ("b", Decimal(2))], "a=1", None):
            await manager.execute_request("https://h/", "order", params)
        try:
            response = await manager.execute_request_and_get_response(
                throttler_limit_id="order",
                endpoint_url="/v1/order",
                data=[{"price": "1"}],
                method=RESTMethod.POST,
                is_auth_required=True,
                headers=headers,
                timeout=5,
            )
        except RateLimitedError as error:
            assert_type(error.retry_after, float | None)
            raise
        except HTTPStatusError as error:
            assert_type(error.outcome, Outcome)
            assert_type(error.headers, Mapping[str, str])
            raise
        assert_type(response, RESTResponse)
        assert_type(response.status, int)
        assert_type(response.parse(orjson.loads), Any)
        await manager.execute_request("https://h/", "order", method="GET")  # type: ignore[arg-type]
        return Decimal(await response.text())


async def listen(factory: ConnectionManagersFactory) -> None:
    manager = await factory.get_ws_manager()
    assert_type(manager, WebSocketManager)
    await manager.connect("wss://api.example.com/ws", ping_timeout=10, message_timeout=30)
    await manager.subscribe(WebSocketJSONRequest({"op": "subscribe"}, is_auth_required=True))
    assert_type(await manager.receive(), WebSocketResponse | None)
    async for message in manager.iter_messages():
        assert_type(message, WebSocketResponse)
