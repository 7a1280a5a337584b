"""Bitget: a sorted query that is signed as it reads, and a login with a path of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from networkpype.errors import AuthenticationFailure, ConfigurationError
from tests.support.keys import ed25519_pem, private_pem, rsa_key, verify_rsa
from tests.support.logins import auth_of, derived, frame_of, outcome_of, pattern_of, sent, told

ORDERS = "https://api.bitget.com/api/v2/spot/trade/orderInfo"

FRAMES: list[tuple[Any, str, str]] = [
    ({"event": "login", "code": 0}, "accepted", ""),
    ({"event": "login", "code": "0", "msg": ""}, "accepted", ""),
    ({"event": "error", "code": 30015, "msg": "Invalid sign"}, "rejected", "Invalid sign"),
    ({"event": "error", "code": "30005", "msg": "Login failed"}, "rejected", "Login failed"),
    ({"event": "error", "code": 30011, "msg": ""}, "rejected", "30011"),
    ({"event": "login", "code": 30012, "msg": "no"}, "rejected", "no"),
    ({"event": "error", "arg": {}, "code": 30001, "msg": "channel"}, "not mine", ""),
    ({"event": "subscribe", "arg": {"channel": "account"}}, "not mine", ""),
    ({"action": "snapshot", "arg": {"channel": "account"}, "data": []}, "not mine", ""),
    ("pong", "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("bitget"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_wrong_clock_is_no_wrong_key() -> None:
    pattern = pattern_of(auth_of("bitget"))
    outcome = outcome_of(pattern, {"event": "error", "code": 30014, "msg": "timestamp expired"})
    assert (outcome.failure, outcome.definite) == (AuthenticationFailure.TIMESTAMP, False)


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("bitget"))) == derived("bitget-login")["frame"]


def test_the_query_is_sorted_signed_as_it_reads_and_sent_escaped() -> None:
    request = sent(auth_of("bitget"), "GET", ORDERS, {"symbol": "币USDT", "clientOid": "a b"})
    assert request.path_qs == ("/api/v2/spot/trade/orderInfo?clientOid=a%20b&symbol=%E5%B8%81USDT")
    message = "1700000000000GET/api/v2/spot/trade/orderInfo?clientOid=a b&symbol=币USDT"
    digest = hmac.new(b"test_api_secret", message.encode(), hashlib.sha256).digest()
    assert request.headers["ACCESS-SIGN"] == base64.b64encode(digest).decode()


async def test_demo_trading_has_a_socket_and_a_header_of_its_own() -> None:
    auth = auth_of("bitget", sandbox=True)
    assert (await pattern_of(auth).pre_auth(None)).url == "wss://wspap.bitget.com/v2/ws/private"


def test_only_demo_trading_is_marked_as_such() -> None:
    assert sent(auth_of("bitget", sandbox=True), "GET", ORDERS).headers["paptrading"] == "1"
    assert "paptrading" not in sent(auth_of("bitget"), "GET", ORDERS).headers


@pytest.mark.parametrize("field", ["private_key", "secret"])
def test_an_rsa_key_signs_requests_and_logins(field: str) -> None:
    fields: dict[str, Any] = {field: private_pem(rsa_key())}
    auth = auth_of("bitget", **fields)
    request = sent(auth, "GET", ORDERS, {"symbol": "币", "clientOid": "a b"})
    message = "1700000000000GET/api/v2/spot/trade/orderInfo?clientOid=a b&symbol=币"
    verify_rsa(rsa_key(), request.headers["ACCESS-SIGN"], message)
    [login] = frame_of(pattern_of(auth))["args"]
    verify_rsa(rsa_key(), login["sign"], "1700000000GET/user/verify")
    with pytest.raises(ConfigurationError, match="is Ed25519; this exchange takes RSA"):
        sent(auth_of("bitget", **(fields | {field: ed25519_pem()})), "GET", ORDERS)
