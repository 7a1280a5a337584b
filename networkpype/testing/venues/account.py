"""One customer as the exchange knows it, and why a request of theirs is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from enum import Enum

__all__ = ["Account", "Refusal", "Why", "b64", "digest"]


class Why(Enum):
    """What was wrong with a request or a login."""

    KEY = "unknown key"
    SIGNATURE = "the signature does not match the bytes received"
    PASSPHRASE = "wrong passphrase"  # noqa: S105
    TIME = "the timestamp is outside of the window"
    NONCE = "the nonce was used before, or is lower than one that was"
    MISSING = "a part of the identity is missing or malformed"
    TOKEN = "no such token or listen key, or it has expired"  # noqa: S105
    LOGIN = "not logged in"
    BUSY = "too many attempts; wait"


class Refusal(Exception):
    """The exchange does not take this; `detail` says more than `why` where there is more."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(detail or why.value)
        self.why = why


class Account:
    """Keys, the last nonce, and the tokens and listen keys that were issued.

    `public_key` is the PEM, or base64 of the raw bytes, of a key pair whose other half only the
    client has. `time_ms` is the exchange's clock.
    """

    def __init__(
        self,
        time_ms: Callable[[], int],
        *,
        key: str = "",
        secret: str = "",
        passphrase: str = "",
        memo: str = "",
        public_key: str = "",
        wallet: str = "",
    ) -> None:
        self.time_ms = time_ms
        self.key = key
        self.secret = secret
        self.passphrase = passphrase
        self.memo = memo
        self.public_key = public_key
        self.wallet = wallet
        self._last_nonce = -1
        self._seen: set[str] = set()
        self._tokens: dict[str, float] = {}

    def check_key(self, key: str | None) -> None:
        """Refuse another key than the account's."""
        if not key:
            raise Refusal(Why.MISSING, "no API key")
        if not _same(key, self.key):
            raise Refusal(Why.KEY)

    def check_passphrase(self, passphrase: str | None) -> None:
        """Refuse another passphrase than the account's."""
        if not _same(passphrase or "", self.passphrase):
            raise Refusal(Why.PASSPHRASE)

    def check(
        self,
        signature: str | None,
        message: str | bytes,
        algorithm: str = "sha256",
        form: str = "hex",
        secret: str | bytes | None = None,
    ) -> None:
        """Refuse a signature that is not the HMAC of the message in this form."""
        if not signature:
            raise Refusal(Why.MISSING, "no signature")
        key = self.secret if secret is None else secret
        if not _same(signature, digest(key, message, algorithm, form)):
            raise Refusal(Why.SIGNATURE)

    def check_time(self, given: str | int | None, behind_ms: float, ahead_ms: float) -> None:
        """Refuse a time in ms that is further from now than this."""
        ahead = _whole(given, "timestamp") - self.time_ms()
        if not -behind_ms <= ahead <= ahead_ms:
            raise Refusal(Why.TIME, f"the timestamp is {ahead} ms ahead of the server's time")

    def check_rising(self, nonce: str | int | None) -> None:
        """Refuse a nonce that is not above all that were accepted before."""
        number = _whole(nonce, "nonce")
        if number <= self._last_nonce:
            raise Refusal(Why.NONCE, f"nonce {number} is not above {self._last_nonce}")
        self._last_nonce = number

    def check_unused(self, nonce: str | None) -> None:
        """Refuse a text that came before."""
        if not nonce:
            raise Refusal(Why.MISSING, "no nonce")
        if nonce in self._seen:
            raise Refusal(Why.NONCE)
        self._seen.add(nonce)

    def issue(self, lifetime_s: float, prefix: str = "") -> str:
        """Make a token or listen key that lives so long."""
        token = prefix + secrets.token_hex(24)
        self.prolong(token, lifetime_s)
        return token

    def prolong(self, token: str, lifetime_s: float) -> None:
        """Let a token live so long from now."""
        self._tokens[token] = self.time_ms() + lifetime_s * 1000

    def check_token(self, token: object) -> None:
        """Refuse a token that was not issued, has expired or was revoked."""
        if not isinstance(token, str) or self._tokens.get(token, 0) <= self.time_ms():
            raise Refusal(Why.TOKEN)

    def revoke(self, token: str | None = None) -> None:
        """End one token, or all of them."""
        if token is None:
            self._tokens.clear()
        else:
            self._tokens.pop(token, None)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that live, oldest first."""
        now = self.time_ms()
        return tuple(token for token, until in self._tokens.items() if until > now)

    def __repr__(self) -> str:
        return f"<Account, {len(self._tokens)} tokens>"


def digest(key: str | bytes, message: str | bytes, algorithm: str, form: str) -> str:
    """Return an HMAC as ``hex`` or ``base64``."""
    key = key.encode() if isinstance(key, str) else key
    if isinstance(message, str):
        message = message.encode("utf-8", "surrogateescape")
    mac = hmac.new(key, message, getattr(hashlib, algorithm)).digest()
    return mac.hex() if form == "hex" else base64.b64encode(mac).decode()


def b64(text: str) -> bytes:
    """Read standard base64."""
    return base64.b64decode(text)


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(
        left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    )


def _whole(given: str | int | None, name: str) -> int:
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refusal(Why.MISSING, f"{name} missing, or no whole number")
    return int(text)
