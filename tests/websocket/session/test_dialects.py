"""The words of each exchange: what is sent, and what its answers mean.

The frames are those of the exchanges' pages where they show them, and of public clients; those of
private channels are compared with captured conversations too (tests/vectors/ws.json).
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.exchanges import names
from networkpype.websocket.answers import Answers
from networkpype.websocket.dialects import (
    ActionSubscribe,
    EventSubscribe,
    MethodAsTopic,
    MethodParams,
    MethodSubscribe,
    OpSubscribe,
    TypeSubscribe,
)
from networkpype.websocket.session.intents import OnWire
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.spoken import _SPOKEN, spoken_by
from networkpype.websocket.subscriptions import Dialect, Subscription

ID = 100_001

VARIANTS = {
    "binance-margin": "binance",
    "binance-usdm": "binance",
    "coinbaseexchange": "coinbase",
    "coinex-futures": "coinex",
    "kucoin-futures": "kucoin",
}

# exchange, channel, subscribe, unsubscribe
FRAMES: list[tuple[str, Any, Any, Any]] = [
    (
        "binance",
        "btcusdt@trade",
        {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": ID},
        {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": ID},
    ),
    (
        "bingx",
        "BTC-USDT@depth",
        {"id": str(ID), "reqType": "sub", "dataType": "BTC-USDT@depth"},
        {"id": str(ID), "reqType": "unsub", "dataType": "BTC-USDT@depth"},
    ),
    (
        "bitfinex",
        {"channel": "trades", "symbol": "tBTCUSD"},
        {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD", "subId": str(ID)},
        None,  # by chanId: see test_intents
    ),
    (
        "bitget",
        {"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"},
        {
            "op": "subscribe",
            "args": [{"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}],
        },
        {
            "op": "unsubscribe",
            "args": [{"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}],
        },
    ),
    (
        "bitmart",
        "spot/ticker:BTC_USDT",
        {"op": "subscribe", "args": ["spot/ticker:BTC_USDT"]},
        {"op": "unsubscribe", "args": ["spot/ticker:BTC_USDT"]},
    ),
    (
        "bitmart-contract",
        "futures/trade:BTCUSDT",
        {"action": "subscribe", "args": ["futures/trade:BTCUSDT"]},
        {"action": "unsubscribe", "args": ["futures/trade:BTCUSDT"]},
    ),
    (
        "bitmex",
        "trade:XBTUSD",
        {"op": "subscribe", "args": ["trade:XBTUSD"]},
        {"op": "unsubscribe", "args": ["trade:XBTUSD"]},
    ),
    (
        "bybit",
        "publicTrade.BTCUSDT",
        {"op": "subscribe", "args": ["publicTrade.BTCUSDT"], "req_id": str(ID)},
        {"op": "unsubscribe", "args": ["publicTrade.BTCUSDT"], "req_id": str(ID)},
    ),
    (
        "coinbase",
        {"product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
    ),
    (
        "coinex",
        ("depth", {"market_list": [["BTCUSDT", 10, "0", True]]}),
        {
            "method": "depth.subscribe",
            "params": {"market_list": [["BTCUSDT", 10, "0", True]]},
            "id": ID,
        },
        {"method": "depth.unsubscribe", "params": {"market_list": ["BTCUSDT"]}, "id": ID},
    ),
    (
        "cryptocom",
        "ticker.BTC_USDT",
        {"method": "subscribe", "params": {"channels": ["ticker.BTC_USDT"]}, "id": ID},
        {"method": "unsubscribe", "params": {"channels": ["ticker.BTC_USDT"]}, "id": ID},
    ),
    (
        "deribit",
        "ticker.BTC-PERPETUAL.100ms",
        {
            "jsonrpc": "2.0",
            "method": "public/subscribe",
            "params": {"channels": ["ticker.BTC-PERPETUAL.100ms"]},
            "id": ID,
        },
        {
            "jsonrpc": "2.0",
            "method": "public/unsubscribe",
            "params": {"channels": ["ticker.BTC-PERPETUAL.100ms"]},
            "id": ID,
        },
    ),
    (
        "exmo",
        "spot/trades:BTC_USD",
        {"method": "subscribe", "topics": ["spot/trades:BTC_USD"], "id": ID},
        {"method": "unsubscribe", "topics": ["spot/trades:BTC_USD"], "id": ID},
    ),
    (
        "htx",
        "market.btcusdt.depth.step0",
        {"sub": "market.btcusdt.depth.step0", "id": f"id{ID}"},
        {"unsub": "market.btcusdt.depth.step0", "id": f"id{ID}"},
    ),
    (
        "htx-contract",
        "orders_cross.btc-usdt",
        {"op": "sub", "topic": "orders_cross.btc-usdt", "cid": str(ID)},
        {"op": "unsub", "topic": "orders_cross.btc-usdt", "cid": str(ID)},
    ),
    (
        "htx-private",
        "accounts.update#2",
        {"action": "sub", "ch": "accounts.update#2"},
        {"action": "unsub", "ch": "accounts.update#2"},
    ),
    (
        "hyperliquid",
        {"type": "trades", "coin": "SOL"},
        {"method": "subscribe", "subscription": {"type": "trades", "coin": "SOL"}},
        {"method": "unsubscribe", "subscription": {"type": "trades", "coin": "SOL"}},
    ),
    (
        "kraken",
        {"channel": "book", "symbol": ["BTC/USD"]},
        {
            "method": "subscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"]},
            "req_id": ID,
        },
        {
            "method": "unsubscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"]},
            "req_id": ID,
        },
    ),
    (
        "krakenfutures",
        {"feed": "book", "product_ids": ["PI_XBTUSD"]},
        {"event": "subscribe", "feed": "book", "product_ids": ["PI_XBTUSD"]},
        {"event": "unsubscribe", "feed": "book", "product_ids": ["PI_XBTUSD"]},
    ),
    (
        "kucoin",
        "/market/ticker:BTC-USDT",
        {"id": str(ID), "type": "subscribe", "topic": "/market/ticker:BTC-USDT", "response": True},
        {
            "id": str(ID),
            "type": "unsubscribe",
            "topic": "/market/ticker:BTC-USDT",
            "response": True,
        },
    ),
    (
        "mexc",
        "spot@public.deals.v3.api@BTCUSDT",
        {"method": "SUBSCRIPTION", "params": ["spot@public.deals.v3.api@BTCUSDT"], "id": ID},
        {"method": "UNSUBSCRIPTION", "params": ["spot@public.deals.v3.api@BTCUSDT"], "id": ID},
    ),
    (
        "okx",
        {"channel": "tickers", "instId": "BTC-USDT"},
        {
            "id": str(ID),
            "op": "subscribe",
            "args": [{"channel": "tickers", "instId": "BTC-USDT"}],
        },
        {
            "id": str(ID),
            "op": "unsubscribe",
            "args": [{"channel": "tickers", "instId": "BTC-USDT"}],
        },
    ),
    (
        "phemex",
        ("orderbook", ["BTCUSD"]),
        {"method": "orderbook.subscribe", "params": ["BTCUSD"], "id": ID},
        {"method": "orderbook.unsubscribe", "params": ["BTCUSD"], "id": ID},
    ),
    (
        "whitebit",
        ("depth", ["ETH_BTC", 5, "0", True]),
        {"method": "depth_subscribe", "params": ["ETH_BTC", 5, "0", True], "id": ID},
        {"method": "depth_unsubscribe", "params": ["ETH_BTC", 5, "0", True], "id": ID},
    ),
    (
        "woo",
        "SPOT_WOO_USDT@orderbook",
        {"id": str(ID), "event": "subscribe", "topic": "SPOT_WOO_USDT@orderbook"},
        {"id": str(ID), "event": "unsubscribe", "topic": "SPOT_WOO_USDT@orderbook"},
    ),
]


@pytest.mark.parametrize(
    ("exchange", "channel", "begins", "ends"), FRAMES, ids=[each[0] for each in FRAMES]
)
def test_frames_are_those_of_the_exchange(
    exchange: str, channel: Any, begins: Any, ends: Any
) -> None:
    dialect = spoken_by(exchange)
    assert dialect.subscribe([channel], ID) == begins
    if ends is not None:
        assert dialect.unsubscribe([channel], ID) == ends


def test_gate_wants_the_time_in_every_message() -> None:
    dialect = spoken_by("gate", clock=lambda: 1611541000.9)
    channel = {"channel": "spot.trades", "payload": ["BTC_USDT"]}
    expected = {"time": 1611541000, "id": ID, **channel}
    assert dialect.subscribe([channel], ID) == {**expected, "event": "subscribe"}
    assert dialect.unsubscribe([channel], ID) == {**expected, "event": "unsubscribe"}


def test_every_exchange_is_tried() -> None:
    tried = {each[0] for each in FRAMES} | {"gate"}
    assert tried | VARIANTS.keys() == set(_SPOKEN)
    assert {each[0] for each in ANSWERS} >= tried - {"bitmart-contract", "htx-private"}


# -- captured conversations ------------------------------------------------------------------------

CAPTURED: list[tuple[str, Dialect, Any]] = [
    ("bybit-v5", spoken_by("bybit", id_type=int), "wallet"),
    ("okx-v5", spoken_by("okx", id_field=None), {"channel": "account"}),
    ("kraken-spot-v2", spoken_by("kraken"), {"channel": "balances", "token": "FAKE-WS-TOKEN"}),
    ("kucoin-spot", spoken_by("kucoin"), {"topic": "/account/balance", "privateChannel": True}),
    ("htx-spot", spoken_by("htx-private"), "accounts.update#2"),
    (
        "hyperliquid",
        spoken_by("hyperliquid"),
        {"type": "orderUpdates", "user": "0x14791697260E4c9A71f18484C9f997B308e59325"},
    ),
    ("coinex-v2", spoken_by("coinex"), ("balance", {"ccy_list": []})),
    ("bitmart-spot", spoken_by("bitmart"), "spot/user/balance:BALANCE_UPDATE"),
    ("bitmart-swap", spoken_by("bitmart-contract"), "futures/asset:USDT"),
]


def captured(name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the subscribe message of a conversation, and what the exchange answered."""
    vectors = json.loads((Path(__file__).parents[2] / "vectors" / "ws.json").read_text())
    steps = next(case["steps"] for case in vectors["vectors"] if case["id"] == name)
    at = max(n for n, step in enumerate(steps) if step["type"] == "client_frame")
    answer = steps[at + 1]["frame"] if at + 1 < len(steps) else None
    return steps[at]["frame"], answer


