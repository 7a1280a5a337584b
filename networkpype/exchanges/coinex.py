"""CoinEx, API v2; v1 by its path."""

from __future__ import annotations

from dataclasses import replace

from networkpype.auth.patterns.frame import FrameLogin, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.schemes.argument_hash import ArgumentHash
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import LEGAL_IN_QUERY, Layout
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import JSON_TYPE
from networkpype.signing.methods import Hash

__all__ = ["COINEX", "COINEX_FUTURES"]

_V2 = HeaderSignature(
    # HMAC-SHA256 keyed with the secret, as the page has it. ccxt (4.5.68) sends a plain SHA-256
    # with the secret behind this text instead.
    message="{method}{path_qs}{body}{timestamp}",
    headers={
        "Accept": "application/json",
        "X-COINEX-KEY": "{key}",
        "X-COINEX-SIGN": "{signature}",
        "X-COINEX-TIMESTAMP": "{timestamp}",
    },
    content_type=JSON_TYPE,
    layout=Layout(
        sort_query=True,
        sort_body=True,
        query_only=("DELETE",),
        empty_body="{}",
        unescaped=LEGAL_IN_QUERY,
    ),
)

_V1 = ArgumentHash(
    added={"access_id": "{key}", "tonce": "{timestamp}"},
    headers={"Authorization": "{signature}"},
    signing=Hash("md5", "HEX", separator="&secret_key="),
    content_type=JSON_TYPE,
)

_V1_FUTURES = ArgumentHash(
    added={"access_id": "{key}", "timestamp": "{timestamp}"},
    headers={"Authorization": "{signature}", "AccessId": "{key}"},
    signing=Hash("sha256", separator="&secret_key="),
    form=True,
)

_PATTERN = FrameLogin(
    url="wss://socket.coinex.com/v2/spot/",
    compression="gzip",
    message="{timestamp}",
    frame={
        "id": Whole("{id}"),
        "method": "server.sign",
        "params": {
            "access_id": "{key}",
            "signed_str": "{signature}",
            "timestamp": Whole("{timestamp}"),
        },
    },
    ids="number",
    rules=(
        accepted({"id": Seen.MY_ID, "code": 0}),
        rejected({"id": Seen.MY_ID, "code": Seen.ANY}, "message", "code"),
    ),
)

COINEX = Exchange(
    name="coinex",
    rest_url="https://api.coinex.com",
    scheme=ByPath(prefixes={"/v1/": _V1, "/perpetual/v1/": _V1_FUTURES}, default=_V2),
    pattern=_PATTERN,
    # Read 2026-07.
    sources=(
        "https://docs.coinex.com/api/v2/authorization",
        "https://github.com/coinexcom/coinex_exchange_api/wiki/012security_authorization",
        "https://docs.coinex.com/api/v1/futures",
    ),
)

COINEX_FUTURES = replace(
    COINEX,
    name="coinex-futures",
    pattern=replace(_PATTERN, url="wss://socket.coinex.com/v2/futures/"),
)
