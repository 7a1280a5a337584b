"""Fifty secrets that exist nowhere else, and a watch that hears every log record of a test run.

Each is planted where an exchange puts its like: as key, secret, passphrase, memo, PEM, wallet key,
token or listen key. Whatever shows one of them shows a user's secret too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from networkpype.credentials import Credentials
from tests.support.vectors import load

__all__ = [
    "PLANTED",
    "Watch",
    "credentials_for",
    "found_in",
    "spellings",
    "token",
    "vector_secrets",
]


def _hex(name: str, size: int = 32) -> str:
    return hashlib.shake_256(f"canary {name}".encode()).hexdigest(size // 2)


def _base64(name: str, size: int = 64) -> str:
    return base64.b64encode(hashlib.shake_256(f"canary {name}".encode()).digest(size)).decode()


def _ed25519_pem(name: str) -> str:
    seed = hashlib.sha256(f"canary {name}".encode()).digest()
    return _pem(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def _ec_pem(name: str) -> str:
    number = int.from_bytes(hashlib.sha256(f"canary {name}".encode()).digest()) % (1 << 255)
    return _pem(ec.derive_private_key(number, ec.SECP256R1()))


def _pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _jwt(name: str) -> str:
    parts = ({"alg": "EdDSA", "typ": "JWT"}, {"sub": _hex(name)})
    head = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(part.rstrip("=") for part in head), _hex(name, 40)])


PLANTED: dict[str, str] = {
    **{f"key {n}": _hex(f"key {n}") for n in range(10)},
    **{f"secret {n}": _hex(f"secret {n}", 48) for n in range(10)},
    **{f"base64 secret {n}": _base64(f"base64 {n}") for n in range(5)},
    **{f"seed {n}": _base64(f"seed {n}", 32) for n in range(3)},
    **{f"passphrase {n}": f"Cnry {_hex(f'passphrase {n}', 10)}/+!" for n in range(5)},
    **{f"memo {n}": f"memo-{_hex(f'memo {n}', 10)}" for n in range(2)},
    **{f"PEM Ed25519 {n}": _ed25519_pem(f"pem {n}") for n in range(2)},
    **{f"PEM EC {n}": _ec_pem(f"ec {n}") for n in range(2)},
    **{f"wallet key {n}": f"0x{_hex(f'wallet {n}', 64)}" for n in range(2)},
    **{f"access token {n}": _jwt(f"access {n}") for n in range(2)},
    **{f"refresh token {n}": _jwt(f"refresh {n}") for n in range(2)},
    **{f"listen key {n}": _hex(f"listen key {n}", 64) for n in range(2)},
    **{f"token {n}": f"{_base64(f'token {n}', 24)}+/==.{_hex(f'token {n}')}" for n in range(3)},
}


@lru_cache
def vector_secrets() -> frozenset[str]:
    """Return what the vectors sign with: every test of a signature has them in its hands."""
    fields = ("secret", "password", "privateKey")
    vectors = [*load("rest")["vectors"], *load("ws")["vectors"]]
    return frozenset(
        vector["credentials"][field]
        for vector in vectors
        for field in fields
        if field in vector["credentials"]
    )


def spellings(secret: str) -> Iterator[str]:
    """Yield a secret as text, URLs, forms and JSON have it; a PEM line by line."""
    if secret.startswith("-----BEGIN "):
        yield from (line for line in secret.splitlines() if "-----" not in line)
        return
    yield secret
    yield secret.removeprefix("0x")
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    yield repr(secret.encode())[2:-1]


@lru_cache
def _needles(secrets: frozenset[str]) -> tuple[str, ...]:
    needles = {each.lower() for secret in secrets for each in spellings(secret)}
    return tuple(sorted(needles, key=len, reverse=True))


def found_in(text: str, secrets: Iterable[str] = PLANTED.values()) -> str | None:
    """Return what of the secrets stands in the text in whatever case, None where nothing does."""
    text = text.lower()  # and one search each: fifty times as fast as a pattern of them all
    return next((needle for needle in _needles(frozenset(secrets)) if needle in text), None)


def token(kind: str = "token", number: int = 0) -> str:
    return PLANTED[f"{kind} {number}"]


# Which exchanges take another kind of secret than text.
_BASE64 = ("kraken", "krakenfutures", "coinbaseexchange")
_SEEDS = ("backpack",)


def credentials_for(name: str, number: int = 0, **more: str) -> Credentials:
    """Return planted credentials that an exchange's signatures can be made with."""
    if name == "hyperliquid":
        own = {"private_key": PLANTED[f"wallet key {number % 2}"], "wallet": "0x" + "ab" * 20}
        return Credentials(**own, **more)
    if name == "ethgas":
        n = number % 2
        own = {"key": PLANTED[f"access token {n}"], "secret": PLANTED[f"refresh token {n}"]}
        return Credentials(**own, **more)
    fields = {
        "key": PLANTED[f"key {number % 10}"],
        "secret": PLANTED[f"secret {number % 10}"],
        "passphrase": PLANTED[f"passphrase {number % 5}"],
        "memo": PLANTED[f"memo {number % 2}"],
    }
    if name in _BASE64:
        fields["secret"] = PLANTED[f"base64 secret {number % 5}"]
    elif name in _SEEDS:
        fields["secret"] = PLANTED[f"seed {number % 3}"]
    elif name == "coinbase":
        fields["private_key"] = PLANTED[f"PEM EC {number % 2}"]
    return Credentials(**(fields | more))


class Watch(logging.Handler):
    """Hear every record of a run at DEBUG, and remember those that show a secret."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.secrets = frozenset({*PLANTED.values(), *vector_secrets()})
        self.heard = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += 1
        try:
            text = f"{self.format(record)} {record.args!r}"
        except Exception as error:
            text = f"{record.msg!r} {error!r}"
        if found := found_in(text, self.secrets):
            test = os.environ.get("PYTEST_CURRENT_TEST", "between tests")
            self.leaks.append(
                f'{test}: logger "{record.name}" shows {found[:6]}...: {record.msg!r}'
            )
