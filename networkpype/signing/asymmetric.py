"""Signing with a private key: Ed25519, RSA and ECDSA, by the package cryptography.

A key is a PEM text (PKCS #8, or the older forms of OpenSSL), encrypted or not; for Ed25519 also the
32 bytes of the seed, alone or with the public key behind them, in base64 or hex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.signing.encodings import Encoding, check_known, decode_secret, encoder
from networkpype.signing.extras import require
from networkpype.signing.methods import Signer, SigningMethod

__all__ = ["ECDSA", "RSA", "Ed25519", "KeyForm", "KeyKind", "PrivateKey", "key_kind"]

KeyForm: TypeAlias = Literal["pem", "base64", "hex"]
"""What an Ed25519 key is where it is no PEM; with ``pem`` nothing else is taken."""

KeyKind: TypeAlias = Literal["Ed25519", "RSA", "P-256"]
"""What a private key may be."""

_FORMS = ("pem", "base64", "hex")
_PRIMITIVES = "cryptography.hazmat.primitives"


@dataclass(frozen=True, slots=True)
class Ed25519(SigningMethod):
    """Ed25519 (RFC 8032) of the message."""

    encoding: Encoding = "base64"
    key: KeyForm = "pem"

    takes_private_key = True

    def __post_init__(self) -> None:
        encoder(self.encoding)
        check_known("key", self.key, _FORMS)

    def signer(self, secret: str, password: str | None = None) -> Signer:
        key = _loaded(secret, password, self.key, "Ed25519")
        return _KeySigner(key.sign, encoder(self.encoding))


@dataclass(frozen=True, slots=True)
class RSA(SigningMethod):
    """RSA over the SHA-256 of the message (RFC 8017): PKCS #1 v1.5, or PSS with a 32-byte salt."""

    encoding: Encoding = "base64"
    padding: Literal["pkcs1v15", "pss"] = "pkcs1v15"

    takes_private_key = True

    def __post_init__(self) -> None:
        encoder(self.encoding)
        check_known("padding", self.padding, ("pkcs1v15", "pss"))

    def signer(self, secret: str, password: str | None = None) -> Signer:
        key = _loaded(secret, password, "pem", "RSA")
        return _KeySigner(_rsa_sign(key, self.padding), encoder(self.encoding))


@dataclass(frozen=True, slots=True)
class ECDSA(SigningMethod):
    """ECDSA on P-256 over the SHA-256 of the message: r and s as 64 bytes, or in DER.

    The 64 bytes are those of a JWT (RFC 7518 section 3.4). No two signatures are the same.
    """

    encoding: Encoding = "base64"
    form: Literal["raw", "der"] = "raw"

    takes_private_key = True

    def __post_init__(self) -> None:
        encoder(self.encoding)
        check_known("form", self.form, ("raw", "der"))

    def signer(self, secret: str, password: str | None = None) -> Signer:
        key = _loaded(secret, password, "pem", "P-256")
        return _KeySigner(_ecdsa_sign(key, self.form), encoder(self.encoding))


@dataclass(frozen=True, slots=True)
class PrivateKey(SigningMethod):
    """Sign as the key wants it: Ed25519, or RSA with PKCS #1 v1.5, for exchanges that take both."""

    encoding: Encoding = "base64"
    key: KeyForm = "pem"

    takes_private_key = True

    def __post_init__(self) -> None:
        encoder(self.encoding)
        check_known("key", self.key, _FORMS)

    def signer(self, secret: str, password: str | None = None) -> Signer:
        key = _loaded(secret, password, self.key, "Ed25519", "RSA")
        sign = key.sign if _kind(key) == "Ed25519" else _rsa_sign(key, "pkcs1v15")
        return _KeySigner(sign, encoder(self.encoding))


def key_kind(
    secret: str,
    password: str | None = None,
    key: KeyForm = "pem",
    kinds: tuple[KeyKind, ...] = ("Ed25519", "RSA", "P-256"),
) -> KeyKind:
    """Return which of these kinds the key is, so that a scheme may choose how to sign."""
    kind: KeyKind = _kind(_loaded(secret, password, key, *kinds))
    return kind


class _KeySigner(Signer):
    # The key stays inside OpenSSL: it is parsed once, and its Python object shows nothing of it.
    __slots__ = ("_encode", "_sign")

    def __init__(self, sign: Callable[[bytes], bytes], encode: Callable[[bytes], str]) -> None:
        self._sign = sign
        self._encode = encode

    def __call__(self, message: bytes) -> str:
        return self._encode(self._sign(message))


