"""Phemex."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.exchanges.exchange import Exchange

__all__ = ["PHEMEX"]

_SCHEME = HeaderSignature(
    message="{path}{query}{expires}{body}",
    headers={
        "x-phemex-access-token": "{key}",
        "x-phemex-request-expiry": "{expires}",
        "x-phemex-request-signature": "{signature}",
    },
    # The page recommends an expiry of one minute. It has the secret decoded from base64url; ccxt
    # keys with the text as it is, and so does this, for that is what is seen to work. No published
    # sample settles it: the page masks its secret.
    timestamp="s",
    expires_in_s=60,
    layout=Layout(query_only=("PUT", "DELETE"), empty_body="{}"),
)

_PATTERN = FrameLogin(
    url="wss://ws.phemex.com",
    message="{key}{expires}",
    frame={
        "method": "user.auth",
        "params": ["API", "{key}", "{signature}", Whole("{expires}")],
        "id": Whole("{id}"),
    },
    # The furthest that the page allows.
    timestamp="s",
    expires_in_s=120,
    ids="number",
    rules=(
        accepted({"id": Seen.MY_ID, "result.status": "success"}),
        rejected({"id": Seen.MY_ID, "error": Seen.ANY}, "error.message", "error.code", "error"),
        rejected({"id": Seen.MY_ID, "result.status": Seen.ANY}, "result.status"),
    ),
)

PHEMEX = Exchange(
    name="phemex",
    rest_url="https://api.phemex.com",
    hosts=("vapi.phemex.com",),
    scheme=_SCHEME,
    pattern=_PATTERN,
    sandbox=Exchange(
        name="phemex sandbox",
        rest_url="https://testnet-api.phemex.com",
        scheme=_SCHEME,
        pattern=replace(_PATTERN, url="wss://testnet-api.phemex.com/ws"),
    ),
    # Read 2026-07.
    sources=(
        "https://phemex-docs.github.io/#rest-request-header",
        "https://github.com/phemex/phemex-api-docs",
    ),
)