@pytest.mark.parametrize(("name", "dialect", "channel"), CAPTURED, ids=[c[0] for c in CAPTURED])
def test_frames_are_those_of_captured_conversations(
    name: str, dialect: Dialect, channel: Any
) -> None:
    frame, answer = captured(name)
    ids = [frame[field] for field in ("id", "req_id") if field in frame]
    id = int(ids[0]) if ids else ID
    channels = frame["args"] if isinstance(dialect, OpSubscribe) else [channel]
    assert channel in channels or channels == [channel]
    assert dialect.subscribe(channels, id) == frame
    if answer is not None:
        ack = dialect.judge(answer)
        assert ack is not None
        assert ack.accepted


# -- answers ---------------------------------------------------------------------------------------

OKX_ARG = {"channel": "tickers", "instId": "BTC-USDT"}
BITGET_ARG = {"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}

# exchange, channel, what comes where it was taken, where it was refused, and the reason told
ANSWERS: list[tuple[str, Any, Any, Any, str]] = [
    (
        "binance",
        "a@trade",
        {"result": None, "id": ID},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": ID},
        "Invalid request",
    ),
    (
        "bingx",
        "BTC-USDT@depth",
        {"id": str(ID), "code": 0, "msg": "SUCCESS", "timestamp": 1759225965363},
        {"id": str(ID), "code": 80014, "msg": "invalid dataType", "timestamp": 1},
        "invalid dataType",
    ),
    (
        "bitfinex",
        {"channel": "book", "symbol": "tBTCUSD", "len": 25},
        {
            "event": "subscribed",
            "channel": "book",
            "chanId": 67473,
            "symbol": "tBTCUSD",
            "prec": "P0",
            "freq": "F0",
            "len": "25",
            "pair": "BTCUSD",
        },
        {
            "event": "error",
            "msg": "symbol: invalid",
            "code": 10300,
            "channel": "book",
            "symbol": "tBTCUSD",
            "len": "25",
        },
        "symbol: invalid",
    ),
    (
        "bitget",
        BITGET_ARG,
        {"event": "subscribe", "arg": BITGET_ARG},
        {"event": "error", "arg": BITGET_ARG, "code": 30001, "msg": "doesn't exist", "op": "x"},
        "doesn't exist",
    ),
    (
        "bitmart",
        "spot/ticker:BTC_USDT",
        {"event": "subscribe", "topic": "spot/ticker:BTC_USDT"},
        {"event": "error", "message": "Unrecognized request", "errorCode": 30039},
        "Unrecognized request",
    ),
    (
        "bitmart-contract",
        "futures/trade:BTCUSDT",
        {"action": "subscribe", "group": "futures/trade:BTCUSDT", "success": True},
        {
            "action": "subscribe",
            "group": "futures/trade:BTCUSDT",
            "success": False,
            "error": "Invalid group",
        },
        "Invalid group",
    ),
    (
        "bitmex",
        "trade:XBTUSD",
        {"success": True, "subscribe": "trade:XBTUSD", "request": {"op": "subscribe"}},
        {
            "status": 400,
            "error": "Unknown table: trad",
            "request": {"op": "subscribe", "args": ["trade:XBTUSD"]},
        },
        "Unknown table: trad",
    ),
    (
        "bybit",
        "tickers.X",
        {"success": True, "ret_msg": "", "op": "subscribe", "req_id": str(ID), "conn_id": "c"},
        {
            "success": False,
            "ret_msg": "error:handler not found,topic:tickers.X",
            "conn_id": "c",
            "req_id": "",
            "op": "subscribe",
        },
        "error:handler not found,topic:tickers.X",
    ),
    (
        "coinbase",
        {"product_ids": ["BTC-USD"], "channel": "level2"},
        {"channel": "subscriptions", "events": [{"subscriptions": {"level2": ["BTC-USD"]}}]},
        {"type": "error", "message": "authentication failure"},
        "authentication failure",
    ),
    (
        "coinex",
        ("state", {"market_list": ["BTCUSDT"]}),
        {"id": ID, "code": 0, "message": "OK"},
        {"id": ID, "code": 20001, "message": "Method Not Found"},
        "Method Not Found",
    ),
    (
        "cryptocom",
        "trade.X",
        {"id": ID, "code": 0, "method": "subscribe", "channel": "trade.X"},
        {"id": ID, "code": 10004, "method": "subscribe", "message": "invalid channel"},
        "invalid channel",
    ),
    (
        "deribit",
        "ticker.X.raw",
        {"jsonrpc": "2.0", "id": ID, "result": ["ticker.X.raw"], "usIn": 1},
        {"jsonrpc": "2.0", "id": ID, "error": {"code": 11050, "message": "bad_request"}},
        "bad_request",
    ),
    (
        "exmo",
        "spot/trades:BTC_USD",
        {"ts": 1, "event": "subscribed", "id": ID, "topic": "spot/trades:BTC_USD"},
        {"ts": 1, "event": "error", "code": 140001, "message": "unknown topic", "id": ID},
        "unknown topic",
    ),
    (
        "gate",
        {"channel": "spot.tickers", "payload": ["BTC_USDT"]},
        {
            "time": 1,
            "id": ID,
            "channel": "spot.tickers",
            "event": "subscribe",
            "error": None,
            "result": {"status": "success"},
        },
        {
            "time": 1,
            "id": ID,
            "channel": "spot.tickers",
            "event": "subscribe",
            "error": {"code": 2, "message": "unknown currency pair"},
            "result": None,
        },
        "unknown currency pair",
    ),
    (
        "htx",
        "market.btcusdt.mbp.150",
        {"id": f"id{ID}", "status": "ok", "subbed": "market.btcusdt.mbp.150", "ts": 1},
        {"id": f"id{ID}", "status": "error", "err-code": "bad-request", "err-msg": "invalid topic"},
        "invalid topic",
    ),
    (
        "htx-contract",
        "orders_cross.x",
        {"op": "sub", "cid": str(ID), "topic": "orders_cross.x", "err-code": 0, "ts": 1},
        {"op": "sub", "cid": str(ID), "err-code": 2011, "err-msg": "illegal topic", "ts": 1},
        "illegal topic",
    ),
    (
        "htx-private",
        "accounts.update#2",
        {"action": "sub", "code": 200, "ch": "accounts.update#2", "data": {}},
        {"action": "sub", "code": 2001, "ch": "accounts.update#2", "message": "invalid.ch"},
        "invalid.ch",
    ),
    (
        "hyperliquid",
        {"type": "orderUpdates", "user": "0x14791697260E4c9A"},
        {
            "channel": "subscriptionResponse",
            "data": {
                "method": "subscribe",
                "subscription": {"type": "orderUpdates", "user": "0x14791697260e4c9a"},
            },
        },
        {"channel": "error", "data": "Invalid subscription"},
        "Invalid subscription",
    ),
    (
        "kraken",
        {"channel": "trade", "symbol": ["BTC/USD"]},
        {
            "method": "subscribe",
            "req_id": ID,
            "success": True,
            "result": {"channel": "trade", "symbol": "BTC/USD", "snapshot": True},
        },
        {
            "method": "subscribe",
            "req_id": ID,
            "success": False,
            "error": "Currency pair not supported",
            "symbol": "BTC/USD",
        },
        "Currency pair not supported",
    ),
    (
        "krakenfutures",
        {"feed": "book", "product_ids": ["PI_XBTUSD"]},
        {"event": "subscribed", "feed": "book", "product_ids": ["PI_XBTUSD"]},
        {"event": "alert", "message": "Failed to subscribe to authenticated feed"},
        "Failed to subscribe to authenticated feed",
    ),
    (
        "kucoin",
        "/market/ticker:X",
        {"id": str(ID), "type": "ack"},
        {"id": str(ID), "type": "error", "code": 404, "data": "topic /market/ticker:X not found"},
        "topic /market/ticker:X not found",
    ),
    (
        "mexc",
        "spot@public.deals.v3.api@BTCUSDT",
        {"id": ID, "code": 0, "msg": "spot@public.deals.v3.api@BTCUSDT"},
        {
            "id": ID,
            "code": 0,
            "msg": "Not Subscribed successfully! [spot@public.deals.v3.api@BTCUSDT]. Blocked!",
        },
        "Not Subscribed successfully! [spot@public.deals.v3.api@BTCUSDT]. Blocked!",
    ),
    (
        "okx",
        OKX_ARG,
        {"id": str(ID), "event": "subscribe", "arg": OKX_ARG, "connId": "a4d3ae55"},
        {"id": str(ID), "event": "error", "code": "60018", "msg": "doesn't exist", "connId": "a"},
        "doesn't exist",
    ),
    (
        "phemex",
        ("orderbook", ["BTCUSD"]),
        {"error": None, "id": ID, "result": {"status": "success"}},
        {"error": {"code": 6001, "message": "invalid argument"}, "id": ID, "result": None},
        "invalid argument",
    ),
    (
        "whitebit",
        ("depth", ["ETH_BTC", 5, "0", True]),
        {"id": ID, "result": {"status": "success"}, "error": None},
        {"id": ID, "result": None, "error": {"code": 1, "message": "invalid argument"}},
        "invalid argument",
    ),
    (
        "woo",
        "X@trade",
        {"id": str(ID), "event": "subscribe", "success": True, "ts": 1, "data": "X@trade"},
        {"id": str(ID), "event": "subscribe", "success": False, "errorMsg": "Auth is needed."},
        "Auth is needed.",
    ),
]


def asked(dialect: Dialect, channel: Any) -> tuple[Wanted, OnWire]:
    wanted = Wanted([Subscription(channel, dialect, key="it")])
    wire = OnWire(wanted, 1, itertools.count(ID).__next__)
    frame = wire.next_frame()
    assert frame is not None
    wire.sent(frame, 0.0)
    return wanted, wire


@pytest.mark.parametrize(
    ("exchange", "channel", "taken", "refused", "reason"), ANSWERS, ids=[a[0] for a in ANSWERS]
)
def test_answers_are_understood(
    exchange: str, channel: Any, taken: Any, refused: Any, reason: str
) -> None:
    _, wire = asked(spoken_by(exchange), channel)
    assert wire.received(taken) == (True, [])
    assert wire.live == {"it"}
    assert wire.is_settled

    _, wire = asked(spoken_by(exchange), channel)
    is_answer, told = wire.received(refused)
    assert is_answer
    assert [(event.key, event.reason, event.definite) for event in told] == [("it", reason, True)]
    assert wire.live == frozenset()
    assert wire.is_settled


# What ends it, where it is not the answer that begins it with one word changed.
ENDED: list[tuple[str, Any]] = [
    ("binance", {"result": None, "id": ID + 1}),
    ("bitget", {"event": "unsubscribe", "arg": BITGET_ARG}),
    ("bitmex", {"success": True, "unsubscribe": "trade:XBTUSD", "request": {"op": "unsubscribe"}}),
    ("bitfinex", {"event": "unsubscribed", "status": "OK", "chanId": 67473}),
    ("coinbase", {"channel": "subscriptions", "events": [{"subscriptions": {}}]}),
    ("htx", {"id": f"id{ID + 1}", "status": "ok", "unsubbed": "market.btcusdt.mbp.150"}),
    ("kraken", {"method": "unsubscribe", "success": True, "req_id": ID + 1, "result": {}}),
    ("kucoin", {"id": str(ID + 1), "type": "ack"}),
    ("okx", {"event": "unsubscribe", "arg": OKX_ARG, "connId": "x"}),
]


@pytest.mark.parametrize(("exchange", "answer"), ENDED, ids=[each[0] for each in ENDED])
def test_the_end_is_understood(exchange: str, answer: Any) -> None:
    channel, taken = next((a[1], a[2]) for a in ANSWERS if a[0] == exchange)
    wanted, wire = asked(spoken_by(exchange), channel)
    wire.received(taken)
    for topic in list(wanted):
        wanted.remove(topic)
    wire.changed()
    ended = wire.next_frame()
    assert ended is not None
    wire.sent(ended, 0.0)
    assert wire.received(answer) == (True, [])
    assert wire.live == frozenset()


DATA: list[tuple[str, Any]] = [
    ("binance", {"e": "trade", "s": "BTCUSDT", "id": ID}),
    ("bingx", {"code": 0, "dataType": "BTC-USDT@depth", "data": {"bids": []}}),
    ("bitfinex", [17470, "te", [1, 2, 3, 4]]),
    ("bitfinex", {"event": "info", "version": 2}),
    ("bitget", {"action": "snapshot", "arg": BITGET_ARG, "data": []}),
    ("bybit", {"topic": "tickers.X", "type": "delta", "data": {}}),
    ("bybit", {"op": "pong", "success": True, "req_id": str(ID)}),
    ("coinbase", {"channel": "l2_data", "events": []}),
    ("coinex", {"method": "state.update", "data": {}, "id": None}),
    ("cryptocom", {"id": -1, "method": "subscribe", "code": 0, "result": {"data": []}}),
    ("deribit", {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "x"}}),
    ("gate", {"time": 1, "channel": "spot.trades", "event": "update", "result": {"id": ID}}),
    ("htx", {"ch": "market.btcusdt.mbp.150", "ts": 1, "tick": {}}),
    ("htx-private", {"action": "push", "ch": "accounts.update#2", "data": {}}),
    ("hyperliquid", {"channel": "trades", "data": [{"coin": "SOL"}]}),
    ("kraken", {"channel": "trade", "type": "update", "data": []}),
    ("kraken", {"method": "pong", "req_id": ID}),
    ("kucoin", {"id": str(ID), "type": "pong"}),
    ("kucoin", {"id": "x", "type": "welcome"}),
    ("kucoin", {"type": "message", "topic": "/market/ticker:X", "data": {}}),
    ("okx", {"arg": OKX_ARG, "data": [{}]}),
    ("okx", {"event": "notice", "code": "64008", "msg": "upgrade"}),
    ("whitebit", {"id": None, "method": "depth_update", "params": []}),
    ("woo", {"topic": "X@trade", "ts": 1, "data": {}}),
]


