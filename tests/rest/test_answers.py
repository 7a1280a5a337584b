"""How an answer is read: JSON whatever its label, text by its charset, a typed error else."""

from __future__ import annotations

import gzip
import json
import pickle
import tracemalloc
import zlib
from decimal import Decimal
from typing import Any

import orjson
import pytest

from networkpype import (
    BodyTooLargeError,
    ConnectionsFactory,
    DecodeError,
    Outcome,
    RESTMethod,
    RESTResponse,
    decimal_loads,
)
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, rest_manager


async def read(raw: bytes, *, factory: dict[str, Any] | None = None, **call: Any) -> Any:
    async with RawServer(answering(raw)) as server, rest_manager(**(factory or {})) as manager:
        return await manager.execute_request(server.url, LIMIT_ID, **call)


async def whole(raw: bytes) -> RESTResponse:
    async with RawServer(answering(raw)) as server, rest_manager() as manager:
        return await manager.execute_request_and_get_response(server.url, LIMIT_ID)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "text/html; charset=utf-8", "TEXT/JSON;CHARSET=UTF8", ""],
)
async def test_json_parses_under_any_label(content_type: str) -> None:
    label = [f"Content-Type: {content_type}"] if content_type else []
    assert await read(answer(b'{"a": "\xc3\xbc"}', "200 OK", *label)) == {"a": "ü"}


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"", "204 No Content"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        answer(b""),
        answer(b" \r\n\t"),
        answer(b"0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked"),
        answer(gzip.compress(b""), "200 OK", "Content-Encoding: gzip"),
    ],
)
async def test_an_empty_answer_is_none(raw: bytes) -> None:
    assert await read(raw) is None


async def test_a_head_answer_has_no_body() -> None:
    raw = answer(b"", "200 OK", "Content-Length: 1000", "X-Used: 7")
    assert await read(raw, method=RESTMethod.HEAD, timeout=1) is None


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b'\xef\xbb\xbf{"a": "\xc3\xbc"}', "application/json"),
        (b'\xef\xbb\xbf{"a": "\xc3\xbc"}', "application/json; charset=utf-8"),
        ('{"a": "ü"}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
        ('{"a": "ü"}'.encode("utf-16"), 'application/json; charset="utf-16"'),
        ('{"a": "ü"}'.encode("gbk"), "text/plain; charset=GBK; x=y"),
    ],
)
async def test_a_declared_charset_and_a_byte_order_mark_are_understood(
    body: bytes, label: str
) -> None:
    raw = answer(body, "200 OK", f"Content-Type: {label}")
    assert await read(raw) == {"a": "ü"}
    assert await (await whole(raw)).text() == body.decode(
        label.partition("=")[2].partition(";")[0].strip('"') or "utf-8"
    ).removeprefix("\ufeff")


BAD_BODIES = [
    b"<!DOCTYPE html><html><title>502 Bad Gateway</title></html>",
    b"{'a': 1}",
    b'{"a": NaN}',
    b"[Infinity]",
    b"-Infinity",
    b'{"a": 1',
    b'{"a": 1}}',
    b"undefined",
    b'{"a": "\xff\xfe"}',
    b"\xff\xfe\x00",
    b"[" * 200_000,
    b"1" * 5000,  # more digits than int() takes
    '{"a": 1}'.encode("utf-16"),
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:12]))
async def test_what_is_no_json_is_a_typed_error_with_the_bytes_kept(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"HTTP 200, no Content-Type, \d+ bytes, not") as caught:
        await read(answer(body))
    error = caught.value
    assert error.raw == body[:2000]
    assert error.outcome is Outcome.UNKNOWN
    assert isinstance(error, ValueError)
    assert len(str(error)) < 300
    assert error.__context__ is None
    thawed = pickle.loads(pickle.dumps(error))
    assert (str(thawed), thawed.raw) == (str(error), b"")
    assert b"raw" not in pickle.dumps(error).replace(str(error).encode(), b"")


