"""BingX: sorted and raw under the signature, encoded on the wire, JSON where the page has it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange
from tests.support.logins import auth_of, pattern_of, sent

MS = 1700000000123
REST = "https://open-api.bingx.com"


def mac(text: str, secret: str = "test_api_secret") -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_the_printed_order() -> None:
    """https://bingx-api.github.io/docs/spot/authentication.html (read 2026-07)."""
    secret = "UuGuyEGt6ZEkpUObCYCmIfh0elYsZVh80jlYwpJuRZEw70t6vomMH7Sjmf94ztSI"
    request = sent(
        auth_of("bingx", ms=1649404670162, secret=secret),
        "POST",
        f"{REST}/openApi/spot/v1/trade/order",
        data={"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": 20},
    )
    assert request.query_string == (
        "quoteOrderQty=20&side=BUY&symbol=ETHUSDT&timestamp=1649404670162&type=MARKET"
        "&signature=428a3c383bde514baff0d10d3c20e5adfaacaf799e324546dafe5ccc480dd827"
    )
    assert request.body_bytes == b""
    assert request.headers == {"X-BX-APIKEY": "test_api_key"}


ORDERS = [
    {"symbol": "ETH-USDT", "type": "MARKET", "side": "BUY", "quantity": 1},
    {"symbol": "BTC-USDT", "type": "MARKET", "side": "BUY", "quantity": 0.001},
]
ORDERS_JSON = (
    '[{"symbol":"ETH-USDT","type":"MARKET","side":"BUY","quantity":1},'
    '{"symbol":"BTC-USDT","type":"MARKET","side":"BUY","quantity":0.001}]'
)


@pytest.mark.parametrize(
    ("method", "arguments", "raw"),
    [
        ("POST", {"batchOrders": ORDERS}, f"batchOrders={ORDERS_JSON}&timestamp={MS}"),
        ("POST", {"batchOrders": ORDERS_JSON}, f"batchOrders={ORDERS_JSON}&timestamp={MS}"),
        ("DELETE", {"orderIdList": ["1", 2]}, f"orderIdList=[1,2]&timestamp={MS}"),
        ("DELETE", {"clientOrderIdList": ["1"]}, f'clientOrderIdList=["1"]&timestamp={MS}'),
        (
            "POST",
            {"type": "MARKET", "takeProfit": {"price": 1}, "Z": True},
            f'Z=true&takeProfit={{"price":1}}&timestamp={MS}&type=MARKET',
        ),
        ("GET", {"recvWindow": 0}, f"recvWindow=0&timestamp={MS}"),
    ],
)
def test_lists_are_json_and_signed_raw(method: str, arguments: Any, raw: str) -> None:
    place = "data" if method == "POST" else "params"
    request = sent(
        auth_of("bingx", ms=MS), method, f"{REST}/openApi/swap/v2/trade/x", **{place: arguments}
    )
    query, _, signature = request.query_string.partition("&signature=")
    assert signature == mac(raw)
    encoded = raw
    for character, escape in zip(
        '[]{}":,', ("5B", "5D", "7B", "7D", "22", "3A", "2C"), strict=True
    ):
        encoded = encoded.replace(character, f"%{escape}")
    assert query == encoded


@pytest.mark.parametrize(
    "path", ["/openApi/subAccount/v1/apiKey/create", "/openApi/account/transfer/v1/subAccount/x"]
)
def test_sub_accounts_and_transfers_post_json(path: str) -> None:
    auth = auth_of("bingx", ms=MS)
    request = sent(auth, "POST", REST + path, data={"subAccountString": "abc", "ips": ["1.1"]})
    raw = f'ips=["1.1"]&subAccountString=abc&timestamp={MS}'
    assert request.query_string == ""
    assert json.loads(request.body_bytes) == {
        "ips": ["1.1"],
        "subAccountString": "abc",
        "timestamp": MS,
        "signature": mac(raw),
    }
    assert request.headers == {"X-BX-APIKEY": "test_api_key", "Content-Type": "application/json"}
    listing = sent(auth, "GET", REST + path, params={"uid": 1})
    assert listing.query_string == f"timestamp={MS}&uid=1&signature={mac(f'timestamp={MS}&uid=1')}"


def test_its_stream_takes_a_listen_key_that_is_signed_for() -> None:
    own = pattern_of(auth_of("bingx"))
    assert isinstance(own, ListenKey)
    assert (own.lifetime_s, own.names_key) == (3600, True)
    request = sent(auth_of("bingx", ms=MS), "PUT", own.key_url, data={"listenKey": "a/b"})
    raw = f"listenKey=a/b&timestamp={MS}"
    assert request.query_string == f"listenKey=a%2Fb&timestamp={MS}&signature={mac(raw)}"


def test_the_sandbox_is_virtual_money_at_its_own_addresses() -> None:
    sandbox = exchange("bingx", sandbox=True)
    assert sandbox.rest_url == "https://open-api-vst.bingx.com"
    own = pattern_of(auth_of("bingx", sandbox=True))
    assert isinstance(own, ListenKey)
    assert own.key_url.startswith(sandbox.rest_url + "/")
    assert own.url.startswith("wss://vst-open-api-ws.bingx.com/swap-market?")
    with pytest.raises(ConfigurationError, match="none of the origins"):
        sent(auth_of("bingx", sandbox=True), "GET", f"{REST}/openApi/x")
