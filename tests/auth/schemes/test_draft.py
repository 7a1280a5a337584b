"""A draft holds what will be sent, as text, and templates read from it."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype import RESTMethod, RESTRequest
from networkpype.auth.schemes.draft import FIELDS, Draft, Template
from networkpype.errors import ConfigurationError
from networkpype.signing.methods import HMAC
from tests.support.signers import a_draft, a_request, an_identity


def completed(**more: Any) -> Draft:
    draft = a_draft("POST", "https://Host.test:8443/v1/x?own=1", params={"b": "é &"}, **more)
    draft.timestamp, draft.nonce, draft.expires = "1700", "17", "1760"
    draft.recv_window, draft.signature = "5000", "SIG"
    draft.body = "{}"
    return draft


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("key", "a-key"),
        ("passphrase", "a-phrase"),
        ("memo", "a-memo"),
        ("timestamp", "1700"),
        ("nonce", "17"),
        ("expires", "1760"),
        ("recv_window", "5000"),
        ("method", "POST"),
        ("host", "host.test:8443"),
        ("path", "/v1/x"),
        ("query", "own=1&b=%C3%A9%20%26"),
        ("raw_query", "own=1&b=é &"),
        ("path_qs", "/v1/x?own=1&b=%C3%A9%20%26"),
        ("raw_path_qs", "/v1/x?own=1&b=é &"),
        ("body", "{}"),
        ("query_or_body", "own=1&b=%C3%A9%20%26"),
        ("body_sha512", hashlib.sha512(b"{}").hexdigest()),
        ("signature", "SIG"),
    ],
)
def test_every_field_that_a_template_may_name(field: str, text: str) -> None:
    assert Template(f"{{{field}}}")(completed()) == text
    assert Template(f"<{{{field}}}>{{{field}}}")(completed()) == f"<{text}>{text}"


def test_no_field_goes_untested() -> None:
    marks = test_every_field_that_a_template_may_name.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == set(FIELDS)


def test_without_a_query_there_is_no_question_mark() -> None:
    draft = a_draft()
    draft.body = "x=1"
    assert Template("{path_qs} {raw_path_qs} {query_or_body}")(draft) == "/v1/x /v1/x x=1"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="{}")))
def test_what_stands_between_fields_stays_as_it_is(text: str) -> None:
    assert Template(text)(a_draft()) == text
    assert Template(f"{text}{{method}}{text}")(a_draft()) == f"{text}GET{text}"


def test_braces_are_doubled() -> None:
    assert Template('{{"m":"{method}"}}')(a_draft()) == '{"m":"GET"}'


@pytest.mark.parametrize("text", ["{methd}", "{}", "{method.__class__}", "{0}"])
def test_an_unknown_field_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(ConfigurationError, match="known: key, passphrase, memo"):
        Template(text)


@pytest.mark.parametrize("field", ["timestamp", "nonce", "expires", "recv_window", "signature"])
def test_what_no_step_has_set_is_an_error_that_names_it(field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"asks for {field}, which no step before"):
        Template(f"{{{field}}}")(a_draft())


def test_what_a_draft_never_has_is_no_attribute() -> None:
    assert not hasattr(a_draft(), "colour")


def test_finishing_writes_all_of_it_into_the_request() -> None:
    draft = completed(data={"x": 1}, headers={"X-Own": "1", "content-type": "a/b", "x-key": "no"})
    draft.headers["X-Key"] = "yes"
    draft.content_type = "c/d"
    draft.finish()
    request = draft.request
    assert request.url == "https://host.test:8443/v1/x"
    assert request.path_qs == "/v1/x?own=1&b=%C3%A9%20%26"
    assert request.body_bytes == b"{}"
    assert request.headers == {"X-Own": "1", "X-Key": "yes", "Content-Type": "c/d"}


def test_a_content_type_of_the_callers_stays_where_the_scheme_has_none() -> None:
    draft = a_draft("POST", data="a=1", headers={"Content-Type": "text/plain"})
    draft.body = "a=1"
    draft.finish()
    assert draft.request.headers == {"Content-Type": "text/plain"}


def test_a_body_of_bytes_is_signed_as_they_are() -> None:
    draft = a_draft("POST")
    draft.body = b"\xff\xfe\x00caf\xc3\xa9"
    identity = an_identity()
    assert identity.sign(HMAC(), Template("{body}")(draft)) == identity.sign(HMAC(), draft.body)
    assert Template("{body_sha512}")(draft) == hashlib.sha512(draft.body).hexdigest()


def test_a_draft_does_not_leave_the_process_or_show_itself() -> None:
    draft = completed()
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not pickle or copy"):
            leave(draft)
    assert "SIG" not in repr(draft)
    assert repr(Template("{key}")) == "Template('{key}')"


def test_a_draft_leaves_the_request_alone_until_it_is_finished() -> None:
    request = a_request("POST", params={"a": 1}, data={"b": 2})
    draft = Draft(request, an_identity())
    draft.query, draft.body = "c=3", "d=4"
    assert (request.params, request.data, request.headers) == ({"a": 1}, {"b": 2}, None)


@pytest.mark.parametrize("data", [{"a": 1}, "a=1", b"a", [1]])
def test_data_that_no_step_placed_is_an_error(data: object) -> None:
    """Nothing may vanish: an order without its size is another order."""
    draft = Draft(RESTRequest(RESTMethod.POST, "https://host.test/order", data=data), an_identity())
    with pytest.raises(ConfigurationError, match="no place for data"):
        draft.finish()
    draft.body = "{}"
    draft.finish()
    assert draft.request.data == "{}"


def test_data_that_moved_into_the_query_is_placed() -> None:
    draft = Draft(
        RESTRequest(RESTMethod.POST, "https://host.test/order", data={"a": 1}), an_identity()
    )
    draft.query = "a=1"
    draft.finish()
    assert (draft.request.params, draft.request.data) == ("a=1", None)
