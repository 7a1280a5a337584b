"""BitMart, spot and contracts."""

from __future__ import annotations

from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import JSON_TYPE

__all__ = ["BITMART", "BITMART_CONTRACT"]

_SOURCES = (  # read 2026-07
    "https://developer-pro.bitmart.com/en/part2/auth.html",
    "https://developer.bitmart.com/en/ws/spot_ws/login.html",
    "https://developer-pro.bitmart.com/en/futuresv2",
)
_NEEDS = ("key", "secret", "memo")

# An error event may also answer a subscription (30039 unknown channel, 30041 not logged in), so
# only the codes about key, signature and timestamp count.
_KEY_CODES = (*range(30001, 30009), *range(30010, 30014), 30015, 30027)

_SCHEME = HeaderSignature(
    # "queryString" on the page: what GET and DELETE have in the query and POST and PUT in the body.
    message="{timestamp}#{memo}#{query_or_body}",
    headers={
        "X-BM-KEY": "{key}",
        "X-BM-TIMESTAMP": "{timestamp}",
        "X-BM-SIGN": "{signature}",
    },
    content_type=JSON_TYPE,
    layout=Layout(params_in_body=True, query_only=("DELETE",), empty_body="{}"),
)

BITMART = Exchange(
    name="bitmart",
    rest_url="https://api-cloud.bitmart.com",
    hosts=("api-cloud-v2.bitmart.com",),
    needs=_NEEDS,
    scheme=_SCHEME,
    pattern=FrameLogin(
        url="wss://ws-manager-compress.bitmart.com/user?protocol=1.1",
        compression="deflate",
        message="{timestamp}#{memo}#bitmart.WebSocket",
        frame={"op": "login", "args": ["{key}", "{timestamp}", "{signature}"]},
        rules=(
            # An error code is what tells a refusal; after one the server cuts the connection.
            accepted({"event": "login", "errorCode": Seen.ABSENT, "error_code": Seen.ABSENT}),
            rejected({"event": "login"}, "errorMessage", "message", "errorCode", "error_code"),
            rejected({"event": "error", "errorCode": 30014}, "message", definite=False),
            rejected(
                {"event": "error", "errorCode": _KEY_CODES}, "message", "errorMessage", "errorCode"
            ),
        ),
    ),
    sources=_SOURCES,
)

BITMART_CONTRACT = Exchange(
    name="bitmart-contract",
    rest_url="https://api-cloud-v2.bitmart.com",
    hosts=("api-cloud.bitmart.com",),
    needs=_NEEDS,
    scheme=_SCHEME,
    pattern=FrameLogin(
        url="wss://openapi-ws-v2.bitmart.com/user?protocol=1.1",
        compression="deflate",
        message="{timestamp}#{memo}#bitmart.WebSocket",
        frame={"action": "access", "args": ["{key}", "{timestamp}", "{signature}", "web"]},
        rules=(
            accepted({"action": "access", "success": True}),
            accepted({"action": "access", "success": Seen.ABSENT, "error": Seen.ABSENT}),
            rejected({"action": "access"}, "error", "errorMessage", "errorCode"),
        ),
    ),
    sources=_SOURCES,
)
