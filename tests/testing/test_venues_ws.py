"""Every login conversation over a real socket: asked, acked or refused, and the private asked."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from networkpype import HTTPStatusError, MissingCredentialsError, RequestTimeoutError, RESTMethod
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.credentials import Credentials
from networkpype.errors import AuthenticationError, ConfigurationError
from networkpype.exchanges import exchange, exchange_auth
from networkpype.rest.request import RESTRequest
from networkpype.testing import FakeClock, MockVenue
from networkpype.testing.venue_client import VenueClient
from networkpype.testing.venues.table import VENUES
from networkpype.testing.wire import ReceivedRequest
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.pings import heartbeat_of
from networkpype.websocket.request import WebSocketJSONRequest
from tests.testing.venue_client import PAIRS, Client, another_pair, client_of, wrong

PRIVATE: dict[str, dict[str, Any]] = {
    "backpack": {"method": "SUBSCRIBE", "params": ["account.orderUpdate"]},
    "binance": {"id": "9", "method": "order.place", "params": {"symbol": "BTCUSDT", "side": "BUY"}},
    "bitfinex": {"event": "subscribe", "channel": "status"},
    "bitget": {"op": "subscribe", "args": [{"instType": "SPOT", "channel": "orders"}]},
    "bitmart": {"op": "subscribe", "args": ["spot/user/order:BTC_USDT"]},
    "bitmart-contract": {"action": "subscribe", "args": ["futures/order"]},
    "bitmex": {"op": "subscribe", "args": ["order"]},
    "bitstamp": {"event": "bts:subscribe", "data": {"channel": "private-my_orders_btcusd"}},
    "bybit": {"op": "subscribe", "args": ["order"]},
    "coinbase": {"type": "subscribe", "channel": "user", "product_ids": ["BTC-USD"]},
    "coinbaseexchange": {"type": "subscribe", "channels": ["user"], "product_ids": ["BTC-USD"]},
    "coinex": {"method": "order.subscribe", "params": {"market_list": []}, "id": 9},
    "cryptocom": {"id": 9, "method": "subscribe", "params": {"channels": ["user.order"]}},
    "deribit": {
        "jsonrpc": "2.0",
        "id": 9,
        "method": "private/subscribe",
        "params": {"channels": ["user.orders.any.any.raw"]},
    },
    "ethgas": {"cmd": "subscribe", "data": {"channel": "account"}},
    "gate": {"channel": "spot.orders", "event": "subscribe", "payload": ["BTC_USDT"]},
    "gate-ws-api": {
        "channel": "spot.order_place",
        "event": "api",
        "payload": {"req_id": "9", "req_param": {"text": "t-é"}},
    },
    "htx": {"action": "sub", "ch": "orders#btcusdt"},
    "htx-contract": {"op": "sub", "topic": "orders.btc-usdt"},
    "kraken": {"method": "subscribe", "params": {"channel": "executions"}},
    "krakenfutures": {"event": "subscribe", "feed": "fills"},
    "kucoin": {"id": "9", "type": "subscribe", "topic": "/account/balance", "response": True},
    "mexc-contract": {"method": "personal.filter", "param": {"filters": []}},
    "okx": {"op": "subscribe", "args": [{"channel": "orders", "instType": "SPOT"}]},
    "phemex": {"id": 9, "method": "aop.subscribe", "params": []},
    "whitebit": {"id": 9, "method": "ordersPending_subscribe", "params": ["BTC_USDT"]},
    "woo": {"id": "9", "event": "subscribe", "topic": "executionreport"},
}
for _twin, _of in (
    ("binance-margin", "binance"),
    ("binance-ws-api", "binance"),
    ("coinex-futures", "coinex"),
    ("kucoin-futures", "kucoin"),
):
    PRIVATE[_twin] = PRIVATE[_of]

URL_OR_HANDSHAKE = ["bingx", "binance-usdm", "gemini", "mexc"]
INLINE = ["backpack", "bitstamp", "coinbase", "coinbaseexchange", "gate", "kraken"]
FRAME = sorted(
    set(PRIVATE) - set(INLINE) - {"kucoin", "kucoin-futures", "bitfinex", "binance-margin"}
)
PACKED = {"coinex": "gzip", "coinex-futures": "gzip", "htx-contract": "gzip", "bingx": "gzip"} | {
    "bitmart-contract": "deflate"
}
BY_REST = ["binance-margin", "bitstamp", "kraken", "kucoin", "kucoin-futures", "whitebit"]


class Login:
    """One connection's way through its pattern."""

    def __init__(self, client: Client, venue: MockVenue, ws: WebSocketManager) -> None:
        assert ws.auth is not None
        assert ws.auth.ws_pattern is not None
        self.client = client
        self.venue = venue
        self.ws = ws
        self.pattern: WebSocketAuthPattern = ws.auth.ws_pattern

    async def dial(self) -> PreAuth:
        pre = await self.pattern.pre_auth(self.client.rest)
        assert pre.url.startswith(self.venue.ws_url)
        packed: Any = PACKED.get(self.venue.name)
        await self.ws.connect(pre.url, ws_headers=pre.headers, compression=packed)
        return pre

    async def send_login(self) -> bool:
        frame = self.pattern.build_auth_message(self.client.auth.identity.time())
        if frame is not None:
            await self.ws.send(frame)
        return frame is not None

    async def outcome(self) -> tuple[AuthOutcome, int]:
        """Return the first frame's outcome that is the login's, and how many came before it."""
        before = 0
        async with asyncio.timeout(5):
            while (response := await self.ws.receive()) is not None:
                found = self.pattern.handle_auth_response(response)
                if found.status is not AuthStatus.NOT_MINE:
                    return found, before
                before += 1
        raise AssertionError("the connection ended")

    async def ask_private(self) -> None:
        """Send something private and wait until the venue has taken it."""
        before = len(self.venue.ws_received)
        frame = PRIVATE.get(self.venue.name, {"id": 9, "method": "subscribe"})
        await self.ws.send(WebSocketJSONRequest(frame, is_auth_required=True))
        await self.venue.until(lambda: len(self.venue.ws_received) > before)