@pytest.mark.parametrize("charset", ["klingon", "undefined", "ascii", "hex", "idna", "\xfc", ""])
async def test_a_charset_that_does_not_fit_is_a_typed_error(charset: str) -> None:
    body = '{"a": "中"}'.encode()
    raw = answer(body, "200 OK", f"Content-Type: application/json; charset={charset}")
    if not charset:
        assert await read(raw) == {"a": "中"}
        return
    with pytest.raises(DecodeError, match=r"not .* text"):
        await read(raw)
    with pytest.raises(DecodeError):
        await (await whole(raw)).text()


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\r\n <?xml version='1.0'?><Error>"])
async def test_a_page_is_called_a_page(page: bytes) -> None:
    with pytest.raises(DecodeError, match=r"text/html, .* not JSON .* but a page") as caught:
        await read(answer(page, "200 OK", "Content-Type: text/html"))
    assert caught.value.raw == page


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_answer_is_unpacked(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    raw = answer(pack(b'{"a":1}'), "200 OK", f"Content-Encoding: {coding}")
    assert await read(raw) == {"a": 1}


LIMIT = 100_000
LIMITED = {"max_body_bytes": LIMIT}


def limited() -> dict[str, Any]:
    return {"connections_factory": ConnectionsFactory(max_body_bytes=LIMIT)}


@pytest.mark.parametrize("excess", [0, 1])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_the_limit_of_a_body_is_exact_and_counts_unpacked_bytes(
    excess: int, packed: bool
) -> None:
    body = b'"' + b"a" * (LIMIT - 2 + excess) + b'"'
    raw = (
        answer(gzip.compress(body), "200 OK", "Content-Encoding: gzip") if packed else answer(body)
    )
    if not excess:
        assert len(await read(raw, factory=limited())) == LIMIT - 2
        return
    with pytest.raises(BodyTooLargeError, match=rf"larger than {LIMIT} bytes; raise max") as caught:
        await read(raw, factory=limited())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.raw.startswith(b'"aaa')
    assert len(caught.value.raw) <= 2000


async def test_a_bomb_is_defused_before_it_fills_the_memory() -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join([packer.compress(zeros) for _ in range(64)] + [packer.flush()])
    raw = answer(bomb, "200 OK", "Content-Encoding: gzip")
    async with RawServer(answering(raw)) as server, rest_manager(**limited()) as manager:
        tracemalloc.start()
        try:
            with pytest.raises(BodyTooLargeError):
                await manager.execute_request(server.url, LIMIT_ID)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4 << 20


async def test_an_endless_answer_ends_at_the_limit() -> None:
    async def pour(peer: Any) -> None:
        await peer.request()
        await peer.send(answer(b"", "200 OK", "Transfer-Encoding: chunked"))
        while True:
            await peer.send(b"1000\r\n" + b" " * 0x1000 + b"\r\n")

    async with RawServer(pour) as server, rest_manager(**limited()) as manager:
        with pytest.raises(BodyTooLargeError):
            await manager.execute_request(server.url, LIMIT_ID, timeout=2)


PRICES = answer(b'{"price": 0.10, "size": 1e-8, "id": 12345678901234567890, "n": 1.0}')


async def test_prices_keep_their_digits_where_decimal_loads_is_asked_for() -> None:
    exact = {
        "price": Decimal("0.10"),
        "size": Decimal("1e-8"),
        "id": 12345678901234567890,
        "n": Decimal("1.0"),
    }
    for order in (
        await read(PRICES, json_loads=decimal_loads),
        await read(PRICES, factory={"json_loads": decimal_loads}),
        (await whole(PRICES)).parse(decimal_loads),
    ):
        assert order == exact
        assert str(order["price"]) == "0.10"
    assert type((await read(PRICES))["price"]) is float


async def test_orjson_is_plugged_in_as_it_is() -> None:
    for label in ("application/json", "application/json; charset=utf-8"):
        raw = answer(b'\xef\xbb\xbf{"a": [1.5]}', "200 OK", f"Content-Type: {label}")
        assert await read(raw, json_loads=orjson.loads) == {"a": [1.5]}
        assert await read(raw, factory={"json_loads": orjson.loads}) == {"a": [1.5]}
    with pytest.raises(DecodeError, match="JSONDecodeError") as caught:
        await read(answer(b'{"token": "secret-token-123",,}'), json_loads=orjson.loads)
    assert "secret-token-123" not in f"{caught.value!r}{caught.value.__context__!r}"


async def test_a_loads_for_one_call_beats_the_factorys() -> None:
    def shout(text: str | bytes) -> Any:
        return "shouted"

    assert await read(PRICES, factory={"json_loads": json.loads}, json_loads=shout) == "shouted"


async def test_the_whole_response_is_reachable() -> None:
    raw = answer(b'{"a": 1}', "201 Created", "X-Used: 7", "Content-Type: text/plain")
    response = await whole(raw)
    assert (response.status, response.method, response.headers["x-used"]) == (
        201,
        RESTMethod.GET,
        "7",
    )
    assert (response.body, response.content_type) == (b'{"a": 1}', "text/plain")
    assert await response.json() == {"a": 1}
    assert await response.json("text/plain") == {"a": 1}
    assert await response.json(content_type=None) == {"a": 1}
    assert await response.text() == '{"a": 1}'
    with pytest.raises(DecodeError, match="Content-Type is not text/csv"):
        await response.json("text/csv")


async def test_duplicate_headers_and_odd_spellings_are_no_trouble() -> None:
    raw = b"HTTP/1.1 200\r\ncontent-LENGTH:2\r\nX-A: 1\r\nX-A: 2\r\n\r\n{}"
    response = await whole(raw)
    assert response.parse() == {}
    assert response.headers["X-A"] == "1"
