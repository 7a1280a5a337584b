from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from networkpype.errors import ConfigurationError
from networkpype.testing import (
    Access,
    Answer,
    ArrivalLimit,
    FakeClock,
    MockExchange,
    ReceivedRequest,
    Refused,
)
from tests.testing.caller import ORDER, Caller


async def test_an_order_is_placed_listed_and_cancelled(caller: Caller) -> None:
    status, order = await caller.place(clientOrderId="mine")
    assert status == 200
    expected = ORDER | {
        "orderId": "1",
        "clientOrderId": "mine",
        "status": "NEW",
        "time": caller.exchange.time_ms(),
    }
    assert order == expected
    assert (await caller.in_query("GET", "/v1/orders"))[1] == [order]
    status, cancelled = await caller.in_query("DELETE", "/v1/order", "orderId=1")
    assert (status, cancelled) == (200, expected | {"status": "CANCELED"})
    assert (await caller.in_query("GET", "/v1/orders"))[1] == []
    assert caller.exchange.orders["1"] == cancelled


@pytest.mark.parametrize(
    ("query", "content_type", "body"),
    [
        ("", "application/json", json.dumps(ORDER).encode()),
        ("", "application/json; charset=utf-8", json.dumps(ORDER).encode()),
        ("", "application/json", json.dumps(ORDER).replace('"0.5"', "0.5").encode()),
        (
            "",
            "application/x-www-form-urlencoded",
            b"symbol=BTCUSDT&side=BUY&price=25000.10&quantity=0.5",
        ),
        ("?symbol=BTCUSDT&side=BUY&price=25000.10&quantity=0%2E5", "text/plain", b""),
        ("?symbol=BTCUSDT&side=BUY", "application/json", b'{"price":25000.10,"quantity":"0.5"}'),
    ],
)
async def test_an_order_may_come_as_json_form_or_query(
    caller: Caller, query: str, content_type: str, body: bytes
) -> None:
    status, order = await caller.in_headers(
        "POST", f"/v1/order{query}", body=body, content_type=content_type
    )
    assert status == 200
    assert {name: order[name] for name in ORDER} == ORDER


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"symbol": ""}, "'symbol' is missing"),
        ({"side": "LONG"}, "side must be BUY or SELL"),
        ({"price": "zero"}, "'price' must be a number above 0"),
        ({"price": "NaN"}, "'price' must be a number above 0"),
        ({"quantity": "-1"}, "'quantity' must be a number above 0"),
        ({"quantity": None}, "must be an object of strings and numbers"),
    ],
)
async def test_a_wrong_order_is_refused_and_not_executed(
    caller: Caller, change: dict[str, Any], words: str
) -> None:
    status, answer = await caller.place(**change)
    assert status == 400
    assert words in answer["msg"]
    assert not caller.exchange.orders
    assert not caller.exchange.executions
    assert caller.exchange.received[0].refusal == answer["msg"]


async def test_a_body_of_another_type_is_refused(caller: Caller) -> None:
    for content_type, body in (("text/plain", b"{}"), ("application/json", b"[1]")):
        status, answer = await caller.in_headers(
            "POST", "/v1/order", body=body, content_type=content_type
        )
        assert (status, answer["code"]) in ((415, -1104), (400, -1104))


async def test_a_client_order_id_is_used_once(caller: Caller) -> None:
    assert (await caller.place(clientOrderId="once"))[0] == 200
    status, answer = await caller.place(clientOrderId="once")
    assert (status, answer["code"]) == (400, -2010)
    assert len(caller.exchange.orders) == 1
    assert caller.exchange.executions == {"POST /v1/order": 1}


async def test_only_an_open_order_can_be_cancelled(caller: Caller) -> None:
    await caller.place(clientOrderId="mine")
    named = b'{"clientOrderId":"mine"}'
    assert (await caller.in_headers("DELETE", "/v1/order", body=named))[0] == 200
    for query in ("orderId=1", "clientOrderId=mine", "orderId=2"):
        status, answer = await caller.in_query("DELETE", "/v1/order", query)
        assert (status, answer["code"]) == (400, -2011)


async def test_cancelling_all_answers_204_without_a_body(caller: Caller) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDT"):
        await caller.place(symbol=symbol)
    assert await caller.in_query("DELETE", "/v1/orders", "symbol=BTCUSDT") == (204, None)
    left = (await caller.in_query("GET", "/v1/orders"))[1]
    assert [order["symbol"] for order in left] == ["ETHUSDT"]
    account = (await caller.in_query("GET", "/v1/account"))[1]
    assert account["openOrders"] == 1
    assert account["balances"][0] == {"asset": "USDT", "free": "100000.00"}


async def test_public_endpoints_ask_nothing(caller: Caller) -> None:
    status, ticker = await caller.send("GET", "/v1/ticker?symbol=BTCUSDT")
    assert status == 200
    assert ticker["symbol"] == "BTCUSDT"
    assert float(ticker["bid"]) < float(ticker["price"]) < float(ticker["ask"])
    status, tickers = await caller.send("GET", "/v1/ticker")
    assert [each["symbol"] for each in tickers] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert isinstance(tickers[0]["price"], str)
    status, echo = await caller.send("PATCH", "/v1/public/echo/a?b", body=b"\xff")
    assert (status, echo["method"], echo["raw_path"]) == (200, "PATCH", "/v1/public/echo/a?b")
    assert (echo["body_base64"], echo["body_text"]) == ("/w==", None)


