"""Binance: every host, every kind of key, the printed samples, and three ways to a user stream."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange
from tests.support.logins import auth_of, frame_of, outcome_of, pattern_of, published, sent

MS = 1700000000123
NAMES = ["binance", "binance-margin", "binance-usdm", "binance-ws-api"]
HOSTS = ["api", "api1", "api2", "api3", "api4", "fapi", "dapi", "papi", "eapi"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", HOSTS)
def test_all_of_binance_may_see_the_signature(name: str, host: str) -> None:
    request = sent(auth_of(name, ms=MS), "GET", f"https://{host}.binance.com/x/v1/order")
    assert request.query_string.startswith(f"timestamp={MS}&recvWindow=10000&signature=")


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "binance-ws-api"])
def test_a_sandbox_and_the_live_exchange_see_nothing_of_each_other(name: str) -> None:
    sandbox = exchange(name, sandbox=True)
    live = exchange(name)
    assert not sandbox.origins & live.origins
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(auth_of(name, sandbox=True), "GET", live.rest_url + "/api/v3/account")
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(auth_of(name), "GET", sandbox.rest_url + "/api/v3/account")
    urls = {pattern_of(auth_of(name, sandbox=flag)).url.split("/")[2] for flag in (True, False)}
    assert len(urls) == 2


def test_margin_has_no_sandbox() -> None:
    with pytest.raises(ConfigurationError, match="binance-margin has no sandbox"):
        exchange("binance-margin", sandbox=True)


@pytest.mark.parametrize(
    ("name", "id", "url"),
    [
        ("binance", "binance-rest-ascii", "https://api.binance.com/api/v3/order"),
        ("binance", "binance-rest-unicode", "https://api.binance.com/api/v3/order"),
        ("binance-usdm", "binance-usdm-rest", "https://fapi.binance.com/fapi/v1/order"),
    ],
)
@pytest.mark.parametrize("place", ["params", "data"])
def test_the_printed_orders(name: str, id: str, url: str, place: str) -> None:
    sample = published(id)
    arguments = {each: unquote(value) for each, value in parse_qsl(sample["payload"])}
    auth = auth_of(name, key=sample["api_key"], secret=sample["secret"])
    request = sent(auth, "POST", url, **{place: arguments})
    text = request.query_string or request.body_bytes.decode()
    assert text == f"{sample['payload']}&signature={sample['expected']}"
    assert request.headers["X-MBX-APIKEY"] == sample["api_key"]


@pytest.mark.parametrize("id", ["binance-wsapi-order-ascii", "binance-wsapi-order-unicode"])
def test_the_printed_orders_of_the_websocket_api(id: str) -> None:
    sample = published(id)
    params = dict(pair.split("=") for pair in sample["payload"].split("&"))
    key = params.pop("apiKey")
    auth = auth_of("binance", key=key, secret=sample["secret"])
    signed = pattern_of(auth).sign_message({"method": "order.place", "params": params})
    assert signed["params"]["signature"] == sample["expected"]


def test_the_printed_session_logon() -> None:
    sample = published("binance-wsapi-session-logon")
    wanted = sample["frame"]
    auth = auth_of(
        "binance-ws-api",
        key=wanted["params"]["apiKey"],
        secret=sample["secret"],
        new_id=lambda: wanted["id"],
    )
    assert frame_of(pattern_of(auth), wanted["params"]["timestamp"]) == wanted


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "fapi.binance.com/fapi/v1/listenKey"),
        ("PUT", "papi.binance.com/papi/v1/listenKey"),
        ("DELETE", "eapi.binance.com/eapi/v1/listenKey"),
        ("POST", "api.binance.com/sapi/v1/userListenToken"),
        ("POST", "api.binance.com/sapi/v1/margin/listen-key"),
    ],
)
def test_user_streams_want_the_key_alone(method: str, path: str) -> None:
    request = sent(auth_of("binance"), method, f"https://{path}", data={"symbol": "A/B"})
    assert (request.query_string, request.body_bytes) == ("", b"symbol=A%2FB")
    assert request.headers == {
        "X-MBX-APIKEY": "test_api_key",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_old_trades_want_the_key_alone() -> None:
    url = "https://fapi.binance.com/fapi/v1/historicalTrades"
    request = sent(auth_of("binance-usdm"), "GET", url, params={"symbol": "BTCUSDT"})
    assert request.query_string == "symbol=BTCUSDT"
    assert request.headers == {"X-MBX-APIKEY": "test_api_key"}


def test_lists_of_ids_and_of_assets() -> None:
    auth = auth_of("binance", ms=MS)
    ids = {"symbol": "X", "orderIdList": [1, "2"], "origClientOrderIdList": ["3", "a"]}
    request = sent(auth, "DELETE", "https://fapi.binance.com/fapi/v1/batchOrders", params=ids)
    assert request.query_string.startswith(
        f"timestamp={MS}&symbol=X&recvWindow=10000&orderIdList=%5B1%2C2%5D"
        "&origClientOrderIdList=%5B%223%22%2C%22a%22%5D&signature="
    )
    dust = {"asset": ["BTC", "ETH"]}
    request = sent(auth, "POST", "https://api.binance.com/sapi/v1/asset/dust", data=dust)
    assert request.body_bytes.startswith(f"timestamp={MS}&asset=BTC&asset=ETH&recv".encode())


# --- Keys of other kinds -------------------------------------------------------------------------


def private_keys() -> dict[str, Any]:
    asymmetric = pytest.importorskip("cryptography.hazmat.primitives.asymmetric")
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    assert asymmetric
    return {
        "Ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
        "RSA": rsa.generate_private_key(65537, 2048),
    }


def pem(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization as form

    text: bytes = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    return text.decode()


def verify(key: Any, signature: str, message: str) -> None:
    """Raise unless the key signed the message."""
    raw = base64.b64decode(signature, validate=True)
    if hasattr(key, "key_size"):
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        key.public_key().verify(raw, message.encode(), PKCS1v15(), SHA256())
    else:
        key.public_key().verify(raw, message.encode())


@pytest.mark.parametrize("kind", ["Ed25519", "RSA"])
@pytest.mark.parametrize("field", ["private_key", "secret"])
def test_a_private_key_signs_rest_requests_and_frames(kind: str, field: str) -> None:
    key = private_keys()[kind]
    fields: dict[str, Any] = {field: pem(key)}
    if field == "private_key":
        fields["secret"] = "an HMAC secret that lies about"
    auth = auth_of("binance-ws-api", ms=MS, **fields)

    request = sent(auth, "POST", "https://api.binance.com/api/v3/order", data={"symbol": "é"})
    form, _, signature = request.body_bytes.decode().partition("&signature=")
    assert form == f"timestamp={MS}&symbol=%C3%A9&recvWindow=10000"
    verify(key, unquote(signature), form)
    assert not set("+/=") & set(signature)

    params = frame_of(pattern_of(auth), MS)["params"]
    verify(key, params["signature"], f"apiKey=test_api_key&timestamp={MS}")


def test_a_public_key_is_no_secret_to_sign_with() -> None:
    public = pem(private_keys()["Ed25519"]).replace("PRIVATE", "PUBLIC")
    with pytest.raises(ConfigurationError, match="this is the public key"):
        sent(auth_of("binance", secret=public), "GET", "https://api.binance.com/api/v3/account")


def test_a_session_places_orders_without_a_signature() -> None:
    key = pem(private_keys()["Ed25519"])
    own = pattern_of(auth_of("binance-ws-api", ms=MS, private_key=key))
    logon = frame_of(own, MS)
    result = {"apiKey": "test_api_key", "authorizedSince": MS, "serverTime": MS}
    outcome = outcome_of(own, {"id": logon["id"], "status": 200, "result": result})
    assert outcome.status is AuthStatus.ACCEPTED
    order = own.sign_message({"id": "2", "method": "order.place", "params": {"symbol": "X"}})
    assert order["params"] == {"symbol": "X", "timestamp": MS, "recvWindow": 10000}
    stream = {"id": "3", "method": "userDataStream.subscribe"}
    assert own.sign_message(stream) == stream


def test_futures_stream_under_a_listen_key() -> None:
    own = pattern_of(auth_of("binance-usdm"))
    assert isinstance(own, ListenKey)
    assert (own.lifetime_s, own.gone, own.names_key) == (3600, ("-1125",), False)
    assert own.key_url == "https://fapi.binance.com/fapi/v1/listenKey"
