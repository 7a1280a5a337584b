"""BitMEX."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import JSON_TYPE

__all__ = ["BITMEX"]

# How long a signature is good. The page leaves it to the caller; its connectors take 5 s to 1 h.
_EXPIRES_IN_S = 60

_SCHEME = HeaderSignature(
    message="{method}{path_qs}{expires}{body}",
    headers={"api-expires": "{expires}", "api-key": "{key}", "api-signature": "{signature}"},
    timestamp="s",
    expires_in_s=_EXPIRES_IN_S,
    content_type=JSON_TYPE,
)

_PATTERN = FrameLogin(
    url="wss://ws.bitmex.com/realtime",
    message="GET/realtime{expires}",
    frame={"op": "authKeyExpires", "args": ["{key}", Whole("{expires}"), "{signature}"]},
    # The page wants seconds. ccxt sends milliseconds, which read as a date in the far future and
    # leave a signature behind that never expires.
    timestamp="s",
    expires_in_s=_EXPIRES_IN_S,
    rules=(
        accepted({"success": True, "request.op": "authKeyExpires"}),
        rejected({"request.op": "authKeyExpires", "status": 429}, "error", definite=False),
        rejected({"request.op": "authKeyExpires", "error": Seen.ANY}, "error"),
        rejected({"request.op": "authKeyExpires", "success": False}, "error"),
    ),
)

BITMEX = Exchange(
    name="bitmex",
    rest_url="https://www.bitmex.com",
    scheme=_SCHEME,
    pattern=_PATTERN,
    sandbox=Exchange(
        name="bitmex sandbox",
        rest_url="https://testnet.bitmex.com",
        scheme=_SCHEME,
        pattern=replace(_PATTERN, url="wss://ws.testnet.bitmex.com/realtime"),
    ),
    # Read 2026-07.
    sources=(
        "https://www.bitmex.com/app/apiKeysUsage",
        "https://github.com/BitMEX/api-connectors",
        "https://github.com/BitMEX/sample-market-maker",
    ),
)
