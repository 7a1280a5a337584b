"""Signatures with private keys, as connector authors write them.

What plain Python cannot do, Ed25519, ECDSA and a wallet's signature, is done with the packages that
the project itself takes for it. Keys are loaded and what never changes is hashed once, on both
sides.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import urlencode

import msgpack  # type: ignore[import-untyped]
from Crypto.Hash import keccak
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from eth_keys.datatypes import PrivateKey

from benchmarks._by_hand import KEY, Arguments, ByHand, Signed

__all__ = ["PEM", "PRIVATE_KEYS", "SEED", "WALLET_KEY", "same_but_for_the_token"]

# Made up for this file; they open nothing.
SEED = base64.b64encode(bytes(range(32))).decode()
WALLET_KEY = "0x" + "4c" * 32
_P256 = ec.derive_private_key(0x5EED, ec.SECP256R1())
PEM = _P256.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
_ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_WALLET = PrivateKey(bytes.fromhex(WALLET_KEY[2:]))


_INSTRUCTIONS = {"GET": "orderQuery", "POST": "orderExecute"}


def backpack(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    ordered = dict(sorted((params or data or {}).items()))
    query = urlencode(ordered)
    text = f"instruction={_INSTRUCTIONS[method]}&{query}&timestamp={timestamp}&window=5000"
    headers = {
        "X-Timestamp": timestamp,
        "X-Window": "5000",
        "X-API-Key": KEY,
        "X-Signature": base64.b64encode(_ED25519.sign(text.encode())).decode(),
    }
    url = f"https://api.backpack.exchange{path}"
    if method == "GET":
        return f"{url}?{query}", headers, b""
    headers["Content-Type"] = "application/json"
    return url, headers, json.dumps(ordered, separators=(",", ":")).encode()


def _part(content: dict[str, Any]) -> str:
    raw = json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def coinbase(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    start = int(now)
    header = {"alg": "ES256", "typ": "JWT", "kid": KEY, "nonce": uuid.uuid4().hex}
    claims = {
        "iss": "cdp",
        "nbf": start,
        "exp": start + 120,
        "sub": KEY,
        "iat": start,
        "uri": f"{method} api.coinbase.com{path}",
    }
    text = f"{_part(header)}.{_part(claims)}"
    r, s = decode_dss_signature(_P256.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    token = f"{text}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"
    if params:
        path += "?" + urlencode(params)
    body = json.dumps(data, separators=(",", ":")) if data else ""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return f"https://api.coinbase.com{path}", headers, body.encode()


def same_but_for_the_token(signed: Signed) -> Signed:
    """Verify the token, whose signature is another each time, and leave the signature out."""
    url, headers, body = signed
    text, _, signature = headers["Authorization"].removeprefix("Bearer ").rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    whole = encode_dss_signature(r, s)
    _P256.public_key().verify(whole, text.encode(), ec.ECDSA(hashes.SHA256()))
    return url, {**headers, "Authorization": text}, body


def _keccak(data: bytes) -> bytes:
    digest: bytes = keccak.new(data=data, digest_bits=256).digest()
    return digest


_DOMAIN = _keccak(
    _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + _keccak(b"Exchange")
    + _keccak(b"1")
    + (1337).to_bytes(32, "big")
    + bytes(32)
)
_AGENT = _keccak(b"Agent(string source,bytes32 connectionId)")


def hyperliquid(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    nonce = int(now * 1000)
    connection = _keccak(msgpack.packb(data) + nonce.to_bytes(8, "big") + b"\x00")
    agent = _keccak(_AGENT + _keccak(b"a") + connection)
    signature = _WALLET.sign_msg_hash(_keccak(b"\x19\x01" + _DOMAIN + agent))
    own = {
        "action": data,
        "nonce": nonce,
        "signature": {
            "r": f"0x{signature.r:064x}",
            "s": f"0x{signature.s:064x}",
            "v": signature.v + 27,
        },
    }
    headers = {"Content-Type": "application/json"}
    body = json.dumps(own, separators=(",", ":"))
    return f"https://api.hyperliquid.xyz{path}", headers, body.encode()


PRIVATE_KEYS: dict[str, ByHand] = {
    "backpack": backpack,
    "coinbase": coinbase,
    "hyperliquid": hyperliquid,
}
