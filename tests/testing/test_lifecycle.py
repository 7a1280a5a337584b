from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import Any

import aiohttp
import pytest

from networkpype.errors import ConfigurationError
from networkpype.testing import Answer, FakeClock, MockExchange, ReceivedRequest
from tests.support.example_host import ExampleTLS
from tests.testing.caller import Caller, login_frame
from tests.testing.test_websocket import stubborn_websocket


async def test_close_hangs_up_whatever_the_clients_do(
    exchange: MockExchange, session: aiohttp.ClientSession
) -> None:
    never = asyncio.Event()

    async def hang(request: ReceivedRequest) -> Answer:
        await never.wait()
        return Answer()

    exchange.add_endpoint("GET", "/hang", hang)
    exchange.add_endpoint("GET", "/flood", lambda request: Answer("0" * 20_000_000))
    port = int(exchange.url.split(":")[2])
    sockets = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    for (_, writer), request in zip(
        sockets,
        (
            b"",  # says nothing
            b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n",  # waits for ever
            b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n",  # does not read
            b"POST /v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",  # sends no body
        ),
        strict=True,
    ):
        writer.write(request)
    sockets.append(await stubborn_websocket(exchange, {"method": "SUBSCRIBE", "params": ["x@y"]}))
    pushing = asyncio.create_task(exchange.push("x@y", "0" * 20_000_000))
    polite = await session.ws_connect(exchange.ws_url)
    farewell = asyncio.create_task(polite.receive())
    await exchange.until(lambda: len(exchange.received) == 5 and exchange.websockets == 2)

    started = time.monotonic()
    await exchange.close()
    assert time.monotonic() - started < 2.0
    assert (await farewell).data == 1001
    await pushing
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, "nothing of the server runs on"
    for reader, writer in sockets:
        assert await left_to_read(reader) < 20_000_000, "what nobody reads is not sent to its end"
        writer.close()
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", port)
    await exchange.close()


async def left_to_read(reader: asyncio.StreamReader) -> int:
    size = 0
    try:
        while data := await reader.read(1 << 20):
            size += len(data)
    except ConnectionError:
        pass
    return size


async def test_close_does_not_wait_for_an_endpoint_that_hangs(
    exchange: MockExchange, session: aiohttp.ClientSession
) -> None:
    async def hang(request: ReceivedRequest) -> Answer:
        await asyncio.Event().wait()
        return Answer()

    exchange.add_endpoint("POST", "/hang", hang)
    # A POST, for aiohttp sends a GET again when its connection breaks.
    call = asyncio.create_task(Caller(exchange, session).send("POST", "/hang"))
    await exchange.until(lambda: exchange.received)
    started = time.monotonic()
    await exchange.close()
    assert time.monotonic() - started < 0.45, "half a second is what waiting for it would take"
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await call
    assert exchange.received[0].status is None


async def test_it_starts_again_on_its_port_and_keeps_its_orders(
    exchange: MockExchange, caller: Caller
) -> None:
    url = exchange.url
    await caller.place()
    await exchange.close()
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.send("GET", "/v1/time")
    await exchange.start()
    assert exchange.url == url
    assert len((await caller.in_query("GET", "/v1/orders"))[1]) == 1


async def test_starting_twice_is_an_error(exchange: MockExchange) -> None:
    with pytest.raises(ConfigurationError, match="already started; close"):
        await exchange.start()


async def test_a_taken_port_names_the_way_out(exchange: MockExchange) -> None:
    second = MockExchange(port=int(exchange.url.split(":")[2]))
    with pytest.raises(ConfigurationError, match="pass port=0 to be given a free port"):
        await second.start()
    await second.close()


