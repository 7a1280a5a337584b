"""Signing with a shared secret: HMAC, and the plain hashes that some exchanges have."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.signing.encodings import (
    Encoding,
    SecretDecoding,
    check_known,
    decode_secret,
    encoder,
)

if TYPE_CHECKING:
    from hashlib import _Hash as _HashState

__all__ = ["HMAC", "Hash", "HashName", "Signer", "SigningMethod", "check_signing", "digest_hex"]

HashName: TypeAlias = Literal["md5", "sha256", "sha384", "sha512"]
"""What exchanges hash with."""

_HASHES = ("md5", "sha256", "sha384", "sha512")
_NONE = object()


class Signer(ABC):
    """Signs messages with one key, which no repr shows and no copy or pickle takes along.

    That of an `HMAC` is in no attribute either. A `Hash` has to keep its secret, which comes last.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, message: bytes) -> str:
        """Return the signature of the message as text."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} does not pickle or copy: it holds a key")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SigningMethod(ABC):
    """A way to sign, without a key: hashable data that a scheme holds."""

    __slots__ = ()

    takes_private_key = False
    """True where a private key of the credentials is used rather than their secret."""

    @abstractmethod
    def signer(self, secret: str, password: str | None = None) -> Signer:
        """Bind a key; ConfigurationError where it is no key of this kind.

        `password` opens an encrypted private key.
        """

    def private_signer(self, private_key: str, password: str | None = None) -> Signer:
        """Bind what was given as a private key, which is never taken for a shared secret."""
        return self.signer(private_key, password)


def check_signing(holder: object) -> None:
    """Refuse a scheme or pattern whose `signing`, where it has one, is no SigningMethod."""
    signing = getattr(holder, "signing", _NONE)
    if signing is not _NONE and not isinstance(signing, SigningMethod):
        raise ConfigurationError(
            f"{type(holder).__name__}: signing is {_named(signing)}; pass a SigningMethod, such as "
            'HMAC("sha256", "hex")'
        )


def _named(value: object) -> str:
    # A text may be the secret, which many a library takes there.
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class HMAC(SigningMethod):
    """HMAC (RFC 2104) of the message."""

    algorithm: HashName = "sha256"
    encoding: Encoding = "hex"
    secret: SecretDecoding = "text"  # noqa: S105

    def __post_init__(self) -> None:
        check_known("algorithm", self.algorithm, _HASHES)
        encoder(self.encoding)

    def signer(self, secret: str, password: str | None = None) -> Signer:
        return _HMACSigner(self, secret)


@dataclass(frozen=True, slots=True)
class Hash(SigningMethod):
    """A plain hash of the message with the secret behind it; older APIs have it."""

    algorithm: HashName = "sha256"
    encoding: Encoding = "hex"
    separator: str = ""

    def __post_init__(self) -> None:
        check_known("algorithm", self.algorithm, _HASHES)
        encoder(self.encoding)

    def signer(self, secret: str, password: str | None = None) -> Signer:
        return _HashSigner(self, secret)


class _HMACSigner(Signer):
    # RFC 2104 from two hash states that hold the key already: half the time of hmac.new() a
    # message, and the key itself stays in no attribute, closure or local variable.
    __slots__ = ("_encode", "_inner", "_outer")

    def __init__(self, method: HMAC, secret: str) -> None:
        self._inner, self._outer = _keyed_states(method, secret)
        self._encode: Callable[[bytes], str] = encoder(method.encoding)

    def __call__(self, message: bytes) -> str:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        encode = self._encode
        return outer.hexdigest() if encode is bytes.hex else encode(outer.digest())


def _keyed_states(method: HMAC, secret: str) -> tuple[_HashState, _HashState]:
    new = partial(hashlib.new, method.algorithm, usedforsecurity=method.algorithm != "md5")
    size = new().block_size
    key = decode_secret(secret, method.secret)
    if len(key) > size:
        key = new(key).digest()
    key = key.ljust(size, b"\0")
    return new(bytes(byte ^ 0x36 for byte in key)), new(bytes(byte ^ 0x5C for byte in key))


class _HashSigner(Signer):
    __slots__ = ("_encode", "_new", "_tail")

    def __init__(self, method: Hash, secret: str) -> None:
        self._new = getattr(hashlib, method.algorithm)
        self._tail = _Hidden((method.separator + secret).encode())
        self._encode: Callable[[bytes], str] = encoder(method.encoding)

    def __call__(self, message: bytes) -> str:
        state = self._new(message, usedforsecurity=False)
        state.update(self._tail.value)
        return self._encode(state.digest())


class _Hidden:
    """Holds bytes without showing them."""

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


def digest_hex(algorithm: HashName, message: bytes) -> str:
    """Return the lower-case hex of a plain hash, such as Gate's SHA-512 of the body."""
    # By name, for hashlib.new() looks the algorithm up again on every call.
    digest: str = getattr(hashlib, algorithm)(message, usedforsecurity=False).hexdigest()
    return digest
