"""WOO X, API v3; v1 and v2 by their paths."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import accepted, rejected
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import FORM_TYPE

__all__ = ["WOO"]

_HEADERS = {
    "x-api-key": "{key}",
    "x-api-timestamp": "{timestamp}",
    "x-api-signature": "{signature}",
}

_V3 = HeaderSignature(
    message="{timestamp}{method}{path_qs}{body}",
    headers=_HEADERS,
    layout=Layout(
        sort_query=True,
        sort_body=True,
        query_only=("DELETE",),
        empty_body="{}",
        type_header="content-type",
    ),
)

_V1 = HeaderSignature(
    # All arguments in the order of their names: the query of a GET, the form of any other method.
    message="{query_or_body}|{timestamp}",
    headers=_HEADERS,
    content_type=FORM_TYPE,
    layout=Layout(
        form=True,
        sort_query=True,
        sort_body=True,
        params_in_body=True,
        type_header="content-type",
    ),
)

_SCHEME = ByPath(prefixes={"/v1/": _V1, "/v2/": _V1}, default=_V3)

_PATTERN = FrameLogin(
    # The memo is the application id.
    url="wss://wss.woox.io/v2/ws/private/stream/{memo}",
    message="|{timestamp}",
    frame={
        "id": "{id}",
        "event": "auth",
        "params": {"apikey": "{key}", "sign": "{signature}", "timestamp": "{timestamp}"},
    },
    ids="number",
    rules=(
        accepted({"event": "auth", "success": True}),
        rejected({"event": "auth", "success": False}, "errorMsg", "message", "errorCode"),
    ),
)

WOO = Exchange(
    name="woo",
    rest_url="https://api.woox.io",
    scheme=_SCHEME,
    pattern=_PATTERN,
    sandbox=Exchange(
        name="woo sandbox",
        rest_url="https://api.staging.woox.io",
        scheme=_SCHEME,
        pattern=replace(_PATTERN, url="wss://wss.staging.woox.io/v2/ws/private/stream/{memo}"),
    ),
    # Read 2026-07.
    sources=(
        "https://developer.woox.io/api-reference/guide",
        "https://docs.woox.io/#authentication",
    ),
)
