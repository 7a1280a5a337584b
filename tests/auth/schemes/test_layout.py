"""Where arguments go: each option by what is sent for arguments in either place."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.auth.schemes.layout import LEGAL_IN_QUERY, Layout
from networkpype.errors import ConfigurationError
from networkpype.wire import encode_pairs
from tests.support.signers import a_draft

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def settled(layout: Layout, method: str = "POST", **more: Any) -> tuple[str, Any, str]:
    draft = a_draft(method, **more)
    layout.settle(draft)
    return draft.query, draft.body, draft.content_type


ARGUMENTS = {"b": "2", "a": 1}


@pytest.mark.parametrize(
    ("layout", "method", "given", "wanted"),
    [
        # By itself: what the caller said stays where it is.
        (Layout(), "GET", {}, ("", "", "")),
        (Layout(), "GET", {"params": ARGUMENTS}, ("b=2&a=1", "", "")),
        (Layout(), "POST", {"params": ARGUMENTS}, ("b=2&a=1", "", "")),
        (Layout(), "POST", {"data": ARGUMENTS}, ("", '{"b":"2","a":1}', JSON)),
        (Layout(), "DELETE", {"data": ARGUMENTS}, ("", '{"b":"2","a":1}', JSON)),
        (Layout(), "POST", {"data": [ARGUMENTS]}, ("", '[{"b":"2","a":1}]', JSON)),
        (Layout(), "POST", {"data": []}, ("", "[]", JSON)),
        (Layout(), "POST", {"data": {"a": "é€\U0001f600"}}, ("", '{"a":"é€\U0001f600"}', JSON)),
        (Layout(), "POST", {"data": '{"a": 1}'}, ("", '{"a": 1}', "")),
        (Layout(), "POST", {"data": b"\xff"}, ("", b"\xff", "")),
        (Layout(), "POST", {"data": bytearray(b"ab")}, ("", b"ab", "")),
        (Layout(), "POST", {"data": {}}, ("", "", "")),
        # form
        (
            Layout(form=True),
            "POST",
            {"data": {"b": "x y", "a": [1, 2]}},
            ("", "b=x%20y&a=1&a=2", FORM),
        ),
        # sort
        (Layout(sort_query=True), "GET", {"params": ARGUMENTS}, ("a=1&b=2", "", "")),
        (
            Layout(sort_query=True),
            "GET",
            {"params": [("a", 2), ("a-", 1), ("a", 1)]},
            ("a=2&a=1&a-=1", "", ""),
        ),
        (Layout(sort_body=True), "POST", {"data": ARGUMENTS}, ("", '{"a":1,"b":"2"}', JSON)),
        (Layout(sort_body=True), "POST", {"data": [ARGUMENTS]}, ("", '[{"b":"2","a":1}]', JSON)),
        (Layout(sort_body=True, form=True), "POST", {"data": ARGUMENTS}, ("", "a=1&b=2", FORM)),
        # one place only
        (Layout(data_in_query=True), "POST", {"data": ARGUMENTS}, ("b=2&a=1", "", "")),
        (
            Layout(data_in_query=True),
            "POST",
            {"params": {"c": 3}, "data": ARGUMENTS},
            ("c=3&b=2&a=1", "", ""),
        ),
        (Layout(params_in_body=True), "POST", {"params": ARGUMENTS}, ("", '{"b":"2","a":1}', JSON)),
        (
            Layout(params_in_body=True),
            "POST",
            {"params": {"a": True}, "data": {"b": 1.5}},
            ("", '{"a":true,"b":1.5}', JSON),
        ),
        (Layout(params_in_body=True), "POST", {"params": "a=x%20y"}, ("", '{"a":"x y"}', JSON)),
        (Layout(params_in_body=True), "GET", {"params": ARGUMENTS}, ("b=2&a=1", "", "")),
        (Layout(params_in_body=True), "POST", {"params": {"a": 1}, "data": "x"}, ("a=1", "x", "")),
        (Layout(query_only=("DELETE",)), "DELETE", {"data": ARGUMENTS}, ("b=2&a=1", "", "")),
        (
            Layout(query_only=("DELETE",)),
            "POST",
            {"data": ARGUMENTS},
            ("", '{"b":"2","a":1}', JSON),
        ),
        (
            Layout(query_only=("DELETE",), params_in_body=True),
            "DELETE",
            {"params": ARGUMENTS},
            ("b=2&a=1", "", ""),
        ),
        # nothing to send
        (Layout(empty_body="{}"), "POST", {}, ("", "{}", JSON)),
        (Layout(empty_body="{}"), "PUT", {"data": {}}, ("", "{}", JSON)),
        (Layout(empty_body="{}"), "GET", {}, ("", "", "")),
        (Layout(empty_body="{}"), "DELETE", {}, ("", "", "")),
        (Layout(empty_body="{}", query_only=("PUT",)), "PUT", {}, ("", "", "")),
        (Layout(empty_is_typed=True), "POST", {}, ("", "", JSON)),
        (Layout(empty_is_typed=True, form=True), "POST", {"data": {}}, ("", "", FORM)),
        (Layout(empty_is_typed=True), "GET", {}, ("", "", "")),
        # escapes
        (Layout(unescaped=":,"), "GET", {"params": {"a": "x:y,z/"}}, ("a=x:y,z%2F", "", "")),
        (
            Layout(values_hold_escapes=True),
            "GET",
            {"params": {"a": "%2C%zz,"}},
            ("a=%2C%25zz%2C", "", ""),
        ),
        (Layout(values_hold_escapes=True), "GET", {"params": "a=%252C"}, ("a=%252C", "", "")),
        (
            Layout(values_hold_escapes=True, unescaped="="),
            "GET",
            {"params": {"a": "%3D="}},
            ("a=%3D=", "", ""),
        ),
    ],
)
def test_what_is_sent(layout: Layout, method: str, given: Any, wanted: Any) -> None:
    assert settled(layout, method, **given) == wanted


def test_the_type_may_have_a_name_in_other_letters() -> None:
    draft = a_draft("POST", data={"a": 1})
    Layout(type_header="content-type").settle(draft)
    draft.finish()
    assert draft.request.headers == {"content-type": JSON}


def test_a_name_that_is_there_twice_does_not_fit_into_a_body() -> None:
    with pytest.raises(ConfigurationError, match="there twice"):
        settled(Layout(params_in_body=True), params=[("a", 1), ("a", 2)])


def test_what_is_no_json_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="cannot be JSON") as caught:
        settled(Layout(), data={"secret-of-mine": object()})
    assert "secret-of-mine" not in str(caught.value)


VALUES = st.dictionaries(
    st.text(alphabet="abcAZ_-09", min_size=1), st.text(alphabet=st.characters(codec="utf-8"))
)


@given(VALUES)
def test_moving_loses_nothing(values: dict[str, str]) -> None:
    by_data = settled(Layout(data_in_query=True), data=values)
    by_params = settled(Layout(), params=values)
    assert by_data[0] == by_params[0] == encode_pairs(values)
    assert settled(Layout(params_in_body=True), params=values) == settled(Layout(), data=values)


@given(VALUES)
def test_a_query_with_few_escapes_reads_the_same(values: dict[str, str]) -> None:
    query, _, _ = settled(Layout(unescaped=LEGAL_IN_QUERY), "GET", params=values)
    assert parse_qsl(query, keep_blank_values=True) == list(values.items())
    assert query.isascii()
    assert not set(query) & set(' #+"<>[]^`{|}\\')
