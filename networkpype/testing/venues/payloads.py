"""The families that sign a nonce: in the body, in a payload of its own, or beside them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs

from networkpype.testing.venues.account import Account, Refusal, Why, b64
from networkpype.testing.venues.headers import text_of
from networkpype.testing.wire import ReceivedRequest

__all__ = [
    "check_bitfinex",
    "check_bitstamp",
    "check_cryptocom",
    "check_cryptocom_frame",
    "check_gemini",
    "check_kraken",
    "check_kraken_futures",
    "check_whitebit",
    "cryptocom_text",
]


def check_kraken(request: ReceivedRequest, account: Account) -> None:
    """Check API-Sign: HMAC-SHA512 of path and SHA-256 of nonce and body; the nonce rises.

    Source: https://docs.kraken.com/exchange/guides/rest/authentication (read 2026-07).
    """
    account.check_key(request.headers.get("API-Key"))
    body = text_of(request)
    if "application/json" in request.headers.get("Content-Type", ""):
        nonce = str(_object(body).get("nonce", ""))
    else:
        nonce = parse_qs(body).get("nonce", [""])[0]
    hashed = hashlib.sha256(nonce.encode() + request.body).digest()
    account.check(
        request.headers.get("API-Sign"),
        request.raw_path.encode() + hashed,
        "sha512",
        "base64",
        b64(account.secret),
    )
    account.check_rising(nonce)


def check_kraken_futures(request: ReceivedRequest, account: Account) -> None:
    """Check Authent: over SHA-256 of arguments, nonce and the path behind ``/derivatives``.

    The arguments count as they travel, percent-encoded, since February 2024
    (https://docs.kraken.com/api/docs/guides/futures-rest, read 2026-07).
    """
    headers = request.headers
    account.check_key(headers.get("APIKey"))
    nonce = headers.get("Nonce", "")
    path = request.path.removeprefix("/derivatives")
    hashed = hashlib.sha256(
        request.raw_query.encode() + request.body + (nonce + path).encode()
    ).digest()
    account.check(headers.get("Authent"), hashed, "sha512", "base64", b64(account.secret))
    if nonce:
        account.check_rising(nonce)


def check_bitfinex(request: ReceivedRequest, account: Account) -> None:
    """Check bfx-signature: HMAC-SHA384 of ``/api``, path, nonce and body; the nonce rises."""
    headers = request.headers
    account.check_key(headers.get("bfx-apikey"))
    nonce = headers.get("bfx-nonce", "")
    message = f"/api{request.path}{nonce}{text_of(request)}"
    account.check(headers.get("bfx-signature"), message, "sha384")
    account.check_rising(nonce)


def check_gemini(request: ReceivedRequest, account: Account) -> None:
    """Check X-GEMINI-SIGNATURE over the payload, whose ``request`` names the path."""
    headers = request.headers
    account.check_key(headers.get("X-GEMINI-APIKEY"))
    payload = headers.get("X-GEMINI-PAYLOAD", "")
    account.check(headers.get("X-GEMINI-SIGNATURE"), payload, "sha384")
    said = _payload(payload)
    if said.get("request") != request.path:
        raise Refusal(Why.MISSING, "the payload's request is not the path")
    account.check_rising(said.get("nonce"))


def check_whitebit(request: ReceivedRequest, account: Account) -> None:
    """Check X-TXC-SIGNATURE over the payload, which is the body in base64."""
    headers = request.headers
    account.check_key(headers.get("X-TXC-APIKEY"))
    payload = headers.get("X-TXC-PAYLOAD", "")
    account.check(headers.get("X-TXC-SIGNATURE"), payload, "sha512")
    if payload != base64.b64encode(request.body).decode():
        raise Refusal(Why.SIGNATURE, "the payload is not the body")
    said = _object(text_of(request))
    if said.get("request") != request.path:
        raise Refusal(Why.MISSING, "the body's request is not the path")
    if said.get("nonceWindow"):
        account.check_time(said.get("nonce"), 5000, 5000)
        account.check_unused(str(said.get("nonce")))
    else:
        account.check_rising(said.get("nonce"))


def check_bitstamp(request: ReceivedRequest, account: Account) -> None:
    """Check X-Auth: key, method, host, path with query, content type, nonce, time, body.

    Source: https://www.bitstamp.net/api/ (read 2026-07): a nonce is 36 characters and not used
    twice within 150 s.
    """
    headers = request.headers
    scheme, _, key = headers.get("X-Auth", "").partition(" ")
    if scheme != "BITSTAMP" or headers.get("X-Auth-Version") != "v2":
        raise Refusal(Why.MISSING, "X-Auth is BITSTAMP and the key, X-Auth-Version v2")
    account.check_key(key)
    nonce, stamp = headers.get("X-Auth-Nonce", ""), headers.get("X-Auth-Timestamp", "")
    if len(nonce) != 36 or nonce != nonce.lower():
        raise Refusal(Why.NONCE, "a nonce is 36 characters in lower case")
    account.check_time(stamp, 150_000, 150_000)
    kind = headers.get("Content-Type", "") if request.body else ""
    if not request.body and headers.get("Content-Type"):
        raise Refusal(Why.SIGNATURE, "no Content-Type where there is no body")
    message = (
        f"BITSTAMP {key}{request.method}{headers.get('Host', '')}{request.raw_path}"
        f"{kind}{nonce}{stamp}v2{text_of(request)}"
    )
    account.check((headers.get("X-Auth-Signature") or "").lower(), message)
    account.check_unused(nonce)


def check_cryptocom(request: ReceivedRequest, account: Account) -> None:
    """Check ``sig`` in the body: method, id, key, parameters by name, nonce.

    Source: https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html#digital-signature
    """
    body = _object(text_of(request))
    if not request.path.endswith("/" + str(body.get("method"))):
        raise Refusal(Why.MISSING, "the body's method is not the end of the path")
    check_cryptocom_frame(body, account)


def check_cryptocom_frame(body: dict[str, Any], account: Account) -> None:
    """Check a request's ``sig``, be it a body or a frame."""
    account.check_key(body.get("api_key"))
    message = (
        f"{body.get('method')}{body.get('id', '')}{body.get('api_key')}"
        f"{cryptocom_text(body.get('params') or {})}{body.get('nonce')}"
    )
    account.check(body.get("sig"), message)
    account.check_time(body.get("nonce"), 60_000, 60_000)


def cryptocom_text(value: Any) -> str:
    """Write parameters as crypto.com signs them: names in order, each with its value behind."""
    if isinstance(value, dict):
        return "".join(name + cryptocom_text(value[name]) for name in sorted(value))
    if isinstance(value, list):
        return "".join(map(cryptocom_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _payload(payload: str) -> dict[str, Any]:
    try:
        return _object(b64(payload).decode())
    except ValueError:
        raise Refusal(Why.MISSING, "the payload is no base64") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(Why.MISSING, "no JSON object where one belongs")
    return found
