"""How each exchange is pinged, and how its own pings are answered: data, one entry an exchange."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.spoken import known_fields, look_up

__all__ = ["heartbeat_of"]


def heartbeat_of(exchange: str, **changes: Any) -> Heartbeat:
    """Return the heartbeat of an exchange; `changes` are fields of `Heartbeat`.

    Most exchanges have a ping of their own beside the protocol's; for the rest this is
    ``Heartbeat()``. Where the answer to a ping is no mere text, every message is decoded as it
    comes.
    """
    fields = look_up(exchange, _PINGS, "heartbeat")
    known_fields(Heartbeat, changes)
    return Heartbeat(**{**fields, **changes})


def _says(field: str, word: str) -> Callable[[Any], bool]:
    """Return what finds the messages with this word in this field."""
    return lambda data: isinstance(data, dict) and data.get(field) == word


def _bybit(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    # The private sockets say op "pong"; the public ones repeat "ping".
    op = data.get("op")
    return op == "pong" or (op == "ping" and data.get("ret_msg") == "pong")


def _coinex(data: Any) -> bool:
    inner = data.get("data") if isinstance(data, dict) else None
    return isinstance(inner, dict) and inner.get("result") == "pong"


def _bitmart_contract(data: Any) -> bool:
    return isinstance(data, dict) and data.get("group") == "System" and data.get("data") == "pong"


def _gate(data: Any) -> bool:
    # "futures.pong" too, for who pings as "futures.ping".
    channel = data.get("channel") if isinstance(data, dict) else None
    return isinstance(channel, str) and channel.endswith(".pong")


def _answer_bingx(data: Any) -> Any:
    if not isinstance(data, dict) or "ping" not in data:
        return None
    return {"pong" if name == "ping" else name: value for name, value in data.items()}


def _answer_cryptocom(data: Any) -> Any:
    if not isinstance(data, dict) or data.get("method") != "public/heartbeat":
        return None
    return {"id": data.get("id"), "method": "public/respond-heartbeat"}


def _answer_deribit(data: Any) -> Any:
    if not isinstance(data, dict) or data.get("method") != "heartbeat":
        return None
    params = data.get("params")
    asks = isinstance(params, dict) and params.get("type") == "test_request"
    return _DERIBIT_TEST if asks else None


def _answer_htx(data: Any) -> Any:
    if not isinstance(data, dict):
        return None
    if "ping" in data:  # the market sockets
        return {"pong": data["ping"]}
    if data.get("action") == "ping":
        return {"action": "pong", "data": data.get("data")}
    is_ping = data.get("op") == "ping" and "ts" in data
    return {"op": "pong", "ts": data["ts"]} if is_ping else None


def _answer_woo(data: Any) -> Any:
    if not isinstance(data, dict) or data.get("event") != "ping":
        return None
    return {"event": "pong", "ts": data["ts"]} if "ts" in data else {"event": "pong"}


# A name of our own for an id, so that it is none of a request's.
_DERIBIT_TEST = {"jsonrpc": "2.0", "id": "heartbeat", "method": "public/test", "params": {}}

_TEXT: dict[str, Any] = {"message": "ping", "reply": "pong"}
_COINEX: dict[str, Any] = {
    "message": lambda id: {"method": "server.ping", "params": {}, "id": id},
    "message_s": 30.0,
    "reply": _coinex,
}
_GATE: dict[str, Any] = {
    "message": lambda id: {"time": int(time.time()), "channel": "spot.ping"},
    "message_s": 5.0,  # as its SDK does
    "reply": _gate,
}
_HTX: dict[str, Any] = {"answers": _answer_htx}
_KUCOIN: dict[str, Any] = {
    "ping_s": None,  # public clients say that it answers none of the protocol's
    "message": lambda id: {"id": str(id), "type": "ping"},
    "message_s": 18.0,  # `pingInterval` beside the token; `pingTimeout` is 10 s
    "reply": _says("type", "pong"),
}
_MEXC: dict[str, Any] = {"message": {"method": "PING"}, "reply": _says("msg", "PONG")}

# From the exchanges' pages as they stood in 2026-07 where those show a ping, otherwise from public
# clients; tried against no host. Of BitMEX, BitMart, Bitstamp, Crypto.com, Phemex and WOO no page
# was seen: there it is public clients alone, and for the text of BitMart's spot sockets memory. An
# empty entry is an exchange of which no ping but the protocol's is known, or none that is needed:
# Bitfinex has one too, and Coinbase a channel, `heartbeats`.
_PINGS: dict[str, dict[str, Any]] = {
    "backpack": {},
    "binance": {},
    "binance-margin": {},
    "binance-usdm": {},
    "binance-ws-api": {},
    # The perpetual's sockets send a text: pass answers={"Ping": "Pong"} for them.
    "bingx": {"answers": _answer_bingx},
    "bitfinex": {},
    "bitget": {**_TEXT, "message_s": 30.0},  # cut after 2 minutes without
    "bitmart": {**_TEXT, "message_s": 15.0},
    "bitmart-contract": {
        "message": {"action": "ping"},
        "message_s": 15.0,
        "reply": _bitmart_contract,
    },
    "bitmex": _TEXT,
    "bitstamp": {
        "message": {"event": "bts:heartbeat"},
        "message_s": 10.0,
        "reply": _says("event", "bts:heartbeat"),
    },
    "bybit": {"message": {"op": "ping"}, "reply": _bybit},
    "coinbase": {},
    "coinbaseexchange": {},
    "coinex": _COINEX,
    "coinex-futures": _COINEX,
    "cryptocom": {"answers": _answer_cryptocom},
    # It asks only after `public/set_heartbeat`.
    "deribit": {
        "message": _DERIBIT_TEST,
        "reply": _says("id", "heartbeat"),
        "answers": _answer_deribit,
    },
    "ethgas": {},
    "exmo": {},
    "gate": _GATE,
    "gate-ws-api": _GATE,
    "gemini": {},
    "htx": _HTX,
    "htx-contract": _HTX,
    "htx-private": _HTX,
    "hyperliquid": {"message": {"method": "ping"}, "reply": _says("channel", "pong")},
    "kraken": {
        "message": lambda id: {"method": "ping", "req_id": id},
        "reply": _says("method", "pong"),
    },
    "krakenfutures": {},
    "kucoin": _KUCOIN,
    "kucoin-futures": _KUCOIN,
    "mexc": _MEXC,
    # Every 10 to 20 s; cut after a minute without.
    "mexc-contract": {
        "message": {"method": "ping"},
        "message_s": 15.0,
        "reply": _says("channel", "pong"),
    },
    "okx": _TEXT,  # cut after 30 s of silence
    "phemex": {
        "message": lambda id: {"id": id, "method": "server.ping", "params": []},
        "message_s": 10.0,
        "reply": _says("result", "pong"),
    },
    # Every 50 s says one of its pages, cut after 30 s of silence another.
    "whitebit": {
        "message": lambda id: {"id": id, "method": "ping", "params": []},
        "reply": _says("result", "pong"),
    },
    "woo": {
        "message": {"event": "ping"},
        "message_s": 10.0,
        "reply": _says("event", "pong"),
        "answers": _answer_woo,
    },
}