@pytest.mark.parametrize(("exchange", "data"), DATA)
def test_data_is_no_answer(exchange: str, data: Any) -> None:
    channel = next(each[1] for each in ANSWERS if each[0] == exchange)
    _, wire = asked(spoken_by(exchange), channel)
    assert wire.received(data) == (False, [])
    assert wire.live == frozenset()


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
fields = (
    st.sampled_from(["id", "op", "event", "type", "method", "channel", "data", "args", "arg"])
    | st.sampled_from(["result", "error", "code", "msg", "success", "status", "topic", "request"])
    | st.sampled_from(["subscribe", "req_id", "subId", "cid", "action", "ch", "subscription"])
    | st.sampled_from(["feed", "chanId", "group", "err-code"])
)
words = st.sampled_from(["subscribe", "unsubscribe", "subscribed", "error", "ack", "sub"]) | (
    st.sampled_from(["subscriptions", "subscriptionResponse", "alert"])
)
messages = st.recursive(
    plain | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5),
    max_leaves=12,
)


@given(messages)
def test_nothing_that_an_exchange_says_breaks_a_dialect(message: Any) -> None:
    for exchange, channel, *_ in ANSWERS:
        _, wire = asked(spoken_by(exchange), channel)
        wire.received(message)


# -- the families ----------------------------------------------------------------------------------


