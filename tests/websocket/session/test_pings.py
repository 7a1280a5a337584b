"""The heartbeat of each exchange: its ping, the answer to it, and the answers to its own pings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    RateLimit,
    SessionMessage,
    codec,
)
from networkpype.errors import ConfigurationError
from networkpype.exchanges import names
from networkpype.testing import MockVenue
from networkpype.websocket.pings import _PINGS, heartbeat_of
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.spoken import _SPOKEN

ID = 100_001
PONG = {"result": "pong"}

# exchange, the ping, every how many seconds, the answers to it
PINGS: list[tuple[str, Any, float, list[Any]]] = [
    ("bitget", "ping", 30, ["pong"]),
    ("bitmart", "ping", 15, ["pong"]),
    ("bitmart-contract", {"action": "ping"}, 15, [{"group": "System", "data": "pong"}]),
    ("bitmex", "ping", 20, ["pong"]),
    (
        "bitstamp",
        {"event": "bts:heartbeat"},
        10,
        [{"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}],
    ),
    (
        "bybit",
        {"op": "ping"},
        20,
        [
            {"success": True, "ret_msg": "pong", "conn_id": "0970e817", "op": "ping"},
            {"req_id": "test", "op": "pong", "args": ["1675418560633"], "conn_id": "cfcb4"},
        ],
    ),
    (
        "coinex",
        {"method": "server.ping", "params": {}, "id": ID},
        30,
        [{"id": ID, "code": 0, "message": "OK", "data": PONG}],
    ),
    (
        "coinex-futures",
        {"method": "server.ping", "params": {}, "id": ID},
        30,
        [{"id": ID, "code": 0, "message": "OK", "data": PONG}],
    ),
    (
        "deribit",
        {"jsonrpc": "2.0", "id": "heartbeat", "method": "public/test", "params": {}},
        20,
        [{"jsonrpc": "2.0", "id": "heartbeat", "result": {"version": "1.2.26"}}],
    ),
    (
        "gate",
        {"time": 1_606_292_218, "channel": "spot.ping"},
        5,
        [
            {"time": 1606292218, "channel": "spot.pong", "event": "", "result": None},
            {"time": 1606292218, "channel": "futures.pong", "event": "", "result": None},
        ],
    ),
    (
        "gate-ws-api",
        {"time": 1_606_292_218, "channel": "spot.ping"},
        5,
        [{"time": 1606292218, "channel": "spot.pong", "event": "", "result": None}],
    ),
    ("hyperliquid", {"method": "ping"}, 20, [{"channel": "pong"}]),
    ("kraken", {"method": "ping", "req_id": ID}, 20, [{"method": "pong", "req_id": ID}]),
    ("kucoin", {"id": str(ID), "type": "ping"}, 18, [{"id": str(ID), "type": "pong"}]),
    ("kucoin-futures", {"id": str(ID), "type": "ping"}, 18, [{"id": str(ID), "type": "pong"}]),
    ("mexc", {"method": "PING"}, 20, [{"id": 0, "code": 0, "msg": "PONG"}]),
    ("mexc-contract", {"method": "ping"}, 15, [{"channel": "pong", "data": 1587453241453}]),
    ("okx", "ping", 20, ["pong"]),
    (
        "phemex",
        {"id": ID, "method": "server.ping", "params": []},
        10,
        [{"error": None, "id": ID, "result": "pong"}],
    ),
    (
        "whitebit",
        {"id": ID, "method": "ping", "params": []},
        20,
        [{"id": ID, "result": "pong", "error": None}],
    ),
    ("woo", {"event": "ping"}, 10, [{"event": "pong", "ts": 1614667590000}]),
]

# exchange, its own ping, what it is answered
ASKED: list[tuple[str, Any, Any]] = [
    (
        "bingx",
        {"ping": "2177c68e4d0e", "time": "2022-06-07T16:27:36.323+0800"},
        {"pong": "2177c68e4d0e", "time": "2022-06-07T16:27:36.323+0800"},
    ),
    (
        "cryptocom",
        {"id": 1587523073344, "method": "public/heartbeat", "code": 0},
        {"id": 1587523073344, "method": "public/respond-heartbeat"},
    ),
    (
        "deribit",
        {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}},
        {"jsonrpc": "2.0", "id": "heartbeat", "method": "public/test", "params": {}},
    ),
    ("htx", {"ping": 1492420473027}, {"pong": 1492420473027}),
    (
        "htx",
        {"action": "ping", "data": {"ts": 1575537778295}},
        {"action": "pong", "data": {"ts": 1575537778295}},
    ),
    ("htx-private", {"action": "ping", "data": {"ts": 1}}, {"action": "pong", "data": {"ts": 1}}),
    (
        "htx-contract",
        {"op": "ping", "ts": "1492420473058"},
        {"op": "pong", "ts": "1492420473058"},
    ),
    ("woo", {"event": "ping", "ts": 1614667590000}, {"event": "pong", "ts": 1614667590000}),
    ("woo", {"event": "ping"}, {"event": "pong"}),
]

# What is the consumer's, at whatever exchange it comes.
DATA: list[Any] = [
    {"e": "trade", "s": "BTCUSDT", "p": "25000.5"},
    {"event": "subscribe", "arg": {"channel": "tickers"}, "code": "0"},
    {"op": "subscribe", "success": True, "ret_msg": "", "req_id": "1"},
    {"op": "ping", "success": False, "ret_msg": "too many visits"},
    {"id": ID, "code": 0, "message": "OK", "data": {}},
    {"id": ID, "code": 0, "msg": "spot@public.deals.v3.api@BTCUSDT"},
    {"id": ID, "result": {"status": "success"}, "error": None},
    {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "heartbeat"}},
    {"jsonrpc": "2.0", "id": ID, "result": {"version": "1.2.26"}},
    {"method": "public/auth", "id": 1, "code": 0},
    {"group": "futures/ticker", "data": "pong"},
    {"group": "System", "data": {"pong": 1}},
    {"channel": "spot.tickers", "event": "update", "result": {}},
    {"channel": ["pong"], "type": ["pong"], "event": ["ping"], "method": {"a": "pong"}},
    {"action": "push", "data": {"ts": 1}, "op": "notify", "ts": 1},
    [1, "hb"],
    ["ping"],
    ["pong"],
    [],
    {},
    "",
    "Pong",
    0,
    1.5,
    True,
    None,
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["op", "event", "method", "type", "channel", "id", "data", "result", "group", "msg", "action"]
)


def is_reply(heartbeat: Heartbeat, data: Any) -> bool:
    """Tell whether this is kept from the consumer as the answer to a ping."""
    if callable(heartbeat.reply):
        return heartbeat.reply(data)
    return heartbeat.reply is not None and data == heartbeat.reply


def answer_to(heartbeat: Heartbeat, data: Any) -> Any:
    return heartbeat.answers(data) if callable(heartbeat.answers) else None


def test_every_exchange_has_its_place() -> None:
    assert set(_PINGS) == set(names()) | set(_SPOKEN)
    tried = {each[0] for each in PINGS} | {each[0] for each in ASKED}
    assert tried == {name for name, fields in _PINGS.items() if fields}


@pytest.mark.parametrize(("exchange", "ping", "every_s", "replies"), PINGS)
def test_the_ping_and_its_answer(
    exchange: str, ping: Any, every_s: float, replies: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("networkpype.websocket.pings.time.time", lambda: 1_606_292_218.9)
    heartbeat = heartbeat_of(exchange)
    message = heartbeat.message
    assert (message(ID) if callable(message) else message) == ping
    assert heartbeat.message_s == every_s
    for reply in replies:
        assert is_reply(heartbeat, reply)
        assert answer_to(heartbeat, reply) is None


@pytest.mark.parametrize(("exchange", "asked", "answer"), ASKED)
def test_a_ping_of_the_exchange_is_answered(exchange: str, asked: Any, answer: Any) -> None:
    heartbeat = heartbeat_of(exchange)
    assert answer_to(heartbeat, asked) == answer
    assert not is_reply(heartbeat, asked)


@pytest.mark.parametrize("exchange", _PINGS)
def test_nothing_else_is_taken_for_a_ping_or_its_answer(exchange: str) -> None:
    heartbeat = heartbeat_of(exchange)
    for data in DATA:
        assert not is_reply(heartbeat, data), data
        assert answer_to(heartbeat, data) is None, data


@given(data=json_values | st.dictionaries(FIELDS, json_values | st.sampled_from(["ping", "pong"])))
def test_junk_never_raises(data: Any) -> None:
    for exchange in _PINGS:
        heartbeat = heartbeat_of(exchange)
        assert is_reply(heartbeat, data) in (True, False)
        answer_to(heartbeat, data)


CAPTURED = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[2] / "vectors" / "ws.json").read_text(encoding="utf-8")
    )["vectors"]
}


@pytest.mark.parametrize("exchange", ["bingx", "htx"])
def test_captured_pings_get_the_captured_answer(exchange: str) -> None:
    [case] = [each for each in CAPTURED.values() if each["exchange"] == exchange]
    [asked] = case["server_pings_sent"]
    assert answer_to(heartbeat_of(exchange), asked) == case["keepalive_and_pong_frames"][0]


@pytest.mark.parametrize("exchange", ["hyperliquid", "okx"])
def test_captured_pings_of_ours(exchange: str) -> None:
    [case] = [each for each in CAPTURED.values() if each["exchange"] == exchange]
    assert [heartbeat_of(exchange).message] == case["keepalive_and_pong_frames"]


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "krakenfutures"])
def test_without_a_ping_of_its_own_it_is_the_protocols(exchange: str) -> None:
    assert heartbeat_of(exchange) == Heartbeat()


def test_changes_are_fields_of_the_heartbeat() -> None:
    assert heartbeat_of("okx", message_s=15.0).message_s == 15.0
    assert heartbeat_of("bingx", answers={"Ping": "Pong"}).texts == {"Ping": "Pong"}
    with pytest.raises(ConfigurationError, match="Heartbeat has no field 'every_s'; it has ping_s"):
        heartbeat_of("okx", every_s=15.0)


@pytest.mark.parametrize("wrong", ["OKX", "okex", "Okx"])
def test_an_exchange_that_nobody_knows_is_told_with_a_guess(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'okx'.*known: .*woo"):
        heartbeat_of(wrong)


@pytest.mark.parametrize("name", ["bybit", "okx"])
async def test_a_session_pings_and_keeps_the_answers_to_itself(name: str) -> None:
    factory = ConnectionManagersFactory(AsyncThrottler([RateLimit("ws", 100, 1)]))
    async with MockVenue(name) as venue, factory:
        heartbeat = heartbeat_of(name, message_s=0.01)
        async with factory.get_ws_session(venue.ws_url, heartbeat=heartbeat) as session:
            await session.ready(5)
            await venue.until(lambda: len(venue.ws_received) >= 3)
            await venue.push({"the": "first message"})
            async for item in session:
                if isinstance(item, SessionMessage):
                    assert item.data == {"the": "first message"}
                    break
        ping = heartbeat.message if name == "okx" else codec.dumps(heartbeat.message)
        assert {frame.data for frame in venue.ws_received} == {ping}
