"""The schemes whose arguments travel as JSON in a header."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.payload import PayloadSignature
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from tests.support.by_hand import mac
from tests.support.logins import sent
from tests.support.vectors import time_provider

URL = "https://h.example/v1/x"


def auth(**fields: Any) -> SchemeAuth:
    scheme = PayloadSignature(key_header="K", payload_header="P", signature_header="S", **fields)
    return SchemeAuth(
        Credentials(key="k", secret="s"), scheme, time_provider=time_provider(1700000000000)
    )


def payload(request: Any) -> Any:
    return json.loads(base64.b64decode(request.headers["P"]))


def test_headers_and_signature() -> None:
    request = sent(auth(), "POST", URL, data={"a": "é"})
    assert request.headers["K"] == "k"
    assert request.headers["S"] == mac("s", request.headers["P"])
    assert base64.b64decode(request.headers["P"]) == (
        '{"request":"/v1/x","nonce":"1700000000000","a":"é"}'.encode()
    )


@pytest.mark.parametrize("data", [None, {}, "", b""])
def test_a_post_without_arguments_sends_an_empty_object(data: Any) -> None:
    request = sent(auth(), "POST", URL, data=data)
    assert set(payload(request)) == {"request", "nonce"}
    assert request.body_bytes == (b"{}" if data in (None, {}) else b"")


@pytest.mark.parametrize("data", ['{ "a" : 1 }', b'{ "a" : 1 }'])
def test_a_text_is_sent_as_it_is_and_its_arguments_are_signed(data: Any) -> None:
    request = sent(auth(), "POST", URL, data=data)
    assert request.body_bytes == b'{ "a" : 1 }'
    assert payload(request)["a"] == 1


@pytest.mark.parametrize("data", [[1], "[1]", "no JSON", 5])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(ConfigurationError, match="mapping"):
        sent(auth(), "POST", URL, data=data)


def test_an_argument_may_replace_an_extra() -> None:
    own = auth(extra={"nonceWindow": False}, payload_is_body=True)
    body = sent(own, "POST", URL, data={"nonceWindow": True, "b": 1}).body_bytes
    assert body == (b'{"request":"/v1/x","nonce":"1700000000000","nonceWindow":true,"b":1}')


def test_a_body_has_no_name_twice() -> None:
    own = auth(payload_is_body=True)
    with pytest.raises(ConfigurationError, match="there twice"):
        sent(own, "POST", URL, params=[("a", "1"), ("a", "2")])
    request = sent(own, "POST", f"{URL}?q=1", params={"a": 2}, data={"a": 3})
    assert payload(request)["a"] == 3
    assert payload(request)["q"] == "1"
    assert request.path_qs == "/v1/x"
