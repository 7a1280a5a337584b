"""The login whose fields are a signed query."""

from __future__ import annotations

from networkpype.auth.patterns.rules import accepted
from networkpype.auth.patterns.signed_query import SignedQueryLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from tests.support.by_hand import mac
from tests.support.logins import frame_of, pattern_of, told

LOGIN = SignedQueryLogin(
    url="wss://H.example:8443/a b",
    key_name="zkey",
    method_name="m",
    version_name="v",
    timestamp_name="t",
    signature_name="sig",
    version="9",
    constants={"first": True},
    frame={"op": "in"},
    rules=[accepted({"op": "in"})],
)


def test_the_query_is_sorted_and_escaped_and_the_frame_is_neither() -> None:
    pattern = pattern_of(SchemeAuth(Credentials(key="k+1", secret="s"), pattern=LOGIN))
    signed = "GET\nh.example:8443\n/a%20b\nm=HmacSHA256&t=2023-11-14T22%3A13%3A20&v=9&zkey=k%2B1"
    frame = frame_of(pattern)
    assert frame == {
        "first": True,
        "zkey": "k+1",
        "m": "HmacSHA256",
        "v": "9",
        "t": "2023-11-14T22:13:20",
        "sig": mac("s", signed, "sha256", "base64"),
        "op": "in",
    }
    assert told(pattern, {"op": "in"}) == ("accepted", "")


def test_every_login_has_the_time_of_its_own() -> None:
    pattern = pattern_of(SchemeAuth(Credentials(key="k", secret="s"), pattern=LOGIN))
    first, second = frame_of(pattern), frame_of(pattern, 1700000001999)
    assert second["t"] == "2023-11-14T22:13:21"
    assert first["sig"] != second["sig"]
