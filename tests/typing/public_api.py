"""What a type checker tells the author of a connector; mypy reads this file, nothing runs it.

An ignored error that is no error any more is an error itself (`warn_unused_ignores`).
"""

from __future__ import annotations

from typing import Any, assert_type

from pydantic import SecretStr

from networkpype import (
    AsyncThrottler,
    Auth,
    ConnectionManagersFactory,
    Credentials,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimit,
    RESTManager,
    RESTMethod,
    RESTRequest,
    RESTResponse,
    TimeSynchronizer,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketRequest,
    WebSocketResponse,
)


class HeaderAuth(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        assert_type(request.method, RESTMethod)
        assert_type(request.query_string, str)
        assert_type(request.body_bytes, bytes)
        assert_type(self.time_provider.time(), float)
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class HalfAnAuth(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request


HalfAnAuth()  # type: ignore[abstract]
RESTRequest("GET")  # type: ignore[arg-type]
Credentials(key="k", secret=SecretStr("s"), origins=["https://api.example.com"])
Credentials(api_secret="s")  # type: ignore[call-arg]
Credentials(key=5)  # type: ignore[arg-type]
RateLimit("orders", "10", 1.0)  # type: ignore[arg-type]
AsyncThrottler(RateLimit("orders", 10, 1.0))  # type: ignore[arg-type]


async def rest(factory: ConnectionManagersFactory) -> None:
    manager = await factory.get_rest_manager()
    assert_type(manager, RESTManager)
    assert_type(await manager.execute_request("https://api.example.com/v1/time", "orders"), Any)
    request = RESTRequest(RESTMethod.POST, url="https://api.example.com/v1/order", data=[1, 2])
    response = await manager.call(request)
    assert_type(response, RESTResponse)
    assert_type(response.status, int)
    assert_type(await response.text(), str)


async def websocket(factory: ConnectionManagersFactory) -> None:
    manager = await factory.get_ws_manager()
    assert_type(manager, WebSocketManager)
    await manager.send(WebSocketJSONRequest({"method": "SUBSCRIBE"}))
    async for message in manager.iter_messages():
        assert_type(message, WebSocketResponse)


def wired() -> None:
    limits = [RateLimit("orders", limit=10, time_interval=1)]
    factory = ConnectionManagersFactory(
        AsyncThrottler(limits), HeaderAuth(), time_synchronizer=TimeSynchronizer()
    )
    assert_type(factory.auth, Auth | None)
    assert_type(factory.time_synchronizer, TimeSynchronizer | None)


def failed(error: NetworkpypeError) -> None:
    assert_type(error.outcome, Outcome)
    if isinstance(error, HTTPStatusError):
        assert_type(error.status, int)
