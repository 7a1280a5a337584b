"""The login that is in the headers of the opening handshake."""

from __future__ import annotations

import base64

import pytest

from networkpype.auth.patterns.handshake import HandshakeLogin
from networkpype.auth.patterns.rules import rejected
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.signing.methods import HMAC
from tests.support.logins import derived, pattern_of, told
from tests.support.vectors import Clock, time_provider


async def test_arkhams_headers() -> None:
    login = HandshakeLogin(
        url="wss://arkm.com/ws",
        headers={
            "Arkham-Api-Key": "{key}",
            "Arkham-Expires": "{expires}",
            "Arkham-Signature": "{signature}",
        },
        message="{key}{expires}GET/ws",
        signing=HMAC("sha256", "base64", secret="base64"),
        timestamp="us",
        expires_in_s=5,
    )
    secret = base64.b64encode(b"test_api_secret").decode()
    auth = SchemeAuth(
        Credentials(key="test_api_key", secret=secret),
        pattern=login,
        time_provider=time_provider(1700000000000),
    )
    dialed = await pattern_of(auth).pre_auth(None)
    assert dict(dialed.headers) == derived("arkham-handshake")["frame"]["headers"]


async def test_every_dial_is_signed_anew() -> None:
    clock = Clock(1700000000000)
    login = HandshakeLogin(
        url="wss://h.example/",
        headers={"P": "{payload}", "S": "{signature}"},
        payload="{nonce}",
        message="{payload}",
        timestamp="s",
        lifetime_s=60,
        rules=[rejected({"error": "auth"}, "error")],
    )
    auth = SchemeAuth(
        Credentials(key="k", secret="s"),
        pattern=login,
        time_provider=clock,  # type: ignore[arg-type]
    )
    pattern = pattern_of(auth)
    first = await pattern.pre_auth(None)
    clock.ms += 1000
    second = await pattern.renew(None)
    assert [base64.b64decode(each.headers["P"]) for each in (first, second)] == [
        b"1700000000",
        b"1700000001",
    ]
    assert first.headers["S"] != second.headers["S"]
    assert (first.lifetime_s, pattern.build_auth_message(0.0)) == (60, None)
    assert told(pattern, {"error": "auth"}) == ("rejected", "auth")


def test_an_unknown_field_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match='"paylod"'):
        HandshakeLogin(url="wss://h/", headers={}, message="{paylod}")
