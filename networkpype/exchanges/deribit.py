"""Deribit, API v2."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import Whole
from networkpype.auth.patterns.jsonrpc import JSONRPCLogin
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.exchanges.exchange import Exchange

__all__ = ["DERIBIT"]

_SCHEME = HeaderSignature(
    message="{timestamp}\n{nonce}\n{method}\n{path_qs}\n{body}\n",
    headers={
        "Authorization": "deri-hmac-sha256 id={key},ts={timestamp},sig={signature},nonce={nonce}"
    },
)

_PATTERN = JSONRPCLogin(
    url="wss://www.deribit.com/ws/api/v2",
    # The third line is `data`, which is optional and empty here.
    message="{timestamp}\n{nonce}\n",
    frame={
        "jsonrpc": "2.0",
        "id": Whole("{id}"),
        "method": "public/auth",
        "params": {
            "grant_type": "client_signature",
            "client_id": "{key}",
            "timestamp": Whole("{timestamp}"),
            "signature": "{signature}",
            "nonce": "{nonce}",
            "data": "",
        },
    },
    nonce="source",
    ids="number",
    # The server remembers the login of a connection: private calls and subscriptions (by
    # private/subscribe) carry no token.
    rules=(
        accepted({"id": Seen.MY_ID, "result.access_token": Seen.ANY}, lifetime="result.expires_in"),
        # 10028: too_many_requests.
        rejected({"id": Seen.MY_ID, "error.code": 10028}, "error.message", definite=False),
        rejected({"id": Seen.MY_ID, "error": Seen.ANY}, "error.message", "error.code", "error"),
    ),
)

DERIBIT = Exchange(
    name="deribit",
    rest_url="https://www.deribit.com",
    scheme=_SCHEME,
    pattern=_PATTERN,
    sandbox=Exchange(
        name="deribit sandbox",
        rest_url="https://test.deribit.com",
        scheme=_SCHEME,
        pattern=replace(_PATTERN, url="wss://test.deribit.com/ws/api/v2"),
    ),
    # Read 2026-07.
    sources=("https://docs.deribit.com/articles/authentication",),
)
