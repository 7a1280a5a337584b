"""One encoder for the signer and the sender; what it does at the wire is in rest/."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from networkpype import ConfigurationError, wire
from networkpype.wire import (
    WireURL,
    check_headers,
    encode_pairs,
    encode_query,
    encode_value,
    is_encoded,
    split_url,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


class Mixed(str, Enum):  # noqa: UP042, such enums are in connectors
    BUY = "BUY me"


class Name(StrEnum):
    SIDE = "side"


class Number(IntEnum):
    FIVE = 5


class Plain(Enum):
    PRICE = Decimal("1E+3")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(10**30), "-1" + "0" * 30),
        (0.1, "0.1"),
        (1e-8, "0.00000001"),
        (1e22, "1" + "0" * 22),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (Decimal("0.10"), "0.10"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal("1E+3"), "1000"),
        (Mixed.BUY, "BUY me"),
        (Name.SIDE, "side"),
        (Number.FIVE, "5"),
        (Plain.PRICE, "1000"),
    ],
)
def test_a_value_is_written_as_an_exchange_reads_it(value: Any, text: str) -> None:
    assert encode_value(value) == text
    assert encode_pairs({"a": value}) == f"a={quote(text, safe='')}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_its_value_and_has_no_exponent(number: float) -> None:
    text = encode_value(number)
    assert float(text) == number
    assert "e" not in text.lower()


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_pairs_come_back_as_they_went(pairs: list[tuple[str, str]]) -> None:
    encoded = encode_pairs(pairs)
    assert parse_qsl(encoded, keep_blank_values=True) == (pairs if encoded else [])
    assert encoded == "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in pairs)


def test_a_name_may_be_an_enum_and_is_sent_by_its_value() -> None:
    assert encode_pairs({Mixed.BUY: "1", Name.SIDE: "2"}) == "BUY%20me=1&side=2"


@pytest.mark.parametrize(
    ("own", "params", "query"),
    [
        ("", None, ""),
        ("a=1", None, "a=1"),
        ("", {"b": 2}, "b=2"),
        ("a=1", {"b": 2}, "a=1&b=2"),
        ("a=1", "b=%2C", "a=1&b=%2C"),
        ("a=1", {}, "a=1"),
        ("a=1", [], "a=1"),
        ("a=1", {"b": []}, "a=1"),
        ("", "a=%zz&b= ", "a=%25zz&b=%20"),
        ("", "?a=1", "a=1"),
        ("a=1", "?b=2&c=é", "a=1&b=2&c=%C3%A9"),
        ("", "??a=1", "?a=1"),
        ("", "?", ""),
        ("a=1", "?", "a=1"),
        ("?a=1", "b=2", "?a=1&b=2"),
    ],
)
def test_the_urls_own_query_comes_first(own: str, params: Any, query: str) -> None:
    assert encode_query(own, params) == query


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://h", ("https", "h", "/", "")),
        ("HTTPS://Api.Example.COM/V1", ("https", "api.example.com", "/V1", "")),
        ("https://h:443/", ("https", "h", "/", "")),
        ("http://h:80/", ("http", "h", "/", "")),
        ("http://h:443/", ("http", "h:443", "/", "")),
        ("wss://h:443/ws", ("wss", "h", "/ws", "")),
        ("ws://h:00080/ws", ("ws", "h", "/ws", "")),
        ("wss://h:0080/ws", ("wss", "h:80", "/ws", "")),
        ("https://h:08443/", ("https", "h:8443", "/", "")),
        ("https://[::1]:8443/a", ("https", "[::1]:8443", "/a", "")),
        ("https://[2001:DB8::1]", ("https", "[2001:db8::1]", "/", "")),
        ("https://bücher.example/", ("https", "xn--bcher-kva.example", "/", "")),
        ("https://a_b.h-1.example/", ("https", "a_b.h-1.example", "/", "")),
        (f"https://{'a' * 63}.b/", ("https", f"{'a' * 63}.b", "/", "")),
        ("https://h?a=b?c", ("https", "h", "/", "a=b?c")),
        ("https://h/a;b=c/(d)", ("https", "h", "/a;b=c/(d)", "")),
        ('https://h/[x]{y}|^`"<>', ("https", "h", "/%5Bx%5D%7By%7D%7C%5E%60%22%3C%3E", "")),
    ],
)
def test_a_url_is_taken_apart_as_it_travels(url: str, parts: tuple[str, ...]) -> None:
    assert split_url(url) == WireURL(*parts)


@given(TEXT, TEXT)
def test_encoding_twice_changes_nothing(path: str, query: str) -> None:
    once = split_url(f"https://h/{path}?{query}")
    assert split_url(f"https://h{once.path}?{once.query}") == once


@given(st.text(max_size=40))
def test_any_text_as_a_url_is_either_sendable_or_a_typed_error(text: str) -> None:
    for url in (text, f"https://{text}", f"https://h/{text}", f"https://h:{text}"):
        try:
            parts = split_url(url)
        except ConfigurationError:
            continue
        sent = f"{parts.host}{parts.path}{parts.query}"
        assert sent.isascii()
        assert not any(character <= " " or character == "\x7f" for character in sent)
        assert not set("/@\\?#") & set(parts.host)


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-A": ""}, {"X-A": "a b\tc"}, CIMultiDict({"x-a": "1"}), {"!#$%&'*+.^_`|~": "1"}],
)
def test_headers_that_may_be_sent(headers: Any) -> None:
    check_headers(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": Mixed.BUY},  # aiohttp would send its name and not its value
        {Mixed.BUY: "1"},
        {"X:A": "1"},
        {"X-A": "\x1b[2J"},
        {"X-A": "\x7f"},
        {"X-A": "\x85"},
        {"X-A": "1 "},
        {"X-A": "\u2028"},
        {"X-A": "1", "x-a": "1"},  # aiohttp would send the last one only
        CIMultiDict([("X-A", "1"), ("X-A", "2")]),
    ],
)
def test_headers_that_may_not(headers: Any) -> None:
    with pytest.raises(ConfigurationError, match="header"):
        check_headers(headers)


def test_an_enum_does_not_pass_for_a_name_that_was_checked_before() -> None:
    check_headers({"side": "1"})
    with pytest.raises(ConfigurationError, match="header"):
        check_headers({Name.SIDE: "1"})


def test_what_a_url_holds_of_secrets_is_not_kept() -> None:
    url = f"https://h/v1/{'0a' * 16}?signature=5f1bb1a0"
    assert split_url(url) == split_url(url)
    split_url("https://h/v1/kept?signature=5f1bb1a0")
    kept = repr(wire._known)
    assert "'/v1/kept'" in kept
    assert "5f1bb1a0" not in kept
    assert "0a0a0a" not in kept


def test_only_so_many_urls_are_kept() -> None:
    for number in range(2000):
        split_url(f"https://h/v1/order/{number}")
    assert len(wire._known) <= 512


MIXED_VALUES = st.one_of(
    st.text(alphabet="a&=b?#% +", max_size=6),
    st.integers(),
    st.booleans(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.lists(st.integers(), min_size=1, max_size=3),
)


@given(st.dictionaries(st.text(alphabet="xyz&=", min_size=1, max_size=4), MIXED_VALUES, max_size=6))
def test_nothing_is_lost_and_nothing_is_added(params: dict[str, object]) -> None:
    """A value that looks like two pairs must not stand in for a pair of another type."""
    expected = []
    for name, value in params.items():
        for item in value if isinstance(value, list) else [value]:
            expected.append((name, encode_value(item)))
    assert parse_qsl(encode_pairs(params), keep_blank_values=True) == expected


def test_a_value_cannot_pass_for_a_pair() -> None:
    params = {"symbol": "BTC", "clientId": "x&reduceOnly=true", "price": Decimal("1.5")}
    assert encode_pairs(params) == "symbol=BTC&clientId=x%26reduceOnly%3Dtrue&price=1.5"


@given(st.one_of(st.text(max_size=8), st.text(alphabet="aZ09._~-=&%2Fé\ud800 0x", max_size=8)))
def test_encoded_is_what_holds_nothing_to_escape(text: str) -> None:
    plain = "[A-Za-z0-9._~=&-]"
    assert is_encoded(text) == bool(re.fullmatch(f"(?:{plain}|%[0-9A-Fa-f]{{2}})*", text))


@pytest.mark.parametrize("character", [chr(code) for code in range(128)])
def test_each_character_is_escaped_or_stands_for_itself(character: str) -> None:
    escaped = quote(character, safe="")
    assert encode_pairs({"a": character}) == f"a={escaped}"
    assert encode_query("", {character: 1}) == f"{escaped}=1"
    assert is_encoded(character) == (escaped == character or character in "=&")
