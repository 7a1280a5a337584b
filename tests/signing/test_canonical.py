"""A query as it is signed."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.signing.canonical import canonical_query

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PARAMS = {"symbol": "BTC/USDT", "b": True, "amount": Decimal("0.10"), "a": "é ~"}


class Side(Enum):
    BUY = "buy"


def test_the_order_stays_or_is_that_of_the_names() -> None:
    assert canonical_query(PARAMS) == "symbol=BTC%2FUSDT&b=true&amount=0.10&a=%C3%A9%20~"
    assert canonical_query(PARAMS, sort=True) == (
        "a=%C3%A9%20~&amount=0.10&b=true&symbol=BTC%2FUSDT"
    )


def test_raw_is_not_percent_encoded() -> None:
    assert canonical_query(PARAMS, raw=True) == "symbol=BTC/USDT&b=true&amount=0.10&a=é ~"
    assert canonical_query(PARAMS, raw=True, sort=True, separator="") == (
        "a=é ~amount=0.10b=truesymbol=BTC/USDT"
    )


def test_another_separator_between_encoded_pairs() -> None:
    assert canonical_query({"b": "x y", "a": [1, 2]}, separator="|") == "b=x%20y|a=1|a=2"


def test_pairs_may_repeat_a_name_and_keep_their_order_when_sorted() -> None:
    pairs = [("b", 2), ("a", 3), ("b", 1), ("a", 1)]
    assert canonical_query(pairs) == "b=2&a=3&b=1&a=1"
    assert canonical_query(pairs, sort=True) == "a=3&a=1&b=2&b=1"
    assert canonical_query({"id": [3, 1], "a": 1}, sort=True) == "a=1&id=3&id=1"
    assert canonical_query({"id": [3, 1], "a": 1}, raw=True) == "id=3&id=1&a=1"


def test_upper_case_comes_before_lower_and_ascii_before_the_rest() -> None:
    pairs = [("é", 1), ("a", 1), ("Z", 1), ("_", 1)]
    assert canonical_query(pairs, sort=True, raw=True) == "Z=1&_=1&a=1&é=1"


def test_members_of_an_enum_are_their_values() -> None:
    assert canonical_query({"side": Side.BUY}, raw=True) == "side=buy"
    assert canonical_query({"side": Side.BUY}) == "side=buy"


def test_nothing_is_the_empty_text() -> None:
    assert canonical_query({}) == canonical_query([], raw=True) == ""


def test_what_cannot_be_signed_is_an_error() -> None:
    for raw in (False, True):
        with pytest.raises(ConfigurationError, match="leave out what is None"):
            canonical_query({"a": None}, raw=raw)
        with pytest.raises(ConfigurationError, match="read only once"):
            canonical_query(iter([("a", 1)]), raw=raw)  # type: ignore[arg-type]


@given(st.lists(st.tuples(TEXT, TEXT)), st.booleans())
def test_an_encoded_query_is_read_as_what_it_was(pairs: list[tuple[str, str]], sort: bool) -> None:
    query = canonical_query(pairs, sort=sort)
    expected = sorted(pairs, key=lambda pair: pair[0]) if sort else pairs
    assert query.isascii()
    assert parse_qsl(query, keep_blank_values=True) == expected
