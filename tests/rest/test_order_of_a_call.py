"""In what order one call happens, and that the caller's own objects stay as they were."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from multidict import CIMultiDict

from networkpype import (
    AsyncThrottler,
    Auth,
    ConfigurationError,
    ConnectionManagersFactory,
    MissingCredentialsError,
    RateLimit,
    RESTManager,
    RESTMethod,
    RESTPostProcessor,
    RESTPreProcessor,
    RESTRequest,
    RESTResponse,
    UnknownLimitError,
    WebSocketRequest,
)
from networkpype.testing import Answer, MockExchange
from tests.support.signing import LIMIT_ID, HeaderHmac, rest_manager


class Diary:
    """A pre-processor, auth or post-processor that writes down when it ran."""

    def __init__(self, name: str, pages: list[str]) -> None:
        self.name = name
        self.pages = pages


class NotedPre(Diary, RESTPreProcessor):
    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        self.pages.append(self.name)
        return request


class NotedPost(Diary, RESTPostProcessor):
    async def post_process(self, response: RESTResponse) -> RESTResponse:
        self.pages.append(f"{self.name} {response.status}")
        return response


class FixedAuth(Auth):
    """Return whatever it was made with, or the request where that is nothing."""

    def __init__(self, answer: Any = None, *, pages: list[str] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.pages = pages

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        if self.pages is None:
            wrong: RESTRequest = self.answer
            return wrong
        self.pages.append("auth")
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class Scribbler(FixedAuth, RESTPreProcessor):
    """Change everything that can be changed about a request, deep inside."""

    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        for field in (request.params, request.data, request.headers):
            assert isinstance(field, (dict, CIMultiDict))
            field["added"] = "by somebody"
        assert isinstance(request.data, dict)
        request.data["legs"][0]["size"] = "999"
        request.data["legs"].append("more")
        request.url = f"{request.url}/changed"
        return request

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return await self.pre_process(request)


@pytest.mark.parametrize("status", [200, 500])
async def test_processors_auth_exchange_post_processors(
    exchange: MockExchange, status: int
) -> None:
    pages: list[str] = []

    def arrive(_: object) -> Answer:
        pages.append("exchange")
        return Answer({}, status)

    exchange.add_endpoint("GET", "/v1/here", arrive)
    async with rest_manager(
        FixedAuth(pages=pages),
        rest_pre_processors=[NotedPre("pre 1", pages), NotedPre("pre 2", pages)],
        rest_post_processors=[NotedPost("post 1", pages), NotedPost("post 2", pages)],
    ) as manager:
        url = f"{exchange.url}/v1/here"
        await manager.execute_request(url, LIMIT_ID, is_auth_required=True, return_err=True)
        answered = ["exchange", f"post 1 {status}", f"post 2 {status}"]
        assert pages == ["pre 1", "pre 2", "auth", *answered]
        pages.clear()
        await manager.execute_request(url, LIMIT_ID, return_err=True)  # public: no auth
        assert pages == ["pre 1", "pre 2", *answered]


async def test_what_a_pre_processor_changed_is_signed(exchange: MockExchange) -> None:
    class AddParam(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            assert isinstance(request.params, dict)
            request.params["broker"] = "x ü"
            return request

    auth = HeaderHmac(exchange.api_key, exchange.api_secret)
    async with rest_manager(auth, rest_pre_processors=[AddParam()]) as manager:
        url = f"{exchange.url}/v1/echo/a"
        arrived = await manager.execute_request(url, LIMIT_ID, {"a": 1}, is_auth_required=True)
    assert arrived["raw_path"] == "/v1/echo/a?a=1&broker=x%20%C3%BC"


async def test_every_call_is_signed_afresh(exchange: MockExchange) -> None:
    ticks = iter(range(1000))

    class Counter(HeaderHmac):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            request.headers = {**(request.headers or {}), "X-Nonce": str(next(ticks))}
            return await super().rest_authenticate(request)

    request = RESTRequest(RESTMethod.GET, f"{exchange.url}/v1/account", is_auth_required=True)
    async with rest_manager(Counter(exchange.api_key, exchange.api_secret)) as manager:
        for _ in range(3):
            await manager.call(request)
    assert [each.headers["X-Nonce"] for each in exchange.received] == ["0", "1", "2"]
    assert request.headers is None


@pytest.mark.parametrize("through", ["call", "execute_request"])
async def test_the_callers_objects_are_never_changed(exchange: MockExchange, through: str) -> None:
    url = f"{exchange.url}/v1/public/echo/a"
    params = {"symbol": "BTC", "none": None}
    data = {"legs": [{"size": "1"}], "none": None}
    headers = {"X-Own": "1"}
    mine = (params, data, headers)
    before = copy.deepcopy(mine)
    scribbler = Scribbler()
    async with rest_manager(scribbler, rest_pre_processors=[scribbler]) as manager:
        if through == "call":
            request = RESTRequest(RESTMethod.POST, url, None, *mine, is_auth_required=True)
            twin = copy.deepcopy(request)
            request.params = {"symbol": "BTC"}  # `call` leaves None where it is
            twin.params = {"symbol": "BTC"}
            await manager.call(request)
            assert request == twin
        else:
            await manager.execute_request(
                url, LIMIT_ID, params, data, RESTMethod.POST, True, headers=headers
            )
    assert mine == before
    assert exchange.received[0].path == "/v1/public/echo/a/changed/changed"
    assert b"999" in exchange.received[0].body


async def test_a_request_of_ones_own_class_reaches_the_auth_with_all_it_carries(
    exchange: MockExchange,
) -> None:
    class Order(RESTRequest):
        """A request that knows its account."""

        account: list[str]

    seen: list[Any] = []

    class LookingAuth(FixedAuth):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            seen.append(request)
            return request

    order = Order(
        RESTMethod.GET,
        f"{exchange.url}/v1/time",
        headers=CIMultiDict({"X-Own": "1"}),
        is_auth_required=True,
    )
    order.account = ["main"]
    async with rest_manager(LookingAuth()) as manager:
        await manager.call(order)
    (signed,) = seen
    assert type(signed) is Order
    assert signed is not order
    assert signed.account == ["main"]
    assert signed.account is not order.account
    assert signed.headers is not None
    assert signed.headers["x-own"] == "1"


async def test_a_private_request_without_auth_is_not_sent_and_costs_nothing(
    exchange: MockExchange,
) -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 3600.0)])
    url = f"{exchange.url}/v1/account"
    async with ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_rest_manager()
        with pytest.raises(MissingCredentialsError, match="pass auth= to Conn"):
            await manager.execute_request(url, LIMIT_ID, is_auth_required=True)
        with pytest.raises(MissingCredentialsError, match="no auth is configured"):
            await manager.call(RESTRequest(RESTMethod.GET, url, is_auth_required=True))
        assert exchange.received == []
        async with asyncio.timeout(1):  # the one request of this hour is still to be had
            await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID)


async def test_a_request_that_turns_private_on_the_way_is_not_sent_unsigned(
    exchange: MockExchange,
) -> None:
    class MakePrivate(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            request.is_auth_required = True
            return request

    async with rest_manager(rest_pre_processors=[MakePrivate()]) as manager:
        with pytest.raises(MissingCredentialsError):
            await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID)
    assert exchange.received == []


async def test_an_unknown_limit_is_not_sent_and_the_nearest_is_named(
    manager: RESTManager, exchange: MockExchange
) -> None:
    with pytest.raises(UnknownLimitError, match=r'"anny"; did you mean "any"\? known: any'):
        await manager.execute_request(f"{exchange.url}/v1/time", "anny")
    assert exchange.received == []


@pytest.mark.parametrize("wrong", [None, {"X-API-KEY": "k"}, "request", RESTRequest])
async def test_an_auth_must_return_the_request(exchange: MockExchange, wrong: Any) -> None:
    async with rest_manager(FixedAuth(wrong)) as manager:
        with pytest.raises(
            ConfigurationError, match=r"FixedAuth\.rest_authenticate returned \w+; it must return"
        ):
            await manager.execute_request(
                f"{exchange.url}/v1/account", LIMIT_ID, is_auth_required=True
            )
    assert exchange.received == []


async def test_a_pre_processor_must_return_the_request(exchange: MockExchange) -> None:
    class Forgetful(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> Any:
            request.headers = {}

    async with rest_manager(rest_pre_processors=[Forgetful()]) as manager:
        with pytest.raises(ConfigurationError, match=r"Forgetful\.pre_process returned NoneType"):
            await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID)
    assert exchange.received == []


async def test_an_error_of_the_auth_itself_is_the_callers(exchange: MockExchange) -> None:
    class Locked(FixedAuth):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            raise PermissionError("the key store is locked")

    async with rest_manager(Locked()) as manager:
        with pytest.raises(PermissionError, match="key store"):
            await manager.execute_request(
                f"{exchange.url}/v1/account", LIMIT_ID, is_auth_required=True
            )
    assert exchange.received == []
