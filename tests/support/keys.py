"""Private keys to sign with, and what their signatures are worth."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import pytest

__all__ = ["ed25519_pem", "private_pem", "rsa_key", "verify_rsa"]


@lru_cache
def rsa_key() -> Any:
    """Return an RSA key, the same one for a whole run; skip the test without cryptography."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def private_pem(key: Any, *, older: bool = False) -> str:
    """Return the key as PEM: PKCS #8, or the older form of OpenSSL (PKCS #1)."""
    from cryptography.hazmat.primitives import serialization as form

    kind = form.PrivateFormat.TraditionalOpenSSL if older else form.PrivateFormat.PKCS8
    text: bytes = key.private_bytes(form.Encoding.PEM, kind, form.NoEncryption())
    return text.decode()


def ed25519_pem() -> str:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return private_pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def verify_rsa(key: Any, signature: str, message: str) -> None:
    """Raise unless the key signed the message, by PKCS #1 v1.5 and in base64."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    raw = base64.b64decode(signature, validate=True)
    key.public_key().verify(raw, message.encode(), PKCS1v15(), SHA256())
