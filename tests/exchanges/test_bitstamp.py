"""Bitstamp: the content type is signed, and a private channel ends with the user's number."""

from __future__ import annotations

import re
from typing import Any

import pytest

from networkpype.errors import AuthenticationError, ConfigurationError
from networkpype.exchanges import exchange
from tests.support.by_hand import Answers, mac
from tests.support.logins import auth_of, pattern_of, sent, told

BASE = "https://www.bitstamp.net/api/v2"
TOKEN = {"valid_sec": 60, "token": "siPaT4m6VGQC", "user_id": 4848701}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch

FRAMES: list[tuple[Any, str, str]] = [
    (
        {"event": "bts:error", "channel": "", "data": {"code": 4009, "message": "unauthorized."}},
        "expired",
        "unauthorized.",
    ),
    (
        {"event": "bts:error", "channel": "", "data": {"code": None, "message": "Bad JSON"}},
        "not mine",
        "",
    ),
    (
        {"event": "bts:subscription_succeeded", "channel": "private-my_orders-1", "data": {}},
        "not mine",
        "",
    ),
    ({"event": "order_created", "channel": "private-my_orders-1", "data": {}}, "not mine", ""),
    ({"event": "bts:heartbeat", "data": {"status": "success"}}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    assert told(pattern_of(auth_of("bitstamp")), frame) == (status, reason)


async def test_a_private_subscribe_gets_token_and_user() -> None:
    pattern = pattern_of(auth_of("bitstamp"))
    rest = Answers(TOKEN)
    assert (await pattern.pre_auth(rest)).url == "wss://ws.bitstamp.net"
    assert rest.calls[0]["url"] == f"{BASE}/websockets_token/"
    assert rest.calls[0]["signed"]
    frame = {"event": "bts:subscribe", "data": {"channel": "private-my_orders_btcusd"}}
    wanted = {"channel": "private-my_orders_btcusd-4848701", "auth": "siPaT4m6VGQC"}
    assert pattern.sign_message(frame) == {"event": "bts:subscribe", "data": wanted}
    assert pattern.sign_message(pattern.sign_message(frame))["data"] == wanted
    assert frame["data"] == {"channel": "private-my_orders_btcusd"}


async def test_a_public_channel_gets_no_token() -> None:
    pattern = pattern_of(auth_of("bitstamp"))
    await pattern.pre_auth(Answers(TOKEN))
    frame = {"event": "bts:subscribe", "data": {"channel": "live_trades_btcusd"}}
    assert pattern.sign_message(frame) == frame


async def test_an_answer_without_a_user_is_a_refusal() -> None:
    with pytest.raises(AuthenticationError, match="user_id"):
        await pattern_of(auth_of("bitstamp")).pre_auth(Answers({"token": "t"}))
    with pytest.raises(AuthenticationError, match="Invalid signature"):
        await pattern_of(auth_of("bitstamp")).pre_auth(Answers({"reason": "Invalid signature"}))


@pytest.mark.parametrize("place", ["params", "data"])
def test_the_form_is_signed_with_its_type(place: str) -> None:
    auth = auth_of("bitstamp", new_id=lambda: "11111111-2222-4333-8444-555555555555")
    request = sent(auth, "POST", f"{BASE}/buy/btcusd/", **{place: {"amount": "1", "t": "a b"}})
    signed = (
        "BITSTAMP test_api_keyPOSTwww.bitstamp.net/api/v2/buy/btcusd/"
        "application/x-www-form-urlencoded11111111-2222-4333-8444-555555555555"
        "1700000000000v2amount=1&t=a%20b"
    )
    assert request.body_bytes == b"amount=1&t=a%20b"
    assert request.headers["X-Auth-Signature"] == mac("test_api_secret", signed)


def test_a_get_signs_its_query_and_no_type() -> None:
    auth = auth_of("bitstamp", nonce=lambda: "n" * 36)
    request = sent(auth, "GET", f"{BASE}/x/", params={"limit": 1})
    signed = f"BITSTAMP test_api_keyGETwww.bitstamp.net/api/v2/x/?limit=1{'n' * 36}1700000000000v2"
    assert request.headers["X-Auth-Signature"] == mac("test_api_secret", signed)
    assert "Content-Type" not in request.headers


def test_a_nonce_has_36_characters_and_never_comes_again() -> None:
    auth = auth_of("bitstamp")
    nonces = {sent(auth, "POST", f"{BASE}/x/").headers["X-Auth-Nonce"] for _ in range(20)}
    assert len(nonces) == 20
    assert all(UUID(nonce) for nonce in nonces)


def test_the_sandbox_has_no_socket_that_is_known() -> None:
    assert exchange("bitstamp", sandbox=True).rest_url == "https://sandbox.bitstamp.net"
    assert auth_of("bitstamp", sandbox=True).ws_pattern is None
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(auth_of("bitstamp", sandbox=True), "POST", f"{BASE}/account_balances/")
