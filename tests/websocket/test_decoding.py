"""From payloads to messages, without a socket."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networkpype import BodyTooLargeError, ConfigurationError, DecodeError, Outcome, decimal_loads
from networkpype.websocket.decoding import Compression, MessageDecoder

LIMIT = 1000


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


PACK: dict[Compression, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": raw_deflate,
    "zlib": zlib.compress,
}

packings = pytest.mark.parametrize("packing", PACK)


def decoder(packing: Compression | None = None, **options: Any) -> MessageDecoder:
    return MessageDecoder(packing, max_size=LIMIT, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":[1,2.5,null,true,"x"]}', {"a": [1, 2.5, None, True, "x"]}),
        ("[]", []),
        ("12", 12),
        ('"pong"', "pong"),
        ("null", None),
        ("pong", "pong"),
        ("", ""),
        (" ", " "),
        ("NaN", "NaN"),  # which is no JSON
        ("Héllo ☃ 🎉", "Héllo ☃ 🎉"),
    ],
)
def test_json_arrives_parsed_and_other_text_as_it_is(text: str, message: object) -> None:
    assert decoder().text(text) == message


@pytest.mark.parametrize(
    "text", ['{"a":', "{'a': 1}", "[1,", "[NaN]", '  \n{"a" 1}', "[" * 100_000, '{"a":1}{"b":2}']
)
def test_text_that_begins_like_json_and_is_broken_is_an_error(text: str) -> None:
    with pytest.raises(DecodeError, match="starts like JSON and is broken") as caught:
        decoder().text(text)
    assert caught.value.raw == text[:2000].encode()
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.__context__ is None, "a JSON library's error keeps the whole document"


def test_the_json_library_is_the_callers() -> None:
    assert decoder(json_loads=orjson.loads).text('{"p":0.1}') == {"p": 0.1}
    assert decoder(json_loads=decimal_loads).text('{"p":0.10}') == {"p": Decimal("0.10")}
    with pytest.raises(DecodeError):
        decoder(json_loads=orjson.loads).text('{"p":')


def test_binary_stays_bytes_where_nothing_was_declared() -> None:
    assert decoder().binary(gzip.compress(b'{"a":1}'))[:2] == b"\x1f\x8b"


@packings
def test_what_was_declared_is_inflated_and_parsed(packing: Compression) -> None:
    assert decoder(packing).binary(PACK[packing](b'{"a":1}')) == {"a": 1}
    assert decoder(packing).binary(PACK[packing]("Füße".encode())) == "Füße"


@settings(max_examples=40)
@given(text=st.text(max_size=300), packing=st.sampled_from(sorted(PACK)))
def test_every_text_survives(text: str, packing: Compression) -> None:
    document = json.dumps([text], ensure_ascii=False)
    assert decoder(packing).binary(PACK[packing](document.encode())) == [text]


@packings
def test_several_members_are_one_message(packing: Compression) -> None:
    assert decoder(packing).binary(PACK[packing](b'{"a"') + PACK[packing](b":1}")) == {"a": 1}


def test_a_sync_flush_ends_a_raw_deflate_message() -> None:
    squeeze = zlib.compressobj(wbits=-15)
    packed = squeeze.compress(b'{"a":1}') + squeeze.flush(zlib.Z_SYNC_FLUSH)
    assert decoder("deflate").binary(packed) == {"a": 1}


@pytest.mark.parametrize(
    ("packing", "payload", "words"),
    [
        ("gzip", gzip.compress(b"x" * 99)[:-9], "cut short"),
        ("zlib", zlib.compress(b"x" * 99)[:-5], "cut short"),
        ("gzip", b"", "cut short"),
        ("deflate", b"", "cut short"),
        ("zlib", b"", "cut short"),
        ("gzip", zlib.compress(b"{}"), "not gzip"),
        ("zlib", gzip.compress(b"{}"), "not zlib"),
        ("deflate", gzip.compress(b"{}"), "not deflate"),
        ("gzip", b'{"a":1}', "not gzip"),
        ("gzip", gzip.compress(b"{}") + b"tail", "not gzip"),
        ("gzip", gzip.compress(b"{}")[:-8] + b"\0" * 8, "incorrect data check"),
        ("gzip", gzip.compress(b"\xff\xfe"), "not UTF-8"),
        ("gzip", gzip.compress(b'{"a":'), "starts like JSON"),
        ("gzip", gzip.compress(b"") * 101, "more than 100 members"),
    ],
)
def test_a_broken_frame_is_an_error_and_never_data(
    packing: Compression, payload: bytes, words: str
) -> None:
    with pytest.raises(DecodeError, match=words) as caught:
        decoder(packing).binary(payload)
    assert len(caught.value.raw) <= 2000
    assert caught.value.__context__ is None


@packings
def test_the_limit_holds_after_inflation_to_the_byte(packing: Compression) -> None:
    assert decoder(packing).binary(PACK[packing](b"x" * LIMIT)) == "x" * LIMIT
    with pytest.raises(BodyTooLargeError, match=r"more than 1000 bytes; raise max_message_bytes"):
        decoder(packing).binary(PACK[packing](b"x" * (LIMIT + 1)))


@packings
def test_a_bomb_is_not_inflated_beyond_the_limit(packing: Compression) -> None:
    bomb = PACK[packing](bytes(50_000_000))
    with pytest.raises(BodyTooLargeError):
        decoder(packing).binary(bomb)
    many = PACK[packing](b"x" * LIMIT) * 2
    with pytest.raises(BodyTooLargeError):
        decoder(packing).binary(many)


def test_an_unknown_compression_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'brotli' is unknown.*deflate.*gzip.*zlib"):
        decoder("brotli")  # type: ignore[arg-type]
