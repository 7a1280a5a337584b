"""Who is asking? Signatures verified from the raw request line and the raw body.

Written against the wire with the standard library alone, on purpose: code shared with the signer
would make the same mistake twice and call it a match.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import Enum

from networkpype.testing.wire import ReceivedRequest, Refused

__all__ = ["Access", "Verifier"]

_BAD_KEY = -2015
_BAD_SIGNATURE = -1022
_BAD_TIMESTAMP = -1021
_MISSING_PARAMETER = -1102


class Access(Enum):
    """What an endpoint asks of its caller."""

    PUBLIC = "public"
    KEY = "key"
    """The API key; a GET needs no signature, but a signature that is there must be right."""
    SIGNED = "signed"


class Verifier:
    """Check API key, signature and timestamp, in that order.

    Three forms are known, all with the key in ``X-API-KEY`` and signatures in lower-case hex of
    HMAC-SHA256:

    - query: ``timestamp=<ms>`` in the query, which ends with ``&signature=`` over all before it;
    - headers: ``X-TIMESTAMP`` (ms) and ``X-SIGNATURE`` over timestamp, method, raw path with query,
      and body;
    - key alone, for a GET where the endpoint only reads.
    """

    def __init__(self, api_key: str, api_secret: str, recv_window_ms: int) -> None:
        self._api_key = _raw(api_key)
        self._secret = _raw(api_secret)
        self._recv_window_ms = recv_window_ms

    def check_request(self, request: ReceivedRequest, access: Access, now_ms: int) -> None:
        """Raise `Refused` unless the request may pass; `now_ms` is the exchange's time."""
        if access is Access.PUBLIC:
            return
        key = request.headers.get("X-API-KEY")
        if key is None:
            raise Refused(401, _BAD_KEY, "no API key: send it in the header X-API-KEY")
        if not hmac.compare_digest(_raw(key), self._api_key):
            raise Refused(401, _BAD_KEY, "unknown API key")
        names = [pair.partition("=")[0] for pair in request.raw_query.split("&")]
        if "X-SIGNATURE" in request.headers:
            timestamp = self._check_headers(request)
        elif "signature" in names:
            timestamp = self._check_query(request)
        elif access is Access.KEY and request.method == "GET":
            return
        else:
            raise Refused(
                401,
                _BAD_SIGNATURE,
                "signature missing: send header X-SIGNATURE or the last query parameter signature",
            )
        self._check_time(timestamp, now_ms)

    def check_login(self, args: object, now_ms: int) -> str | None:
        """Check the `args` of a WebSocket login; return why it is refused, or None.

        The signature is over ``<timestamp>GET/ws/login``.
        """
        if not isinstance(args, Mapping):
            return "args must be an object of apiKey, timestamp and signature"
        given = {name: str(args.get(name, "")) for name in ("apiKey", "timestamp", "signature")}
        if not hmac.compare_digest(_raw(given["apiKey"]), self._api_key):
            return "unknown API key"
        try:
            timestamp = _milliseconds(given["timestamp"])
            self._compare(given["signature"], _raw(given["timestamp"]) + b"GET/ws/login")
            self._check_time(timestamp, now_ms)
        except Refused as refused:
            return refused.message
        return None

    def _check_headers(self, request: ReceivedRequest) -> int:
        stamp = request.headers.get("X-TIMESTAMP", "")
        timestamp = _milliseconds(stamp)
        signed = _raw(stamp + request.method + request.raw_path) + request.body
        self._compare(request.headers["X-SIGNATURE"], signed)
        return timestamp

    def _check_query(self, request: ReceivedRequest) -> int:
        signed, separator, signature = request.raw_query.rpartition("&signature=")
        if not separator or "&" in signature:
            raise Refused(
                401,
                _BAD_SIGNATURE,
                "signature must be the last query parameter, after the timestamp",
            )
        stamps = [pair[10:] for pair in signed.split("&") if pair.startswith("timestamp=")]
        if len(stamps) > 1:
            raise Refused(400, _MISSING_PARAMETER, "more than one timestamp in the query")
        timestamp = _milliseconds(stamps[0] if stamps else "")
        self._compare(signature, _raw(signed))
        return timestamp

    def _compare(self, signature: str, signed: bytes) -> None:
        expected = hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(_raw(signature), expected.encode()):
            raise Refused(
                401,
                _BAD_SIGNATURE,
                "signature does not match the bytes received: sign exactly what is sent",
            )

    def _check_time(self, timestamp_ms: int, now_ms: int) -> None:
        ahead = timestamp_ms - now_ms
        if abs(ahead) > self._recv_window_ms:
            where = "ahead of" if ahead > 0 else "behind"
            raise Refused(
                400,
                _BAD_TIMESTAMP,
                f"timestamp is {abs(ahead)} ms {where} the server's time; "
                f"the recv window is {self._recv_window_ms} ms",
                serverTime=now_ms,
            )


def _milliseconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Refused(400, _MISSING_PARAMETER, "timestamp missing, or not whole milliseconds")
    return int(text)


def _raw(text: str) -> bytes:
    """Give back the bytes that aiohttp read as this text."""
    return text.encode("utf-8", "surrogateescape")
