"""Bitget, API v2 and v3.

Keys sign with HMAC, or with RSA (signature page, "HMAC and RSA sample code"; signType of the SDK):
give a private key as ``Credentials(private_key=...)``.
"""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.auth.schemes.query import AnyKey
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["BITGET"]

# An error event may also answer a subscription, so only the codes of a login count: 30005 login
# failed, 30011 key, 30012 passphrase, 30015 signature; 30013 and 30014 timestamp.
_KEY_CODES = (30005, 30011, 30012, 30015)
_TIME_CODES = (30013, 30014)

_SIGNING = AnyKey(with_secret=HMAC("sha256", "base64"), rsa_only=True)

_SCHEME = HeaderSignature(
    # The page wants the query in the order of its names. It is signed as it reads unescaped, as
    # the official SDK signs it (bitget/utils.py, parse_params_to_str), and sent escaped.
    message="{timestamp}{method}{raw_path_qs}{body}",
    headers={
        "ACCESS-KEY": "{key}",
        "ACCESS-SIGN": "{signature}",
        "ACCESS-TIMESTAMP": "{timestamp}",
        "ACCESS-PASSPHRASE": "{passphrase}",
    },
    signing=_SIGNING,
    layout=Layout(sort_query=True, empty_body="{}"),
)

_PATTERN = FrameLogin(
    url="wss://ws.bitget.com/v2/ws/private",
    message="{timestamp}GET/user/verify",
    frame={
        "op": "login",
        "args": [
            {
                "apiKey": "{key}",
                "passphrase": "{passphrase}",
                "timestamp": "{timestamp}",
                "sign": "{signature}",
            }
        ],
    },
    signing=_SIGNING,
    # Seconds in the English page and the SDK; the Chinese page says milliseconds.
    timestamp="s",
    rules=(
        accepted({"event": "login", "code": 0}),
        accepted({"event": "login", "code": Seen.ABSENT}),
        rejected({"event": "login"}, "msg", "code"),
        rejected(
            {"event": "error", "code": _TIME_CODES},
            "msg",
            "code",
            failure=AuthenticationFailure.TIMESTAMP,
            definite=False,
        ),
        rejected({"event": "error", "code": _KEY_CODES}, "msg", "code"),
        rejected({"event": "error", "code": Seen.ABSENT, "msg": Seen.ANY}, "msg"),
    ),
)

BITGET = Exchange(
    name="bitget",
    rest_url="https://api.bitget.com",
    needs=("key", "passphrase", "secret|private_key"),
    scheme=_SCHEME,
    pattern=_PATTERN,
    # Demo trading has the live REST host: the header is what tells them apart.
    sandbox=Exchange(
        name="bitget sandbox",
        rest_url="https://api.bitget.com",
        needs=("key", "passphrase", "secret|private_key"),
        scheme=replace(_SCHEME, headers={**_SCHEME.headers, "paptrading": "1"}),
        pattern=replace(_PATTERN, url="wss://wspap.bitget.com/v2/ws/private"),
    ),
    # Read 2026-07.
    sources=(
        "https://www.bitget.com/api-doc/common/signature",
        "https://www.bitget.com/api-doc/common/websocket-intro",
        "https://github.com/BitgetLimited/v3-bitget-api-sdk",
    ),
)
