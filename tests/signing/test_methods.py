"""HMAC and plain hashes, their encodings, and keys that nothing shows."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.signing.encodings import Encoding, SecretDecoding, decode_secret, encoder
from networkpype.signing.methods import HMAC, Hash, HashName, digest_hex

ALGORITHMS: list[HashName] = ["md5", "sha256", "sha384", "sha512"]
ENCODINGS: dict[Encoding, str] = {
    "hex": "00ff10",
    "HEX": "00FF10",
    "base64": "AP8Q",
    "base64url": "AP8Q",
    "base64 of hex": "MDBmZjEw",
}


@given(st.binary(), st.text(min_size=1), st.sampled_from(ALGORITHMS))
def test_hmac_is_that_of_the_standard_library(
    message: bytes, secret: str, algorithm: HashName
) -> None:
    try:
        key = secret.encode()
    except UnicodeEncodeError:
        return
    signer = HMAC(algorithm).signer(secret)
    expected = hmac.new(key, message, algorithm).hexdigest()
    assert signer(message) == expected
    assert signer(message) == expected  # the state that is kept is not used up


def test_each_encoding() -> None:
    assert {name: encoder(name)(b"\x00\xff\x10") for name in ENCODINGS} == ENCODINGS
    assert encoder("base64")(b"\xfb\xff") == "+/8="
    assert encoder("base64url")(b"\xfb\xff") == "-_8"


@pytest.mark.parametrize(
    ("secret", "decoding", "expected"),
    [
        ("s€cret", "text", "s€cret".encode()),
        ("+/8=", "base64", b"\xfb\xff"),
        ("+/8", "base64", b"\xfb\xff"),
        ("-_8", "base64url", b"\xfb\xff"),
        ("0xfbff", "hex", b"\xfb\xff"),
        ("FBFF", "hex", b"\xfb\xff"),
    ],
)
def test_each_meaning_of_a_secret(secret: str, decoding: SecretDecoding, expected: bytes) -> None:
    assert decode_secret(secret, decoding) == expected
    signer = HMAC("sha512", "base64", decoding).signer(secret)
    assert base64.b64decode(signer(b"x")) == hmac.digest(expected, b"x", "sha512")


@pytest.mark.parametrize(
    ("secret", "decoding"),
    [("PLANTED!", "base64"), ("PLANTED!", "base64url"), ("PLANTED", "hex"), ("P€", "base64")],
)
def test_a_secret_of_another_alphabet_is_an_error_that_hides_it(
    secret: str, decoding: SecretDecoding
) -> None:
    with pytest.raises(ConfigurationError, match=f"the secret is no {decoding}; copy it") as caught:
        HMAC(secret=decoding).signer(secret)
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_plain_hash_has_the_secret_behind_the_message() -> None:
    signer = Hash("md5", "HEX", separator="&key=").signer("s")
    assert signer(b"a=1") == hashlib.md5(b"a=1&key=s").hexdigest().upper()


def test_a_digest_without_a_key() -> None:
    assert digest_hex("sha512", b"") == hashlib.sha512(b"").hexdigest()


def test_wrong_names_are_told_with_the_right_ones() -> None:
    with pytest.raises(ConfigurationError, match="algorithm is 'sha1'; pass one of \"md5\""):
        HMAC("sha1")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="encoding is 'base32'"):
        Hash("md5", "base32")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="secret decoding is 'rot13'"):
        HMAC(secret="rot13").signer("x")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [HMAC(), Hash()], ids=repr)
def test_a_signer_neither_shows_nor_copies_its_key(method: HMAC | Hash) -> None:
    signer = method.signer("PLANTED")
    slots: tuple[str, ...] = type(signer).__slots__
    assert "PLANTED" not in repr(signer) + repr([getattr(signer, name) for name in slots])
    assert not hasattr(signer, "__dict__")
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a key"):
            take(signer)


def test_methods_are_data() -> None:
    assert HMAC("sha256") == HMAC()
    assert len({HMAC(), HMAC("sha512"), Hash(), HMAC()}) == 3
    assert not HMAC().takes_private_key
