"""What users of the public 1.1.5 write keeps working: names, order, defaults, behaviour.

Ours may be keyword-only and come after. The WebSocket, throttler and clock have their own rooms.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from networkpype import (
    AsyncThrottler,
    Auth,
    ConnectionManagersFactory,
    ConnectionsFactory,
    RESTConnection,
    RESTManager,
    RESTMethod,
    RESTPostProcessor,
    RESTPreProcessor,
    RESTRequest,
    RESTResponse,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
)
from networkpype.testing import Answer, MockExchange
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, HeaderHmac, free_throttler, rest_manager

PATHS = {
    "networkpype.auth": ["Auth"],
    "networkpype.factory": ["ConnectionsFactory", "ConnectionManagersFactory"],
    "networkpype.rest.method": ["RESTMethod"],
    "networkpype.rest.request": ["RESTRequest"],
    "networkpype.rest.response": ["RESTResponse"],
    "networkpype.rest.connection": ["RESTConnection"],
    "networkpype.rest.manager": ["RESTManager"],
    "networkpype.rest.processor.base": ["RESTPreProcessor", "RESTPostProcessor"],
    "networkpype.rest.processor.time_synchronizer": ["TimeSynchronizerRESTPreProcessor"],
    "networkpype.websocket.connection": ["WebSocketConnection"],
    "networkpype.websocket.manager": ["WebSocketManager"],
    "networkpype.websocket.response": ["WebSocketResponse"],
    "networkpype.websocket.request": [
        "WebSocketRequest",
        "WebSocketJSONRequest",
        "WebSocketPlainTextRequest",
    ],
    "networkpype.websocket.processor.base": ["WebSocketPreProcessor", "WebSocketPostProcessor"],
    "networkpype.throttler.throttler": ["AsyncThrottler"],
    "networkpype.throttler.rate_limit": ["RateLimit", "LinkedLimitWeightPair", "TaskLog"],
    "networkpype.throttler.context": ["AsyncRequestContext"],
    "networkpype.time_synchronizer": ["TimeSynchronizer"],
}

NO_DEFAULT = inspect.Parameter.empty
SIGNATURES: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (
        RESTRequest,
        {"method": NO_DEFAULT, "url": None, "endpoint_url": None, "params": None, "data": None}
        | {"headers": None, "is_auth_required": False, "throttler_limit_id": None},
    ),
    (RESTResponse, {"aiohttp_response": NO_DEFAULT}),
    (RESTResponse.json, {"self": NO_DEFAULT, "content_type": "application/json"}),
    (RESTResponse.text, {"self": NO_DEFAULT}),
    (RESTConnection, {"aiohttp_client_session": NO_DEFAULT}),
    (RESTConnection.call, {"self": NO_DEFAULT, "request": NO_DEFAULT, "encoded": False}),
    (
        RESTManager,
        {"connection": NO_DEFAULT, "throttler": NO_DEFAULT, "rest_pre_processors": None}
        | {"rest_post_processors": None, "auth": None},
    ),
    # The url may also be left out now, where an endpoint_url is given: hence their new defaults.
    (
        RESTManager.execute_request,
        {"self": NO_DEFAULT, "url": None, "throttler_limit_id": "", "params": None, "data": None}
        | {"method": RESTMethod.GET, "is_auth_required": False, "return_err": False}
        | {"timeout": None, "headers": None},
    ),
    (RESTManager.call, {"self": NO_DEFAULT, "request": NO_DEFAULT, "timeout": None}),
    (RESTPreProcessor.pre_process, {"self": NO_DEFAULT, "request": NO_DEFAULT}),
    (RESTPostProcessor.post_process, {"self": NO_DEFAULT, "response": NO_DEFAULT}),
    (
        TimeSynchronizerRESTPreProcessor,
        {"synchronizer": NO_DEFAULT, "time_provider": NO_DEFAULT},
    ),
    (Auth, {"time_provider": None}),
    (Auth.rest_authenticate, {"self": NO_DEFAULT, "request": NO_DEFAULT}),
    (Auth.ws_authenticate, {"self": NO_DEFAULT, "request": NO_DEFAULT}),
    (ConnectionsFactory, {}),
    (ConnectionsFactory.update_cookies, {"self": NO_DEFAULT, "cookies": NO_DEFAULT}),
    (
        ConnectionManagersFactory,
        {"throttler": NO_DEFAULT, "auth": None, "rest_pre_processors": None}
        | {"rest_post_processors": None, "ws_pre_processors": None, "ws_post_processors": None}
        | {"time_synchronizer": None},
    ),
    (ConnectionManagersFactory.update_cookies, {"self": NO_DEFAULT, "cookies": NO_DEFAULT}),
]


@pytest.mark.parametrize("path", PATHS)
def test_the_old_import_paths_give_the_front_doors_own_objects(path: str) -> None:
    front_door = importlib.import_module("networkpype")
    module = importlib.import_module(path)
    for name in PATHS[path]:
        assert getattr(module, name) is getattr(front_door, name)


@pytest.mark.parametrize(
    ("function", "expected"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", "")
)
def test_positional_order_and_defaults_are_kept(
    function: Callable[..., Any], expected: dict[str, Any]
) -> None:
    parameters = inspect.signature(function).parameters.values()
    positional = {
        each.name: each.default for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD
    }
    assert list(positional.items()) == list(expected.items())
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY:
            assert each.default is not NO_DEFAULT, f"{each.name} is new and must not be needed"


def test_a_method_is_its_bare_verb() -> None:
    for verb in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        method = RESTMethod[verb]
        assert (str(method), repr(method), f"{method}", method.value) == (verb,) * 4


def test_requests_are_equal_by_value() -> None:
    one = RESTRequest(RESTMethod.GET, "u", "e", {"a": 1}, [1], {"h": "1"}, True, "limit")
    assert one == RESTRequest(RESTMethod.GET, "u", "e", {"a": 1}, [1], {"h": "1"}, True, "limit")
    assert one != RESTRequest(RESTMethod.GET, "u", "e", {"a": 2}, [1], {"h": "1"}, True, "limit")
    one.params, one.data, one.headers = {}, "x", None
    assert (one.endpoint_url, one.is_auth_required, one.throttler_limit_id) == ("e", True, "limit")


@pytest.mark.parametrize("kind", [RESTPreProcessor, RESTPostProcessor, Auth])
def test_what_a_user_must_write_is_abstract(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match="abstract"):
        kind()


async def test_a_connection_and_a_response_stand_alone() -> None:
    raw = answer(b'{"a": 1}', "200 OK", "X-Own: 1", "Content-Type: application/json")
    async with RawServer(answering(raw)) as server, aiohttp.ClientSession() as session:
        connection = RESTConnection(aiohttp_client_session=session)
        request = RESTRequest(method=RESTMethod.GET, url=f"{server.url}/v1", params={"a": 1})
        response = await connection.call(request, encoded=True)
        assert isinstance(response, RESTResponse)
        assert (response.url, response.method) == (f"{server.url}/v1?a=1", RESTMethod.GET)
        assert (response.status, response.headers["X-Own"]) == (200, "1")
        assert (await response.json(), await response.text()) == ({"a": 1}, '{"a": 1}')
        by_hand = RESTResponse(await session.get(server.url))
        assert repr(by_hand).endswith("unread)")
        assert await by_hand.json() == {"a": 1}


async def test_positional_calls_mean_what_they_meant() -> None:
    async with MockExchange(limits=()) as exchange, aiohttp.ClientSession() as session:
        auth = HeaderHmac(exchange.api_key, exchange.api_secret)
        manager = RESTManager(RESTConnection(session), free_throttler(), None, None, auth)
        arrived = await manager.execute_request(
            f"{exchange.url}/v1/echo/a",
            LIMIT_ID,
            {"p": 1, "none": None},
            {"d": 2, "none": None},
            RESTMethod.PUT,
            True,
            False,
            2.0,
            {"X-Own": "1"},
        )
    assert (arrived["method"], arrived["raw_path"]) == ("PUT", "/v1/echo/a?p=1")
    assert arrived["body_text"] == '{"d":2}'
    headers = {name.lower(): value for name, value in arrived["headers"]}
    assert (headers["content-type"], headers["x-own"]) == ("application/json", "1")


async def test_a_str_body_is_sent_as_it_is_and_a_get_is_labelled_as_a_form() -> None:
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        await manager.execute_request(server.url, LIMIT_ID, data="a=b c", method=RESTMethod.POST)
        await manager.execute_request(server.url, LIMIT_ID)
        post, get = server.requests
    assert post.endswith(b"\r\n\r\na=b c")
    assert b"\r\nContent-Type: application/json\r\n" in post
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in get


async def test_an_http_error_is_an_os_error_with_all_its_words_or_the_parsed_body() -> None:
    async with MockExchange(limits=()) as exchange, rest_manager() as manager:
        exchange.add_endpoint("GET", "/v1/no", lambda _: Answer({"code": -7}, 418))
        url = f"{exchange.url}/v1/no"
        with pytest.raises(OSError, match="-7") as caught:
            await manager.execute_request(url, LIMIT_ID)
        for word in ("GET", url, "418", '{"code":-7}'):
            assert word in str(caught.value)
        assert await manager.execute_request(url, LIMIT_ID, return_err=True) == {"code": -7}


async def test_the_managers_call_sends_and_returns_the_response() -> None:
    async with MockExchange(limits=()) as exchange, rest_manager() as manager:
        request = RESTRequest(RESTMethod.GET, f"{exchange.url}/v1/time")
        response = await manager.call(request, 2.0)
        assert (await response.json())["serverTime"] > 0


async def test_the_factory_hands_out_what_it_was_given() -> None:
    throttler = AsyncThrottler([])
    clock = TimeSynchronizer()
    auth = HeaderHmac("k", "s")
    full = ConnectionManagersFactory(throttler, auth, [], [], [], [], clock)
    assert (full.throttler, full.auth, full.time_synchronizer) == (throttler, auth, clock)
    bare = ConnectionManagersFactory(throttler)
    assert (bare.auth, bare.time_synchronizer) == (None, None)
    await full.close()
