"""When an access token ends is read from the token, whatever stands in it."""

from __future__ import annotations

import base64

import pytest

from networkpype.auth.access_tokens import AccessTokens


def token(claims: str) -> str:
    body = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    return f"e30.{body}.c2lnbmF0dXJl"


def test_a_token_tells_its_end() -> None:
    assert AccessTokens(token('{"exp":1700000000}')).expires_at == 1_700_000_000.0


@pytest.mark.parametrize(
    "claims",
    [
        '{"exp":1' + "0" * 400 + "}",
        '{"exp":1e999}',
        '{"exp":"1700000000"}',
        '{"exp":true}',
        "[" * 50_000,
        "no JSON",
    ],
)
def test_what_is_no_time_tells_nothing(claims: str) -> None:
    tokens = AccessTokens(token(claims))
    assert tokens.expires_at is None
    tokens.take(token(claims), expires_at=5.0)
    assert tokens.expires_at == 5.0
