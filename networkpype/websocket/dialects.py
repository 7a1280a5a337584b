"""Subscribe messages of the known families; `spoken` tells which exchange speaks which.

A family says how to ask, and its `answer` how the exchange answers: `Answers` or a function of your
own, None where no answer is awaited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.websocket.answers import Answers, Judge, hyperliquid
from networkpype.websocket.subscriptions import Ack, Dialect

__all__ = [
    "ActionSubscribe",
    "EventSubscribe",
    "JSONRPCSubscribe",
    "MethodAsTopic",
    "MethodParams",
    "MethodSubscribe",
    "MethodSubscription",
    "MethodTopics",
    "OpSubscribe",
    "ReqTypeSub",
    "SubSubscribe",
    "TypeSubscribe",
]

_BY_ID = Answers()


@dataclass(kw_only=True, eq=False)
class _Family(Dialect):
    """What all families have: how many channels a message names, and what an answer looks like."""

    batch: int = 1
    answer: Judge | None = field(default=None, repr=False)
    ack_timeout_s: float | None = 10.0

    def __post_init__(self) -> None:
        if type(self.batch) is not int or self.batch < 1:
            raise ConfigurationError(f"batch is {self.batch!r}; pass a whole number above zero")
        goes_by_id = isinstance(self.answer, Answers) and not self.answer.kind
        if goes_by_id and getattr(self, "id_field", "") is None:
            raise ConfigurationError("these answers are known by an id: pass id_field= too")
        if self.answer is None:
            self.ack_timeout_s = None

    def subscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._frame(0, channels, id)

    def unsubscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._frame(1, channels, id)

    def judge(self, data: Any) -> Ack | None:
        return None if self.answer is None else self.answer(data)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        """Return the message; `word` is 0 where it begins, 1 where it ends."""
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class _Worded(_Family):
    """Families whose words for beginning and ending differ, and with an id of any name or none."""

    words: tuple[str, str] = ("subscribe", "unsubscribe")
    id_field: str | None = None
    id_type: Callable[[int], Any] = field(default=int, repr=False)

    def _identified(self, frame: dict[str, Any], id: int) -> dict[str, Any]:
        if self.id_field is not None:
            frame[self.id_field] = self.id_type(id)
        return frame


@dataclass(kw_only=True, eq=False)
class OpSubscribe(_Worded):
    """``{"op":"subscribe","args":[...]}``: Bybit and BitMEX with texts, OKX and Bitget objects."""

    op_field: str = "op"
    args_field: str = "args"

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        frame = {self.op_field: self.words[word], self.args_field: list(channels)}
        return self._identified(frame, id)


@dataclass(kw_only=True, eq=False)
class MethodSubscribe(OpSubscribe):
    """``{"method":"SUBSCRIBE","params":[...],"id":1}``: Binance, MEXC with other words."""

    op_field: str = "method"
    args_field: str = "params"
    id_field: str | None = "id"
    words: tuple[str, str] = ("SUBSCRIBE", "UNSUBSCRIBE")
    answer: Judge | None = field(default=_BY_ID, repr=False)


@dataclass(kw_only=True, eq=False)
class MethodTopics(OpSubscribe):
    """``{"method":"subscribe","topics":[...]}``: EXMO."""

    op_field: str = "method"
    args_field: str = "topics"


@dataclass(kw_only=True, eq=False)
class EventSubscribe(_Worded):
    """``{"event":"subscribe",...}`` with the fields of one channel: Bitfinex, Gate, WOO.

    A channel that is a mapping is merged into the message (``{"channel": "trades", "symbol":
    "tBTCUSD"}``); a text or list stands in `payload_field`. `extra` is in every message, and
    `time_field` holds the UNIX seconds of `clock`.
    """

    event_field: str = "event"
    payload_field: str = "payload"
    extra: Mapping[str, Any] = field(default_factory=dict)
    time_field: str | None = None
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        channel = _only(channels)
        own = channel if isinstance(channel, Mapping) else {self.payload_field: channel}
        frame = {self.event_field: self.words[word], **own, **self.extra}
        if self.time_field is not None:
            frame[self.time_field] = int(self.clock())
        return self._identified(frame, id)


@dataclass(kw_only=True, eq=False)
class TypeSubscribe(EventSubscribe):
    """``{"type":"subscribe","topic":"...","id":"1"}``: KuCoin; with two fields, Coinbase.

    A channel that is a mapping is merged into the message, such as Coinbase's ``{"product_ids":
    ["BTC-USD"], "channel": "level2"}``.
    """

    event_field: str = "type"
    payload_field: str = "topic"


@dataclass(kw_only=True, eq=False)
class JSONRPCSubscribe(_Family):
    """``{"jsonrpc":"2.0","method":"public/subscribe","params":{"channels":[...]}}``: Deribit.

    `scope` is ``public`` or ``private``. The answer lists the channels that were taken: one that it
    leaves out was refused.
    """

    scope: str = "public"
    batch: int = 100
    answer: Judge | None = field(default=_BY_ID, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        method = f"{self.scope}/{('subscribe', 'unsubscribe')[word]}"
        params = {"channels": list(channels)}
        return {"jsonrpc": "2.0", "method": method, "params": params, "id": id}

    def judge(self, data: Any) -> Ack | None:
        ack = super().judge(data)
        taken = data.get("result") if ack is not None and ack.accepted else None
        return Ack(True, id=ack.id, only=taken) if ack and isinstance(taken, list) else ack


@dataclass(kw_only=True, eq=False)
class ActionSubscribe(_Worded):
    """``{"action":"subscribe","params":{"channels":[...]}}``."""

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        frame = {"action": self.words[word], "params": {"channels": list(channels)}}
        return self._identified(frame, id)


@dataclass(kw_only=True, eq=False)
class MethodParams(_Worded):
    """``{"method":"subscribe","params":{...},"id":1}``: Kraken, Crypto.com.

    A channel that is a mapping is the params themselves, as Kraken wants them (``{"channel":
    "book", "symbol": ["BTC/USD"]}``); texts stand in `channels_field` as a list, as Crypto.com
    wants them. `parts_field` is the field of a channel whose values are answered one by one.
    """

    channels_field: str = "channels"
    parts_field: str | None = None
    id_field: str | None = "id"
    answer: Judge | None = field(default=_BY_ID, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        is_mapping = isinstance(channels[0], Mapping)
        params = dict(_only(channels)) if is_mapping else {self.channels_field: list(channels)}
        return self._identified({"method": self.words[word], "params": params}, id)

    def parts(self, channel: Any) -> int:
        told = channel.get(self.parts_field) if isinstance(channel, Mapping) else None
        return max(1, len(told)) if isinstance(told, (list, tuple)) else 1


@dataclass(kw_only=True, eq=False)
class MethodSubscription(_Family):
    """``{"method":"subscribe","subscription":{"type":"..."}}``: Hyperliquid."""

    answer: Judge | None = field(default=hyperliquid, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        channel = _only(channels)
        own = dict(channel) if isinstance(channel, Mapping) else {"type": channel}
        return {"method": ("subscribe", "unsubscribe")[word], "subscription": own}


@dataclass(kw_only=True, eq=False)
class MethodAsTopic(_Family):
    """``{"method":"depth.subscribe","params":...,"id":1}``: CoinEx, Phemex, WhiteBIT.

    A channel is ``(name, params)``, such as ``("state", {"market_list": ["BTCUSDT"]})``, or the
    name alone. `unsubscribe_params` makes the params of the end from the name and those of the
    beginning.
    """

    separator: str = "."
    no_params: Any = field(default_factory=list)
    unsubscribe_params: Callable[[str, Any], Any] = field(
        default=lambda name, params: params, repr=False
    )
    answer: Judge | None = field(default=_BY_ID, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        channel = _only(channels)
        channel = (channel, self.no_params) if isinstance(channel, str) else channel
        if not isinstance(channel, Sequence) or len(channel) != 2:
            raise ConfigurationError(
                f"a channel is a {type(channel).__name__}; here it is a name, or (name, params)"
            )
        name, params = channel
        if word:
            params = self.unsubscribe_params(name, params)
        method = f"{name}{self.separator}{('subscribe', 'unsubscribe')[word]}"
        return {"method": method, "params": params, "id": id}


@dataclass(kw_only=True, eq=False)
class SubSubscribe(_Family):
    """``{"sub":"market.btcusdt.depth.step0","id":"id1"}``: HTX."""

    answer: Judge | None = field(
        default=Answers(id_prefix="id", code="status", ok=("ok",)), repr=False
    )

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        return {("sub", "unsub")[word]: _only(channels), "id": f"id{id}"}


@dataclass(kw_only=True, eq=False)
class ReqTypeSub(_Family):
    """``{"id":"1","reqType":"sub","dataType":"BTC-USDT@depth"}``: BingX."""

    answer: Judge | None = field(default=_BY_ID, repr=False)

    def _frame(self, word: int, channels: Sequence[Any], id: int) -> Any:
        return {"id": str(id), "reqType": ("sub", "unsub")[word], "dataType": _only(channels)}


def _only(channels: Sequence[Any]) -> Any:
    if len(channels) != 1:
        raise ConfigurationError("this family names one channel a message; leave batch at 1")
    return channels[0]