async def test_an_unknown_path_or_method_tells_the_known_ones(caller: Caller) -> None:
    status, answer = await caller.send("GET", "/v1/tim")
    assert status == 404
    assert "no endpoint /v1/tim; known: " in answer["msg"]
    assert "/v1/time" in answer["msg"]
    async with caller.session.put(caller.exchange.url + "/v1/order") as response:
        assert (response.status, response.headers["Allow"]) == (405, "DELETE, POST")


async def test_every_request_is_recorded_with_its_answer(caller: Caller, clock: FakeClock) -> None:
    await caller.send("GET", "/v1/time?x=%20")
    clock.advance(3)
    await caller.send("POST", "/v1/order", body=b"{}", X_Note="hello")
    first, second = caller.exchange.received
    assert (first.method, first.path, first.raw_query) == ("GET", "/v1/time", "x=%20")
    assert (first.status, first.refusal, first.arrived_at) == (200, None, 1000.0)
    assert (second.method, second.body, second.headers["x-note"]) == ("POST", b"{}", "hello")
    assert (second.status, second.arrived_at) == (401, 1003.0)
    assert second.refusal is not None
    assert second.refusal.startswith("no API key")
    assert caller.exchange.status_counts == {200: 1, 401: 1}
    assert caller.exchange.executions == {"GET /v1/time": 1}


async def test_the_limit_is_kept_to_the_microsecond(
    clock: FakeClock, session: aiohttp.ClientSession
) -> None:
    limits = (ArrivalLimit("orders", 2, 1.5, ("POST",), "/v1/order"), ArrivalLimit("ip", 6, 60.0))
    async with MockExchange(clock=clock, limits=limits) as exchange:
        caller = Caller(exchange, session)
        assert (await caller.place())[0] == 200
        clock.advance(0.75)
        assert (await caller.place())[0] == 200
        clock.advance(0.625)
        url = exchange.url + "/v1/order"
        async with session.post(url, data=b"unsigned, but it arrived") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "1")
            message = (await response.json())["msg"]
        assert message == 'too many requests: limit "orders" is 2 in 1.5 s; retry after 0.875 s'
        assert exchange.received[2].body == b"unsigned, but it arrived"
        clock.advance(0.875 - 2**-20)
        assert (await caller.place())[0] == 429
        clock.advance(0.625 + 2**-20)  # 1.5 s after the unsigned one, which counted
        assert (await caller.place())[0] == 200
        assert (await caller.send("GET", "/v1/time"))[0] == 200
        assert (await caller.send("GET", "/v1/time"))[0] == 429
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await session.ws_connect(exchange.ws_url)
        assert exchange.peak_arrivals == {"orders": 3, "ip": 8}
        assert len(exchange.orders) == 3


async def test_users_add_endpoints_of_their_own(caller: Caller) -> None:
    async def slow(request: ReceivedRequest) -> Answer:
        await asyncio.sleep(0)
        return Answer({"path": request.path}, 201, {"X-Used": "7"})

    def teapot(request: ReceivedRequest) -> Answer:
        raise Refused(418, -418, "short and stout", spout=True)

    caller.exchange.add_endpoint("*", "/api/*", teapot)
    caller.exchange.add_endpoint("GET", "/api/v5/*", slow, Access.KEY)
    caller.exchange.add_endpoint("*", "/v1/time", teapot)
    caller.exchange.add_endpoint("GET", "/down", lambda request: Answer(status=503))
    assert (await caller.send("GET", "/api/v5/a/b"))[0] == 401
    url = caller.exchange.url + "/api/v5/a/b"
    async with caller.session.get(url, headers={"X-API-KEY": caller.exchange.api_key}) as response:
        assert (response.status, response.headers["X-Used"]) == (201, "7")
        assert await response.json() == {"path": "/api/v5/a/b"}
    assert await caller.send("POST", "/v1/time") == (
        418,
        {"code": -418, "msg": "short and stout", "spout": True},
    )
    assert (await caller.send("GET", "/api/v4"))[0] == 418
    assert (await caller.send("GET", "/v1/time"))[0] == 200, "the method itself beats any method"
    assert await caller.send("GET", "/down") == (503, None)
    assert caller.exchange.executions == {"GET /api/v5/a/b": 1, "GET /v1/time": 1}
    for wrong in (("GET", "v1", slow), ("get", "/v1", slow), ("GET", "/v1?a", slow)):
        with pytest.raises(ConfigurationError, match="must"):
            caller.exchange.add_endpoint(*wrong)


async def test_an_endpoint_that_fails_is_a_500_on_record(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: ReceivedRequest) -> Answer:
        raise ZeroDivisionError

    caller.exchange.add_endpoint("GET", "/broken", broken)
    async with caller.session.get(caller.exchange.url + "/broken") as response:
        assert response.status == 500
    assert caller.exchange.received[0].status == 500
    assert "ZeroDivisionError" in caplog.text


async def test_a_body_that_breaks_off_executes_nothing(exchange: MockExchange) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(exchange.url.split(":")[2]))
    writer.write(b"POST /v1/public/echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
    await exchange.until(lambda: exchange.received)
    writer.close()
    await writer.wait_closed()
    await exchange.until(lambda: exchange.received[0].status)
    assert exchange.received[0].refusal is not None
    assert exchange.received[0].refusal.startswith("the body broke off")
    assert not exchange.executions
