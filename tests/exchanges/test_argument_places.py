"""Where an exchange reads the body alone, `params` are `data`, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.logins import auth_of, sent

UUID = "11111111-2222-4333-8444-555555555555"
B64 = "c2VjcmV0"
RICH = {"orders": [{"side": "buy", "é": None}], "meta": {"a": {"b": True}}, "none": None, "e": []}
URLS = {
    "bitfinex": "https://api.bitfinex.com/v2/auth/w/order/multi",
    "bitmart": "https://api-cloud.bitmart.com/spot/v4/batch_orders",
    "bybit": "https://api.bybit.com/v5/order/create-batch",
    "cryptocom": "https://api.crypto.com/exchange/v1/private/create-order-list",
    "kraken": "https://api.kraken.com/0/private/AddOrderBatch",
    "krakenfutures": "https://futures.kraken.com/derivatives/api/v3/batchorder",
    "whitebit": "https://whitebit.com/api/v4/order/bulk",
}


def wire(
    name: str, url: str, method: str = "POST", **arguments: Any
) -> tuple[str, dict[str, str], bytes]:
    auth = auth_of(name, secret=B64, nonce=lambda: UUID if name == "bitstamp" else 17)
    request = sent(auth, method, url, **arguments)
    return request.path_qs, dict(request.headers), request.body_bytes


@pytest.mark.parametrize("name", URLS)
def test_params_may_hold_what_a_query_cannot(name: str) -> None:
    url = URLS[name]
    as_data = wire(name, url, data=RICH)
    assert wire(name, url, params=RICH) == as_data
    assert b'"none":null' in as_data[2]
    assert "?" not in as_data[0]
    # Those of both places come together, and those of the body count for more.
    half = {"orders": RICH["orders"], "meta": 5}
    rest = {name: RICH[name] for name in ("meta", "none", "e")}
    assert wire(name, url, params=half, data=rest) == as_data


def test_the_query_of_the_url_joins_them() -> None:
    path, _, body = wire("kraken", URLS["kraken"] + "?pair=X", params={"orders": [{"a": 1}]})
    assert path == "/0/private/AddOrderBatch"
    assert body == b'{"nonce":"17","pair":"X","orders":[{"a":1}]}'


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("AddOrderBatch", b'{"nonce":"17","pair":"X"}'),
        ("CancelOrderBatch", b'{"nonce":"17","pair":"X"}'),
        ("AddOrder", b"nonce=17&pair=X"),
    ],
)
def test_a_batch_of_kraken_is_json(call: str, body: bytes) -> None:
    url = f"https://api.kraken.com/0/private/{call}"
    assert wire("kraken", url, data={"pair": "X"})[2] == body


def test_an_empty_list_is_no_argument_of_a_form() -> None:
    """Bitstamp refuses a Content-Type where the body is empty."""
    url = "https://www.bitstamp.net/api/v2/account_balances/"
    nothing = wire("bitstamp", url)
    assert wire("bitstamp", url, data={"ids": []}) == nothing
    assert wire("bitstamp", url, params={"ids": []}) == nothing
    assert nothing[2] == b"foo=bar"


def test_what_is_read_in_the_query_stays_there() -> None:
    url = "https://futures.kraken.com/derivatives/api/v3/sendorder"
    assert wire("krakenfutures", url, params={"size": 1})[0].endswith("/sendorder?size=1")
    path, _, body = wire("bitmart", URLS["bitmart"], params="a=1", data="{}")
    assert (path, body) == ("/spot/v4/batch_orders?a=1", b"{}")
    for name, method in (("bitfinex", "GET"), ("bitmart", "GET"), ("bitmart", "DELETE")):
        path, _, body = wire(name, URLS[name], method, params={"a": 1})
        assert (path.partition("?")[2], body) == ("a=1", b"")