async def connected(client: Client, venue: MockVenue) -> Login:
    return Login(client, venue, await client.factory.get_ws_manager())


def other_keys(venue: MockVenue) -> Credentials:
    if venue.name not in PAIRS:
        return wrong(venue.credentials, "secret")
    return another_pair(venue)


def test_every_socket_is_tried() -> None:
    tried = {*PRIVATE, *URL_OR_HANDSHAKE, "hyperliquid"}
    assert tried == set(VENUES)


@pytest.mark.parametrize("name", sorted({*PRIVATE, *URL_OR_HANDSHAKE, "hyperliquid"}))
async def test_a_login_is_let_in_and_what_is_private_follows(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        login = await connected(client, venue)
        await login.dial()
        if await login.send_login():
            outcome, before = await login.outcome()
            wanted = AuthStatus.CHALLENGE if name == "krakenfutures" else AuthStatus.ACCEPTED
            assert outcome.status is wanted, outcome.reason
            assert before >= 1
        elif name in ("kucoin", "kucoin-futures"):
            assert (await login.outcome())[0].status is AuthStatus.ACCEPTED
        if name != "hyperliquid":
            await login.ask_private()
            await venue.until(lambda: venue.logged_in == 1)
        assert venue.refusals == []


# A good subscribe has no answer at Backpack, and Bitstamp's means nothing to its pattern.
@pytest.mark.parametrize("name", sorted({*INLINE} - {"backpack", "bitstamp"}))
async def test_the_answer_to_a_signed_subscribe_is_the_ack(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        login = await connected(client, venue)
        await login.dial()
        await login.ask_private()
        assert (await login.outcome())[0].status is AuthStatus.ACCEPTED


@pytest.mark.parametrize("name", sorted({*FRAME} - {"ethgas", "whitebit", "krakenfutures"}))
async def test_another_secret_is_refused_and_recognised(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue, other_keys(venue)) as client:
        login = await connected(client, venue)
        await login.dial()
        await login.send_login()
        outcome, before = await login.outcome()
        assert outcome.status is AuthStatus.REJECTED
        assert outcome.definite, outcome.reason
        assert outcome.reason
        assert before >= 1
        assert len(venue.refusals) == 1
        assert venue.logged_in == 0


@pytest.mark.parametrize("name", ["krakenfutures", *INLINE])
async def test_a_private_subscribe_of_another_secret_is_refused(name: str) -> None:
    async with MockVenue(name) as venue:
        if name in BY_REST:
            async with client_of(venue, wrong(venue.credentials, "secret")) as client:
                with pytest.raises((AuthenticationError, HTTPStatusError)):
                    await (await connected(client, venue)).dial()
            assert venue.websockets == 0
            return
        async with client_of(venue, other_keys(venue)) as client:
            login = await connected(client, venue)
            await login.dial()
            if await login.send_login():
                assert (await login.outcome())[0].status is AuthStatus.CHALLENGE
            await login.ask_private()
            await venue.until(lambda: venue.refusals)
            assert (await login.outcome())[0].status is AuthStatus.REJECTED


@pytest.mark.parametrize("name", [*BY_REST, "mexc"])
async def test_a_token_is_not_given_to_another_secret(name: str) -> None:
    async with MockVenue(name) as venue:
        if name == "binance-margin":  # wants the key alone
            credentials = wrong(venue.credentials, "key")
        else:
            credentials = wrong(venue.credentials, "secret")
        async with client_of(venue, credentials) as client:
            with pytest.raises((AuthenticationError, HTTPStatusError)):
                await (await connected(client, venue)).dial()
    assert venue.ws_received == []


async def test_a_handshake_of_another_secret_is_refused() -> None:
    async with (
        MockVenue("gemini") as venue,
        client_of(venue, wrong(venue.credentials, "secret")) as client,
    ):
        with pytest.raises(HTTPStatusError) as raised:
            await (await connected(client, venue)).dial()
        assert raised.value.status == 400
        assert venue.websockets == 0


@pytest.mark.parametrize("name", sorted(set(PRIVATE) - {"bitfinex", "kucoin", "kucoin-futures"}))
async def test_nothing_private_before_the_login(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        ws = await client.factory.get_ws_manager()
        path = f"/{venue.account.memo}" if name == "woo" else "/ws"
        await ws.connect(venue.ws_url + path)
        frame = dict(PRIVATE[name])
        if name == "bitstamp":
            frame["data"] = {"channel": "private-my_orders_btcusd-1"}
        await ws.send(WebSocketJSONRequest(frame))
        await venue.until(lambda: venue.refusals)
        assert venue.logged_in == 0


async def test_a_login_is_held_and_released_or_never_answered() -> None:
    async with MockVenue("okx", on_login="hold") as venue, client_of(venue) as client:
        login = await connected(client, venue)
        await login.dial()
        await login.send_login()
        await venue.until(lambda: venue.ws_received)
        assert venue.logged_in == 0
        assert await venue.release() == 1
        assert (await login.outcome())[0].status is AuthStatus.ACCEPTED
        venue.on_login = "silent"
        await login.send_login()
        await venue.until(lambda: len(venue.ws_received) == 2)
        assert await venue.release() == 0


@pytest.mark.parametrize("name", FRAME)
async def test_a_good_login_is_refused_on_command(name: str) -> None:
    async with MockVenue(name, on_login="refuse") as venue, client_of(venue) as client:
        login = await connected(client, venue)
        await login.dial()
        await login.send_login()
        outcome, _ = await login.outcome()
        assert outcome.status in (AuthStatus.REJECTED, AuthStatus.EXPIRED)
        assert venue.refusals == ["refused on command"]


@pytest.mark.parametrize("name", URL_OR_HANDSHAKE)
async def test_a_handshake_that_is_the_login_is_refused_or_kept(name: str) -> None:
    async with MockVenue(name, on_login="refuse") as venue, client_of(venue) as client:
        login = await connected(client, venue)
        with pytest.raises(HTTPStatusError) as refused:
            await login.dial()
        assert refused.value.status in (400, 401)
        assert venue.refusals == ["refused on command"]
        venue.on_login = "silent"
        pre = await login.pattern.pre_auth(client.rest)
        with pytest.raises(RequestTimeoutError):
            await login.ws.connect(pre.url, ws_headers=pre.headers, dial_timeout_s=0.1)
        assert await venue.release() == 0
        venue.on_login = "hold"
        dialing = asyncio.create_task(login.dial())
        released = 0
        async with asyncio.timeout(5):
            while not released:
                await asyncio.sleep(0)
                released = await venue.release()
        await dialing
        assert venue.logged_in == 1


@pytest.mark.parametrize("name", ["kucoin", "kucoin-futures"])
async def test_a_greeting_is_refused_or_kept(name: str) -> None:
    async with MockVenue(name, on_login="refuse") as venue, client_of(venue) as client:
        login = await connected(client, venue)
        await login.dial()
        assert (await login.outcome())[0].status is not AuthStatus.ACCEPTED
        assert venue.refusals == ["refused on command"]
        await login.ws.disconnect()
        await venue.until(lambda: not venue.websockets)
        venue.on_login = "hold"
        await login.dial()
        await venue.until(lambda: venue.websockets)
        assert venue.logged_in == 0
        assert await venue.release() == 1
        assert (await login.outcome())[0].status is AuthStatus.ACCEPTED
        assert venue.logged_in == 1
        await login.ws.disconnect()
        await venue.until(lambda: not venue.websockets)
        venue.on_login = "silent"
        await login.dial()
        await venue.until(lambda: venue.websockets)
        assert await venue.release() == 0
        assert venue.logged_in == 0


@pytest.mark.parametrize("wrong_word", ["", "refused", None])
async def test_another_word_for_logins_is_refused(wrong_word: Any) -> None:
    with pytest.raises(ConfigurationError, match='pass one of "answer", "refuse", "hold", "silen'):
        MockVenue("okx", on_login=wrong_word)
    venue = MockVenue("okx")
    with pytest.raises(ConfigurationError, match="on_login is "):
        venue.on_login = wrong_word
    assert venue.on_login == "answer"


@pytest.mark.parametrize(("name", "meant"), [("okex", "okx"), ("OKX", "okx"), ("bybitt", "bybit")])
def test_a_venue_that_is_misspelt_is_suggested(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f'did you mean "{meant}"'):
        MockVenue(name)


@pytest.mark.parametrize(
    "name", ["bingx", "binance", "binance-margin", "binance-usdm", "ethgas", "mexc"]
)
async def test_the_end_of_a_token_is_told_and_another_is_got(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        login = await connected(client, venue)
        first = await login.dial()
        if await login.send_login():
            assert (await login.outcome())[0].status is AuthStatus.ACCEPTED
        assert await venue.expire() == 1
        assert (await login.outcome())[0].status is AuthStatus.EXPIRED
        again = await login.pattern.pre_auth(client.rest)
        if name in URL_OR_HANDSHAKE:
            assert again.url != first.url


@pytest.mark.parametrize("name", ["bingx", "binance-usdm", "mexc"])
async def test_a_listen_key_lives_an_hour_unless_it_is_prolonged(name: str) -> None:
    clock = FakeClock()
    async with MockVenue(name, clock=clock) as venue, client_of(venue, clock=clock) as client:
        login = await connected(client, venue)
        first = await login.dial()
        clock.advance(1800)
        assert (await login.pattern.renew(client.rest)).url == first.url
        clock.advance(3599)
        assert len(venue.account.tokens) == 1
        clock.advance(2)
        assert not venue.account.tokens
        other = await client.factory.get_ws_manager()
        with pytest.raises(HTTPStatusError):
            await other.connect(first.url)
        assert (await login.pattern.renew(client.rest)).url != first.url


@pytest.mark.parametrize("name", ["kraken", "kucoin", "whitebit", "ethgas"])
async def test_an_old_token_is_refused(name: str) -> None:
    async with MockVenue(name) as venue, client_of(venue) as client:
        login = await connected(client, venue)
        if name == "kucoin":
            pre = await login.pattern.pre_auth(client.rest)
            await venue.expire()
            await login.ws.connect(pre.url)
        else:
            await login.dial()
            await venue.expire()
            if not await login.send_login():
                await login.ask_private()
        outcome, _ = await login.outcome()
        assert outcome.status in (AuthStatus.REJECTED, AuthStatus.EXPIRED)


async def test_a_refresh_token_of_ethgas_is_good_once() -> None:
    async with MockVenue("ethgas") as venue:
        token = venue.account.issue(7 * 86_400)
        credentials = Credentials(secret=token, origins=[venue.url])
        async with client_of(venue, credentials) as client:
            login = await connected(client, venue)
            await login.dial()
            await login.send_login()
            assert (await login.outcome())[0].status is AuthStatus.ACCEPTED
        async with client_of(venue, credentials) as client:
            with pytest.raises((AuthenticationError, HTTPStatusError)):
                await (await connected(client, venue)).dial()


async def test_a_login_replayed_is_refused_where_its_nonce_is_single_use() -> None:
    for name in ("deribit", "bitfinex"):
        async with MockVenue(name) as venue, client_of(venue) as client:
            login = await connected(client, venue)
            await login.dial()
            frame = login.pattern.build_auth_message(time.time())
            assert frame is not None
            for wanted in (AuthStatus.ACCEPTED, AuthStatus.REJECTED):
                await login.ws.send(frame)
                assert (await login.outcome())[0].status is wanted


def test_an_exchange_elsewhere_has_no_live_address_left() -> None:
    for name in VENUES:
        moved = exchange(name).at("http://127.0.0.1:8080", "ws://127.0.0.1:8081")
        assert moved.origins == {"http://127.0.0.1:8080"}
        assert moved.sandbox is None
        left = _addresses(moved.pattern)
        assert left, name
        assert {url for url in left if not url.startswith(("http://127", "ws://127"))} == set()
        assert exchange(name).rest_url.startswith("https://")


def _addresses(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if "://" in value else set()
    if isinstance(value, dict):
        return set().union(*map(_addresses, value.values()))
    return _addresses(vars(value)) if hasattr(value, "__dict__") else set()


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "127.0.0.1:1"])
def test_an_exchange_is_not_moved_to_plain_http_elsewhere(url: str) -> None:
    with pytest.raises(ConfigurationError):
        exchange("okx").at(url, "ws://127.0.0.1:1")


async def test_credentials_of_a_venue_go_nowhere_else() -> None:
    async with MockVenue("okx") as venue:
        auth = exchange_auth("okx", venue.credentials)
        request = RESTRequest(RESTMethod.GET, "https://www.okx.com/api/v5/account/balance")
        with pytest.raises(ConfigurationError, match="none of the origins"):
            await auth.rest_authenticate(request)
        with pytest.raises(MissingCredentialsError):
            exchange_auth("kraken", venue.credentials.model_copy(update={"secret": None}))


# -- what is malformed, and what is public ---------------------------------------------------------


@asynccontextmanager
async def plain_socket(venue: MockVenue) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(venue.ws_url) as ws:
        yield ws


async def talk(ws: aiohttp.ClientWebSocketResponse, frame: object) -> Any:
    """Send a frame and return the next answer."""
    await ws.send_json(frame)
    return await ws.receive_json(timeout=5)


@pytest.mark.parametrize(
    ("name", "malformed", "answer"),
    [
        (
            "okx",
            {"op": "subscribe", "args": ["orders"]},
            {"event": "error", "code": "60007", "msg": "Invalid sign", "connId": "c1"},
        ),
        (
            "okx",
            {"op": "unsubscribe", "args": {"channel": "orders"}},
            {"event": "error", "code": "60007", "msg": "Invalid sign", "connId": "c1"},
        ),
        (
            "bybit",
            {"op": "subscribe", "args": 5, "req_id": "7"},
            {
                "success": False,
                "ret_msg": "malformed: TypeError",
                "op": "subscribe",
                "conn_id": "c1",
                "req_id": "7",
            },
        ),
    ],
)
async def test_what_is_malformed_is_refused_and_the_socket_lives(
    name: str, malformed: dict[str, Any], answer: dict[str, Any]
) -> None:
    async with MockVenue(name) as venue, plain_socket(venue) as ws:
        assert await talk(ws, malformed) == answer
        [refusal] = venue.refusals
        assert refusal.startswith("malformed: ")
        assert await talk(ws, malformed) == answer


@pytest.mark.parametrize("name", sorted(VENUES))
async def test_no_malformed_frame_ends_a_socket(name: str) -> None:
    venue = MockVenue(name)
    kind = VENUES[name].socket
    assert kind is not None
    request = ReceivedRequest("GET", "/", {}, b"", 0.0)
    nobody: Any = SimpleNamespace(transport=None)
    client = VenueClient(1, kind(venue.account, request), nobody, nobody)
    client.is_mute = True
    verbs = ("op", "action", "method", "event", "cmd", "type", "channel")
    fields = ("args", "params", "payload", "channel", "channels", "topic", "data", "auth", "ch")
    for verb, word in itertools.product(verbs, ("subscribe", "bts:subscribe", "api", [])):
        for field, value in itertools.product(fields, ("x", 1, [None], [["a"]], {"a": 1})):
            await venue._take(client, json.dumps({verb: word, field: value}))
    assert len(venue.ws_received) == 7 * 4 * 9 * 5


async def test_bybit_answers_a_ping_and_names_the_request() -> None:
    async with MockVenue("bybit") as venue, plain_socket(venue) as ws:
        pong = {"success": True, "ret_msg": "pong", "op": "ping", "conn_id": "c1"}
        assert await talk(ws, {"op": "ping"}) == pong
        reply = heartbeat_of("bybit").reply
        assert callable(reply)
        assert reply(pong)
        assert await talk(ws, {"op": "subscribe", "args": ["tickers.BTCUSDT"], "req_id": "9"}) == {
            "success": True,
            "ret_msg": "",
            "op": "subscribe",
            "conn_id": "c1",
            "req_id": "9",
        }
        refused = await talk(ws, {"op": "subscribe", "args": ["order"], "req_id": "10"})
        assert (refused["success"], refused["req_id"]) == (False, "10")


async def test_a_venue_that_reads_no_subscriptions_does_not_publish() -> None:
    async with MockVenue("okx") as venue:
        with pytest.raises(ConfigurationError, match=r"okx does not read .*coinex, .*ethgas.*push"):
            await venue.publish("tickers.BTC-USDT", {})
