"""The scheme that signs host, path and the sorted query."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.host_query import HostQuerySignature
from networkpype.credentials import Credentials
from networkpype.signing.methods import HMAC
from tests.support.by_hand import mac
from tests.support.logins import sent
from tests.support.vectors import time_provider

NAMES = st.text("abcXYZ019-_.", min_size=1, max_size=4)


def auth(**fields: Any) -> SchemeAuth:
    return SchemeAuth(
        Credentials(key="k", secret="s"),
        HostQuerySignature(**fields),
        time_provider=time_provider(1700000000000),
    )


@given(st.dictionaries(NAMES, st.text(max_size=5)))
def test_names_are_in_ascii_order_and_the_signature_is_last(params: dict[str, str]) -> None:
    request = sent(auth(), "GET", "https://h.example/p", params=params)
    pairs = request.path_qs.partition("?")[2].split("&")
    names = [pair.partition("=")[0] for pair in pairs]
    assert names[-1] == "Signature"
    assert names[:-1] == sorted(names[:-1])
    assert set(names) >= {"AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp"}


def test_a_name_that_begins_another_comes_first() -> None:
    request = sent(auth(), "GET", "https://h.example/p", params={"a-b": 1, "a1": 2, "a": 3})
    assert "&a=3&a-b=1&a1=2&" in request.path_qs


def test_the_port_is_part_of_the_host() -> None:
    request = sent(auth(), "POST", "https://H.example:8443/p", data={"x": 1})
    query = request.path_qs.partition("?")[2].partition("&Signature=")[0]
    signed = f"POST\nh.example:8443\n/p\n{query}"
    signature = mac("s", signed, "sha256", "base64")
    assert request.path_qs.endswith(
        signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    )
    assert request.body_bytes == b'{"x":1}'


def test_key_method_and_version_are_data() -> None:
    own = auth(signing=HMAC("sha512"), signature_method="Other", version="9")
    request = sent(own, "GET", "https://h.example/p")
    assert "SignatureMethod=Other&SignatureVersion=9&Timestamp=" in request.path_qs
    assert len(request.path_qs.rpartition("Signature=")[2]) == 128


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_all_but_a_post_have_their_arguments_in_the_query(method: str) -> None:
    request = sent(auth(), method, "https://h.example/p", data={"b": 1})
    assert "&b=1&Signature=" in request.path_qs
    assert request.body_bytes == b""
