"""What the mock exchange accepts and refuses, seen from a client that signs by hand."""

from __future__ import annotations

import asyncio
import base64

import pytest

from networkpype.testing import FakeClock, MockExchange
from tests.testing.caller import Caller, sign

UNSAFE = "a=1%2C2&b=%2f%3A&c=x+y%20z&d=,:/?'()!*$@~&e=%E2%82%AC"
"""Escapes in either case, both spaces, and the characters that aiohttp would re-encode."""


async def test_a_signature_in_the_query_is_over_the_query_as_received(caller: Caller) -> None:
    status, answer = await caller.in_query("GET", "/v1/echo/a%2Fb", UNSAFE)
    assert status == 200
    assert answer["raw_path"].startswith(f"/v1/echo/a%2Fb?{UNSAFE}&timestamp=")


async def test_a_signature_in_the_headers_is_over_target_and_body_as_received(
    caller: Caller,
) -> None:
    body = b'{ "price":1.10,\t"note": "\xe2\x82\xac" }'
    status, answer = await caller.in_headers("PUT", f"/v1/echo/x?{UNSAFE}", body=body)
    assert status == 200
    assert base64.b64decode(answer["body_base64"]) == body
    assert answer["body_text"] == body.decode()
    assert answer["raw_path"] == f"/v1/echo/x?{UNSAFE}"
    assert ["X-API-KEY", caller.exchange.api_key] in answer["headers"]


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        ("/v1/echo/x?a=1", "/v1/echo/x?a=2"),
        ("/v1/echo/x?a=%2c", "/v1/echo/x?a=%2C"),
        ("/v1/echo/x?a=%2C", "/v1/echo/x?a=,"),
        ("/v1/echo/x?a=b+c", "/v1/echo/x?a=b%20c"),
        ("/v1/echo/x?a=1&b=2", "/v1/echo/x?b=2&a=1"),
        ("/v1/echo/a%2Fb", "/v1/echo/a/b"),
    ],
)
async def test_another_spelling_of_the_same_target_is_another_signature(
    caller: Caller, signed: str, sent: str
) -> None:
    status, answer = await caller.in_headers("GET", signed, sent_target=sent)
    assert (status, answer["code"]) == (401, -1022)
    assert (await caller.in_headers("GET", signed))[0] == 200


@pytest.mark.parametrize("sent", [b'{"a":2}', b'{"a": 1}', b'{"a":1}\n', b""])
async def test_one_wrong_byte_in_the_body_is_refused(caller: Caller, sent: bytes) -> None:
    status, answer = await caller.in_headers("POST", "/v1/echo/", body=b'{"a":1}', sent_body=sent)
    assert (status, answer["code"]) == (401, -1022)
    assert answer["msg"].startswith("signature does not match")


async def test_one_wrong_byte_in_a_signed_query_is_refused(caller: Caller) -> None:
    query = caller.signed_query("a=1")
    key = caller.exchange.api_key
    for wrong in (
        query.replace("a=1", "a=2"),
        query[:-1] + ("0" if query[-1] != "0" else "1"),
        query.replace("a=1&", ""),
        query.upper(),
    ):
        status, answer = await caller.send("GET", f"/v1/echo/?{wrong}", X_API_KEY=key)
        assert (status, answer["code"]) == (401, -1022), wrong
    status, answer = await caller.send("GET", f"/v1/echo/?{query}&a=2", X_API_KEY=key)
    assert status == 401
    assert "must be the last query parameter" in answer["msg"]
    assert (await caller.send("GET", f"/v1/echo/?{query}", X_API_KEY=key))[0] == 200


@pytest.mark.parametrize(
    "target",
    [b"/v1/public/echo//../%41/%ff?a=%2c&&=;%zz[\\]^`{|}?", b"/v1/public/echo/?"],
)
async def test_the_bytes_of_the_request_line_reach_the_record_unchanged(
    exchange: MockExchange, target: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(exchange.url.split(":")[2]))
    writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
    assert exchange.received[0].raw_path.encode() == target


async def test_a_long_query_is_not_cut_off(caller: Caller) -> None:
    assert (await caller.in_query("GET", "/v1/echo/", "a=" + "x" * 30_000))[0] == 200


async def test_a_compressed_body_is_verified_and_kept_compressed(caller: Caller) -> None:
    timestamp = str(caller.exchange.time_ms())
    body = b"no gzip at all"
    payload = f"{timestamp}POST/v1/echo/".encode() + body
    status, answer = await caller.send(
        "POST",
        "/v1/echo/",
        body=body,
        Content_Encoding="gzip",
        X_API_KEY=caller.exchange.api_key,
        X_TIMESTAMP=timestamp,
        X_SIGNATURE=sign(caller.exchange.api_secret, payload),
    )
    assert (status, answer["body_text"]) == (200, "no gzip at all")


