from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from networkpype.errors import ConfigurationError
from networkpype.testing import FakeClock, MockExchange
from networkpype.testing.feed import Frames
from tests.testing.caller import Caller, login_frame

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def ws(exchange: MockExchange, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
    async with session.ws_connect(exchange.ws_url) as ws:
        yield ws


async def ask(ws: Socket, message: Any) -> Any:
    """Send and return the reply; what is pushed meanwhile is passed over."""
    await ws.send_json(message)
    while True:
        reply = await ws.receive_json()
        if "stream" not in reply:
            return reply


def subscribe(*topics: str, id_: object = 1) -> dict[str, object]:
    return {"method": "SUBSCRIBE", "params": list(topics), "id": id_}


async def test_public_topics_are_pushed_until_unsubscribed(ws: Socket) -> None:
    assert await ask(ws, subscribe("btcusdt@ticker", "ethusdt@trade", id_=7)) == {
        "result": None,
        "id": 7,
    }
    pushed = [await ws.receive_json() for _ in range(4)]
    assert [push["stream"] for push in pushed] == ["btcusdt@ticker", "ethusdt@trade"] * 2
    tickers = [push["data"] for push in pushed if push["stream"] == "btcusdt@ticker"]
    assert tickers[0]["symbol"] == "BTCUSDT"
    assert tickers[0]["price"] != tickers[1]["price"]
    gone = {"method": "UNSUBSCRIBE", "params": ["btcusdt@ticker"]}
    assert await ask(ws, gone) == {"result": None, "id": None}
    assert {(await ws.receive_json())["stream"] for _ in range(4)} == {"ethusdt@trade"}


async def test_trades_are_numbered_without_holes(ws: Socket) -> None:
    await ask(ws, subscribe("btcusdt@trade"))
    numbers = [(await ws.receive_json())["data"]["tradeId"] for _ in range(5)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


async def test_private_topics_need_a_login(ws: Socket, exchange: MockExchange) -> None:
    for topic in ("orders", "account.update"):
        reply = await ask(ws, subscribe("btcusdt@depth", topic, id_="s"))
        assert (reply["error"]["code"], reply["id"]) == (401, "s")
    assert await exchange.push("btcusdt@depth", {}) == 0, "one refused topic refuses them all"
    login = await ask(ws, login_frame(exchange))
    assert login == {"op": "login", "status": "success", "id": 1}
    assert await ask(ws, subscribe("orders", "account.update")) == {"result": None, "id": 1}


async def test_a_login_frame_without_id_is_answered_with_null(
    ws: Socket, exchange: MockExchange
) -> None:
    frame = login_frame(exchange)
    del frame["id"]
    assert await ask(ws, frame) == {"op": "login", "status": "success", "id": None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"apiKey": "wrong"}, "unknown API key"),
        ({"signature": "00"}, "signature does not match"),
        ({"timestamp": "soon"}, "timestamp missing"),
        ({"ahead_ms": -6000}, "6000 ms behind"),
        ({"ahead_ms": 6000}, "6000 ms ahead of"),
    ],
)
async def test_a_wrong_login_is_refused(
    ws: Socket, exchange: MockExchange, change: dict[str, Any], words: str
) -> None:
    reply = await ask(ws, login_frame(exchange, **change))
    assert (reply["op"], reply["status"], reply["error"]["code"]) == ("login", "error", 401)
    assert words in reply["error"]["message"]
    assert "error" in await ask(ws, subscribe("orders"))


