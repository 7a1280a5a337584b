from __future__ import annotations

import json
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype import ConfigurationError, decimal_loads
from networkpype.codec import dumps, loads

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | FINITE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_what_is_written_is_compact_ascii_and_reads_back(value: Any) -> None:
    text = dumps(value)
    assert text.isascii()
    assert loads(text) == loads(text.encode()) == value
    assert text == json.dumps(value, separators=(",", ":"))


def test_the_order_of_keys_is_the_callers() -> None:
    assert dumps({"b": 1, "a": OrderedDict(d=2, c=3)}) == '{"b":1,"a":{"d":2,"c":3}}'


@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, Decimal(1), {1, 2}, object(), b"", {(): 1}, 1j, [math.nan]]
)
def test_what_json_cannot_hold_is_a_typed_error(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="the body cannot be JSON: "):
        dumps(value)


def test_what_holds_itself_is_a_typed_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ConfigurationError, match="the body cannot be JSON"):
        dumps(circle)


@pytest.mark.parametrize("parse", [loads, decimal_loads])
@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        '{"a":-Infinity}',
        "",
        "{",
        "{'a':1}",
        "1,",
        b"\xff",
        b'"\xc3"',
        "\ufeff1",
    ],
)
def test_what_is_no_json_raises_value_error(parse: Any, text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_decimals_keep_every_digit_and_integers_stay_integers() -> None:
    value = decimal_loads(b'[0.10, 1.0, 1e2, 12345678901234567890, -0.0, "0.1"]')
    assert [str(each) for each in value] == (
        ["0.10", "1.0", "1E+2", "12345678901234567890", "-0.0", "0.1"]
    )
    assert [type(each) for each in value] == [Decimal, Decimal, Decimal, int, Decimal, str]


def test_orjson_is_a_loads() -> None:
    for text in ('{"a":[1.5]}', b'{"a":[1.5]}'):
        assert orjson.loads(text) == loads(text)
    with pytest.raises(ValueError):
        orjson.loads("NaN")


@pytest.fixture
def raised_recursion_limit() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("raised_recursion_limit")
@pytest.mark.parametrize("parse", [loads, decimal_loads])
class TestOfNestingThatMustNotEndTheProcess:
    """Web3's libraries raise the recursion limit, which is all that guards CPython 3.11's stack."""

    @pytest.mark.parametrize("depth", [9_000, 11_000, 200_000])
    def test_deep_nesting_raises(self, parse: Any, depth: int) -> None:
        with pytest.raises((ValueError, RecursionError)):
            parse('{"a":[' * (depth // 2))

    def test_brackets_side_by_side_or_in_strings_are_not_deep(self, parse: Any) -> None:
        brackets = '\\"' + "[{" * 20_000
        assert parse(f'["{brackets}",{{"a":[{"[],{}," * 20_000}1]}}]')[0] == '"' + "[{" * 20_000

    def test_writing_what_holds_itself_raises(self, parse: Any) -> None:
        circle: list[Any] = []
        circle.append(circle)
        with pytest.raises(ConfigurationError, match="the body cannot be JSON"):
            dumps(circle)
