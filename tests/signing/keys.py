"""Private keys as exchanges' users hold them."""

from __future__ import annotations

import base64
from typing import TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["Key", "pem_of", "seed_of", "unbase64url"]

Key: TypeAlias = PrivateKeyTypes


def pem_of(key: Key, password: str | None = None) -> str:
    """Return the key as PKCS #8."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        lock = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    ).decode()


def seed_of(key: Key) -> bytes:
    """Return the 32 bytes of an Ed25519 key."""
    return key.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )


def unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
