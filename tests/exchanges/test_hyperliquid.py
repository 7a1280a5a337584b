"""Hyperliquid: two networks that never sign for each other, and sockets that know an address."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import WebSocketJSONRequest
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange, exchange_auth
from tests.support.logins import auth_of, pattern_of, sent, told

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
WALLET = "0x14791697260E4c9A71f18484C9f997B308e59325"
CANCEL = {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]}


def hyperliquid(*, key: str = KEY, sandbox: bool = False) -> SchemeAuth:
    return auth_of("hyperliquid", private_key=key, wallet=WALLET, sandbox=sandbox)


def subscribe(**subscription: Any) -> WebSocketJSONRequest:
    return WebSocketJSONRequest({"method": "subscribe", "subscription": subscription})


async def test_a_private_subscribe_names_the_wallet() -> None:
    signed: Any = await hyperliquid().ws_authenticate(subscribe(type="orderUpdates"))
    assert signed.payload == {
        "method": "subscribe",
        "subscription": {"type": "orderUpdates", "user": WALLET},
    }


async def test_another_account_that_the_caller_named_stays() -> None:
    vault = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
    signed: Any = await hyperliquid().ws_authenticate(subscribe(type="userFills", user=vault))
    assert signed.payload["subscription"]["user"] == vault


async def test_without_a_wallet_a_private_subscribe_is_an_error() -> None:
    auth = exchange_auth("hyperliquid", Credentials(private_key=KEY))
    with pytest.raises(MissingCredentialsError, match=r"pass Credentials\(wallet="):
        await auth.ws_authenticate(subscribe(type="orderUpdates"))


async def test_a_connection_needs_no_login() -> None:
    pattern = pattern_of(hyperliquid())
    assert (await pattern.pre_auth(None)).url == "wss://api.hyperliquid.xyz/ws"
    assert pattern.build_auth_message(1700000000) is None
    for frame in (
        {"channel": "subscriptionResponse", "data": {"method": "subscribe"}},
        {"channel": "error", "data": "Invalid subscription"},
        {"channel": "pong"},
    ):
        assert told(pattern, frame) == ("not mine", "")


def test_the_test_network_is_another_place_and_another_signature() -> None:
    live, test = hyperliquid(), hyperliquid(sandbox=True)
    assert pattern_of(test).url == "wss://api.hyperliquid-testnet.xyz/ws"
    url = "https://api.hyperliquid.xyz/exchange"
    url_of_test = "https://api.hyperliquid-testnet.xyz/exchange"
    bodies = {
        sent(live, "POST", url, data={"action": CANCEL, "nonce": 1}).body_bytes,
        sent(test, "POST", url_of_test, data={"action": CANCEL, "nonce": 1}).body_bytes,
    }
    assert len(bodies) == 2
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(test, "POST", url, data=CANCEL)
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(live, "POST", url_of_test, data=CANCEL)
    sandbox = exchange("hyperliquid", sandbox=True)
    assert "testnet" in sandbox.rest_url


def test_nonces_are_milliseconds_and_rise_while_the_clock_stands() -> None:
    auth = hyperliquid()
    found = [
        sent(auth, "POST", "https://api.hyperliquid.xyz/exchange", data=CANCEL).body_bytes
        for _ in range(2)
    ]
    assert b'"nonce":1700000000000,' in found[0]
    assert b'"nonce":1700000000001,' in found[1]


def test_the_key_of_the_wallet_is_asked_for() -> None:
    with pytest.raises(MissingCredentialsError, match="private_key"):
        exchange_auth("hyperliquid", Credentials(secret=KEY, wallet=WALLET))


def test_nothing_of_the_key_shows() -> None:
    auth = hyperliquid()
    request = sent(auth, "POST", "https://api.hyperliquid.xyz/exchange", data=CANCEL)
    assert KEY[2:] not in repr(request) + repr(auth) + repr(auth.scheme) + repr(auth.identity)
    with pytest.raises(ConfigurationError) as caught:
        sent(
            hyperliquid(key="PLANTED"),
            "POST",
            "https://api.hyperliquid.xyz/exchange",
            data=CANCEL,
        )
    assert "PLANTED" not in str(caught.value)
