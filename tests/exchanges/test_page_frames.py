"""Acks, refusals and unrelated frames of every exchange in one table, and what none may mistake."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.errors import ConfigurationError
from networkpype.exchanges import names
from tests.support.logins import auth_of, outcome_of, pattern_of

ID = 7
YES, NO, ENDED, ASKED, OTHER = "accepted", "rejected", "expired", "challenge", "not mine"
SEED = base64.b64encode(bytes(range(32))).decode()
TOO_LATE = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
WS_API = [
    ({"id": ID, "status": 200, "result": {"subscriptionId": 0}}, YES),
    ({"id": str(ID), "status": "200", "result": {"subscriptionId": 0}}, YES),
    ({"id": ID, "status": 400, "error": {"code": -1022, "msg": "bad"}}, NO),
    ({"id": ID, "status": 400, "error": TOO_LATE}, NO),
    ({"id": 8, "status": 200, "result": {"subscriptionId": 0}}, OTHER),
    ({"id": 8, "status": 400, "error": {"code": -1022, "msg": "bad"}}, OTHER),
    ({"id": None, "status": 400, "error": {"code": -1022, "msg": "bad"}}, OTHER),
    ({"event": {"e": "eventStreamTerminated", "E": 1}}, ENDED),
    ({"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "E": 1}}, OTHER),
    ({"event": {"e": "serverShutdown", "E": 1}}, OTHER),
]
LOGIN_EVENT = [
    ({"event": "login", "code": "0", "msg": "", "connId": "a"}, YES),
    ({"event": "login", "code": 0}, YES),
    ({"event": "error", "code": "60012", "msg": "Illegal request"}, OTHER),
    ({"event": "error", "arg": {"channel": "x"}, "code": "60018", "msg": "Wrong"}, OTHER),
    ({"event": "subscribe", "arg": {"channel": "account"}, "connId": "a"}, OTHER),
    ({"event": "notice", "code": "64008", "msg": "restart"}, OTHER),
    ({"event": "error", "msg": "invalid credentials"}, NO),
    ({"event": "channel-conn-count", "channel": "orders", "connCount": "1"}, OTHER),
    ("pong", OTHER),
]
COINBASE_ERROR = [
    ({"type": "error", "message": "authentication failure"}, NO),
    ({"type": "error", "message": "Authentication Failed"}, NO),
    ({"type": "heartbeat", "sequence": 1}, OTHER),
    ({"type": "error", "message": "Failed to subscribe", "reason": "no such product"}, OTHER),
]
PHEMEX_LIKE = [
    ({"error": None, "id": ID, "result": {"status": "success"}}, YES),
    ({"error": None, "id": str(ID), "result": {"status": "success"}}, YES),
    ({"error": {"code": 6012, "message": "invalid login token"}, "id": ID, "result": None}, NO),
    ({"error": None, "id": 8, "result": {"status": "success"}}, OTHER),
    ({"error": {"code": 6001, "message": "invalid argument"}, "id": 8}, OTHER),
    ({"error": None, "id": 8, "result": "pong"}, OTHER),
]


def gate(status: Any, **more: Any) -> dict[str, Any]:
    header = {"status": status, "channel": "spot.login", "event": "api", "client_id": "c"}
    return {"request_id": str(ID), "header": header, "data": {"result": {"uid": "1"}}, **more}


BAD_KEY = {"data": {"errs": {"label": "INVALID_KEY", "message": "Invalid key provided"}}}

# Frames that the exchanges' pages and samples print, and those nearest to them.
PAGE: dict[str, list[tuple[Any, str]]] = {
    "binance": WS_API,
    "binance-ws-api": [
        ({"id": ID, "status": 200, "result": {"apiKey": "k", "authorizedSince": 1}}, YES),
        *WS_API[2:],
    ],
    "binance-usdm": [
        ({"e": "listenKeyExpired", "E": 1, "listenKey": "k"}, ENDED),
        ({"stream": "k", "data": {"e": "listenKeyExpired", "E": 1}}, ENDED),
        ({"e": "ORDER_TRADE_UPDATE", "E": 1}, OTHER),
        ({"id": 1, "result": None}, OTHER),
    ],
    "bybit": [
        ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}, YES),
        ({"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"}, YES),
        ({"retCode": "0", "retMsg": "OK", "op": "auth"}, YES),
        ({"success": False, "ret_msg": "Params Error", "op": "auth"}, NO),
        ({"retCode": 20001, "retMsg": "repeated auth", "op": "auth"}, NO),
        ({"retCode": "10004", "retMsg": "invalid sign", "op": "auth"}, NO),
        ({"retCode": 10001, "retMsg": "parameter error", "op": "auth"}, NO),
        ({"success": True, "ret_msg": "", "op": "subscribe", "req_id": "7"}, OTHER),
        ({"success": False, "ret_msg": "error:handler not found", "op": "subscribe"}, OTHER),
        ({"success": True, "ret_msg": "pong", "conn_id": "c", "op": "ping"}, OTHER),
        ({"retCode": 10004, "op": "order.create"}, OTHER),
        ({"topic": "wallet", "data": []}, OTHER),
    ],
    "bitmex": [
        ({"success": True, "request": {"op": "authKeyExpires", "args": ["k", 1, "s"]}}, YES),
        ({"status": 401, "error": "x", "request": {"op": "authKeyExpires"}}, NO),
        ({"success": True, "subscribe": "order", "request": {"op": "subscribe"}}, OTHER),
        ({"status": 401, "error": "x", "request": {"op": "subscribe"}}, OTHER),
        ({"info": "Welcome to the BitMEX Realtime API.", "version": "2"}, OTHER),
    ],
    "okx": [
        *LOGIN_EVENT,
        ({"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a"}, NO),
        ({"event": "error", "code": 60009, "msg": "Login failed."}, NO),
    ],
    "bitget": [
        *LOGIN_EVENT,
        ({"event": "error", "code": 30015, "msg": "Invalid sign"}, NO),
        ({"event": "error", "code": "30015", "msg": "Invalid sign"}, NO),
    ],
    "deribit": [
        ({"jsonrpc": "2.0", "id": ID, "result": {"access_token": "t", "expires_in": 900}}, YES),
        ({"jsonrpc": "2.0", "id": "7", "result": {"access_token": "t"}}, YES),
        ({"id": ID, "error": {"code": 13004, "message": "invalid_credentials"}}, NO),
        ({"id": 8, "error": {"code": 13004, "message": "invalid_credentials"}}, OTHER),
        ({"id": 8, "result": {"access_token": "t", "expires_in": 900}}, OTHER),
        ({"id": ID, "result": ["user.portfolio.btc"]}, OTHER),
        ({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}, OTHER),
        ({"jsonrpc": "2.0", "method": "subscription", "params": {"data": {}}}, OTHER),
    ],
    "bitfinex": [
        ({"event": "auth", "status": "OK", "chanId": 0, "userId": 1, "caps": {}}, YES),
        ({"event": "auth", "status": "FAILED", "chanId": 0, "code": 10100, "msg": "x"}, NO),
        ({"event": "info", "code": 20051, "msg": "Stopping"}, OTHER),
        ({"event": "info", "version": 2, "serverId": "x", "platform": {"status": 1}}, OTHER),
        ([0, "hb"], OTHER),
        ([0, "ws", [["exchange", "USD", 1]]], OTHER),
    ],
    "gate": [
        ({"channel": "spot.orders", "error": {"code": 4, "message": "auth fail"}}, NO),
        ({"channel": "spot.orders", "error": {"code": 2, "message": "unknown pair"}}, OTHER),
        ({"channel": "spot.orders", "event": "update", "result": []}, OTHER),
        ({"channel": "spot.pong", "event": "", "error": None, "result": None}, OTHER),
    ],
    "gate-ws-api": [
        (gate("200"), YES),
        (gate(200), YES),
        (gate("401", **BAD_KEY), NO),
        (gate(401, **BAD_KEY), NO),
        (gate("200", ack=True), OTHER),
        (gate("200", request_id="8"), OTHER),
        (gate("401", **BAD_KEY, request_id="8"), OTHER),
        ({"time": 1, "channel": "spot.pong", "event": "", "error": None, "result": None}, OTHER),
        ({"event": "api", "channel": "spot.login", "result": {"status": "success"}}, OTHER),
    ],
    "kraken": [
        ({"method": "subscribe", "success": True, "result": {"channel": "executions"}}, YES),
        ({"method": "subscribe", "success": False, "error": "ESession:Invalid session"}, NO),
        ({"method": "subscribe", "success": False, "error": "Currency pair not supported"}, OTHER),
        ({"method": "pong", "time_in": "x", "time_out": "y"}, OTHER),
        ({"channel": "status", "type": "update", "data": [{"system": "online"}]}, OTHER),
        ({"channel": "heartbeat"}, OTHER),
        ({"method": "unsubscribe", "success": True}, OTHER),
    ],
    "krakenfutures": [
        ({"event": "challenge", "message": "226aee50-88fc-4618-a42a-34f7709570b2"}, ASKED),
        ({"event": "alert", "message": "Failed to subscribe to authenticated feed"}, NO),
        ({"event": "challenge"}, OTHER),
        ({"event": "challenge", "message": 5}, OTHER),
        ({"event": "info", "version": 1}, OTHER),
        ({"event": "subscribed", "feed": "heartbeat"}, OTHER),
        ({"event": "pong"}, OTHER),
    ],
    "coinbase": [
        ({"channel": "subscriptions", "events": [{"subscriptions": {"user": ["u"]}}]}, YES),
        ({"channel": "subscriptions", "events": [{"subscriptions": {"ticker": ["A"]}}]}, OTHER),
        ({"channel": "heartbeats", "events": [{"heartbeat_counter": 1}]}, OTHER),
        *COINBASE_ERROR,
    ],
    "coinbaseexchange": [
        ({"type": "subscriptions", "channels": [{"name": "user", "product_ids": []}]}, YES),
        ({"type": "ticker", "product_id": "BTC-USD"}, OTHER),
        *COINBASE_ERROR,
    ],
    "kucoin": [
        ({"id": "c", "type": "welcome"}, YES),
        ({"id": "c", "type": "error", "code": 401, "data": "token is invalid"}, NO),
        ({"id": "c", "type": "error", "code": "401", "data": "token is invalid"}, NO),
        ({"id": "1", "type": "error", "code": 404, "data": "topic is not found"}, OTHER),
        ({"id": "1", "type": "pong"}, OTHER),
        ({"id": "1", "type": "ack"}, OTHER),
    ],
    "htx": [
        ({"action": "req", "code": 200, "ch": "auth", "data": {}}, YES),
        ({"action": "req", "code": "200", "ch": "auth", "data": {}}, YES),
        ({"ch": "auth"}, YES),
        ({"action": "req", "code": 2002, "ch": "auth", "message": "auth.fail"}, NO),
        ({"action": "req", "code": 2002, "ch": "auth", "message": "invalid.auth.state"}, NO),
        ({"action": "req", "ch": "auth", "message": "auth.fail"}, OTHER),
        ({"action": "sub", "code": 2002, "ch": "orders#x", "message": "auth.fail"}, OTHER),
        ({"action": "sub", "code": 200, "ch": "accounts.update#2", "data": {}}, OTHER),
        ({"action": "ping", "data": {"ts": 1575537778295}}, OTHER),
    ],
    "htx-contract": [
        ({"op": "auth", "type": "api", "err-code": 0, "ts": 1}, YES),
        ({"op": "auth", "type": "api", "err-code": "0", "ts": 1}, YES),
        ({"op": "auth", "type": "api", "err-code": 2002, "err-msg": "invalid"}, NO),
        ({"op": "ping", "ts": "1492420473058"}, OTHER),
        ({"op": "sub", "topic": "orders.*", "err-code": 2002}, OTHER),
        ({"ping": 1492420473058}, OTHER),
    ],
    "coinex": [
        ({"id": ID, "code": 0, "message": "OK"}, YES),
        ({"id": "7", "code": "0", "message": "OK"}, YES),
        ({"id": ID, "code": 21002, "message": "Signature Incorrect"}, NO),
        ({"id": 8, "code": 0, "message": "OK"}, OTHER),
        ({"id": 8, "code": 21002, "message": "Signature Incorrect"}, OTHER),
        ({"method": "balance.update", "data": {}, "id": None}, OTHER),
    ],
    "mexc-contract": [
        ({"channel": "rs.login", "data": "success", "ts": 1}, YES),
        ({"channel": "rs.error", "data": "signature validation failed", "ts": 1}, NO),
        ({"channel": "pong", "data": 1}, OTHER),
        ({"channel": "push.personal.asset", "data": {}, "ts": 1}, OTHER),
    ],
    "ethgas": [
        ({"cmd": "login", "status": "success", "data": {"userId": "u", "permissions": []}}, YES),
        # There is a refresh token.
        ({"cmd": "login", "status": "error", "error": {"code": 401, "message": "no"}}, ENDED),
        ({"cmd": "login", "status": "error", "error": {"code": "403", "message": "no"}}, NO),
        ({"cmd": "login", "status": "error", "error": {"code": 429, "message": "slow"}}, NO),
        ({"cmd": "login", "status": "error", "message": "Invalid token"}, NO),
        ({"cmd": "token_expired", "data": {"message": "renew"}}, ENDED),
        ({"cmd": "subscribe", "status": "success"}, OTHER),
        ({"cmd": "subscribe", "status": "error", "error": {"code": 401}}, OTHER),
    ],
    "cryptocom": [
        ({"id": 1700000000000, "method": "public/auth", "code": 0}, YES),
        ({"id": "1700000000000", "method": "public/auth", "code": "0"}, YES),
        ({"id": 1700000000000, "method": "public/auth", "code": 40102, "message": "x"}, NO),
        ({"id": 1587523073344, "method": "public/heartbeat", "code": 0}, OTHER),
        ({"id": 1, "method": "subscribe", "code": 40101}, OTHER),
    ],
    "bitmart": [
        ({"event": "login"}, YES),
        ({"event": "error", "message": "Invalid sign", "errorCode": 30013}, NO),
        ({"event": "error", "message": "Invalid sign", "errorCode": "30013"}, NO),
        ({"event": "subscribe", "topic": "spot/user/balance"}, OTHER),
        ("pong", OTHER),
    ],
    "bitmart-contract": [
        ({"action": "access", "success": True}, YES),
        ({"action": "access", "success": False, "error": "Invalid sign"}, NO),
        ({"action": "subscribe", "success": True, "group": "futures/asset:USDT"}, OTHER),
        ({"action": "ping", "data": "pong"}, OTHER),
    ],
    "phemex": PHEMEX_LIKE,
    "whitebit": PHEMEX_LIKE,
    "woo": [
        ({"event": "auth", "success": True, "ts": 1}, YES),
        ({"event": "auth", "success": False, "errorMsg": "x"}, NO),
        ({"event": "ping", "ts": 1}, OTHER),
        ({"id": "1", "event": "subscribe", "success": False, "errorMsg": "auth"}, OTHER),
    ],
    "backpack": [
        ({"id": None, "error": {"code": 4002, "message": "Invalid signature"}}, NO),
        ({"id": 1, "result": None}, OTHER),
        ({"stream": "account.orderUpdate", "data": {}}, OTHER),
    ],
    "bitstamp": [
        ({"event": "bts:error", "data": {"code": 4009, "message": "unauthorized"}}, ENDED),
        ({"event": "bts:error", "data": {"code": 4001, "message": "Bad format"}}, OTHER),
        ({"event": "bts:heartbeat", "data": {"status": "success"}}, OTHER),
        ({"event": "bts:request_reconnect", "channel": "", "data": ""}, OTHER),
    ],
    "gemini": [
        ({"id": "1", "status": 200}, OTHER),
        ({"id": "1", "status": 401, "error": {"code": -1002}}, OTHER),
        ({"type": "subscription_ack", "accountId": 5}, OTHER),
    ],
    "hyperliquid": [
        ({"channel": "subscriptionResponse", "data": {"method": "subscribe"}}, OTHER),
        ({"channel": "error", "data": "Invalid subscription"}, OTHER),
        ({"channel": "pong"}, OTHER),
    ],
}

# What may come on any connection before its ack, and says nothing of a login anywhere.
STRAY: list[Any] = [
    None,
    True,
    False,
    0,
    200,
    1.5,
    "",
    "ping",
    "pong",
    "login",
    "auth",
    '{"event":"auth","status":"OK"',
    "<html>502 Bad Gateway</html>",
    b"",
    b"\x1f\x8b\x08",
    b'{"id":7,"code":0}',
    [],
    ["auth"],
    [{"event": "login", "code": 0}],
    [0, "hb"],
    {},
    {"id": ID},
    {"id": str(ID), "result": None},
    {"event": None, "op": None, "cmd": None, "method": None, "code": 0, "status": "success"},
    {"success": True},
    {"code": 0, "message": "OK"},
    {"event": "subscribe", "success": True},
    {"event": ["auth"], "op": {"auth": 1}, "channel": [], "type": {}},
    {"data": None},
    {"data": [{"event": "login", "code": 0, "op": "auth", "success": True}]},
    {"error": None},
    {"header": "200", "request_id": str(ID)},
    {"request": "authKeyExpires", "success": True},
    {"events": [], "channel": "subscriptions"},
    {"events": {"0": {}}, "channel": "subscriptions"},
    {"event": {"e": ["eventStreamTerminated"]}},
    {"type": "error"},
    {"event": "error"},
]


def waiting(name: str) -> WebSocketAuthPattern:
    """Return the exchange's pattern, its login frame sent where it has one that needs no REST."""
    wallet = {"private_key": "0x" + "01" * 32, "wallet": "0x" + "02" * 20}
    fields: dict[str, Any] = {"backpack": {"secret": SEED}, "hyperliquid": wallet}.get(name, {})
    pattern = pattern_of(auth_of(name, new_id=lambda: ID, **fields))
    try:
        pattern.build_auth_message(1700000000)
    except ConfigurationError:
        assert name in ("binance-margin", "whitebit")  # whose frame has a token of REST in it
        pattern._login_id = ID  # type: ignore[attr-defined]
    return pattern


TABLE = [(name, frame, status) for name, rows in PAGE.items() for frame, status in rows]


@pytest.mark.parametrize(("name", "frame", "status"), TABLE)
def test_a_frame_of_the_page(name: str, frame: Any, status: str) -> None:
    outcome = outcome_of(waiting(name), frame)
    assert outcome.status.value == status
    assert bool(outcome.reason) or status not in (NO, ENDED)


def test_every_exchange_is_in_the_table() -> None:
    """Those that are not share the pattern of one that is."""
    same = {"binance-margin", "bingx", "coinex-futures", "kucoin-futures", "mexc"}
    assert set(PAGE) | same == set(names())
    assert not set(PAGE) & same


@pytest.mark.parametrize("name", names())
def test_no_stray_frame_is_taken_for_an_answer(name: str) -> None:
    pattern = waiting(name)
    for frame in STRAY:
        assert outcome_of(pattern, frame).status.value == OTHER, frame