def _rsa_sign(key: Any, padding: str) -> Callable[[bytes], bytes]:
    paddings = require(f"{_PRIMITIVES}.asymmetric.padding", "crypto")
    sha256 = require(f"{_PRIMITIVES}.hashes", "crypto").SHA256()
    if padding == "pss":
        # RFC 7518 section 3.5: the salt is as long as the hash.
        how = paddings.PSS(paddings.MGF1(sha256), sha256.digest_size)
    else:
        how = paddings.PKCS1v15()
    sign: Callable[..., bytes] = key.sign
    return lambda message: sign(message, how, sha256)


def _ecdsa_sign(key: Any, form: str) -> Callable[[bytes], bytes]:
    ec = require(f"{_PRIMITIVES}.asymmetric.ec", "crypto")
    how = ec.ECDSA(require(f"{_PRIMITIVES}.hashes", "crypto").SHA256())
    numbers = require(f"{_PRIMITIVES}.asymmetric.utils", "crypto").decode_dss_signature
    sign: Callable[..., bytes] = key.sign

    def raw(message: bytes) -> bytes:
        r, s = numbers(sign(message, how))
        return bytes(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    return raw if form == "raw" else lambda message: sign(message, how)


def _loaded(secret: str, password: str | None, form: KeyForm, *kinds: KeyKind) -> Any:
    """Return the key object; ConfigurationError, without the key, for one of another kind."""
    # One line with \n in it is what a PEM in the environment or in JSON often is.
    text = secret.strip().replace("\\n", "\n")
    if text.startswith("-----BEGIN "):
        key = _from_pem(text, password)
    elif form == "pem":
        raise ConfigurationError(
            f"the private key is no PEM; pass the whole {' or '.join(kinds)} key, from "
            '"-----BEGIN PRIVATE KEY-----" to "-----END PRIVATE KEY-----"'
        )
    else:
        key = _from_seed(_decoded(text, form, kinds))
    kind = _kind(key)
    if kind not in kinds:
        raise ConfigurationError(
            f"the private key is {kind}; this exchange takes {' or '.join(kinds)}: make such a key"
        )
    return key


def _decoded(text: str, form: Literal["base64", "hex"], kinds: tuple[KeyKind, ...]) -> bytes:
    try:
        return decode_secret(text, form)
    except ConfigurationError:
        pass  # it speaks of a secret, and does not know that a PEM would do
    raise ConfigurationError(
        f"the private key is neither a PEM nor {form}; pass the whole {' or '.join(kinds)} key, as "
        "the exchange shows it"
    )


def _from_pem(text: str, password: str | None) -> Any:
    if "PUBLIC KEY-----" in text[:40]:
        raise ConfigurationError(
            "this is the public key, which the exchange gets; pass the private key that was made "
            "with it"
        )
    load = require(f"{_PRIMITIVES}.serialization", "crypto").load_pem_private_key
    try:
        return load(text.encode(), None if password is None else password.encode())
    except TypeError:
        # cryptography's way to say that there is a password too many or too few
        if password is None:
            problem = "is encrypted; pass Credentials(private_key_password=...)"
        else:
            problem = "is not encrypted; leave out private_key_password"
    except Exception:
        problem = "cannot be read as PEM; copy it whole, and check its password if it has one"
    raise ConfigurationError(f"the private key {problem}")


def _from_seed(raw: bytes) -> Any:
    if len(raw) not in (32, 64):
        raise ConfigurationError(
            f"the private key has {len(raw)} bytes; an Ed25519 key is a seed of 32, or seed and "
            "public key in 64"
        )
    ed25519 = require(f"{_PRIMITIVES}.asymmetric.ed25519", "crypto")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
    if raw[32:] and key.public_key().public_bytes_raw() != raw[32:]:
        raise ConfigurationError(
            "the second half of the private key is not the public key of the first; copy it whole"
        )
    return key


def _kind(key: Any) -> Any:
    """Return a `KeyKind`, or the name of what is none."""
    asymmetric = f"{_PRIMITIVES}.asymmetric"
    if isinstance(key, require(f"{asymmetric}.ed25519", "crypto").Ed25519PrivateKey):
        return "Ed25519"
    if isinstance(key, require(f"{asymmetric}.rsa", "crypto").RSAPrivateKey):
        return "RSA"
    if isinstance(key, require(f"{asymmetric}.ec", "crypto").EllipticCurvePrivateKey):
        return {"secp256r1": "P-256"}.get(key.curve.name, key.curve.name)
    return type(key).__name__.removesuffix("PrivateKey").lstrip("_") or "of another kind"