@pytest.mark.parametrize("path", ["/v1/account", "/v1/orders"])
async def test_the_key_alone_suffices_to_read(caller: Caller, path: str) -> None:
    assert (await caller.send("GET", path, X_API_KEY=caller.exchange.api_key))[0] == 200
    for key in ("wrong", "schlüssel", caller.exchange.api_key + "0"):
        status, answer = await caller.send("GET", path, X_API_KEY=key)
        assert (status, answer["code"]) == (401, -2015)
    status, answer = await caller.send("GET", path)
    assert (status, answer["code"]) == (401, -2015)


async def test_the_key_alone_does_not_excuse_a_wrong_signature(caller: Caller) -> None:
    key = caller.exchange.api_key
    stamp = str(caller.exchange.time_ms())
    for query in (f"timestamp={stamp}&signature=00", f"signature=00&timestamp={stamp}"):
        status, answer = await caller.send("GET", f"/v1/account?{query}", X_API_KEY=key)
        assert (status, answer["code"]) == (401, -1022)
    status, answer = await caller.send(
        "GET", "/v1/account", X_API_KEY=key, X_TIMESTAMP=stamp, X_SIGNATURE="00"
    )
    assert (status, answer["code"]) == (401, -1022)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/order"),
        ("DELETE", "/v1/order"),
        ("DELETE", "/v1/orders"),
        ("GET", "/v1/echo/"),
        ("POST", "/v1/echo/"),
    ],
)
async def test_the_key_alone_is_not_enough_for_the_rest(
    caller: Caller, method: str, path: str
) -> None:
    status, answer = await caller.send(method, path, X_API_KEY=caller.exchange.api_key)
    assert (status, answer["code"]) == (401, -1022)
    assert answer["msg"].startswith("signature missing")
    assert not caller.exchange.executions


@pytest.mark.parametrize("way", ["in_query", "in_headers"])
@pytest.mark.parametrize(
    ("ahead_ms", "words"), [(5001, "5001 ms ahead of"), (-5001, "5001 ms behind")]
)
async def test_a_timestamp_outside_the_recv_window_is_refused_by_how_much(
    caller: Caller, way: str, ahead_ms: int, words: str
) -> None:
    send = getattr(caller, way)
    status, answer = await send("GET", "/v1/echo/", ahead_ms=ahead_ms)
    assert (status, answer["code"]) == (400, -1021)
    assert f"timestamp is {words} the server's time" in answer["msg"]
    assert answer["serverTime"] == caller.exchange.time_ms()
    inside = ahead_ms - 1 if ahead_ms > 0 else ahead_ms + 1
    assert (await send("GET", "/v1/echo/", ahead_ms=inside))[0] == 200


async def test_the_exchange_judges_by_its_own_clock(caller: Caller, clock: FakeClock) -> None:
    caller.exchange.clock_skew_s = 7.5
    local_ms = int(clock.time() * 1000)
    assert (await caller.send("GET", "/v1/time")) == (200, {"serverTime": local_ms + 7500})
    assert (await caller.in_query("GET", "/v1/echo/", ahead_ms=-7500))[0] == 400
    assert (await caller.in_query("GET", "/v1/echo/"))[0] == 200


@pytest.mark.parametrize("stamp", ["", "1.7e12", "-1", "١٢", "9" * 17])
async def test_a_timestamp_that_is_no_milliseconds_is_refused(caller: Caller, stamp: str) -> None:
    secret, key = caller.exchange.api_secret, caller.exchange.api_key
    status, answer = await caller.send(
        "GET",
        "/v1/echo/",
        X_API_KEY=key,
        X_TIMESTAMP=stamp,
        X_SIGNATURE=sign(secret, f"{stamp}GET/v1/echo/".encode()),
    )
    assert (status, answer["code"]) == (400, -1102)


@pytest.mark.parametrize("query", ["a=1", "timestamp=1&timestamp=2"])
async def test_a_signed_query_has_one_timestamp(caller: Caller, query: str) -> None:
    signature = sign(caller.exchange.api_secret, query.encode())
    status, answer = await caller.send(
        "GET", f"/v1/echo/?{query}&signature={signature}", X_API_KEY=caller.exchange.api_key
    )
    assert (status, answer["code"]) == (400, -1102)
    assert "timestamp" in answer["msg"]
