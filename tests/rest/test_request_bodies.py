"""Which bytes a body becomes, and how it is labelled, read from the raw request."""

from __future__ import annotations

import json
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest
from multidict import CIMultiDict

from networkpype import RESTMethod, RESTRequest
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, rest_manager

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
WRITING = [RESTMethod.POST, RESTMethod.PUT, RESTMethod.PATCH, RESTMethod.DELETE]


class Side(str, Enum):  # noqa: UP042, a connector on 1.1.5 wrote it so
    BUY = "BUY"


async def sent(method: RESTMethod, data: Any = None, **call: Any) -> tuple[str | None, bytes]:
    """Send it, and return the Content-Type and the body that arrived."""
    async with RawServer(answering(answer(b""))) as server, rest_manager() as manager:
        await manager.execute_request(server.url, LIMIT_ID, data=data, method=method, **call)
        (request,) = server.requests
    return content_type_of(request), request.partition(b"\r\n\r\n")[2]


def content_type_of(request: bytes) -> str | None:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    labels = [line for line in head.split("\r\n") if line.lower().startswith("content-type:")]
    assert len(labels) < 2, labels
    return labels[0].partition(":")[2].strip() if labels else None


@pytest.mark.parametrize("method", [*WRITING, RESTMethod.GET])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"symbol": "BTC", "size": 1}, b'{"symbol":"BTC","size":1}'),
        ([{"a": 1}, {"b": None}, 2, "x"], b'[{"a":1},{"b":null},2,"x"]'),
        ((1, 2), b"[1,2]"),
        ([], b"[]"),
        ({}, b"{}"),
        ({"side": Side.BUY, "ids": (1,)}, b'{"side":"BUY","ids":[1]}'),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), b'{"a":{"b":1}}'),
        (True, b"true"),
        (7, b"7"),
    ],
)
async def test_structured_data_is_compact_json_on_every_method(
    method: RESTMethod, data: Any, body: bytes
) -> None:
    assert await sent(method, data) == (JSON, body)


@pytest.mark.parametrize("method", [*WRITING, RESTMethod.GET])
async def test_none_values_are_dropped_at_the_top_and_kept_below(method: RESTMethod) -> None:
    data = {"a": None, "b": {"c": None}, "d": [None], "e": "", "f": 0, "g": False}
    expected = {"b": {"c": None}, "d": [None], "e": "", "f": 0, "g": False}
    assert json.loads((await sent(method, data))[1]) == expected


@pytest.mark.parametrize("method", WRITING)
@pytest.mark.parametrize(
    "text", ['{"a": 1}', "a=1&b=%20 ", "", "\ufeffßé😀", " \r\n\x00 ", '["not", "touched" ]']
)
async def test_text_is_sent_as_it_is(method: RESTMethod, text: str) -> None:
    assert (await sent(method, text))[1] == text.encode()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_are_sent_as_they_are(kind: Any) -> None:
    raw = bytes(range(256))
    assert (await sent(RESTMethod.POST, kind(raw)))[1] == raw


async def test_a_body_larger_than_a_megabyte_arrives_whole_with_its_length() -> None:
    text = "0123456789abcdef" * (3 << 16)
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        for _ in range(2):  # the second on the same connection: nothing was left over
            await manager.execute_request(
                server.url, LIMIT_ID, data=text, method=RESTMethod.POST, headers={"X-Own": "1"}
            )
        assert server.connections == 1
        for request in server.requests:
            assert request.endswith(f"\r\n\r\n{text}".encode())
            assert f"Content-Length: {len(text)}\r\n".encode() in request
            assert content_type_of(request) == JSON


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
@pytest.mark.parametrize("method", [*WRITING, RESTMethod.GET])
async def test_the_callers_content_type_wins_in_any_case(method: RESTMethod, name: str) -> None:
    label = "Application/Vnd.Exchange+JSON; v=2"
    assert await sent(method, {"a": 1}, headers={name: label}) == (label, b'{"a":1}')
    assert (await sent(method, headers={name: label}))[0] == label


@pytest.mark.parametrize("label", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"a": "1 2", "b": "ü&=+%"}, b"a=1%202&b=%C3%BC%26%3D%2B%25"),
        ({"a": ["1", "2"], "none": None, "empty": ""}, b"a=1&a=2&empty="),
        ([("b", "1"), ("a", True), ("b", 1.5)], b"b=1&a=true&b=1.5"),
        ({}, b""),
        ("a=1&raw text", b"a=1&raw text"),
    ],
)
async def test_a_form_is_asked_for_by_its_content_type(label: str, data: Any, body: bytes) -> None:
    assert await sent(RESTMethod.POST, data, headers={"content-type": label}) == (label, body)


@pytest.mark.parametrize(
    ("method", "label"),
    [
        (RESTMethod.GET, FORM),
        (RESTMethod.POST, JSON),
        (RESTMethod.PUT, JSON),
        (RESTMethod.DELETE, None),
        (RESTMethod.PATCH, None),
        (RESTMethod.HEAD, None),
        (RESTMethod.OPTIONS, None),
    ],
)
async def test_the_label_of_a_request_without_a_body(method: RESTMethod, label: str | None) -> None:
    assert await sent(method) == (label, b"")


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ({"a": 1}, JSON),
        ([1], JSON),
        ("text", "text/plain; charset=utf-8"),
        (b"raw", "application/octet-stream"),
        (None, None),
    ],
)
async def test_a_request_made_by_hand_is_labelled_by_its_data(data: Any, label: str) -> None:
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        await manager.call(RESTRequest(RESTMethod.DELETE, server.url, data=data))
        assert content_type_of(server.requests[0]) == label


async def test_headers_of_any_mapping_arrive_and_the_callers_come_in_order() -> None:
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        for headers in (
            {"X-B": "2", "X-A": "1"},
            CIMultiDict({"X-B": "2", "X-A": "1"}),
            MappingProxyType({"X-B": "2", "X-A": "1"}),
        ):
            await manager.execute_request(server.url, LIMIT_ID, headers=headers)
            await manager.call(RESTRequest(RESTMethod.GET, server.url, headers=headers))
        assert len(server.requests) == 6
        for request in server.requests:
            assert b"\r\nX-B: 2\r\nX-A: 1\r\n" in request


async def test_params_of_any_mapping_or_pairs_arrive() -> None:
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        for params in (
            CIMultiDict([("a", "1"), ("a", "2")]),
            MappingProxyType({"a": ["1", "2"]}),
            iter([("a", "1"), ("a", "2")]),
            zip("aa", "12", strict=True),
        ):
            await manager.execute_request(server.url, LIMIT_ID, params=params)  # type: ignore[arg-type]
        assert [each.partition(b" HTTP")[0] for each in server.requests] == [b"GET /?a=1&a=2"] * 4
