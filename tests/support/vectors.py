"""The signing vectors as requests to make, and the exchanges that make them.

A vector says what an independent implementation sent for arguments without telling where its caller
would have put them here: that is read off what was sent (`arguments`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from networkpype import RESTRequest, TimeSynchronizer
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange_auth

__all__ = [
    "BRAND_FIELDS",
    "BRAND_HEADERS",
    "Clock",
    "Vector",
    "arguments",
    "auth_for",
    "credentials_of",
    "load",
    "name_of",
    "without_brand",
]

Vector = dict[str, Any]

ROOT = Path(__file__).parents[1] / "vectors"

# The beginning of a vector's id -> the exchange's name here, where the two differ.
NAMES = {
    "binance-spot-hmac": "binance",
    "binance-usdm-hmac": "binance-usdm",
    "binance-usdm-listenkey": "binance-usdm",
    "binance-margin-listentoken": "binance-margin",
    "binance-wsapi-order": "binance-ws-api",
    "bitfinex-v2": "bitfinex",
    "bitmart-spot": "bitmart",
    "bitmart-swap": "bitmart-contract",
    "bingx-spot": "bingx",
    "bybit-v5": "bybit",
    "bybit-v5-hmac": "bybit",
    "coinbase-at-eddsa": "coinbase",
    "coinbase-legacy-hmac": "coinbase",
    "coinex-v2": "coinex",
    "gate-v4": "gate",
    "gate-spot-subscribe": "gate",
    "gate-spot-login": "gate-ws-api",
    "htx-spot": "htx",
    "kraken-spot": "kraken",
    "kraken-spot-v2": "kraken",
    "kucoin-spot": "kucoin",
    "mexc-spot": "mexc",
    "okx-v5": "okx",
    "woo-v1": "woo",
    "woo-v3": "woo",
}

# What ccxt adds to tell exchanges that it was ccxt; a user of ours is not.
BRAND_HEADERS = {
    "Referer",
    "KC-API-PARTNER",
    "KC-API-PARTNER-SIGN",
    "KC-API-PARTNER-VERIFY",
    "X-CHANNEL-API-CODE",
    "source",
    "X-SOURCE-KEY",
    "X-BM-BROKER-ID",
    "X-Broker-Id",
}
# Signed among the arguments, so a caller of ours would pass it.
BRAND_FIELDS = {"broker_id"}

FIELDS = {
    "apiKey": "key",
    "secret": "secret",
    "password": "passphrase",
    "uid": "memo",
    "walletAddress": "wallet",
    "privateKey": "private_key",
}


class Clock:
    """An exchange's clock that stands still."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def time(self) -> float:
        return self.ms / 1000


@lru_cache
def load(name: str) -> dict[str, Any]:
    """Return a file of vectors."""
    return cast("dict[str, Any]", json.loads((ROOT / f"{name}.json").read_text(encoding="utf-8")))


def name_of(vector: Vector) -> str:
    """Return the name in `exchanges.names()` of the exchange, or of its market."""
    family: str = vector["id"].partition("/")[0]
    return NAMES.get(family, str(family))


def credentials_of(vector: Vector, **more: Any) -> Credentials:
    own = vector["credentials"]
    return Credentials(**{FIELDS[name]: value for name, value in own.items()}, **more)


def time_provider(ms: int) -> TimeSynchronizer:
    return cast("TimeSynchronizer", Clock(ms))


# Where the exchange's nonce is a text, the random value that the vector was made with.
TEXT_NONCES = {"bitstamp": "uuid", "coinbase": "random_bytes16"}


def nonce_of(vector: Vector) -> Callable[[], int | str]:
    frozen = vector["frozen"]
    nonce = frozen[TEXT_NONCES.get(vector["exchange"], "ms")]
    return lambda: nonce


def auth_for(vector: Vector, *, origins: tuple[str, ...] = (), **options: Any) -> SchemeAuth:
    """Build the exchange's auth with the vector's keys, clock and random values."""
    given: dict[str, Any] = {
        "time_provider": time_provider(vector["frozen"]["ms"]),
        "nonce": nonce_of(vector),
    }
    return exchange_auth(
        name_of(vector), credentials_of(vector, origins=origins), **(given | options)
    )


def without_brand(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (headers or {}).items() if name not in BRAND_HEADERS}


def arguments(vector: Vector) -> tuple[Any, Any]:
    """Return `params` and `data` as a caller passes them who knows where each one belongs.

    An argument that was written into the path belongs nowhere else.
    """
    if vector["id"] in GIVEN:
        return GIVEN[vector["id"]]
    given, expected = vector["params"], vector["expected"]
    if isinstance(given, list):
        return None, given
    in_query = {name for name, _ in parse_qsl(urlsplit(expected["url"]).query, True)}
    in_body = _names_in_body(expected)
    params = {name: value for name, value in given.items() if name in in_query}
    data = {name: value for name, value in given.items() if name in in_body}
    own = _body_fields(expected)
    data |= {name: own[name] for name in BRAND_FIELDS if name in own}
    return params or None, data or None


def by_method(vector: Vector) -> tuple[Any, Any]:
    """Return `params` and `data` as a caller passes them who only looks at the method."""
    params, data = arguments(vector)
    if isinstance(params, (str, list)) or isinstance(data, list):
        return params, data
    both = {**(params or {}), **(data or {})} or None
    return (both, None) if vector["method"] in ("GET", "DELETE") else (None, both)


def request_of(vector: Vector, params: Any, data: Any, base: str | None = None) -> RESTRequest:
    url = (base or vector["base_url"]) + vector["path"]
    return RESTRequest(vector["method"], url, params=params, data=data)


def _names_in_body(expected: Mapping[str, Any]) -> set[str]:
    names = set(_body_fields(expected))
    for name in ("X-GEMINI-PAYLOAD", "X-TXC-PAYLOAD"):
        if payload := expected["headers"].get(name):
            names |= set(json.loads(base64.b64decode(payload)))
    return names


def _body_fields(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in a body: of a form, of JSON, or within JSON's usual envelopes."""
    body = expected["body"]
    if not body:
        return {}
    text = body.removeprefix("json=")
    if text[0] not in "{[":
        return dict(parse_qsl(text, True))
    fields = json.loads(text)
    for envelope in ("action", "params"):
        if isinstance(fields.get(envelope), dict):
            fields = fields | fields[envelope]
    return cast("dict[str, Any]", fields)


# What a caller passes where it is not what the vector calls `params`.
GIVEN: dict[str, tuple[Any, Any]] = {
    # A page's cursor comes escaped from the exchange and goes back as it came.
    "bybit-v5-hmac/get-cursor": ("category=linear&cursor=page_token%3D12%26", None),
    # What is signed beside an action stands beside it.
    "hyperliquid/l1-expires": (
        None,
        {
            "action": {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]},
            "expiresAfter": 1700000060123,
        },
    ),
    # The vector is of a unified call; these are the action's own fields.
    "hyperliquid/user-usdClassTransfer": (
        None,
        {
            "hyperliquidChain": "Mainnet",
            "signatureChainId": "0x66eee",
            "type": "usdClassTransfer",
            "amount": "12.25",
            "toPerp": True,
        },
    ),
}
