"""What the tests of signatures share: a world without a package, and keys made for them."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.signing.keys import Key


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that has a package be missing until the test ends."""

    def remove(package: str) -> None:
        for name in [package, *sys.modules]:
            if name == package or name.startswith(f"{package}."):
                monkeypatch.setitem(sys.modules, name, None)

    return remove


@pytest.fixture(scope="session")
def rsa_key() -> Key:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def ed25519_key() -> Key:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def p256_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())
