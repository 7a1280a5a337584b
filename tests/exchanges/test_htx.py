"""HTX: one ASCII order over all parameters, and two dialects of one signed query."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from networkpype.auth.patterns.signed_query import SignedQueryLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange
from tests.support.by_hand import mac
from tests.support.logins import auth_of, derived, frame_of, outcome_of, pattern_of, sent, told
from tests.support.vectors import time_provider

SPOT: list[tuple[Any, str, str]] = [
    ({"action": "req", "code": 200, "ch": "auth", "data": {}}, "accepted", ""),
    (
        {"action": "req", "code": 2002, "ch": "auth", "message": "auth.fail"},
        "rejected",
        "auth.fail",
    ),
    ({"action": "req", "code": 4000, "ch": "auth", "message": "slow"}, "rejected", "slow"),
    ({"action": "req", "code": 2003, "ch": "auth"}, "rejected", "2003"),
    ({"action": "ping", "data": {"ts": 1575537778295}}, "not mine", ""),
    ({"action": "sub", "code": 200, "ch": "accounts.update#2", "data": {}}, "not mine", ""),
    (
        {"action": "sub", "code": 2002, "ch": "orders#btcusdt", "message": "invalid.auth.state"},
        "not mine",
        "",
    ),
    ({"action": "push", "ch": "accounts.update#2", "data": {"code": 200}}, "not mine", ""),
    ("pong", "not mine", ""),
]

CONTRACT: list[tuple[Any, str, str]] = [
    ({"op": "auth", "type": "api", "err-code": 0, "ts": 1, "data": {}}, "accepted", ""),
    ({"op": "auth", "err-code": 2002, "err-msg": "auth.fail"}, "rejected", "auth.fail"),
    ({"op": "ping", "ts": "1492420473027"}, "not mine", ""),
    ({"op": "sub", "topic": "accounts.btc", "err-code": 0}, "not mine", ""),
    ({"op": "sub", "topic": "accounts.btc", "err-code": 2002}, "not mine", ""),
    ({"op": "notify", "topic": "orders.btc", "status": 3}, "not mine", ""),
    ({"ping": 1492420473027}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), SPOT)
def test_every_spot_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("htx"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


@pytest.mark.parametrize(("frame", "status", "reason"), CONTRACT)
def test_every_contract_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("htx-contract"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_too_many_requests_may_pass_and_a_wrong_key_does_not() -> None:
    spot = pattern_of(auth_of("htx"))
    ack = {"action": "req", "ch": "auth"}
    assert not outcome_of(spot, {**ack, "code": 4000}).definite
    assert outcome_of(spot, {**ack, "code": 2002}).definite


@pytest.mark.parametrize(
    ("name", "vector"), [("htx", "htx-spot-v2"), ("htx-contract", "htx-swap-v2")]
)
async def test_the_login_frames(name: str, vector: str) -> None:
    pattern = pattern_of(auth_of(name))
    assert frame_of(pattern) == derived(vector)["frame"]
    assert (await pattern.pre_auth(None)).headers == {}


async def test_another_socket_is_signed_with_its_own_host_and_path() -> None:
    login = exchange("htx-contract").pattern
    assert isinstance(login, SignedQueryLogin)
    own = replace(login, url="wss://api.hbdm.vn/swap-notification")
    auth = SchemeAuth(
        Credentials(key="k", secret="s"), pattern=own, time_provider=time_provider(1700000000000)
    )
    signed = (
        "GET\napi.hbdm.vn\n/swap-notification\nAccessKeyId=k&SignatureMethod=HmacSHA256"
        "&SignatureVersion=2&Timestamp=2023-11-14T22%3A13%3A20"
    )
    assert frame_of(pattern_of(auth))["Signature"] == mac("s", signed, "sha256", "base64")
    assert (await pattern_of(auth).pre_auth(None)).url == "wss://api.hbdm.vn/swap-notification"


def test_the_pages_order_goes_before_that_of_ccxt() -> None:
    request = sent(
        auth_of("htx", key="K", secret="s"),
        "GET",
        "https://api.huobi.pro/v1/order/orders",
        params={"symbol": "btcusdt", "Page": "1"},
    )
    query = (
        "AccessKeyId=K&Page=1&SignatureMethod=HmacSHA256&SignatureVersion=2"
        "&Timestamp=2023-11-14T22%3A13%3A20&symbol=btcusdt"
    )
    signed = f"GET\napi.huobi.pro\n/v1/order/orders\n{query}"
    signature = mac("s", signed, "sha256", "base64")
    escaped = signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert request.path_qs == f"/v1/order/orders?{query}&Signature={escaped}"


def test_there_is_no_sandbox_and_live_never_takes_its_place() -> None:
    for name in ("htx", "htx-contract"):
        with pytest.raises(ConfigurationError, match="no sandbox"):
            exchange(name, sandbox=True)