async def test_every_logged_in_subscriber_hears_of_each_order(
    caller: Caller, ws: Socket, session: aiohttp.ClientSession
) -> None:
    exchange = caller.exchange
    async with session.ws_connect(exchange.ws_url) as second:
        for each in (ws, second):
            await ask(each, login_frame(exchange))
            await ask(each, subscribe("orders"))
        await caller.place(clientOrderId="mine")
        await caller.in_query("DELETE", "/v1/order", "orderId=1")
        await caller.place()
        await caller.in_query("DELETE", "/v1/orders")
        for each in (ws, second):
            updates = [await each.receive_json() for _ in range(4)]
            assert [update["stream"] for update in updates] == ["orders"] * 4
            assert [(u["data"]["orderId"], u["data"]["status"]) for u in updates] == [
                ("1", "NEW"),
                ("1", "CANCELED"),
                ("2", "NEW"),
                ("2", "CANCELED"),
            ]


async def test_an_order_updates_the_account(caller: Caller, ws: Socket) -> None:
    await ask(ws, login_frame(caller.exchange))
    await ask(ws, subscribe("account.update"))
    await caller.place()
    update = await ws.receive_json()
    assert (update["stream"], update["data"]["openOrders"]) == ("account.update", 1)


@pytest.mark.parametrize(
    ("frame", "words", "id_"),
    [
        ("{", "malformed JSON", None),
        ("[1]", "JSON object", None),
        ('{"method":"BUY","id":3}', "unknown command", 3),
        ('{"method":"SUBSCRIBE","id":4}', "list of topics", 4),
        ('{"method":"SUBSCRIBE","params":["tickers"],"id":5}', "unknown topic 'tickers'", 5),
        ('{"method":"SUBSCRIBE","params":[["x@y"]],"id":6}', "unknown topic", 6),
        ("[" * 100_000, "malformed JSON", None),
    ],
)
async def test_what_it_does_not_understand_it_answers_with_an_error(
    ws: Socket, frame: str, words: str, id_: object
) -> None:
    await ws.send_str(frame)
    reply = await ws.receive_json()
    assert (reply["error"]["code"], reply["id"]) == (400, id_)
    assert words in reply["error"]["message"]
    assert await ask(ws, {"method": "PING", "id": 9}) == {"result": "pong", "id": 9}


async def test_frames_are_recorded_as_they_came(
    ws: Socket, exchange: MockExchange, clock: FakeClock
) -> None:
    await ws.send_str('{ "method": "PING" }')
    clock.advance(2)
    await ws.send_bytes(b"\x00")
    assert "result" in await ws.receive_json()
    assert "error" in await ws.receive_json()
    first, second = exchange.ws_received
    assert (first.connection, first.data) == (1, '{ "method": "PING" }')
    assert second.data == b"\x00"
    assert exchange.received[0].status == 101


DECODERS: dict[Frames, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": lambda data: zlib.decompress(data, wbits=-15),
    "zlib": zlib.decompress,
}


@pytest.mark.parametrize("frames", DECODERS)
async def test_pushes_are_compressed_on_request(
    session: aiohttp.ClientSession, frames: Frames
) -> None:
    async with (
        MockExchange(frames=frames) as exchange,
        session.ws_connect(exchange.ws_url) as ws,
    ):
        assert await ask(ws, subscribe("btcusdt@depth")) == {"result": None, "id": 1}
        assert await exchange.push("btcusdt@depth", {"bids": ["1.0"] * 50}) == 1
        message = await ws.receive()
        assert message.type is aiohttp.WSMsgType.BINARY
        assert json.loads(DECODERS[frames](message.data)) == {
            "stream": "btcusdt@depth",
            "data": {"bids": ["1.0"] * 50},
        }


async def test_permessage_deflate_is_negotiated(
    exchange: MockExchange, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(exchange.ws_url, compress=15) as ws:
        assert ws.compress == 15
        await ask(ws, subscribe("btcusdt@depth"))
        await exchange.push("btcusdt@depth", ["0"] * 500)
        assert (await ws.receive_json())["data"] == ["0"] * 500


async def test_pings_of_either_side_are_answered_and_recorded(
    ws: Socket, exchange: MockExchange, session: aiohttp.ClientSession
) -> None:
    assert await exchange.ping_websockets(b"are you there?") == 1
    await ask(ws, {"method": "PING"})  # reading is what lets aiohttp answer the ping
    await exchange.until(lambda: exchange.pongs)
    assert exchange.pongs == [b"are you there?"]
    async with session.ws_connect(exchange.ws_url, autoping=False) as asking:
        await asking.ping(b"and you?")
        answer = await asking.receive()
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"and you?")
    assert exchange.pings == [b"and you?"]
    with pytest.raises(ConfigurationError, match="at most 125 bytes"):
        await exchange.ping_websockets(b"x" * 126)