def test_fields_of_a_family_are_arguments() -> None:
    dialect = spoken_by("deribit", scope="private", batch=2)
    assert dialect.subscribe(["user.orders.any.any.raw"], 1)["method"] == "private/subscribe"
    assert dialect.batch == 2


def test_an_exchange_that_nobody_knows_is_told_with_a_guess() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'kraken'"):
        spoken_by("krakn")
    with pytest.raises(ConfigurationError, match="did you mean 'okx'"):
        spoken_by("OKX")


def test_an_unknown_field_is_told_with_the_fields_of_the_family() -> None:
    with pytest.raises(
        ConfigurationError, match=r"OpSubscribe has no field 'batches'; it has .*op_"
    ):
        spoken_by("okx", batches=3)


def test_the_names_are_those_of_the_exchanges() -> None:
    assert set(_SPOKEN) - set(names()) == {"exmo", "htx-private"}


@pytest.mark.parametrize(("name", "other"), VARIANTS.items())
def test_variants_speak_as_their_exchange(name: str, other: str) -> None:
    assert _SPOKEN[name] == _SPOKEN[other]
    assert type(spoken_by(name)) is type(spoken_by(other))


def test_coinbase_exchange_answers_with_its_own_list() -> None:
    channel = {"product_ids": ["BTC-USD"], "channels": ["ticker"]}
    _, wire = asked(spoken_by("coinbaseexchange"), channel)
    assert wire.received({"type": "ticker", "product_id": "BTC-USD"}) == (False, [])
    answered, failures = wire.received({"type": "subscriptions", "channels": [{"name": "ticker"}]})
    assert answered
    assert not failures


