"""Ethereum signatures: Keccak-256, EIP-712 for typed data (extra ``evm``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.signing.extras import require
from networkpype.signing.methods import Signer, SigningMethod

__all__ = ["EVM", "Fields", "TypedData", "is_address", "keccak", "split_signature"]

Fields: TypeAlias = Sequence[tuple[str, str]]
"""Name and Solidity type of each member of a struct, in order."""

# EIP-712: the members of a domain come in this order, and only those that it has.
_DOMAIN: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
)
_array = re.compile(r"(.+)\[([0-9]*)\]").fullmatch
_sized = re.compile(r"(uint|int|bytes)([0-9]{1,3})").fullmatch
is_address = re.compile(r"0x[0-9a-fA-F]{40}").fullmatch
_private_key = re.compile(r"(?:0x)?([0-9a-fA-F]{64})").fullmatch

_Writer: TypeAlias = Callable[[Any], bytes]


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 of the data, which is not the SHA3-256 of hashlib."""
    digest: bytes = require("Crypto.Hash.keccak", "evm").new(data=data, digest_bits=256).digest()
    return digest


def split_signature(signature: str) -> tuple[str, str, int]:
    """Return r and s as 64 hex digits behind ``0x``, and v, of what `EVM` returned."""
    return signature[:66], f"0x{signature[66:130]}", int(signature[130:], 16)


@dataclass(frozen=True, slots=True)
class EVM(SigningMethod):
    """Sign a digest of 32 bytes with the key of an Ethereum wallet: r, s and v (27 or 28) in hex.

    The signature is that of RFC 6979, the same each time, with the lower s. It is made by coincurve
    where that is installed (some 0.1 ms), else in plain Python (some 4 ms).
    """

    takes_private_key = True

    def signer(self, secret: str, password: str | None = None) -> Signer:
        return _EVMSigner(secret)


class _EVMSigner(Signer):
    __slots__ = ("_sign",)

    def __init__(self, secret: str) -> None:
        keys = require("eth_keys", "evm").keys
        found = _private_key(secret.strip())
        if found is None:
            raise ConfigurationError("the private key of a wallet is 64 hex digits; copy it whole")
        try:
            self._sign = keys.PrivateKey(bytes.fromhex(found[1])).sign_msg_hash
            self._sign(bytes(32))  # a key of zero, or beyond the curve's order, shows itself here
        except Exception:
            found = None
        if found is None:
            raise ConfigurationError("the private key of a wallet is no number of secp256k1")

    def __call__(self, message: bytes) -> str:
        if len(message) != 32:
            raise ConfigurationError(
                f"what a wallet signs has 32 bytes, not {len(message)}; take its keccak() or "
                "TypedData.digest()"
            )
        raw = self._sign(message).to_bytes()  # r, s and v as 0 or 1
        return f"0x{raw[:64].hex()}{raw[64] + 27:02x}"


class TypedData:
    """A struct of EIP-712 in its domain, prepared once: `digest` is what is signed for a message.

    `types` holds the struct `primary` and those that it refers to. Members of a message that the
    struct does not have are left out; one that lacks is a ConfigurationError.
    """

    __slots__ = ("_domain", "_head", "_primary", "_types", "_write")

    def __init__(
        self, domain: Mapping[str, Any], types: Mapping[str, Fields], primary: str
    ) -> None:
        unknown = set(domain) - {name for name, _ in _DOMAIN}
        if unknown:
            raise ConfigurationError(
                f"a domain has no {', '.join(sorted(unknown))}; "
                f"it has: {', '.join(name for name, _ in _DOMAIN)}"
            )
        if primary not in types:
            raise ConfigurationError(f'no type "{primary}"; known: {", ".join(types)}')
        self._domain = dict(domain)
        self._types = dict(types)
        self._primary = primary
        self._head = b""
        self._write: _Writer | None = None

    def digest(self, message: Mapping[str, Any]) -> bytes:
        """Return the 32 bytes that are signed."""
        write = self._write
        if write is None:
            write = self._write = self._prepared()
        return keccak(self._head + write(message))

    def _prepared(self) -> _Writer:
        """Hash what never changes; not before it is needed, for Keccak is an extra."""
        has = [field for field in _DOMAIN if field[0] in self._domain]
        domain = _struct_writer("EIP712Domain", {"EIP712Domain": has})(self._domain)
        self._head = b"\x19\x01" + domain
        return _struct_writer(self._primary, self._types)

    def __repr__(self) -> str:
        return f"TypedData({self._primary})"


