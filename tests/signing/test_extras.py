"""A package that is missing is an error that says how to get it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from networkpype.errors import MissingExtraError, Outcome
from networkpype.signing.asymmetric import ECDSA, RSA, Ed25519, PrivateKey
from networkpype.signing.extras import require
from networkpype.signing.methods import SigningMethod
from networkpype.signing.typed_data import EVM, keccak

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PEM = "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n"


def test_what_is_installed_is_returned() -> None:
    assert require("json.decoder", "crypto").JSONDecoder is not None


@pytest.mark.parametrize(
    ("package", "method", "key", "command"),
    [
        ("cryptography", Ed25519("hex", "hex"), SEED, "networkpype[crypto]"),
        ("cryptography", PrivateKey(), PEM, "networkpype[crypto]"),
        ("cryptography", RSA(), PEM, "networkpype[crypto]"),
        ("cryptography", ECDSA(), PEM, "networkpype[crypto]"),
        ("eth_keys", EVM(), "0x" + SEED, "networkpype[evm]"),
    ],
    ids=["Ed25519", "PrivateKey", "RSA", "ECDSA", "EVM"],
)
def test_a_missing_package_names_the_pip_command(
    without: Callable[[str], None], package: str, method: SigningMethod, key: str, command: str
) -> None:
    without(package)
    with pytest.raises(MissingExtraError, match=r'pip install "networkpype\[') as caught:
        method.signer(key)
    assert command in str(caught.value)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert caught.value.__context__ is None
    assert key not in str(caught.value)


def test_the_package_is_called_as_pip_knows_it(without: Callable[[str], None]) -> None:
    without("Crypto")
    with pytest.raises(MissingExtraError, match=r"needs pycryptodome, .*networkpype\[evm\]"):
        keccak(b"")


def test_a_missing_extra_is_an_import_error_too(without: Callable[[str], None]) -> None:
    without("cryptography")
    with pytest.raises(ImportError):
        require("cryptography.hazmat.primitives.hashes", "crypto")
