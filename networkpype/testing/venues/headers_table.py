"""What each venue that checks headers reads in them, by name: data alone."""

from __future__ import annotations

import math

from networkpype.testing.venues.account import Account
from networkpype.testing.venues.headers import Headers, decoded_query, iso_ms, seconds, text_of
from networkpype.testing.wire import ReceivedRequest

__all__ = ["HEADERS"]


def _arguments(request: ReceivedRequest) -> str:
    return request.raw_query if request.method in ("GET", "DELETE") else text_of(request)


def _woo(request: ReceivedRequest, account: Account, stamp: str) -> str:
    if not request.path.startswith("/v1/"):
        return stamp + request.method + request.raw_path + text_of(request)
    return f"{request.raw_query or text_of(request)}|{stamp}"


def _whole(request: ReceivedRequest, account: Account, stamp: str) -> str:
    return stamp + request.method + request.raw_path + text_of(request)


HEADERS: dict[str, Headers] = {
    "bitget": Headers(
        key="ACCESS-KEY",
        signature="ACCESS-SIGN",
        time="ACCESS-TIMESTAMP",
        phrase="ACCESS-PASSPHRASE",
        # The query counts as it was before percent-encoding: the official SDK signs it so
        # (BitgetLimited/v3-bitget-api-sdk, bitget/utils.py).
        message=lambda request, account, stamp: (
            stamp + request.method + decoded_query(request) + text_of(request)
        ),
        form="base64",
        behind_ms=30_000,
        ahead_ms=30_000,
    ),
    "bitmart": Headers(
        key="X-BM-KEY",
        signature="X-BM-SIGN",
        time="X-BM-TIMESTAMP",
        message=lambda request, account, stamp: f"{stamp}#{account.memo}#{_arguments(request)}",
        behind_ms=60_000,
        ahead_ms=60_000,
    ),
    "bitmex": Headers(
        key="api-key",
        signature="api-signature",
        time="api-expires",
        message=lambda request, account, stamp: (
            request.method + request.raw_path + stamp + text_of(request)
        ),
        stamp=seconds,
        behind_ms=-1,
        ahead_ms=math.inf,
    ),
    "bybit": Headers(
        key="X-BAPI-API-KEY",
        signature="X-BAPI-SIGN",
        time="X-BAPI-TIMESTAMP",
        message=lambda request, account, stamp: (
            stamp
            + account.key
            + request.headers.get("X-BAPI-RECV-WINDOW", "")
            + (request.raw_query if request.method == "GET" else text_of(request))
        ),
        window="X-BAPI-RECV-WINDOW",
        behind_ms=5000,
        ahead_ms=999,
    ),
    "coinbaseexchange": Headers(
        key="CB-ACCESS-KEY",
        signature="CB-ACCESS-SIGN",
        time="CB-ACCESS-TIMESTAMP",
        phrase="CB-ACCESS-PASSPHRASE",
        message=_whole,
        stamp=seconds,
        form="base64",
        decoded=True,
        behind_ms=30_000,
        ahead_ms=30_000,
    ),
    "coinex": Headers(
        key="X-COINEX-KEY",
        signature="X-COINEX-SIGN",
        time="X-COINEX-TIMESTAMP",
        message=lambda request, account, stamp: (
            request.method + request.raw_path + text_of(request) + stamp
        ),
        window="X-COINEX-WINDOWTIME",
        behind_ms=5000,
        ahead_ms=5000,
    ),
    "mexc-contract": Headers(
        key="ApiKey",
        signature="Signature",
        time="Request-Time",
        # GET and DELETE: parameters by name, percent-encoded; POST: the JSON as it is sent
        # (https://www.mexc.com/api-docs/futures/integration-guide, read 2026-07).
        message=lambda request, account, stamp: (
            account.key
            + stamp
            + (
                "&".join(sorted(filter(None, request.raw_query.split("&"))))
                if request.method in ("GET", "DELETE")
                else text_of(request)
            )
        ),
        behind_ms=10_000,
        ahead_ms=10_000,
    ),
    "okx": Headers(
        key="OK-ACCESS-KEY",
        signature="OK-ACCESS-SIGN",
        time="OK-ACCESS-TIMESTAMP",
        phrase="OK-ACCESS-PASSPHRASE",
        message=_whole,
        stamp=iso_ms,
        form="base64",
        behind_ms=30_000,
        ahead_ms=30_000,
    ),
    "phemex": Headers(
        key="x-phemex-access-token",
        signature="x-phemex-request-signature",
        time="x-phemex-request-expiry",
        message=lambda request, account, stamp: (
            request.path + request.raw_query + stamp + text_of(request)
        ),
        stamp=seconds,
        behind_ms=-1,
        ahead_ms=121_000,
    ),
    "woo": Headers(
        key="x-api-key",
        signature="x-api-signature",
        time="x-api-timestamp",
        message=_woo,
        behind_ms=300_000,
        ahead_ms=300_000,
    ),
}
