"""The scheme that signs arguments one by one and puts the signature beside them."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import pytest

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.envelope import EnvelopeSignature, flattened
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from tests.support.by_hand import mac
from tests.support.logins import sent
from tests.support.vectors import time_provider

URL = "https://h.example/exchange/v1/private/x"


class Side(StrEnum):
    BUY = "buy"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, ""),
        ({"b": "2", "a": "1", "Z": "0"}, "Z0a1b2"),
        ({"list": ["b", "a"]}, "listba"),
        ({"list": [{"b": 1, "a": 2}, {"c": 3}]}, "lista2b1c3"),
        ({"deep": [{"x": [{"z": [{"q": "w"}]}]}]}, "deepxzqw"),
        ({"in": {"b": 1, "a": 2}}, "ina2b1"),
        ({"n": None, "t": True, "f": False}, "ffalsennullttrue"),
        ({"i": 5, "d": 0.25, "tiny": 1e-7}, "d0.25i5tiny1e-07"),
        ({"side": Side.BUY}, "sidebuy"),
        ({"quote": '"é'}, 'quote"é'),
    ],
)
def test_what_arguments_are_signed_as(value: Any, text: str) -> None:
    assert flattened(value) == text


def auth() -> SchemeAuth:
    return SchemeAuth(
        Credentials(key='k"ey', secret="s"),
        EnvelopeSignature(roots=("/exchange/v1/", "/v2/")),
        time_provider=time_provider(1700000000000),
    )


@pytest.mark.parametrize("place", ["params", "data"])
def test_arguments_of_either_place_are_in_the_envelope(place: str) -> None:
    request = sent(auth(), "POST", URL, **{place: {"b": 1, "a": "x"}})
    assert request.path_qs == "/exchange/v1/private/x"
    assert json.loads(request.body_bytes) == {
        "id": "1700000000000",
        "method": "private/x",
        "params": {"b": 1, "a": "x"},
        "api_key": 'k"ey',
        "sig": mac("s", 'private/x1700000000000k"eyaxb11700000000000'),
        "nonce": "1700000000000",
    }


@pytest.mark.parametrize("data", [None, {}, "{}"])
def test_no_arguments_are_an_empty_object(data: Any) -> None:
    assert b'"params":{},' in sent(auth(), "POST", URL, data=data).body_bytes


def test_a_path_that_names_no_method_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="/exchange/v1/ or /v2/"):
        sent(auth(), "POST", "https://h.example/private/x")