async def test_before_the_start_it_has_no_address() -> None:
    exchange = MockExchange()
    with pytest.raises(ConfigurationError, match="async with MockExchange"):
        _ = exchange.url
    assert repr(exchange) == "<MockExchange not running, 0 requests, 0 websockets>"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"recv_window_ms": 0}, "recv_window_ms"),
        ({"ticker_interval_s": -1}, "ticker_interval_s"),
        ({"clock_skew_s": float("nan")}, "clock_skew_s"),
        ({"port": 65536}, "port"),
        ({"frames": "brotli"}, "frames is one of"),
        ({"limits": [1]}, "limits holds ArrivalLimit"),
        ({"api_secret": ""}, "leave them out for random"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        MockExchange(**wrong)


async def test_it_serves_tls(example_tls: ExampleTLS) -> None:
    connector = aiohttp.TCPConnector(ssl=example_tls.client)
    async with (
        MockExchange(ssl_context=example_tls.server) as exchange,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        assert exchange.url.startswith("https://127.0.0.1:")
        assert exchange.ws_url.startswith("wss://127.0.0.1:")
        caller = Caller(exchange, session)
        assert (await caller.place())[0] == 200
        async with session.ws_connect(exchange.ws_url) as ws:
            await ws.send_json(login_frame(exchange))
            assert (await ws.receive_json())["status"] == "success"


async def test_tls_connections_are_dropped_as_often_as_asked(example_tls: ExampleTLS) -> None:
    connector = aiohttp.TCPConnector(ssl=example_tls.client)
    async with (
        MockExchange(ssl_context=example_tls.server, ticker_interval_s=0.001) as exchange,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        for code, end in ((1012, 1012), (None, 1006)):
            for _ in range(3):
                async with session.ws_connect(exchange.ws_url) as ws:
                    reading = asyncio.create_task(ws.receive())
                    drops = [exchange.drop_websockets(code) for _ in range(2)]
                    assert 1 in await asyncio.gather(*drops)
                    await reading
                    assert ws.close_code == end
                assert exchange.websockets == 0


async def test_close_does_not_wait_for_a_stalled_tls_handshake(example_tls: ExampleTLS) -> None:
    exchange = MockExchange(ssl_context=example_tls.server)
    await exchange.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(exchange.url.split(":")[2]))
    writer.write(b"\x16\x03\x01")  # the first bytes of a ClientHello, and no more
    await asyncio.sleep(0.01)
    started = time.monotonic()
    await exchange.close()
    assert time.monotonic() - started < 2.0
    assert await reader.read() == b""
    writer.close()


async def test_keys_differ_and_secrets_stay_out_of_reprs_and_logs(
    clock: FakeClock, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with MockExchange(clock=clock) as exchange, MockExchange() as other:
        assert exchange.api_key != other.api_key
        assert exchange.api_secret != other.api_secret
        caller = Caller(exchange, session)
        await caller.place()
        await caller.in_query("GET", "/v1/echo/")
        await caller.send("GET", "/v1/account")
        login = login_frame(exchange)
        async with session.ws_connect(exchange.ws_url) as ws:
            await ws.send_json(login)
            await ws.receive_json()
        texts = [repr(exchange), repr(exchange.received), repr(exchange.ws_received), caplog.text]
        texts += [repr(value) for value in vars(exchange).values() if value != exchange.api_secret]
        signatures = [request.headers.get("X-SIGNATURE") for request in exchange.received]
        signatures.append(exchange.received[1].raw_query.rpartition("=")[2])
        hidden = [exchange.api_secret, login["args"]["signature"], *filter(None, signatures)]
        assert len(hidden) == 4
        for secret in hidden:
            assert not [text for text in texts if secret in text]
        assert repr(exchange.received[0]) == "<ReceivedRequest POST /v1/order -> 200>"


async def test_until_gives_up_and_says_where_it_stands(exchange: MockExchange) -> None:
    with pytest.raises(TimeoutError, match=r"MockExchange http.* did not get there within 0.01 s"):
        await exchange.until(lambda: exchange.pongs, timeout_s=0.01)


async def test_a_host_may_be_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with MockExchange(host="::1") as exchange, aiohttp.ClientSession() as session:
        assert exchange.url.startswith("http://[::1]:")
        assert (await Caller(exchange, session).send("GET", "/v1/time"))[0] == 200
