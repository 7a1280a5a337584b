"""A query in the order of its names, whether the arguments were sorted or what was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype import RESTMethod, RESTRequest
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import ConfigurationError
from networkpype.wire import encode_query
from tests.support.signers import a_draft

SORTED = Layout(sort_query=True, query_only=("DELETE",))
NAMES = st.text(alphabet="abAZ_-.09[é", min_size=1, max_size=3)
VALUES = st.one_of(st.text(max_size=3), st.integers(), st.lists(st.integers(0, 9), max_size=3))


def settled(method: str = "GET", own: str = "", **given: Any) -> Draft:
    url = f"https://host.test/v1/x?{own}" if own else "https://host.test/v1/x"
    request = RESTRequest(RESTMethod(method), url, **given)
    draft = SORTED.draft(request, a_draft().identity)
    SORTED.settle(draft)
    return draft


@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["", "b=1", "z=1&a=2"]))
def test_sorting_the_arguments_first_changes_nothing(params: dict[str, Any], own: str) -> None:
    pairs = encode_query(own, params).split("&")
    wanted = "&".join(sorted(pairs, key=lambda pair: pair.partition("=")[0]))
    assert settled(own=own, params=params).query == wanted


def test_the_items_of_a_list_keep_their_order() -> None:
    assert settled(params={"b": [2, 1], "a": 0}).query == "a=0&b=2&b=1"


def test_what_joins_a_sorted_query_is_sorted_into_it() -> None:
    draft = settled("DELETE", params={"c": 1, "b": 2}, data={"a": 3})
    assert draft.query == "a=3&b=2&c=1"


def test_names_that_have_no_order_are_refused_as_names() -> None:
    with pytest.raises(ConfigurationError, match="with str names"):
        settled(params={"a": 1, 2: 3})
