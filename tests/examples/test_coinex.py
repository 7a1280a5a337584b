"""The CoinEx connector against a mock of CoinEx, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from examples.coinex.book import OrderBook
from examples.coinex.connector import CoinEx
from examples.coinex.messages import Balance, Deal, Order, Ticker, Trade
from examples.coinex.rest import CoinExError
from networkpype import (
    AuthenticationError,
    Compression,
    Disconnected,
    Gap,
    MissingCredentialsError,
    Outcome,
    Ready,
    SubscribeFailed,
)
from networkpype.exchanges import exchange
from networkpype.testing import Answer, MockCoinEx
from tests.examples.reading import QUICKLY, Reader, reading

NEVER_S = 3600.0  # the market moves by `tick` alone


@asynccontextmanager
async def connected(
    venue: MockCoinEx, *, has_keys: bool = True, **options: Any
) -> AsyncIterator[tuple[CoinEx, Reader]]:
    target = exchange("coinex").at(venue.url, venue.ws_url)
    keys = venue.credentials if has_keys else None
    options.setdefault("reconnect", QUICKLY)
    async with (
        CoinEx(keys, target=target, **options) as connector,
        reading(connector.stream()) as reader,
    ):
        yield connector, reader


def sent(venue: MockCoinEx, connection: int = 1) -> list[dict[str, Any]]:
    return [json.loads(each.data) for each in venue.ws_received if each.connection == connection]


async def is_as_the_exchange_has_it(venue: MockCoinEx, book: OrderBook) -> bool:
    snapshot: Any = venue.snapshot("depth.BTCUSDT")
    depth = snapshot["data"]["depth"]
    return (book.bids, book.asks) == (depth["bids"], depth["asks"])


async def test_it_logs_in_and_subscribes_what_is_private_first() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        assert len(connector.session.live) == 6
        methods = [frame["method"] for frame in sent(venue)]
        assert methods[0] == "server.sign"
        private = {"order.subscribe", "user_deals.subscribe", "balance.subscribe"}
        public = {"state.subscribe", "deals.subscribe", "depth.subscribe"}
        assert set(methods[1:]) == private | public
        assert len(methods) == 7
        assert venue.refusals == []


async def test_the_stream_has_ticker_trades_and_a_book_that_is_right() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        book = await reader.next(OrderBook)
        await reader.next(Ready)
        for _ in range(50):
            await venue.tick()
        trades = [await reader.next(Trade) for _ in range(50)]
        ticker = await reader.next(Ticker, volume=Decimal(50))
        assert ticker == Ticker("BTCUSDT", trades[-1].price, Decimal(50))
        assert {trade.side for trade in trades} == {"buy", "sell"}
        assert book is connector.books["BTCUSDT"]
        assert await is_as_the_exchange_has_it(venue, book)


async def test_orders_deals_and_balances_are_told() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        for number in (1, 2):
            order_id = await connector.rest.place("BTCUSDT", "buy", "100.50", "2", f"id-{number}")
            placed = await reader.next(Order, event="put")
            assert (placed.id, placed.client_id) == (order_id, f"id-{number}")
            assert placed.unfilled == Decimal(2)
            await reader.next(Balance, currency="USDT", frozen=Decimal(201))
            await connector.rest.cancel("BTCUSDT", order_id)
            await reader.next(Order, event="finish", id=order_id)
            await reader.next(Balance, frozen=Decimal(0))
        filled = await connector.rest.place("BTCUSDT", "buy", "100.50", "2")
        deal = await reader.next(Deal)
        assert (deal.order_id, deal.price, deal.amount) == (filled, Decimal("100.50"), Decimal(2))
        assert (await reader.next(Order, event="finish")).unfilled == 0
        balances = await connector.rest.balances()
        assert balances["USDT"] == Decimal(10**9) - Decimal(201)
        with pytest.raises(CoinExError, match="not found") as refused:
            await connector.rest.cancel("BTCUSDT", filled)
        assert refused.value.outcome is Outcome.REJECTED


async def test_after_a_drop_comes_a_gap_and_the_book_is_built_anew() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        book = await reader.next(OrderBook)
        await reader.next(Ready)
        await venue.drop_websockets(None)
        await reader.next(Disconnected, code=1006)
        await reader.next(Gap)
        reader.forget()
        for _ in range(5):  # nobody hears these
            await venue.tick()
        await reader.next(OrderBook, is_whole=True)
        assert await is_as_the_exchange_has_it(venue, book)
        assert (await reader.next(Ready)).epoch == 2
        assert sent(venue, 2)[0]["method"] == "server.sign"
        assert len(connector.session.live) == 6


async def test_a_checksum_that_differs_makes_it_ask_for_the_whole_book() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(OrderBook, is_whole=True)
        await reader.next(Ready)
        await venue.corrupt_book()
        await reader.next(OrderBook, is_whole=False)
        book = await reader.next(OrderBook, is_whole=True)
        assert await is_as_the_exchange_has_it(venue, book)
        asked = [each for each in sent(venue) if each["method"].startswith("depth.")]
        params = {"market_list": [["BTCUSDT", 20, "0", False]]}
        assert [(each["method"], each["params"]) for each in asked] == [
            ("depth.subscribe", params),
            ("depth.unsubscribe", {"market_list": ["BTCUSDT"]}),
            ("depth.subscribe", params),
        ]
        assert connector.session.epoch == 1


async def test_a_book_that_is_asked_for_anew_does_not_hold_up_the_stream() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(OrderBook, is_whole=True)
        await reader.next(Ready)
        await venue.corrupt_book()
        venue.mute_websockets()  # so the end of the old subscription is never confirmed
        await reader.next(OrderBook, is_whole=False)
        await venue.until(lambda: sent(venue)[-1]["method"] == "depth.unsubscribe")
        venue.answer_all = Answer({}, 503)
        await venue.drop_websockets(None)
        await reader.next(Disconnected, epoch=1)
        await reader.next(Gap)
        venue.answer_all = None
        book = await reader.next(OrderBook, is_whole=True)
        assert await is_as_the_exchange_has_it(venue, book)
        await reader.next(Ready)
        assert len(connector.session.live) == 6


@pytest.mark.parametrize("compression", ["gzip", "deflate", None])
async def test_frames_come_compressed_or_not(compression: Compression | None) -> None:
    async with (
        MockCoinEx(interval_s=0.01, encoding=compression or "text") as venue,
        connected(venue, compression=compression) as (_, reader),
    ):
        await reader.next(Ready)
        await reader.next(Ticker)


async def test_it_pings_in_coinex_s_own_words_and_stays_while_it_is_answered() -> None:
    async with (
        MockCoinEx(interval_s=NEVER_S) as venue,
        connected(venue, ping_s=0.02, pong_s=0.5) as (connector, reader),
    ):
        await reader.next(Ready)
        await venue.until(lambda: len(sent(venue)) >= 10)
        ping = sent(venue)[-1]
        assert ping == {"method": "server.ping", "params": {}, "id": ping["id"]}
        assert connector.session.epoch == 1


async def test_an_exchange_that_goes_silent_is_left() -> None:
    async with (
        MockCoinEx(interval_s=NEVER_S) as venue,
        connected(venue, ping_s=0.05, pong_s=0.05) as (_, reader),
    ):
        await reader.next(Ready)
        venue.mute_websockets()
        assert "ping" in (await reader.next(Disconnected)).reason
        await reader.next(Gap)
        assert (await reader.next(Ready)).epoch == 2


async def test_a_login_that_is_refused_ends_the_stream() -> None:
    async with (
        MockCoinEx(interval_s=NEVER_S, on_login="refuse") as venue,
        connected(venue) as (_, reader),
    ):
        assert isinstance(await reader.end(), AuthenticationError)


async def test_a_market_without_a_private_side_needs_no_keys() -> None:
    async with (
        MockCoinEx(interval_s=0.01) as venue,
        connected(venue, has_keys=False) as (connector, reader),
    ):
        await reader.next(Ready)
        await reader.next(Ticker)
        assert "server.sign" not in [each["method"] for each in sent(venue)]
        with pytest.raises(MissingCredentialsError):
            await connector.rest.place("BTCUSDT", "buy", "1", "1")


async def test_a_refused_subscription_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from networkpype.testing.venues.account import Refusal, Why
    from networkpype.testing.venues.rpc_logins import CoinExSocket

    def refuse(self: CoinExSocket, frame: dict[str, Any]) -> None:
        if frame["method"] == "balance.subscribe":
            raise Refusal(Why.LOGIN)

    monkeypatch.setattr(CoinExSocket, "check_private", refuse)
    async with MockCoinEx(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        failed = await reader.next(SubscribeFailed)
        assert failed.definite
        assert "balance" in str(failed.key)
        await reader.next(Ready)
        assert len(connector.session.live) == 5


def test_without_a_target_it_is_coinex_itself() -> None:
    pattern = exchange("coinex").pattern
    assert pattern is not None
    assert pattern.url.startswith("wss://socket.coinex.com/v2/spot")