def _struct_writer(name: str, types: Mapping[str, Fields]) -> _Writer:
    head = keccak(_encoded_type(name, types).encode())
    members = [(member, _writer(member, kind, types)) for member, kind in types[name]]

    def write(value: Any) -> bytes:
        if not isinstance(value, Mapping):
            raise _unfit(name, value, "a mapping")
        parts = [head]
        for member, write_member in members:
            if member not in value:
                raise ConfigurationError(f'{name} lacks "{member}"')
            parts.append(write_member(value[member]))
        return keccak(b"".join(parts))

    return write


def _encoded_type(name: str, types: Mapping[str, Fields]) -> str:
    """Write the type and, sorted, all those that it refers to."""
    used: set[str] = set()
    left = [name]
    while left:
        each = left.pop()
        if each not in used:
            used.add(each)
            bases = (kind.partition("[")[0] for _, kind in types[each])
            left.extend(base for base in bases if base in types)
    return "".join(
        f"{each}({','.join(f'{kind} {member}' for member, kind in types[each])})"
        for each in (name, *sorted(used - {name}))
    )


def _writer(member: str, kind: str, types: Mapping[str, Fields]) -> _Writer:
    """Return what writes a member as 32 bytes."""
    if kind in types:
        # Looked up when it is needed: a struct may hold an array of its own kind.
        return lambda value: _struct_writer(kind, types)(value)
    if array := _array(kind):
        return _array_writer(member, array[1], array[2], types)
    if kind in _SIMPLE:
        simple = _SIMPLE[kind]
        return lambda value: simple(member, value)
    if sized := _sized(kind):
        base, size = sized[1], int(sized[2])
        if base == "bytes" and 1 <= size <= 32:
            return lambda value: _fixed_bytes(member, value, size)
        if base != "bytes" and 8 <= size <= 256 and size % 8 == 0:
            return lambda value: _integer(member, value, size, signed=base == "int")
    raise ConfigurationError(f'"{member}" has the type "{kind}", which EIP-712 does not know')


def _array_writer(member: str, kind: str, length: str, types: Mapping[str, Fields]) -> _Writer:
    write_item = _writer(member, kind, types)

    def write(value: Any) -> bytes:
        if not isinstance(value, (list, tuple)) or length not in ("", str(len(value))):
            raise _unfit(member, value, f"a list of {length or 'any'} length")
        return keccak(b"".join([write_item(item) for item in value]))

    return write


def _integer(member: str, value: Any, size: int, *, signed: bool) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit(member, value, "an int")
    lowest, highest = (-(1 << size - 1), 1 << size - 1) if signed else (0, 1 << size)
    if not lowest <= value < highest:
        raise ConfigurationError(f'"{member}" does not fit into {size} bits')
    return value.to_bytes(32, "big", signed=signed)


def _fixed_bytes(member: str, value: Any, size: int) -> bytes:
    raw = _raw(member, value)
    if len(raw) != size:
        raise ConfigurationError(f'"{member}" has {len(raw)} bytes instead of {size}')
    return raw.ljust(32, b"\0")


def _raw(member: str, value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass  # raised below, without the value
    raise _unfit(member, value, "bytes, or hex digits behind 0x")


def _boolean(member: str, value: Any) -> bytes:
    if not isinstance(value, bool):
        raise _unfit(member, value, "a bool")
    return int(value).to_bytes(32, "big")


def _account(member: str, value: Any) -> bytes:
    if not isinstance(value, str) or not is_address(value):
        raise _unfit(member, value, "an address: 40 hex digits behind 0x")
    return bytes.fromhex(value[2:]).rjust(32, b"\0")


def _text(member: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise _unfit(member, value, "a str")
    return keccak(value.encode())


_SIMPLE: dict[str, Callable[[str, Any], bytes]] = {
    "string": _text,
    "bytes": lambda member, value: keccak(_raw(member, value)),
    "bool": _boolean,
    "address": _account,
}


def _unfit(member: str, value: Any, wanted: str) -> ConfigurationError:
    return ConfigurationError(f'"{member}" is a {type(value).__name__}; pass {wanted}')
