"""Ed25519, RSA and ECDSA: what is made here, others verify."""

from __future__ import annotations

import base64
import hashlib
import traceback
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from networkpype.errors import ConfigurationError
from networkpype.signing.asymmetric import ECDSA, RSA, Ed25519, PrivateKey, key_kind
from networkpype.signing.methods import SigningMethod
from tests.signing.keys import pem_of, seed_of

MESSAGE = b"symbol=BTCUSDT&timestamp=1700000000123"
PASSWORD = "PLANTED-password"
METHODS: list[SigningMethod] = [Ed25519(), RSA(), ECDSA(), PrivateKey()]

# RFC 8032 section 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        "4dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_rfc_8032_in_every_form_of_the_key(
    seed: str, public: str, message: str, signature: str
) -> None:
    raw = bytes.fromhex(seed)
    both = raw + bytes.fromhex(public)
    keys = [
        ("hex", seed),
        ("hex", f"0x{both.hex()}"),
        ("base64", base64.b64encode(raw).decode()),
        ("base64", base64.b64encode(both).decode()),
    ]
    for form, key in keys:
        assert Ed25519("hex", form).signer(key)(bytes.fromhex(message)) == signature  # type: ignore[arg-type]


def test_a_pem_is_taken_whatever_else_the_key_may_be(ed25519_key: Any) -> None:
    pem = pem_of(ed25519_key)
    seed = base64.b64encode(seed_of(ed25519_key)).decode()
    expected = Ed25519("base64", "base64").signer(seed)(MESSAGE)
    assert Ed25519("base64", "pem").signer(pem)(MESSAGE) == expected
    assert Ed25519("base64", "base64").signer(pem)(MESSAGE) == expected
    assert Ed25519("base64", "hex").signer(f"\n  {pem}\n")(MESSAGE) == expected


def test_a_pem_on_one_line_with_escaped_breaks_is_read(ed25519_key: Any) -> None:
    pem = pem_of(ed25519_key)
    one_line = pem.strip().replace("\n", "\\n")
    assert "\n" not in one_line
    assert Ed25519().signer(one_line)(MESSAGE) == Ed25519().signer(pem)(MESSAGE)


def test_rsa_is_pkcs1_over_sha256_to_the_byte(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = base64.b64decode(RSA().signer(pem_of(rsa_key))(MESSAGE))
    numbers = rsa_key.public_key().public_numbers()
    opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    # RFC 8017 section 9.2: the prefix is that of a DigestInfo for SHA-256.
    info = (
        bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(MESSAGE).digest()
    )
    assert opened == b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info


def test_pss_verifies_with_a_salt_as_long_as_the_hash(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = base64.b64decode(RSA(padding="pss").signer(pem_of(rsa_key))(MESSAGE))
    how = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    rsa_key.public_key().verify(signature, MESSAGE, how, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(signature, MESSAGE + b"x", how, hashes.SHA256())


def test_the_older_pem_forms_are_read(rsa_key: rsa.RSAPrivateKey, p256_key: Any) -> None:
    for key, method in ((rsa_key, RSA()), (p256_key, ECDSA())):
        old = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        assert "BEGIN PRIVATE KEY" not in old
        assert method.signer(old)(MESSAGE)


def test_ecdsa_is_r_and_s_or_der(p256_key: ec.EllipticCurvePrivateKey) -> None:
    public = p256_key.public_key()
    raw = bytes.fromhex(ECDSA("hex").signer(pem_of(p256_key))(MESSAGE))
    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    public.verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA256()))
    der = bytes.fromhex(ECDSA("hex", "der").signer(pem_of(p256_key))(MESSAGE))
    public.verify(der, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_ecdsa_keeps_the_zeros_in_front(p256_key: Any) -> None:
    # One in 128 has a zero byte in front of r or s.
    sign = ECDSA("hex").signer(pem_of(p256_key))
    assert {len(sign(b"%d" % number)) for number in range(500)} == {128}


def test_the_chooser_signs_as_the_key_wants_it(
    ed25519_key: Any, rsa_key: Any, p256_key: Any
) -> None:
    for key, method in ((ed25519_key, Ed25519()), (rsa_key, RSA())):
        pem = pem_of(key)
        assert PrivateKey().signer(pem)(MESSAGE) == method.signer(pem)(MESSAGE)
    with pytest.raises(ConfigurationError, match="P-256; this exchange takes Ed25519 or RSA"):
        PrivateKey().signer(pem_of(p256_key))


def test_the_kind_of_a_key(ed25519_key: Any, rsa_key: Any, p256_key: Any) -> None:
    assert key_kind(pem_of(ed25519_key)) == "Ed25519"
    assert key_kind(base64.b64encode(seed_of(ed25519_key)).decode(), key="base64") == "Ed25519"
    assert key_kind(pem_of(rsa_key)) == "RSA"
    assert key_kind(pem_of(p256_key)) == "P-256"


def test_other_curves_are_no_p256() -> None:
    pem = pem_of(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(ConfigurationError, match="secp256k1; this exchange takes P-256"):
        ECDSA().signer(pem)


def test_an_encrypted_key_wants_its_password(ed25519_key: Any) -> None:
    pem = pem_of(ed25519_key, "open sesame")
    plain = Ed25519().signer(pem_of(ed25519_key))(MESSAGE)
    assert Ed25519().signer(pem, "open sesame")(MESSAGE) == plain
    with pytest.raises(ConfigurationError, match=r"is encrypted; pass .*private_key_password"):
        Ed25519().signer(pem)
    with pytest.raises(ConfigurationError, match="check its password"):
        Ed25519().signer(pem, "open barley")
    with pytest.raises(ConfigurationError, match="is not encrypted; leave out"):
        Ed25519().signer(pem_of(ed25519_key), "open sesame")


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize(
    "key",
    [
        "PLANTED-no-key-at-all",
        "-----BEGIN PRIVATE KEY-----\nUExBTlRFRA==\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nPLANTED",
    ],
)
def test_what_is_no_key_is_an_error_that_hides_it(method: SigningMethod, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        method.signer(key, PASSWORD)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)
    assert "PLANTED" not in shown
    assert "UExBTlRFRA" not in shown
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"\1" * 31, "has 31 bytes"),
        (b"\1" * 33, "has 33 bytes"),
        (b"", "has 0 bytes"),
        (b"\1" * 64, "second half .* is not the public key"),
    ],
)
def test_a_seed_of_another_length_or_with_a_strange_half(raw: bytes, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Ed25519("hex", "base64").signer(base64.b64encode(raw).decode())
    with pytest.raises(ConfigurationError, match="neither a PEM nor base64"):
        Ed25519("hex", "base64").signer("PLANTED!")


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_private_key_is_asked_for(method: SigningMethod) -> None:
    assert method.takes_private_key


def test_signers_show_and_copy_nothing(ed25519_key: Any) -> None:
    signer = Ed25519().signer(pem_of(ed25519_key))
    seed = seed_of(ed25519_key)
    shown = repr(signer) + repr([getattr(signer, name) for name in ("_encode", "_sign")])
    assert seed.hex() not in shown
    assert repr(seed) not in shown
    with pytest.raises(TypeError, match="holds a key"):
        signer.__reduce_ex__(4)


def test_a_wrong_option_names_the_right_ones() -> None:
    with pytest.raises(ConfigurationError, match="key is 'der'; pass one of \"pem\""):
        Ed25519(key="der")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match='pass one of "pkcs1v15", "pss"'):
        RSA(padding="oaep")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match='pass one of "raw", "der"'):
        ECDSA(form="hex")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="encoding"):
        PrivateKey("base32")  # type: ignore[arg-type]
