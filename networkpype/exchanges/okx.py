"""OKX, API v5."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["OKX"]

# An error event may also answer a subscription, so only the codes of a login count:
# 60004, 60006 timestamp; 60005, 60007, 60009, 60024, 60032 key, signature or passphrase.
_TIME_CODES = (60004, 60006)
_KEY_CODES = (60005, 60007, 60009, 60024, 60032)

_SCHEME = HeaderSignature(
    message="{timestamp}{method}{path_qs}{body}",
    headers={
        "OK-ACCESS-KEY": "{key}",
        "OK-ACCESS-SIGN": "{signature}",
        "OK-ACCESS-TIMESTAMP": "{timestamp}",
        "OK-ACCESS-PASSPHRASE": "{passphrase}",
    },
    signing=HMAC("sha256", "base64"),
    timestamp="iso ms",
    layout=Layout(empty_is_typed=True),
)

_PATTERN = FrameLogin(
    # The page prints port 8443; 443 is served as well, and more firewalls let it pass.
    # The same login opens /ws/v5/business.
    url="wss://ws.okx.com:443/ws/v5/private",
    message="{timestamp}GET/users/self/verify",
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
    signing=HMAC("sha256", "base64"),
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

OKX = Exchange(
    name="okx",
    rest_url="https://www.okx.com",
    hosts=("aws.okx.com", "eea.okx.com", "us.okx.com"),
    needs=("key", "secret", "passphrase"),
    scheme=_SCHEME,
    pattern=_PATTERN,
    # Demo trading has the live REST host: the header is what tells them apart.
    sandbox=Exchange(
        name="okx sandbox",
        rest_url="https://www.okx.com",
        hosts=("eea.okx.com", "us.okx.com"),
        needs=("key", "secret", "passphrase"),
        scheme=replace(_SCHEME, headers={**_SCHEME.headers, "x-simulated-trading": "1"}),
        pattern=replace(_PATTERN, url="wss://wspap.okx.com:8443/ws/v5/private"),
    ),
    # Read 2026-07.
    sources=(
        "https://www.okx.com/docs-v5/en/#overview-rest-authentication",
        "https://www.okx.com/docs-v5/en/#overview-websocket-login",
        "https://github.com/okxapi/python-okx",
    ),
)
