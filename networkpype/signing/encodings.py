"""How a digest becomes text, and how a secret's text becomes a key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Literal, TypeAlias

from networkpype.errors import ConfigurationError

__all__ = ["Encoding", "SecretDecoding", "check_known", "decode_secret", "encoder"]

Encoding: TypeAlias = Literal["hex", "HEX", "base64", "base64url", "base64 of hex"]
"""How exchanges write a digest; ``base64url`` has no padding, as in RFC 7515."""

SecretDecoding: TypeAlias = Literal["text", "base64", "base64url", "hex", "text to base64"]
"""What the characters of a secret stand for; ``text to base64`` keys with the base64 of them."""


def _base64(digest: bytes) -> str:
    return binascii.b2a_base64(digest, newline=False).decode()


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


_ENCODERS: dict[Encoding, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda digest: digest.hex().upper(),
    "base64": _base64,
    "base64url": _base64url,
    "base64 of hex": lambda digest: _base64(digest.hex().encode()),
}


def encoder(encoding: Encoding) -> Callable[[bytes], str]:
    """Return the function that writes a digest as text."""
    check_known("encoding", encoding, _ENCODERS)
    return _ENCODERS[encoding]


def decode_secret(secret: str, decoding: SecretDecoding) -> bytes:
    """Return the key bytes; a text of another alphabet is a ConfigurationError that hides it."""
    check_known(
        "secret decoding", decoding, ("text", "base64", "base64url", "hex", "text to base64")
    )
    if decoding == "text":
        return secret.encode()
    if decoding == "text to base64":
        return _base64(secret.encode()).encode()
    try:
        if decoding == "hex":
            return bytes.fromhex(secret.removeprefix("0x"))
        padded = secret + "=" * (-len(secret) % 4)
        altchars = b"-_" if decoding == "base64url" else None
        return base64.b64decode(padded, altchars=altchars, validate=True)
    except ValueError:
        pass  # raised below, for the context of this error would hold the secret's characters
    raise ConfigurationError(
        f"the secret is no {decoding}; copy it whole, as the exchange shows it"
    )


def check_known(name: str, value: object, known: object) -> None:
    """Refuse a name that no table holds, naming those that are known."""
    if value not in known:  # type: ignore[operator]
        shown = ", ".join(f'"{each}"' for each in known)  # type: ignore[attr-defined]
        raise ConfigurationError(f"{name} is {value!r}; pass one of {shown}")
