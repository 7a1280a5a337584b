"""JSON Web Tokens (RFC 7519) in compact form, header and claims in the order they are given."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from networkpype import codec
from networkpype.signing.asymmetric import ECDSA, Ed25519, KeyForm, key_kind
from networkpype.signing.encodings import SecretDecoding, check_known
from networkpype.signing.methods import HMAC, SigningMethod

__all__ = ["TokenAlgorithm", "token", "token_algorithm", "token_input", "token_signing"]

TokenAlgorithm: TypeAlias = Literal["HS256", "ES256", "EdDSA"]
"""The ``alg`` of a header: RFC 7518 section 3, RFC 8037."""

_ALGORITHMS = ("HS256", "ES256", "EdDSA")


def token_signing(
    algorithm: TokenAlgorithm,
    *,
    key: KeyForm = "base64",
    secret_is: SecretDecoding = "text",  # noqa: S107
) -> SigningMethod:
    """Return the method that signs tokens of this algorithm.

    `key` is the form of an Ed25519 key that is no PEM; `secret_is` what an HS256 secret stands for.
    """
    check_known("algorithm", algorithm, _ALGORITHMS)
    if algorithm == "HS256":
        return HMAC("sha256", "base64url", secret_is)
    if algorithm == "ES256":
        return ECDSA("base64url")
    return Ed25519("base64url", key)


def token_algorithm(
    secret: str, password: str | None = None, key: KeyForm = "base64"
) -> TokenAlgorithm:
    """Return what a private key signs with: ES256 on P-256, EdDSA with Ed25519."""
    kind = key_kind(secret, password, key, ("P-256", "Ed25519"))
    return "ES256" if kind == "P-256" else "EdDSA"


def token_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Return what a token's signature is made over."""
    return f"{_part(header)}.{_part(claims)}"


def token(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[str], str]) -> str:
    """Return the token; `sign` gets the text to sign and returns the signature in base64url."""
    text = token_input(header, claims)
    return f"{text}.{sign(text)}"


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(codec.dumps_utf8(content).encode()).decode().rstrip("=")
