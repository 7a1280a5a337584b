"""Every signature that an exchange or an RFC printed."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from networkpype.signing.asymmetric import Ed25519
from networkpype.signing.encodings import Encoding, SecretDecoding
from networkpype.signing.methods import HMAC, Hash, HashName

PUBLISHED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "published.json").read_text(encoding="utf-8")
)["vectors"]
WITH_HMAC = [each for each in PUBLISHED if each.get("algorithm", "").startswith("HMAC")]
WITH_ED25519 = [each for each in PUBLISHED if each.get("algorithm") == "Ed25519"]
IN_STEPS = {each["id"]: each for each in PUBLISHED if "steps" in each}

HASHES: dict[str, HashName] = {
    "HMAC-SHA-256": "sha256",
    "HMAC-SHA-384": "sha384",
    "HMAC-SHA-512": "sha512",
}
SECRETS: dict[str, SecretDecoding] = {"utf8": "text", "hex": "hex", "base64": "base64"}


def id_of(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def test_every_vector_is_of_a_kind_that_is_tried_here() -> None:
    assert len(WITH_HMAC) + len(WITH_ED25519) + len(IN_STEPS) == len(PUBLISHED) == 42


@pytest.mark.parametrize("vector", WITH_HMAC, ids=id_of)
def test_hmac(vector: dict[str, Any]) -> None:
    encoding: Encoding = vector["output_encoding"]
    method = HMAC(HASHES[vector["algorithm"]], encoding, SECRETS[vector["secret_decoding"]])
    assert method.signer(vector["secret"])(vector["payload"].encode()) == vector["expected"]


@pytest.mark.parametrize("vector", WITH_ED25519, ids=id_of)
def test_ed25519(vector: dict[str, Any]) -> None:
    signer = Ed25519("hex", "hex").signer(vector["seed_hex"])
    assert signer(bytes.fromhex(vector["payload_hex"])) == vector["expected"]


def test_kraken_signs_the_path_and_a_hash_of_nonce_and_body() -> None:
    given = IN_STEPS["kraken-api-sign"]
    inputs = given["inputs"]
    inner = hashlib.sha256(f"{inputs['nonce']}{inputs['body']}".encode()).digest()
    signer = HMAC("sha512", "base64", "base64").signer(inputs["secret"])
    assert signer(inputs["path"].encode() + inner) == given["expected"]


def test_kraken_futures_signs_the_hash_of_the_challenge() -> None:
    given = IN_STEPS["krakenfutures-ws-challenge"]
    inputs = given["inputs"]
    signer = HMAC("sha512", "base64", "base64").signer(inputs["secret"])
    assert signer(hashlib.sha256(inputs["challenge"].encode()).digest()) == given["expected"]


def test_coinex_of_old_hashed_the_query_with_the_secret_behind_it() -> None:
    given = IN_STEPS["coinex-v1-futures"]
    query, _, secret = given["inputs"]["payload"].partition("&secret_key=")
    signer = Hash("sha256", separator="&secret_key=").signer(secret)
    assert signer(query.encode()) == given["expected"]


def test_base64_of_hex_is_the_hex_digits_in_base64() -> None:
    plain = HMAC("sha256", "hex").signer("secret")(b"hello")
    both = HMAC("sha256", "base64 of hex").signer("secret")(b"hello")
    assert base64.b64decode(both).decode() == plain
