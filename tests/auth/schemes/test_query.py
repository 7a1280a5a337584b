"""Arguments with a timestamp and a signature behind them: where each goes, and what is signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype import Credentials, RESTRequest, TimeSynchronizer
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.query import JSONSignature, KeyOnly, QuerySignature
from networkpype.errors import ConfigurationError
from tests.support.vectors import Clock

SECRET = "test_api_secret"
MS = 1700000000123
STAMP = f"timestamp={MS}"
FORM = "application/x-www-form-urlencoded"

FIRST = QuerySignature(
    key_header="X-Key",
    recv_window="10000",
    stamp="first",
    form=True,
    numbers=frozenset({"ids"}),
    repeated=frozenset({"asset"}),
)
LAST = QuerySignature(key_header="X-Key", recv_window="5000", typed=frozenset({"POST"}))
SORTED = QuerySignature(key_header="X-Key", stamp="sorted", raw=True)


def signed(
    scheme: RESTScheme, method: str, params: Any = None, data: Any = None, path: str = "/o"
) -> RESTRequest:
    identity = Identity(
        Credentials(key="the-key", secret=SECRET), cast("TimeSynchronizer", Clock(MS))
    )
    request = RESTRequest(method, f"https://a.example{path}", params=params, data=data)  # type: ignore[arg-type]
    return scheme.sign(request, identity)


def mac(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def with_signature(text: str) -> str:
    return f"{text}&signature={mac(text)}"


@pytest.mark.parametrize(
    ("scheme", "params", "query"),
    [
        (FIRST, None, f"{STAMP}&recvWindow=10000"),
        (FIRST, {"a": "x y"}, f"{STAMP}&a=x%20y&recvWindow=10000"),
        (FIRST, {"recvWindow": 7, "a": 1}, f"{STAMP}&recvWindow=7&a=1"),
        (FIRST, {"a": 1, "timestamp": 5, "recvWindow": 7}, "a=1&timestamp=5&recvWindow=7"),
        (FIRST, {"mytimestamp": 5}, f"{STAMP}&mytimestamp=5&recvWindow=10000"),
        (FIRST, "a=%5B1%5D", f"{STAMP}&a=%5B1%5D&recvWindow=10000"),
        (FIRST, [("a", 2), ("a", 1)], f"{STAMP}&a=2&a=1&recvWindow=10000"),
        (FIRST, {"l": ["1", 2]}, f"{STAMP}&recvWindow=10000&l=%5B%221%22%2C2%5D"),
        (FIRST, {"IDs": ["1", "x"]}, f"{STAMP}&recvWindow=10000&IDs=%5B1%2C%22x%22%5D"),
        (FIRST, {"asset": ["A", "B"], "c": 1}, f"{STAMP}&asset=A&asset=B&c=1&recvWindow=10000"),
        (LAST, {"a": {"b": "é"}}, f"a=%7B%22b%22%3A%22%C3%A9%22%7D&{STAMP}&recvWindow=5000"),
        (LAST, None, f"{STAMP}&recvWindow=5000"),
    ],
)
def test_a_query_is_stamped_and_signed_as_it_travels(
    scheme: QuerySignature, params: Any, query: str
) -> None:
    request = signed(scheme, "GET", params)
    assert request.path_qs == f"/o?{with_signature(query)}"
    assert request.headers == {"X-Key": "the-key"}
    assert request.body_bytes == b""


def test_a_sorted_query_is_signed_before_it_is_encoded() -> None:
    request = signed(SORTED, "POST", {"z": "a&b=c%"}, {"b": "é", "a1": 1, "a": [1, "x"]})
    raw = f'a=[1,"x"]&a1=1&b=é&{STAMP}&z=a&b=c%'
    encoded = f"a=%5B1%2C%22x%22%5D&a1=1&b=%C3%A9&{STAMP}&z=a%26b%3Dc%25"
    assert request.path_qs == f"/o?{encoded}&signature={mac(raw)}"
    assert request.body_bytes == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_data_is_a_form_that_takes_the_stamps(method: str) -> None:
    request = signed(FIRST, method, None, {"a": "b c", "d": True})
    assert request.path_qs == "/o"
    assert request.body_bytes.decode() == with_signature(f"{STAMP}&a=b%20c&d=true&recvWindow=10000")
    assert request.headers == {"X-Key": "the-key", "Content-Type": FORM}


def test_query_and_form_are_signed_without_a_mark_between_them() -> None:
    request = signed(FIRST, "POST", {"symbol": "X"}, {"price": "1"})
    form = f"{STAMP}&price=1&recvWindow=10000"
    assert request.path_qs == "/o?symbol=X"
    assert request.body_bytes.decode() == f"{form}&signature={mac(f'symbol=X{form}')}"


def test_a_timestamp_in_either_place_is_enough() -> None:
    request = signed(FIRST, "POST", {"timestamp": 5, "recvWindow": 1}, {"a": 1})
    assert request.path_qs == "/o?timestamp=5&recvWindow=1"
    assert request.body_bytes.decode() == f"a=1&signature={mac('timestamp=5&recvWindow=1a=1')}"


@pytest.mark.parametrize("data", [None, {}, ""])
def test_a_post_without_arguments_has_a_form_of_stamps(data: Any) -> None:
    request = signed(FIRST, "POST", None, data)
    assert request.body_bytes.decode() == with_signature(f"{STAMP}&recvWindow=10000")
    assert request.headers == {"X-Key": "the-key", "Content-Type": FORM}


def test_a_post_with_params_alone_keeps_them_and_has_no_body() -> None:
    request = signed(FIRST, "POST", {"a": 1})
    assert request.path_qs == f"/o?{with_signature(f'{STAMP}&a=1&recvWindow=10000')}"
    assert request.body_bytes == b""
    assert request.headers == {"X-Key": "the-key"}


def test_where_there_is_no_form_data_joins_the_query() -> None:
    request = signed(LAST, "POST", {"a": 1}, {"b": 2})
    assert request.path_qs == f"/o?{with_signature(f'a=1&b=2&{STAMP}&recvWindow=5000')}"
    assert request.body_bytes == b""
    assert request.headers == {"X-Key": "the-key", "Content-Type": "application/json"}
    assert signed(LAST, "GET", {"a": 1}, {"b": 2}).path_qs == request.path_qs


@pytest.mark.parametrize("text", ["a=1&b=2", b"a=1&b=2", memoryview(b"a=1&b=2")])
def test_text_is_a_form_as_it_is(text: Any) -> None:
    for scheme, stamped in (
        (FIRST, f"{STAMP}&a=1&b=2&recvWindow=10000"),
        (LAST, f"a=1&b=2&{STAMP}&recvWindow=5000"),
    ):
        request = signed(scheme, "POST", None, text)
        assert request.path_qs == "/o"
        assert request.body_bytes.decode() == with_signature(stamped)
        assert (request.headers or {})["Content-Type"] == FORM


def test_text_of_json_is_signed_behind_a_stamped_query() -> None:
    request = signed(LAST, "POST", {"a": 1}, '{"b":2}')
    query = f"a=1&{STAMP}&recvWindow=5000"
    signature = mac(query + '{"b":2}')
    assert request.path_qs == f"/o?{query}&signature={signature}"
    assert request.body_bytes == b'{"b":2}'
    assert (request.headers or {})["Content-Type"] == "application/json"


def test_a_list_is_no_arguments() -> None:
    with pytest.raises(ConfigurationError, match=r"data is a list; .* pass a mapping"):
        signed(FIRST, "POST", None, ["a"])


def test_the_steps_end_with_the_request_that_is_sent() -> None:
    identity = Identity(Credentials(key="k", secret=SECRET), cast("TimeSynchronizer", Clock(MS)))
    request = RESTRequest("GET", "https://a.example/o", params={"l": [1]})  # type: ignore[arg-type]
    seen = dict(FIRST.steps(request, identity))
    draft = seen["placing"]
    assert draft.string_to_sign == f"{STAMP}&recvWindow=10000&l=%5B1%5D"
    assert request.path_qs == f"/o?{with_signature(str(draft.string_to_sign))}"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        max_size=5,
    )
)
def test_whatever_the_arguments_the_signature_is_over_what_is_sent(given: dict[str, str]) -> None:
    arguments = {k: v for k, v in given.items() if k not in ("timestamp", "recvWindow")}
    for scheme, method in ((FIRST, "GET"), (FIRST, "POST"), (LAST, "POST"), (SORTED, "GET")):
        own = dict(arguments)
        request = signed(scheme, method, *((None, own) if method == "POST" else (own, None)))
        text = request.body_bytes.decode() or request.query_string
        bare, _, signature = text.rpartition("&signature=")
        assert signature == mac(unquote(bare) if scheme.raw else bare)
        received = dict(parse_qsl(bare, keep_blank_values=True))
        assert received.pop("timestamp") == str(MS)
        received.pop("recvWindow", None)
        assert received == arguments


def test_the_key_alone_signs_nothing() -> None:
    scheme = KeyOnly(key_header="X-Key")
    request = signed(scheme, "PUT", {"q": 1}, {"listenKey": "a/b"})
    assert (request.path_qs, request.body_bytes) == ("/o?q=1", b"listenKey=a%2Fb")
    assert request.headers == {"X-Key": "the-key", "Content-Type": FORM}
    assert signed(scheme, "POST").headers == {"X-Key": "the-key", "Content-Type": FORM}
    assert signed(scheme, "POST", None, b"a=1").body_bytes == b"a=1"

    plain = signed(KeyOnly(key_header="X-Key", typed=False), "GET", {"q": 1})
    assert (plain.path_qs, plain.headers) == ("/o?q=1", {"X-Key": "the-key"})


def test_json_holds_the_arguments_by_name_and_the_signature_over_them() -> None:
    scheme = JSONSignature(key_header="X-Key", otherwise=SORTED)
    request = signed(scheme, "POST", {"z": 1}, {"a": "é b", "l": ["x", 1]})
    raw = f'a=é b&l=["x",1]&{STAMP}&z=1'
    assert request.path_qs == "/o"
    assert request.body_bytes.decode() == (
        f'{{"a":"é b","l":["x",1],"timestamp":{MS},"z":1,"signature":"{mac(raw)}"}}'
    )
    assert json.loads(request.body_bytes)["signature"] == mac(raw)
    assert request.headers == {"X-Key": "the-key", "Content-Type": "application/json"}


def test_json_takes_a_get_otherwise() -> None:
    scheme = JSONSignature(key_header="X-Key", otherwise=SORTED)
    assert signed(scheme, "GET", {"a": 1}).path_qs == signed(SORTED, "GET", {"a": 1}).path_qs