def test_texts_of_one_channel_stand_in_a_field_and_mappings_are_merged() -> None:
    assert EventSubscribe().subscribe([["a"]], 1) == {"event": "subscribe", "payload": ["a"]}
    assert TypeSubscribe(payload_field="ch").subscribe(["a"], 1) == {"type": "subscribe", "ch": "a"}
    assert ActionSubscribe().unsubscribe(["a", "b"], 1) == {
        "action": "unsubscribe",
        "params": {"channels": ["a", "b"]},
    }


def test_a_name_alone_has_no_params() -> None:
    assert MethodAsTopic().subscribe(["server.ping"], 3)["params"] == []


def test_one_channel_a_message_is_all_that_some_families_know() -> None:
    with pytest.raises(ConfigurationError, match="one channel a message"):
        EventSubscribe(batch=2).subscribe(["a", "b"], 1)
    with pytest.raises(ConfigurationError, match="one channel a message"):
        MethodParams().subscribe([{"channel": "a"}, {"channel": "b"}], 1)


@pytest.mark.parametrize("batch", [0, -1, 2.0, True])
def test_a_wrong_batch_is_refused(batch: Any) -> None:
    with pytest.raises(ConfigurationError, match="batch"):
        MethodSubscribe(batch=batch)


def test_answers_by_id_need_an_id_that_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="pass id_field="):
        OpSubscribe(answer=Answers())
    assert OpSubscribe(answer=Answers(), id_field="id").ack_timeout_s == 10.0


