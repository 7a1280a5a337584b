"""The family that signs time, method, path and body, and puts it all into headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha512
from urllib.parse import unquote

from networkpype.testing.venues.account import Account, Refusal, Why, b64, digest
from networkpype.testing.wire import ReceivedRequest

__all__ = [
    "Headers",
    "check_deribit",
    "check_gate",
    "check_kucoin",
    "decoded_query",
    "iso_ms",
    "seconds",
    "text_of",
]

Message = Callable[[ReceivedRequest, Account, str], str]
"""Returns what is signed, from the request as it came and its timestamp's text."""


def text_of(request: ReceivedRequest) -> str:
    """Return the body as text that gives back its bytes."""
    return request.body.decode("utf-8", "surrogateescape")


def decoded_query(request: ReceivedRequest) -> str:
    """Return path and query, the query as it was before percent-encoding."""
    return f"{request.path}?{unquote(request.raw_query)}" if request.raw_query else request.path


def seconds(text: str) -> int:
    """Read Unix seconds, whole or with a fraction, as ms."""
    try:
        return int(float(text) * 1000)
    except ValueError:
        raise Refusal(Why.MISSING, "the timestamp is no number of seconds") from None


def iso_ms(text: str) -> int:
    """Read ``2020-12-08T09:08:57.715Z`` as ms."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Why.MISSING, "the timestamp is not ISO 8601 with milliseconds") from None
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Check key, passphrase, signature and time; each is named by its header.

    `stamp` reads the timestamp's text as ms; an expiry is never behind. `window` names the header
    with the caller's own window in ms. `decoded` says that the secret is base64.
    """

    key: str
    signature: str
    time: str
    message: Message
    behind_ms: float
    ahead_ms: float
    phrase: str = ""
    window: str = ""
    stamp: Callable[[str], int] = int
    form: str = "hex"
    decoded: bool = False

    def __call__(self, request: ReceivedRequest, account: Account) -> None:
        headers = request.headers
        account.check_key(headers.get(self.key))
        stamp = headers.get(self.time, "")
        if not stamp:
            raise Refusal(Why.MISSING, f"no header {self.time}")
        if self.stamp is int and not stamp.isdigit():
            raise Refusal(Why.MISSING, f"{self.time} is no whole number")
        behind = float(headers.get(self.window) or self.behind_ms) if self.window else None
        account.check_time(
            self.stamp(stamp), self.behind_ms if behind is None else behind, self.ahead_ms
        )
        if self.phrase:
            account.check_passphrase(headers.get(self.phrase))
        account.check(
            headers.get(self.signature),
            self.message(request, account, stamp),
            form=self.form,
            secret=b64(account.secret) if self.decoded else None,
        )


def check_kucoin(request: ReceivedRequest, account: Account) -> None:
    """Check KC-API headers; the passphrase is signed since key version 2.

    "The URL must use the content that has not been URL-encoded to participate in the signature"
    (https://www.kucoin.com/docs-new/authentication, read 2026-07).
    """
    headers = request.headers
    account.check_key(headers.get("KC-API-KEY"))
    stamp = headers.get("KC-API-TIMESTAMP")
    account.check_time(stamp, 5000, 5000)
    given = headers.get("KC-API-PASSPHRASE", "")
    if headers.get("KC-API-KEY-VERSION", "1") == "1":
        account.check_passphrase(given)
    elif given != digest(account.secret, account.passphrase, "sha256", "base64"):
        raise Refusal(Why.PASSPHRASE)
    message = f"{stamp}{request.method}{unquote(request.raw_path)}{text_of(request)}"
    account.check(headers.get("KC-API-SIGN"), message, form="base64")


def check_gate(request: ReceivedRequest, account: Account) -> None:
    """Check KEY, SIGN and Timestamp; the query counts as it was before percent-encoding.

    Source: https://www.gate.com/docs/developers/apiv4/en/#apiv4-signed-request-requirements
    """
    headers = request.headers
    account.check_key(headers.get("KEY"))
    stamp = headers.get("Timestamp", "")
    account.check_time(seconds(stamp), 60_000, 60_000)
    body = sha512(request.body).hexdigest()
    query = unquote(request.raw_query)
    message = f"{request.method}\n{request.path}\n{query}\n{body}\n{stamp}"
    account.check(headers.get("SIGN"), message, "sha512")


def check_deribit(request: ReceivedRequest, account: Account) -> None:
    """Check ``Authorization: deri-hmac-sha256 id=...,ts=...,nonce=...,sig=...``."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme != "deri-hmac-sha256":
        raise Refusal(Why.MISSING, "no Authorization of deri-hmac-sha256")
    given = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    account.check_key(given.get("id"))
    stamp, nonce = given.get("ts"), given.get("nonce")
    account.check_time(stamp, 60_000, 60_000)
    data = f"{request.method}\n{request.raw_path}\n{text_of(request)}\n"
    account.check(given.get("sig"), f"{stamp}\n{nonce}\n{data}")
    account.check_unused(nonce)
