"""EIP-712 and a wallet's signature, beside their own examples and eth-account."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.signing.typed_data import (
    EVM,
    Fields,
    TypedData,
    keccak,
    split_signature,
)

# https://eips.ethereum.org/EIPS/eip-712, its example and assets/eip-712/Example.js (2026-07).
MAIL_DOMAIN = {
    "name": "Ether Mail",
    "version": "1",
    "chainId": 1,
    "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
}
MAIL_TYPES: dict[str, Fields] = {
    "Person": [("name", "string"), ("wallet", "address")],
    "Mail": [("from", "Person"), ("to", "Person"), ("contents", "string")],
}
MAIL = {
    "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
    "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
    "contents": "Hello, Bob!",
}
KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"

# A struct of every kind of member, with arrays and structs within.
TYPES: dict[str, Fields] = {
    "All": [
        ("text", "string"),
        ("raw", "bytes"),
        ("flag", "bool"),
        ("who", "address"),
        ("small", "uint8"),
        ("large", "uint256"),
        ("signed", "int64"),
        ("short", "bytes4"),
        ("long", "bytes32"),
        ("leaves", "Leaf[]"),
        ("grid", "uint16[2][]"),
        ("leaf", "Leaf"),
    ],
    "Leaf": [("text", "string"), ("number", "int256")],
}
LEAVES = st.fixed_dictionaries(
    {
        "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        "number": st.integers(-(2**255), 2**255 - 1),
    }
)
ALL = st.fixed_dictionaries(
    {
        "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
        "raw": st.binary(max_size=50),
        "flag": st.booleans(),
        "who": st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}"),
        "small": st.integers(0, 255),
        "large": st.integers(0, 2**256 - 1),
        "signed": st.integers(-(2**63), 2**63 - 1),
        "short": st.binary(min_size=4, max_size=4),
        "long": st.binary(min_size=32, max_size=32),
        "leaves": st.lists(LEAVES, max_size=3),
        "grid": st.lists(st.lists(st.integers(0, 65535), min_size=2, max_size=2), max_size=3),
        "leaf": LEAVES,
    }
)


def digest_by_eth_account(types: dict[str, Fields], message: dict[str, Any]) -> bytes:
    listed = {
        name: [{"name": member, "type": kind} for member, kind in fields]
        for name, fields in types.items()
    }
    return bytes(_hash_eip191_message(encode_typed_data(MAIL_DOMAIN, listed, message)))


def test_keccak_is_not_sha3() -> None:
    # The hash of nothing, as every Ethereum client knows it.
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_the_example_of_eip_712() -> None:
    digest = TypedData(MAIL_DOMAIN, MAIL_TYPES, "Mail").digest(MAIL)
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    r, s, v = split_signature(EVM().signer(keccak(b"cow").hex())(digest))
    assert r == "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    assert s == "0x07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    assert v == 28


@given(ALL)
def test_every_kind_of_member_as_eth_account_has_it(message: dict[str, Any]) -> None:
    assert TypedData(MAIL_DOMAIN, TYPES, "All").digest(message) == digest_by_eth_account(
        TYPES, message
    )


def test_the_types_that_a_struct_refers_to_come_sorted_behind_it() -> None:
    names = ["Zebra", "Ant", "Mule", "Bee", "Yak", "Cat"]
    types: dict[str, Fields] = {name: [("text", "string")] for name in names}
    types["Mule"] = [("cat", "Cat")]
    types["Herd"] = [(name.lower(), name) for name in names if name != "Cat"]
    message: dict[str, Any] = {name.lower(): {"text": name} for name in names}
    message["mule"] = {"cat": {"text": "Cat"}}
    assert TypedData(MAIL_DOMAIN, types, "Herd").digest(message) == digest_by_eth_account(
        types, message
    )


def test_one_that_is_prepared_serves_many_messages() -> None:
    prepared = TypedData(MAIL_DOMAIN, MAIL_TYPES, "Mail")
    for contents in ("a", "b", ""):
        message = {**MAIL, "contents": contents}
        assert prepared.digest(message) == digest_by_eth_account(MAIL_TYPES, message)


def test_bytes_may_be_hex_and_more_members_than_the_struct_has_are_left_out() -> None:
    types: dict[str, Fields] = {"A": [("raw", "bytes"), ("hash", "bytes32")]}
    prepared = TypedData({"name": "x"}, types, "A")
    plain = prepared.digest({"raw": b"\1\2", "hash": b"\7" * 32})
    assert prepared.digest({"raw": "0x0102", "hash": "0x" + "07" * 32, "type": "order"}) == plain


@given(st.integers(1, 2**255), st.binary(min_size=32, max_size=32))
def test_a_signature_is_that_of_eth_account(number: int, digest: bytes) -> None:
    key = f"{number:064x}"
    signed = Account.unsafe_sign_hash(digest, key)
    assert EVM().signer(key)(digest) == "0x" + bytes(signed.signature).hex()


def test_plain_python_signs_the_same_as_coincurve(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = EVM().signer(KEY)
    monkeypatch.setenv("ECC_BACKEND_CLASS", "eth_keys.backends.NativeECCBackend")
    slow = EVM().signer(KEY)
    backend = slow._sign.__self__.backend  # type: ignore[attr-defined]
    assert type(backend).__name__ == "NativeECCBackend"
    for number in range(5):
        digest = keccak(b"%d" % number)
        assert fast(digest) == slow(digest)


@pytest.mark.parametrize(
    "key",
    ["PLANTED", "0x" + "0" * 64, "f" * 64, KEY + "00", KEY[:-2], "0x" + "g" * 64, "0X" + KEY[2:]],
)
def test_what_is_no_key_of_a_wallet_is_an_error_that_hides_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="private key of a wallet is") as caught:
        EVM().signer(key)
    assert key not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_only_a_digest_is_signed() -> None:
    with pytest.raises(ConfigurationError, match="has 32 bytes, not 5; take its keccak"):
        EVM().signer(KEY)(b"hello")


def test_the_signer_shows_nothing_of_its_key() -> None:
    signer = EVM().signer(KEY)
    assert KEY[2:] not in repr(signer)
    assert not hasattr(signer, "__dict__")
    with pytest.raises(TypeError, match="holds a key"):
        signer.__reduce_ex__(4)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("uint8", 256, "does not fit into 8 bits"),
        ("uint8", -1, "does not fit into 8 bits"),
        ("int8", 128, "does not fit into 8 bits"),
        ("uint8", True, '"it" is a bool; pass an int'),
        ("uint64", "1", '"it" is a str; pass an int'),
        ("uint64", 1.0, '"it" is a float; pass an int'),
        ("bool", 1, "pass a bool"),
        ("string", 1, "pass a str"),
        ("address", "0x12", "pass an address"),
        ("bytes", "0xzz", "pass bytes, or hex"),
        ("bytes", "12", "pass bytes, or hex"),
        ("bytes4", b"\1" * 5, "has 5 bytes instead of 4"),
        ("uint8[]", 1, "pass a list"),
        ("uint8[2]", [1], "pass a list of 2"),
        ("Leaf", 1, "pass a mapping"),
        ("uint7", 1, 'the type "uint7", which EIP-712 does not know'),
        ("uint264", 1, "does not know"),
        ("bytes33", b"", "does not know"),
        ("Tree", {}, "does not know"),
    ],
)
def test_a_member_that_does_not_fit_is_an_error(kind: str, value: object, problem: str) -> None:
    types: dict[str, Fields] = {"A": [("it", kind)], "Leaf": [("text", "string")]}
    with pytest.raises(ConfigurationError, match=problem):
        TypedData({"name": "x"}, types, "A").digest({"it": value})


def test_a_member_that_lacks_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match='Mail lacks "contents"'):
        TypedData(MAIL_DOMAIN, MAIL_TYPES, "Mail").digest({"from": MAIL["from"], "to": MAIL["to"]})


def test_a_domain_has_the_members_of_the_standard() -> None:
    with pytest.raises(ConfigurationError, match="a domain has no chainID; it has: name, version"):
        TypedData({"chainID": 1}, MAIL_TYPES, "Mail")
    with pytest.raises(ConfigurationError, match='no type "Letter"; known: Person, Mail'):
        TypedData(MAIL_DOMAIN, MAIL_TYPES, "Letter")
