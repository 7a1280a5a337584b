"""The family that puts a signature behind the parameters it is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote

from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.venues.headers import text_of
from networkpype.testing.venues.pairs import check_pem
from networkpype.testing.wire import ReceivedRequest

__all__ = [
    "check_bingx",
    "check_htx",
    "check_query",
    "check_query_key",
    "check_utc",
    "htx_message",
    "in_header",
]


def in_header(request: ReceivedRequest, account: Account, name: str) -> None:
    """Check the key in a header, and nothing else."""
    account.check_key(request.headers.get(name))


def check_query(request: ReceivedRequest, account: Account, key: str = "X-MBX-APIKEY") -> None:
    """Check a signature over the query and the form body, as they came, without it.

    "totalParams is defined as the query string concatenated with the request body", with no ``&``
    between them (https://developers.binance.com/docs/binance-spot-api-docs/rest-api, read 2026-07).
    """
    in_header(request, account, key)
    query, body = request.raw_query, text_of(request)
    query, in_query = _split(query)
    body, in_body = _split(body)
    params = dict(parse_qsl(f"{query}&{body}", keep_blank_values=True))
    account.check_time(params.get("timestamp"), float(params.get("recvWindow", 5000)), 1000)
    if account.public_key:
        check_pem(account, unquote(in_query or in_body), query + body)
    else:
        account.check(in_query or in_body, query + body)


def check_query_key(request: ReceivedRequest, account: Account) -> None:
    """Check the key alone, as Binance's user streams want it."""
    in_header(request, account, "X-MBX-APIKEY")


def check_bingx(request: ReceivedRequest, account: Account) -> None:
    """Check a signature over the parameters before they were percent-encoded."""
    in_header(request, account, "X-BX-APIKEY")
    query, signature = _split(request.raw_query)
    params = dict(parse_qsl(query, keep_blank_values=True))
    if request.body:
        # Of JSON bodies, timestamp and signature are members.
        try:
            body = json.loads(request.body)
            signature = body.pop("signature", signature)
            params |= {name: str(value) for name, value in body.items()}
        except (ValueError, AttributeError):
            raise Refusal(Why.MISSING, "the body is no JSON object") from None
        query = "&".join(f"{name}={params[name]}" for name in sorted(params))
    account.check_time(params.get("timestamp"), float(params.get("recvWindow", 5000)), 5000)
    account.check(signature, unquote(query) if not request.body else query)


def check_htx(request: ReceivedRequest, account: Account) -> None:
    """Check ``Signature`` over method, host, path and the sorted query; the body is not signed."""
    pairs = dict(parse_qsl(request.raw_query, keep_blank_values=True))
    account.check_key(pairs.get("AccessKeyId"))
    if (pairs.get("SignatureMethod"), pairs.get("SignatureVersion")) != ("HmacSHA256", "2"):
        raise Refusal(Why.MISSING, "SignatureMethod is HmacSHA256 and SignatureVersion 2")
    check_utc(account, pairs.get("Timestamp", ""))
    signature = pairs.pop("Signature", None)
    message = htx_message(request, pairs, request.method)
    account.check(signature, message, form="base64")


def htx_message(request: ReceivedRequest, pairs: dict[str, str], method: str = "GET") -> str:
    """Return what HTX signs, for REST and for the login of a socket at the request's address."""
    query = "&".join(f"{n}={quote(v, safe='')}" for n, v in sorted(pairs.items()))
    return f"{method}\n{request.headers.get('Host', '').lower()}\n{request.path}\n{query}"


def check_utc(account: Account, text: str) -> None:
    """Check a UTC time like ``2023-11-14T22:13:20``, at most five minutes from now."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Why.MISSING, "Timestamp is UTC like 2023-11-14T22:13:20") from None
    account.check_time(round(moment.timestamp() * 1000), 300_000, 300_000)


def _split(text: str) -> tuple[str, str]:
    """Take the signature, which stands last, from what it is over."""
    signed, _, signature = text.rpartition("signature=")
    if "&" in signature or not (signature and (not signed or signed.endswith("&"))):
        return text, ""
    return signed.removesuffix("&"), signature
