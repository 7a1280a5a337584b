"""JSON Web Tokens against the RFCs' examples, and read by another implementation."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from networkpype.errors import ConfigurationError
from networkpype.signing.methods import HMAC
from networkpype.signing.tokens import token, token_algorithm, token_input, token_signing
from tests.signing.keys import pem_of, unbase64url
from tests.support.vectors import load

CLAIMS = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
COINBASE = [each for each in load("rest")["vectors"] if each["id"].startswith("coinbase-at-eddsa")]


def test_rfc_7515_a1_hs256() -> None:
    key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    method = token_signing("HS256", secret_is="base64url")
    signed = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}"
    signature = method.signer(key)(signed.encode())
    assert signature == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def test_rfc_7515_a3_es256() -> None:
    d = int.from_bytes(unbase64url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), "big")
    key = ec.derive_private_key(d, ec.SECP256R1())
    published = unbase64url(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    signed = f"{token_input({'alg': 'ES256'}, {}).partition('.')[0]}.{CLAIMS}".encode()
    ours = unbase64url(token_signing("ES256").signer(pem_of(key))(signed))
    for signature in (published, ours):
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    assert len(ours) == 64


def test_rfc_8037_a4_eddsa() -> None:
    seed = unbase64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").hex()
    signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert token_input({"alg": "EdDSA"}, {}).partition(".")[0] == signed.partition(".")[0]
    assert token_signing("EdDSA", key="hex").signer(seed)(signed.encode()) == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


@pytest.mark.parametrize("vector", COINBASE, ids=lambda each: str(each["id"]))
def test_coinbase_s_tokens_come_out_to_the_byte(vector: dict[str, Any]) -> None:
    own = vector["credentials"]
    claims = next(step for step in vector["signing"] if step["fn"] == "jwt")["input"]["json"]
    header = {
        "alg": token_algorithm(own["secret"]),
        "typ": "JWT",
        "kid": own["apiKey"],
        "nonce": vector["frozen"]["random_bytes16"],
    }
    signer = token_signing("EdDSA").signer(own["secret"])
    bearer = "Bearer " + token(header, claims, lambda text: signer(text.encode()))
    assert bearer == vector["expected"]["headers"]["Authorization"]


def test_another_implementation_reads_each_algorithm(ed25519_key: Any, p256_key: Any) -> None:
    claims = {"sub": "é中€", "exp": 4102444800, "uris": ["GET host/path?a=1"]}
    keys: dict[str, tuple[str, Any]] = {
        "HS256": ("secret of 32 bytes, or some more", "secret of 32 bytes, or some more"),
        "ES256": (pem_of(p256_key), p256_key.public_key()),
        "EdDSA": (pem_of(ed25519_key), ed25519_key.public_key()),
    }
    for algorithm, (key, public) in keys.items():
        signer = token_signing(algorithm).signer(key)  # type: ignore[arg-type]
        header = {"alg": algorithm, "typ": "JWT", "kid": "k"}
        made = token(header, claims, lambda text, signer=signer: signer(text.encode()))  # type: ignore[misc]
        assert jwt.decode(made, public, algorithms=[algorithm]) == claims
        assert jwt.get_unverified_header(made) == header


def test_header_and_claims_keep_their_order() -> None:
    first, second = token_input({"typ": "JWT", "alg": "HS256", "a": 1}, {"z": 1, "a": 2}).split(".")
    assert unbase64url(first) == b'{"typ":"JWT","alg":"HS256","a":1}'
    assert json.loads(unbase64url(second)) == {"z": 1, "a": 2}
    assert unbase64url(second).startswith(b'{"z"')
    assert "=" not in first + second


def test_the_algorithm_follows_the_key(ed25519_key: Any, rsa_key: Any, p256_key: Any) -> None:
    assert token_algorithm(pem_of(ed25519_key)) == "EdDSA"
    assert token_algorithm(pem_of(p256_key)) == "ES256"
    with pytest.raises(ConfigurationError, match="is RSA; this exchange takes P-256 or Ed25519"):
        token_algorithm(pem_of(rsa_key))


def test_hs256_is_plain_hmac_and_needs_no_extra() -> None:
    assert token_signing("HS256") == HMAC("sha256", "base64url")
    with pytest.raises(ConfigurationError, match='pass one of "HS256", "ES256", "EdDSA"'):
        token_signing("none")  # type: ignore[arg-type]
