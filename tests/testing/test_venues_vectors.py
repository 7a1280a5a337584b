"""The venues' checks let in what another client of the exchanges signed, and not a byte else.

So the checks are not merely the mirror of networkpype's own signers.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from multidict import CIMultiDict

from networkpype.testing.venues.account import Account, Refusal
from networkpype.testing.venues.table import VENUES
from networkpype.testing.wire import ReceivedRequest

NOW_MS = 1_700_000_000_123
VENUE = {
    "binance-spot-hmac": "binance",
    "binance-usdm-hmac": "binance-usdm",
    "bitfinex-v2": "bitfinex",
    "bybit-v5-hmac": "bybit",
    "coinbase-at-eddsa": "coinbase",
    "gate-v4": "gate",
    "kraken-spot": "kraken",
    "kucoin-spot": "kucoin",
    "mexc-spot": "mexc",
    "okx-v5": "okx",
    "woo-v1": "woo",
    "woo-v3": "woo",
}
# No venue has these older schemes; and a PUT of Binance's for the key alone, removed since.
NOT_HERE = ("coinbase-legacy-hmac/", "coinex-v2/v1-get", "binance-spot-hmac/apikey-only-put")
FILE = Path(__file__).parent.parent / "vectors" / "rest.json"
VECTORS = [
    each
    for each in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if each["trust"] == "ok" and not each["id"].startswith(NOT_HERE)
]


def received(vector: dict[str, Any]) -> ReceivedRequest:
    url, sent = urlsplit(vector["expected"]["url"]), vector["expected"]
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = CIMultiDict({"Host": url.netloc, **(sent["headers"] or {})})
    return ReceivedRequest(
        vector["method"], target, headers, (sent["body"] or "").encode(), arrived_at=0.0
    )


def account(credentials: dict[str, str]) -> Account:
    secret, public_key = credentials.get("secret", ""), ""
    if "-" in credentials.get("apiKey", "") and secret.endswith("="):
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret)[32:])
        public_key = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()
    return Account(
        lambda: NOW_MS,
        key=credentials.get("apiKey", ""),
        secret=secret,
        passphrase=credentials.get("password", ""),
        memo=credentials.get("uid", ""),
        wallet=credentials.get("walletAddress", ""),
        public_key=public_key,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_another_clients_request_is_let_in(vector: dict[str, Any]) -> None:
    family = vector["id"].partition("/")[0]
    venue = VENUES[VENUE.get(family, family)]
    request = received(vector)
    check = venue.key_only.get(f"{request.method} {request.path}", venue.check)
    check(request, account(vector["credentials"]))  # a Refusal fails the test


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_and_with_another_secret_it_is_not(vector: dict[str, Any]) -> None:
    family = vector["id"].partition("/")[0]
    venue = VENUES[VENUE.get(family, family)]
    request = received(vector)
    other = account(vector["credentials"])
    other.secret = base64.b64encode(b"another secret of nobody" * 2).decode()
    other.wallet = "0x" + "1" * 40
    if other.public_key or family == "backpack":
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(KEY_OF_NOBODY))
        other.public_key = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()
    if family == "backpack":
        other.key = KEY_OF_NOBODY
        request.headers = CIMultiDict({**request.headers, "X-API-Key": KEY_OF_NOBODY})
    if f"{request.method} {request.path}" in venue.key_only:
        other.key = "another"
    with pytest.raises(Refusal):
        venue.key_only.get(f"{request.method} {request.path}", venue.check)(request, other)


# The public key of RFC 8032, section 7.1, test 1.
KEY_OF_NOBODY = base64.b64encode(
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
).decode()
