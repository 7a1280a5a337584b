"""WOO X: the path's version tells the scheme, and the socket's address has the account's id."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from networkpype import RESTMethod, RESTRequest
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import MissingCredentialsError
from networkpype.exchanges import exchange_auth
from tests.support.logins import auth_of, derived, frame_of, pattern_of, published, sent, told

BASE = "https://api.woox.io"

FRAMES: list[tuple[Any, str, str]] = [
    ({"event": "auth", "success": True, "ts": 1657463158812}, "accepted", ""),
    ({"id": "1", "event": "auth", "success": True}, "accepted", ""),
    ({"event": "auth", "success": False, "errorMsg": "wrong key"}, "rejected", "wrong key"),
    ({"event": "auth", "success": False}, "rejected", "refused without a reason"),
    ({"id": "1", "event": "subscribe", "success": True, "data": "balance"}, "not mine", ""),
    ({"id": "1", "event": "subscribe", "success": False, "errorMsg": "x"}, "not mine", ""),
    ({"event": "ping", "ts": 1657463158812}, "not mine", ""),
    ({"topic": "balance", "ts": 1, "data": {"success": True}}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("woo"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("woo"))) == derived("woo-auth")["frame"]


async def test_the_socket_is_dialed_with_the_application_id() -> None:
    live = await pattern_of(auth_of("woo", memo="app/1")).pre_auth(None)
    assert live.url == "wss://wss.woox.io/v2/ws/private/stream/app%2F1"
    test = await pattern_of(auth_of("woo", sandbox=True)).pre_auth(None)
    assert test.url == "wss://wss.staging.woox.io/v2/ws/private/stream/test_memo"


async def test_rest_alone_needs_no_application_id() -> None:
    auth = exchange_auth("woo", Credentials(key="k", secret="s"))
    assert isinstance(auth, SchemeAuth)
    with pytest.raises(MissingCredentialsError, match="memo="):
        await pattern_of(auth).pre_auth(None)


def test_the_pages_signature_of_v1() -> None:
    sample = published("woox-rest")
    order = {
        "symbol": "SPOT_BTC_USDT",
        "order_type": "LIMIT",
        "order_price": 9000,
        "order_quantity": "0.11",
        "side": "BUY",
    }
    auth = auth_of("woo", ms=1578565539808, secret=sample["secret"])
    for place in ("params", "data"):
        request = sent(auth, "POST", f"{BASE}/v1/order", **{place: order})
        assert request.headers["x-api-signature"] == sample["expected"]
        assert f"{request.body_bytes.decode()}|1578565539808" == sample["payload"]
        assert request.path_qs == "/v1/order"
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_v3_signs_sorted_json() -> None:
    request = sent(auth_of("woo"), "POST", f"{BASE}/v3/trade/order", data={"b": 1, "a": "é"})
    text = '1700000000000POST/v3/trade/order{"a":"é","b":1}'
    digest = hmac.new(b"test_api_secret", text.encode(), hashlib.sha256).hexdigest()
    assert request.body_bytes == '{"a":"é","b":1}'.encode()
    assert request.headers == {
        "x-api-key": "test_api_key",
        "x-api-timestamp": "1700000000000",
        "x-api-signature": digest,
        "content-type": "application/json",
    }


def test_v2_signs_as_v1_does() -> None:
    request = sent(auth_of("woo"), "GET", f"{BASE}/v2/client/holding", {"b": 1, "a": "x y"})
    text = "a=x%20y&b=1|1700000000000"
    digest = hmac.new(b"test_api_secret", text.encode(), hashlib.sha256).hexdigest()
    assert request.path_qs == "/v2/client/holding?a=x%20y&b=1"
    assert request.headers["x-api-signature"] == digest
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("place", ["params", "data"])
def test_v3_reads_a_delete_in_the_query(place: str) -> None:
    request = sent(auth_of("woo"), "DELETE", f"{BASE}/v3/order", **{place: {"b": 1, "a": 2}})
    assert (request.path_qs, request.body_bytes) == ("/v3/order?a=2&b=1", b"")


def test_a_content_type_of_the_callers_is_not_there_twice() -> None:
    request = RESTRequest(
        RESTMethod.POST, f"{BASE}/v3/x", data={"a": 1}, headers={"Content-Type": "a/b"}
    )
    auth = auth_of("woo")
    assert auth.scheme is not None
    headers = auth.scheme.sign(request, auth.identity).headers or {}
    assert [v for k, v in headers.items() if k.lower() == "content-type"] == ["application/json"]