def test_where_no_answer_is_known_none_is_awaited() -> None:
    assert OpSubscribe().ack_timeout_s is None
    assert MethodSubscribe(answer=None).ack_timeout_s is None
    assert MethodSubscribe().ack_timeout_s == 10.0


def test_an_id_is_text_where_the_exchange_wants_text() -> None:
    assert TypeSubscribe(id_field="id", id_type=str).subscribe(["a"], 5)["id"] == "5"


def test_a_channel_with_params_is_its_own_key() -> None:
    depth, state = (
        Subscription((name, {"market_list": ["BTCUSDT"]}), spoken_by("coinex"))
        for name in ("depth", "state")
    )
    assert len(Wanted([depth, state, depth])) == 2


def test_mexc_says_which_of_several_it_took() -> None:
    dialect = spoken_by("mexc")
    wanted = Wanted([Subscription("a@X", dialect), Subscription("a@XY", dialect)])
    wire = OnWire(wanted, 1, itertools.count(ID).__next__)
    wire.next_frame()
    message = "a@XY. Not Subscribed successfully! [a@X]. Reason: Blocked!"
    _, told = wire.received({"id": ID, "code": 0, "msg": message})
    assert [event.key for event in told] == ["a@X"]
    assert wire.live == {"a@XY"}


@pytest.mark.parametrize("wrong", [{"name": "depth", "more": 1}, ("a", 1, 2), 5])
def test_what_is_no_name_with_params_is_refused_in_words(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"here it is a name, or \(name, params\)"):
        MethodAsTopic().subscribe([wrong], 3)
