"""Gemini: a payload in a header, and a handshake that is the login."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange
from networkpype.exchanges.gemini import ORDER_EVENTS
from tests.support.by_hand import mac
from tests.support.logins import auth_of, derived, pattern_of, sent, told
from tests.support.vectors import time_provider


async def test_the_handshake_is_signed() -> None:
    dialed = await pattern_of(auth_of("gemini")).pre_auth(None)
    assert dialed.url == "wss://ws.gemini.com"
    assert dict(dialed.headers) == derived("gemini-ws-handshake")["frame"]["headers"]
    assert dialed.lifetime_s is None
    assert "test_api_key" not in repr(dialed)


async def test_the_sandbox_is_another_place() -> None:
    dialed = await pattern_of(auth_of("gemini", sandbox=True)).pre_auth(None)
    assert dialed.url == "wss://ws.sandbox.gemini.com"
    assert exchange("gemini", sandbox=True).rest_url == "https://api.sandbox.gemini.com"


def test_a_key_of_the_sandbox_does_not_go_to_the_live_exchange() -> None:
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(auth_of("gemini", sandbox=True), "POST", "https://api.gemini.com/v1/balances")


@pytest.mark.parametrize(
    "frame",
    [
        {"id": "1", "status": 200},
        {"id": "1", "status": 401, "error": {"msg": "x"}},
        {"e": "executionReport", "X": "NEW"},
        "pong",
    ],
)
def test_no_frame_is_about_the_login(frame: Any) -> None:
    pattern = pattern_of(auth_of("gemini"))
    assert pattern.build_auth_message(0.0) is None
    assert told(pattern, frame) == ("not mine", "")


async def test_the_older_feed_has_path_and_nonce_in_its_payload() -> None:
    auth = SchemeAuth(
        Credentials(key="k", secret="s"),
        pattern=ORDER_EVENTS,
        time_provider=time_provider(1700000000123),
    )
    dialed = await pattern_of(auth).pre_auth(None)
    payload = dialed.headers["X-GEMINI-PAYLOAD"]
    assert base64.b64decode(payload) == b'{"request":"/v1/order/events","nonce":1700000000123}'
    assert dialed.headers["X-GEMINI-SIGNATURE"] == mac("s", payload, "sha384")
    again = await pattern_of(auth).pre_auth(None)
    nonce = json.loads(base64.b64decode(again.headers["X-GEMINI-PAYLOAD"]))["nonce"]
    assert nonce == 1700000000124


def payload_of(request: Any) -> Any:
    return json.loads(base64.b64decode(request.headers["X-GEMINI-PAYLOAD"]))


def test_arguments_go_into_the_payload() -> None:
    order = {"symbol": "btcusd", "options": ["maker-or-cancel"]}
    url = "https://api.gemini.com/v1/order/new"
    request = sent(auth_of("gemini"), "POST", url, data=order)
    signed = {"request": "/v1/order/new", "nonce": "1700000000000", **order}
    assert payload_of(request) == signed
    assert request.body_bytes == json.dumps(order, separators=(",", ":")).encode()
    assert request.headers["Content-Type"] == "text/plain"
    text = request.headers["X-GEMINI-PAYLOAD"]
    assert request.headers["X-GEMINI-SIGNATURE"] == mac("test_api_secret", text, "sha384")


def test_what_a_report_has_in_its_query_is_signed_with_the_path() -> None:
    url = "https://api.gemini.com/v1/perpetuals/fundingpaymentreport/records.json"
    request = sent(auth_of("gemini"), "GET", url, params={"fromDate": "2024-04-10"})
    path = "/v1/perpetuals/fundingpaymentreport/records.json?fromDate=2024-04-10"
    assert request.path_qs == path
    assert payload_of(request)["request"] == path
    assert request.body_bytes == b""


def test_nonces_rise() -> None:
    auth = auth_of("gemini")
    url = "https://api.gemini.com/v1/balances"
    nonces = [payload_of(sent(auth, "POST", url))["nonce"] for _ in range(3)]
    assert nonces == ["1700000000000", "1700000000001", "1700000000002"]