async def test_the_exchange_closes_with_the_code_it_is_told(
    exchange: MockExchange, session: aiohttp.ClientSession
) -> None:
    sockets = [await session.ws_connect(exchange.ws_url) for _ in range(2)]
    reading = [asyncio.create_task(ws.receive()) for ws in sockets]
    await exchange.until(lambda: exchange.websockets == 2)
    assert await exchange.drop_websockets(1012, "restart") == 2
    assert exchange.websockets == 0
    for message in await asyncio.gather(*reading):
        assert (message.type, message.data, message.extra) == (
            aiohttp.WSMsgType.CLOSE,
            1012,
            "restart",
        )
    with pytest.raises(ConfigurationError, match="between 1000 and 4999"):
        await exchange.drop_websockets(999)
    with pytest.raises(ConfigurationError, match="at most 123 bytes"):
        await exchange.drop_websockets(1000, "x" * 124)
    assert await exchange.drop_websockets(1000) == 0


async def test_without_a_code_the_connection_breaks(ws: Socket, exchange: MockExchange) -> None:
    assert await exchange.drop_websockets() == 1
    message = await ws.receive()
    assert message.type is aiohttp.WSMsgType.CLOSED
    assert ws.close_code == 1006


async def test_a_client_that_does_not_read_holds_up_nobody_else(caller: Caller, ws: Socket) -> None:
    exchange = caller.exchange
    _, writer = await stubborn_websocket(exchange, subscribe("x@book"))
    await ask(ws, subscribe("x@trade"))
    pushing = asyncio.create_task(exchange.push("x@book", "0" * 20_000_000))
    for _ in range(5):
        assert (await ws.receive_json())["stream"] == "x@trade"
    assert (await caller.place())[0] == 200
    assert not pushing.done(), "push waits for its slow subscriber"
    assert await exchange.drop_websockets(1001) == 2
    assert await pushing == 1, "a subscriber that is gone is not waited for"
    writer.close()


async def test_a_client_that_fell_behind_misses_trades(ws: Socket, exchange: MockExchange) -> None:
    reader, writer = await stubborn_websocket(exchange, subscribe("x@book", "x@trade"))
    await ask(ws, subscribe("x@trade"))
    pushing = asyncio.create_task(exchange.push("x@book", "0" * 20_000_000))
    passed = [(await ws.receive_json())["data"]["tradeId"] for _ in range(20)]
    reading = asyncio.create_task(reader.read())
    await pushing
    await exchange.drop_websockets(1001)
    taken = {int(number) for number in re.findall(rb'"tradeId": (\d+)', await reading)}
    assert taken.isdisjoint(passed[-5:])
    writer.close()


async def test_a_plain_get_is_told_to_upgrade(caller: Caller) -> None:
    status, answer = await caller.send("GET", "/ws")
    assert (status, answer["msg"]) == (426, "/ws takes WebSocket handshakes only")


async def stubborn_websocket(
    exchange: MockExchange, *messages: object
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect by hand, send the messages, and never read again after the handshake."""
    port = int(exchange.ws_url.split(":")[2].removesuffix("/ws"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    before = len(exchange.ws_received)
    for message in messages:
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        # A client masks its frames (RFC 6455 section 5.3); the mask of zeros changes nothing.
        writer.write(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
    await exchange.until(lambda: len(exchange.ws_received) == before + len(messages))
    return reader, writer
