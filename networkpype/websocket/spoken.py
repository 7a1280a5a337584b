"""Which exchange wants to be asked in which words: data, one entry an exchange."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from networkpype.errors import ConfigurationError
from networkpype.websocket import dialects as family
from networkpype.websocket.answers import Answers, bitmex, mexc, whole
from networkpype.websocket.subscriptions import Dialect

__all__ = ["known_fields", "look_up", "spoken_by"]

_T = TypeVar("_T")


def spoken_by(exchange: str, **changes: Any) -> Dialect:
    """Return the dialect of an exchange; `changes` are fields of its family.

    Share it among the subscriptions of a session: only those of the same dialect go into one
    message.
    """
    kind, fields = look_up(exchange, _SPOKEN, "dialect")
    known_fields(kind, changes)
    return kind(**{**fields, **changes})


def look_up(exchange: str, table: Mapping[str, _T], what: str) -> _T:
    """Return the entry of an exchange; the error for a wrong name guesses which was meant."""
    if exchange in table:
        return table[exchange]
    near = difflib.get_close_matches(str(exchange).lower(), table, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigurationError(f"no {what} {exchange!r}; {hint}known: {', '.join(sorted(table))}")


def known_fields(kind: type[Any], changes: Mapping[str, Any]) -> None:
    """Refuse what is no field of this dataclass."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    for wrong in changes:
        if wrong not in names:
            raise ConfigurationError(
                f"{kind.__name__} has no field {wrong!r}; it has {', '.join(names)}"
            )


def _coinex_end(name: str, params: Any) -> Any:
    """Name the markets alone: depth begins with ``[market, limit, interval, is_full]``."""
    if not isinstance(params, Mapping) or "market_list" not in params:
        return params
    markets = params["market_list"]
    return {"market_list": [each if isinstance(each, str) else each[0] for each in markets]}


_EVENT = ("event",)
_BEGUN: dict[str, Any] = {"begun": ("subscribed",), "ended": ("unsubscribed",)}
_SUB: dict[str, Any] = {"begun": ("sub",), "ended": ("unsub",)}
_TEXT_ID: dict[str, Any] = {"id_field": "id", "id_type": str}

# From the exchanges' pages as they stood in 2026-07 where those show an answer, otherwise from
# public clients; tried against no host, and the shapes of refusals of OKX, MEXC, BitMart and
# Bitfinex are the least certain. A batch above 1 stands where a refusal names its channel, or where
# a message is taken or refused whole.
_SPOKEN: dict[str, tuple[type[Dialect], dict[str, Any]]] = {
    "binance": (family.MethodSubscribe, {"batch": 100}),
    "bingx": (family.ReqTypeSub, {}),
    "bitfinex": (
        family.EventSubscribe,
        {
            "id_field": "subId",
            "id_type": str,
            "answer": Answers(
                kind=_EVENT,
                **_BEGUN,
                id="subId",
                channel=whole("channel", "chanId"),
                name=("chanId",),
                code="status",
                ok=("OK", None),
            ),
        },
    ),
    "bitget": (family.OpSubscribe, {"batch": 20, "answer": Answers(kind=_EVENT, channel="arg")}),
    "bitmart": (family.OpSubscribe, {"answer": Answers(kind=_EVENT, id=None, channel="topic")}),
    "bitmart-contract": (
        family.OpSubscribe,
        {"op_field": "action", "batch": 20, "answer": Answers(kind=("action",), channel="group")},
    ),
    "bitmex": (family.OpSubscribe, {"batch": 20, "answer": bitmex}),
    "bybit": (
        family.OpSubscribe,
        # At most 10 args a message on the spot market.
        {
            "id_field": "req_id",
            "id_type": str,
            "batch": 10,
            "answer": Answers(kind=("op",), id="req_id"),
        },
    ),
    "coinbase": (
        family.TypeSubscribe,
        {
            "answer": Answers(
                kind=("channel", "type"), begun=(), ended=(), done=("subscriptions",), id=None
            )
        },
    ),
    "coinex": (family.MethodAsTopic, {"no_params": {}, "unsubscribe_params": _coinex_end}),
    "cryptocom": (family.MethodParams, {"batch": 100}),
    "deribit": (family.JSONRPCSubscribe, {}),
    "exmo": (
        family.MethodTopics,
        {"id_field": "id", "batch": 20, "answer": Answers(kind=_EVENT, **_BEGUN, channel="topic")},
    ),
    "gate": (
        family.EventSubscribe,
        {"id_field": "id", "time_field": "time", "answer": Answers(kind=_EVENT)},
    ),
    "htx": (family.SubSubscribe, {}),
    "htx-contract": (
        family.EventSubscribe,
        {
            "event_field": "op",
            "words": ("sub", "unsub"),
            "payload_field": "topic",
            "id_field": "cid",
            "id_type": str,
            "answer": Answers(kind=("op",), **_SUB, id="cid", code="err-code"),
        },
    ),
    "htx-private": (
        family.EventSubscribe,
        {
            "event_field": "action",
            "words": ("sub", "unsub"),
            "payload_field": "ch",
            "answer": Answers(kind=("action",), **_SUB, id=None, channel="ch", ok=(200,)),
        },
    ),
    "hyperliquid": (family.MethodSubscription, {}),
    "kraken": (
        family.MethodParams,
        {
            "id_field": "req_id",
            "parts_field": "symbol",
            "answer": Answers(kind=("method",), id="req_id"),
        },
    ),
    "krakenfutures": (
        family.EventSubscribe,
        {
            "answer": Answers(
                kind=_EVENT, **_BEGUN, refused=("error", "alert"), id=None, channel=whole("feed")
            )
        },
    ),
    "kucoin": (
        family.TypeSubscribe,
        {
            **_TEXT_ID,
            "extra": {"response": True},
            "answer": Answers(kind=("type",), begun=(), ended=(), done=("ack",), ok=(0, None)),
        },
    ),
    "mexc": (
        family.MethodSubscribe,
        {"words": ("SUBSCRIPTION", "UNSUBSCRIPTION"), "batch": 10, "answer": mexc},
    ),
    "okx": (
        family.OpSubscribe,
        {
            **_TEXT_ID,
            "answer": Answers(
                kind=_EVENT, refused=("error", "channel-conn-count-error"), channel="arg"
            ),
        },
    ),
    "phemex": (family.MethodAsTopic, {}),
    "whitebit": (family.MethodAsTopic, {"separator": "_"}),
    "woo": (
        family.EventSubscribe,
        {**_TEXT_ID, "payload_field": "topic", "answer": Answers(kind=_EVENT)},
    ),
}

# Those whose words are the same.
_SPOKEN |= {
    "binance-margin": _SPOKEN["binance"],
    "binance-usdm": _SPOKEN["binance"],
    "coinbaseexchange": _SPOKEN["coinbase"],
    "coinex-futures": _SPOKEN["coinex"],
    "kucoin-futures": _SPOKEN["kucoin"],
}
