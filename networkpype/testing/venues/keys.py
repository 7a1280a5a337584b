"""New keys of the kind that a venue hands out: what the client keeps, what the exchange keeps."""

from __future__ import annotations

import base64
import secrets
from typing import Any

__all__ = ["make_keys"]


def make_keys(kind: str, fields: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """Return the client's fields, and the public key that the exchange has, empty where none.

    `kind` is how a secret looks: ``hex``, ``base64``, ``ed25519 raw`` (both halves in base64, the
    public one being the key), ``ed25519 pem``, ``ec pem`` or ``wallet``.
    """
    made = {name: secrets.token_hex(16) for name in fields}
    if kind == "hex":
        made["secret"] = secrets.token_hex(32)
    elif kind == "base64":
        made["secret"] = base64.b64encode(secrets.token_bytes(64)).decode()
    elif kind == "wallet":
        from eth_keys.datatypes import PrivateKey

        private = PrivateKey(secrets.token_bytes(32))
        return {
            "private_key": private.to_hex(),
            "wallet": private.public_key.to_checksum_address(),
        }, ""
    elif kind == "ed25519 raw":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        pair = Ed25519PrivateKey.generate()
        made["key"] = base64.b64encode(pair.public_key().public_bytes_raw()).decode()
        made["secret"] = base64.b64encode(pair.private_bytes_raw()).decode()
    elif kind == "ed25519 pem":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private_key, public = _pem(Ed25519PrivateKey.generate())
        return {"key": made["key"], "private_key": private_key}, public
    else:
        from cryptography.hazmat.primitives.asymmetric import ec

        made["secret"], public = _pem(ec.generate_private_key(ec.SECP256R1()))
        made["key"] = f"organizations/{made['key']}/apiKeys/{secrets.token_hex(8)}"
        return made, public
    return made, ""


def _pem(pair: Any) -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization as form

    private = pair.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = pair.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()
