"""What is no private key is told so, and never signs as an HMAC secret in its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from networkpype import Credentials, NetworkpypeError, RESTMethod, RESTRequest
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange, exchange_auth
from tests.support.keys import ed25519_pem, private_pem, rsa_key

pytest.importorskip("cryptography")

TAKE_PRIVATE_KEYS = (
    *("binance", "binance-margin", "binance-usdm", "binance-ws-api", "bitget", "bybit"),
    *("coinbase", "hyperliquid"),
)
OTHER = {"passphrase": "phrase"}


def signed(name: str, **fields: object) -> RESTRequest:
    """Sign a request of this exchange."""
    key = {} if name == "hyperliquid" else {"key": "my-key", **OTHER}
    auth = exchange_auth(name, Credentials(**key, **fields))  # type: ignore[arg-type]
    path, data = "/api/v1/order", {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]}
    if name == "hyperliquid":
        path = "/exchange"
    url = exchange(name).rest_url + path
    return asyncio.run(auth.rest_authenticate(RESTRequest(RESTMethod.POST, url, data=data)))


def key_file(folder: Path, text: str) -> Path:
    path = folder / "key.pem"
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", TAKE_PRIVATE_KEYS)
@pytest.mark.parametrize("text", ["x", '[binance]\nkey = "k"\nsecret = "s"\n', "-----BEGIN x"])
def test_a_private_key_that_is_none_is_refused(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="private key"):
        signed(name, private_key=text)
    with pytest.raises(ConfigurationError, match="private key") as caught:
        signed(name, private_key_path=key_file(tmp_path, text))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", TAKE_PRIVATE_KEYS)
@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_a_blank_key_file_is_refused_when_the_auth_is_built(
    name: str, text: str, tmp_path: Path
) -> None:
    path = key_file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"key\.pem is blank; private_key_path names"):
        exchange_auth(name, Credentials(key="k", **OTHER, private_key_path=path))


@pytest.mark.parametrize("name", TAKE_PRIVATE_KEYS)
def test_a_key_file_that_is_not_there_is_told_at_once(name: str, tmp_path: Path) -> None:
    credentials = Credentials(key="k", **OTHER, private_key_path=tmp_path / "none.pem")
    with pytest.raises(MissingCredentialsError, match=r"none\.pem cannot be read: No such file"):
        exchange_auth(name, credentials)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("binance", "secret or private_key"),
        ("bybit", "secret or private_key"),
        ("bitget", "secret or private_key"),
        ("coinbase", "secret or private_key"),
    ],
)
def test_a_key_without_a_secret_is_told_at_once(name: str, needed: str) -> None:
    with pytest.raises(MissingCredentialsError, match=f"^{name} needs {needed}; pass"):
        exchange_auth(name, Credentials(key="k", **OTHER))


def test_ethgas_without_anything_is_told_at_once() -> None:
    with pytest.raises(MissingCredentialsError, match="ethgas needs key or secret or private_key"):
        exchange_auth("ethgas", Credentials(wallet="0x" + "ab" * 20))


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("binance", "Ed25519 or RSA"),
        ("bybit", "RSA"),
        ("bitget", "RSA"),
        ("coinbase", "P-256 or Ed25519"),
    ],
)
def test_the_kinds_that_the_exchange_takes_are_named(name: str, kinds: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    with pytest.raises(ConfigurationError, match=rf"takes {kinds}: make such a key"):
        signed(name, private_key=private_pem(ec.generate_private_key(ec.SECP256K1())))
    if name != "coinbase":  # whose keys may be base64
        with pytest.raises(ConfigurationError, match=f"no PEM; pass the whole {kinds} key"):
            signed(name, private_key="x")


@pytest.mark.parametrize("field", ["secret", "private_key"])
@pytest.mark.parametrize("name", ["binance", "binance-ws-api", "bitget", "bybit", "coinbase"])
def test_a_public_key_is_called_one(name: str, field: str) -> None:
    from cryptography.hazmat.primitives import serialization as form

    public = rsa_key().public_key()
    pem = public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ConfigurationError, match=r"this is the public key, .*; pass the private"):
        signed(name, **{field: pem})


def test_a_pem_may_still_stand_in_the_secret_and_a_text_is_a_secret() -> None:
    assert "signature=" in str(signed("binance", secret=ed25519_pem()).data)
    assert "signature=" in str(signed("binance", secret="x").data)


def test_what_a_scheme_of_ones_own_lacks_is_told_without_its_inside() -> None:
    from networkpype import SchemeAuth

    auth = SchemeAuth(Credentials(key="k"), exchange("binance").scheme)
    request = RESTRequest(RESTMethod.GET, "https://api.binance.com/api/v3/account")
    with pytest.raises(NetworkpypeError) as caught:
        asyncio.run(auth.rest_authenticate(request))
    assert str(caught.value) == (
        "this signature needs secret or private_key; pass Credentials(secret=...)"
    )
