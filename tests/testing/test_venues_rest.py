"""What networkpype signs is what each exchange's rules, written anew, let in: byte for byte."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from yarl import URL

from networkpype import RESTMethod
from networkpype.errors import ConfigurationError, MissingExtraError
from networkpype.exchanges import exchange, exchange_auth, names
from networkpype.rest.request import RESTRequest
from networkpype.testing import Answer, FakeClock, MockVenue, venues
from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.refusals import REFUSALS
from networkpype.testing.venues.table import VENUES
from tests.testing.venue_client import LIMIT, PAIRS, Client, another_pair, client_of, wrong

SPECIAL = "a b+c&d=e/f?g#h%i~j:k,l@é中€"
PATHS = {
    "backpack": ("/api/v1/orders", "/api/v1/order"),
    "binance-usdm": ("/fapi/v1/order", "/fapi/v1/order"),
    "coinbase": ("/api/v3/brokerage/orders", "/api/v3/brokerage/orders"),
    "cryptocom": (None, "/exchange/v1/private/create-order"),
    "bitfinex": (None, "/v2/auth/w/order/submit"),
    "gate": ("/api/v4/spot/orders", "/api/v4/spot/orders"),
    "gate-ws-api": ("/api/v4/spot/orders", "/api/v4/spot/orders"),
    "gemini": (None, "/v1/order/new"),
    "hyperliquid": (None, "/exchange"),
    "kraken": (None, "/0/private/AddOrder"),
    "krakenfutures": ("/derivatives/api/v3/fills", "/derivatives/api/v3/sendorder"),
    "whitebit": (None, "/api/v4/order/new"),
    "woo": ("/v3/trade/orders", "/v3/trade/order"),
}
NONCES = ("kraken", "bitfinex", "gemini", "whitebit", "deribit", "bitstamp", "hyperliquid")
EVERY = sorted(VENUES)


def path_of(name: str, method: str) -> str | None:
    default = "/api/v2/spot/orders"
    return PATHS.get(name, (default, default))[method == "POST"]


CALLS = [(name, method) for name in EVERY for method in ("GET", "POST") if path_of(name, method)]


def body_of(name: str) -> dict[str, Any]:
    if name == "hyperliquid":
        return {"type": "createSubAccount", "name": f"{SPECIAL}12345"}
    return {"symbol": "BTCUSDT", "amount": "12345", "note": SPECIAL, "active": True, "count": 3}


def request_of(venue: MockVenue, method: str) -> RESTRequest:
    path = path_of(venue.name, method)
    assert path is not None, f"{venue.name} has private requests of POST alone"
    url = venue.url + path
    if method == "GET":
        params = {"symbol": SPECIAL, "limit": 12345, "after": "2023-11-14T22:13:20.123Z"}
        return RESTRequest(RESTMethod.GET, url, params=params, is_auth_required=True)
    return RESTRequest(RESTMethod.POST, url, data=body_of(venue.name), is_auth_required=True)


async def send(venue: MockVenue, signed: RESTRequest, **changed: Any) -> Any:
    """Send a signed request by aiohttp alone, with a part of it changed on the way."""
    path = changed.get("path_qs", signed.path_qs)
    url = URL(venue.url + path, encoded=True)
    body = changed.get("body", signed.body_bytes)
    headers = dict(signed.headers or {})
    skip = () if "Content-Type" in headers else ("Content-Type",)
    async with (
        aiohttp.ClientSession(skip_auto_headers=skip) as session,
        session.request(str(signed.method), url, data=body or None, headers=headers) as response,
    ):
        return await response.json()


async def through_manager(client: Client, request: RESTRequest) -> Any:
    return await client.rest.execute_request(
        request.url,
        LIMIT,
        params=request.params,
        data=request.data,
        method=request.method,
        is_auth_required=True,
        return_err=True,
    )


def test_every_exchange_has_its_venue() -> None:
    assert set(names()) == set(VENUES)


@pytest.mark.parametrize(("name", "method"), CALLS)
async def test_a_signed_request_is_let_in(name: str, method: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        if name == "ethgas":
            assert client.auth.ws_pattern is not None
            await client.auth.ws_pattern.renew(client.rest)
        for _ in range(2):  # the second time with another nonce
            answer = await through_manager(client, request_of(venue, method))
            assert venue.refusals == []
        assert answer["method"] == method
        sent = venue.received[-1]
        assert venue.received[-1].status == 200
        assert "12345" in sent.raw_path + sent.body.decode()
        if method == "GET":
            assert dict(parse_qsl(sent.raw_query))["symbol"] == SPECIAL


@pytest.mark.parametrize("name", [name for name in EVERY if name != "ethgas"])
async def test_another_secret_is_refused_in_the_exchanges_own_words(name: str) -> None:
    async with MockVenue(name) as venue:
        field = "private_key" if name == "hyperliquid" else "secret"
        credentials = another_pair(venue) if name in PAIRS else wrong(venue.credentials, field)
        async with client_of(venue, credentials) as client:
            answer = await through_manager(client, request_of(venue, "POST"))
    # KuCoin has its passphrase signed too, and looks at that first.
    why = Why.PASSPHRASE if name.startswith("kucoin") else Why.SIGNATURE
    assert venue.refusals == [why.value]
    wanted = VENUES[name].refuse(Refusal(why))
    assert (venue.received[-1].status, answer) == (wanted.status, wanted.data)


@pytest.mark.parametrize(("name", "method"), CALLS)
async def test_one_byte_changed_on_the_way_is_refused_wherever_a_signature_covers_it(
    name: str, method: str
) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        if name == "ethgas":
            assert client.auth.ws_pattern is not None
            await client.auth.ws_pattern.renew(client.rest)
        signed = await client.auth.rest_authenticate(request_of(venue, method))
        path, body = signed.path_qs, signed.body_bytes
        in_query = "12345" in path
        if in_query:
            path = path.replace("12345", "12346")
        else:
            assert b"12345" in body
            body = body.replace(b"12345", b"12346")
        await send(venue, signed, path_qs=path, body=body)
        covered = ("query" if in_query else "body") in VENUES[name].signs
        assert bool(venue.refusals) is covered
        if covered:
            assert venue.refusals in ([Why.SIGNATURE.value], ["the payload is not the body"])
        else:  # and the exchange does not look: only what it reads is signed
            assert venue.received[-1].status == 200


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
@pytest.mark.parametrize("name", [name for name in EVERY if "time" in VENUES[name].signs])
async def test_a_stale_or_early_timestamp_is_refused(name: str, skew_s: float) -> None:
    clock = FakeClock()
    async with MockVenue(name, clock=clock) as venue, client_of(venue, clock=clock) as client:
        venue.clock_skew_s = skew_s
        await through_manager(client, request_of(venue, "POST"))
        if name == "bitmex" and skew_s < 0:  # an expiry may be as late as one likes
            assert venue.refusals == []
            return
        assert len(venue.refusals) == 1
        assert (
            "ahead of the server's time" in venue.refusals[0]
            or "not good now" in (venue.refusals[0])
        )
        venue.clock_skew_s = 0.0
        await through_manager(client, request_of(venue, "POST"))
        assert len(venue.refusals) == 1


@pytest.mark.parametrize("name", NONCES)
async def test_a_request_is_not_let_in_twice(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        signed = await client.auth.rest_authenticate(request_of(venue, "POST"))
        await send(venue, signed)
        assert venue.refusals == []
        await send(venue, signed)
        assert len(venue.refusals) == 1
        assert "nonce" in venue.refusals[0]


@pytest.mark.parametrize("name", ["kraken", "bitfinex", "gemini", "whitebit"])
async def test_a_nonce_that_falls_is_refused(name: str) -> None:
    async with MockVenue(name) as venue:
        target = exchange(name).at(venue.url, venue.ws_url)
        falling = iter((1_800_000_000_000_000, 1_700_000_000_000_000))
        auth = exchange_auth(target, venue.credentials, nonce=lambda: next(falling))
        for _ in range(2):
            await send(venue, await auth.rest_authenticate(request_of(venue, "POST")))
        assert len(venue.refusals) == 1
        assert "is not above" in venue.refusals[0]


@pytest.mark.parametrize("field", ["key", "passphrase"])
@pytest.mark.parametrize("name", ["okx", "bitget", "kucoin", "coinbaseexchange"])
async def test_another_key_or_passphrase_is_told_apart(name: str, field: str) -> None:
    async with MockVenue(name) as venue:
        credentials = wrong(venue.credentials, field)
        async with client_of(venue, credentials) as client:
            await through_manager(client, request_of(venue, "POST"))
    assert venue.refusals == [(Why.KEY if field == "key" else Why.PASSPHRASE).value]


async def test_a_request_without_any_identity_is_refused() -> None:
    for name in EVERY:
        async with MockVenue(name) as venue:
            bare = RESTRequest(RESTMethod.POST, f"{venue.url}/x/orders", data=json.dumps({"a": 1}))
            await send(venue, bare)
            assert len(venue.refusals) == 1, name


def test_every_table_of_refusals_is_somebodys() -> None:
    used = {id(venue.refuse) for venue in VENUES.values()}
    assert {id(refuse) for refuse in REFUSALS.values()} == used


def test_a_venue_shares_nothing_with_the_signers() -> None:
    allowed = {"networkpype.testing", "cryptography", "eth_keys", "eth_utils", "msgpack"}
    for path in Path(venues.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                top = name.partition(".")[0]
                known = top in sys.stdlib_module_names or top in allowed
                assert known or name.startswith("networkpype.testing."), f"{path.name}: {name}"


async def test_an_unknown_venue_and_one_that_has_not_started_name_the_fix() -> None:
    with pytest.raises(ConfigurationError, match="known: backpack, "):
        MockVenue("okex")
    with pytest.raises(ConfigurationError, match="async with MockVenue"):
        _ = MockVenue("okx").url


async def test_an_endpoint_of_ones_own_is_behind_the_same_signature() -> None:
    async with MockVenue("okx") as venue, client_of(venue) as client:
        venue.add_endpoint("GET", "/api/v5/account/balance", lambda request: Answer({"code": "0"}))
        request = RESTRequest(RESTMethod.GET, f"{venue.url}/api/v5/account/balance")
        assert await through_manager(client, request) == {"code": "0"}
        assert (await send(venue, request))["code"] == "50103"


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("ethgas", "eth_keys", "evm"),
        ("hyperliquid", "eth_keys", "evm"),
        ("backpack", "cryptography", "crypto"),
        ("coinbase", "cryptography", "crypto"),
    ],
)
def test_keys_that_need_a_package_name_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    for module in [package, *sys.modules]:
        if module.partition(".")[0] == package:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "networkpype\[{extra}\]"') as caught:
        MockVenue(name)
    assert f'"{name}" are made by {package.replace("_", "-")}, which is not' in str(caught.value)
    assert caught.value.__context__ is None
    MockVenue("okx")
