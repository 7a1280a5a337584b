"""Bybit: one login for two sockets with two kinds of ack, and queries with few escapes."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.credentials import Credentials
from networkpype.errors import AuthenticationFailure, ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange_auth
from tests.support.keys import ed25519_pem, private_pem, rsa_key, verify_rsa
from tests.support.logins import auth_of, derived, frame_of, outcome_of, pattern_of, sent, told

ORDERS = "https://api.bybit.com/v5/order/realtime"

FRAMES: list[tuple[Any, str, str]] = [
    ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "cid"}, "accepted", ""),
    ({"op": "auth", "success": True}, "accepted", ""),
    ({"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "cid"}, "accepted", ""),
    ({"retCode": 0, "op": "auth"}, "accepted", ""),
    (
        {"success": False, "ret_msg": "Params Error", "op": "auth", "conn_id": "cid"},
        "rejected",
        "Params Error",
    ),
    ({"retCode": 10004, "retMsg": "invalid sign", "op": "auth"}, "rejected", "invalid sign"),
    ({"retCode": 10001, "retMsg": "", "op": "auth"}, "rejected", "10001"),
    ({"retCode": 20001, "retMsg": "repeated auth", "op": "auth"}, "rejected", "repeated auth"),
    ({"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "cid"}, "not mine", ""),
    ({"success": False, "ret_msg": "error:topic", "op": "subscribe"}, "not mine", ""),
    ({"success": True, "ret_msg": "pong", "op": "ping"}, "not mine", ""),
    ({"op": "pong", "args": ["1700000000000"]}, "not mine", ""),
    ({"retCode": 0, "op": "order.create", "data": {}}, "not mine", ""),
    ({"topic": "wallet", "data": [{"op": "auth"}]}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("bybit"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_wrong_clock_is_no_wrong_key() -> None:
    pattern = pattern_of(auth_of("bybit"))
    outcome = outcome_of(pattern, {"op": "auth", "retCode": 10002, "retMsg": "recv_window"})
    assert (outcome.failure, outcome.definite) == (AuthenticationFailure.TIMESTAMP, False)


def test_the_login_frame_has_its_expiry_as_a_number() -> None:
    assert frame_of(pattern_of(auth_of("bybit"))) == derived("bybit-auth")["frame"]


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({"category": "linear", "cursor": "p%3D12%26"}, "category=linear&cursor=p%3D12%26"),
        ([("cursor", "a%2Cb")], "cursor=a%2Cb"),
        ("cursor=p%253D", "cursor=p%253D"),
        ({"symbol": "BTCUSDT,ETHUSDT"}, "symbol=BTCUSDT,ETHUSDT"),
        ({"x": "a&b=c+d #%z"}, "x=a%26b=c%2Bd%20%23%25z"),
    ],
)
def test_a_query_has_the_escapes_that_it_needs(params: Any, query: str) -> None:
    request = sent(auth_of("bybit"), "GET", ORDERS, params)
    assert request.query_string == query
    assert request.path_qs.endswith("?" + query)


def test_the_urls_own_query_stays_as_it_is() -> None:
    request = sent(auth_of("bybit"), "GET", f"{ORDERS}?cursor=p%253D", {"other": "p%3D"})
    assert request.query_string == "cursor=p%253D&other=p%3D"


def test_arguments_of_a_post_are_read_in_the_body_only() -> None:
    url = "https://api.bybit.com/v5/order/create"
    by_params = sent(auth_of("bybit"), "POST", url, params={"qty": "1", "reduceOnly": False})
    by_data = sent(auth_of("bybit"), "POST", url, data={"qty": "1", "reduceOnly": False})
    assert by_params.body_bytes == by_data.body_bytes == b'{"qty":"1","reduceOnly":false}'
    assert by_params.headers == by_data.headers
    assert by_params.path_qs == "/v5/order/create"


async def test_the_test_network_is_another_place() -> None:
    auth = auth_of("bybit", sandbox=True)
    dial = await pattern_of(auth).pre_auth(None)
    assert dial.url == "wss://stream-testnet.bybit.com/v5/private"


KEY_FORMS = {
    "PKCS #8": lambda: private_pem(rsa_key()),
    "PKCS #1": lambda: private_pem(rsa_key(), older=True),
    "one line": lambda: private_pem(rsa_key()).replace("\n", "\\n"),
}


@pytest.mark.parametrize("field", ["private_key", "secret"])
@pytest.mark.parametrize("form", KEY_FORMS)
def test_a_key_of_ones_own_signs_requests_and_logins_with_rsa(field: str, form: str) -> None:
    fields: dict[str, Any] = {field: KEY_FORMS[form]()}
    auth = auth_of("bybit", **fields)
    request = sent(auth, "GET", ORDERS, {"category": "linear"})
    message = "1700000000000test_api_key5000category=linear"
    verify_rsa(rsa_key(), request.headers["X-BAPI-SIGN"], message)
    request = sent(auth, "POST", ORDERS, data={"qty": "1"})
    message = '1700000000000test_api_key5000{"qty":"1"}'
    verify_rsa(rsa_key(), request.headers["X-BAPI-SIGN"], message)
    key, expires, signature = frame_of(pattern_of(auth))["args"]
    assert (key, expires) == ("test_api_key", 1700000010000)
    verify_rsa(rsa_key(), signature, "GET/realtime1700000010000")


def test_keys_of_other_kinds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="is Ed25519; this exchange takes RSA"):
        sent(auth_of("bybit", private_key=ed25519_pem()), "GET", ORDERS)


def test_a_private_key_stands_in_for_a_secret_and_nothing_does_for_both() -> None:
    rsa_alone = exchange_auth("bybit", Credentials(key="k", private_key=private_pem(rsa_key())))
    assert len(sent(rsa_alone, "GET", ORDERS).headers["X-BAPI-SIGN"]) == 344
    with pytest.raises(MissingCredentialsError, match="bybit needs secret or private_key"):
        exchange_auth("bybit", Credentials(key="k"))


@pytest.mark.parametrize(
    "host", ["api.bybitgeorgia.ge", "api.bybit.ae", "api.bybit.eu", "api.bybit.id"]
)
def test_the_hosts_of_some_countries_are_bybit_too(host: str) -> None:
    request = sent(auth_of("bybit"), "GET", f"https://{host}/v5/account/info")
    assert len(request.headers["X-BAPI-SIGN"]) == 64
