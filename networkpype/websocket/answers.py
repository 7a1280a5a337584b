"""What exchanges answer to a subscribe or unsubscribe message: rules, most of them data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from networkpype.websocket.subscriptions import Ack

__all__ = ["Answers", "Judge", "bitmex", "hyperliquid", "mexc", "whole"]

Judge: TypeAlias = Callable[[Any], "Ack | None"]
"""Says what a message means for what was asked; None for one that is no answer."""

_VERDICTS = ("result", "error", "code", "status", "success")
_REASONS = ("msg", "message", "reason", "ret_msg", "err-msg", "errorMsg", "data")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A judge that goes by the fields of a message.

    `kind` names the fields that tell what a message is: `begun` are their values in an answer to a
    subscribe, `ended` to an unsubscribe, `done` to either, and `refused` in a refusal. Without it
    an answer is known by its `id`, and by holding a verdict beside it.

    `channel` is the field that names the channel, or finds it in the message. Where `id` and
    `channel` are missing in a message, it answers the oldest that waits. `name` are the fields that
    make up the channel's name on this connection.

    It is a refusal too where `error` holds something, `success` is False, or `code` none of `ok`.
    """

    kind: tuple[str, ...] = ()
    begun: tuple[str, ...] = ("subscribe",)
    ended: tuple[str, ...] = ("unsubscribe",)
    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ("error",)
    id: str | None = "id"
    id_prefix: str = ""
    channel: str | Callable[[Mapping[str, Any]], Any] | None = None
    name: tuple[str, ...] = ()
    error: str = "error"
    success: str = "success"
    code: str = "code"
    ok: Sequence[Any] = (0, "0", None)

    def __call__(self, data: Any) -> Ack | None:
        if not isinstance(data, Mapping):
            return None
        id = self._id(data)
        if self.kind:
            kinds = [data[field] for field in self.kind if isinstance(data.get(field), str)]
            known = (*self.begun, *self.ended, *self.done, *self.refused)
            kind = next((each for each in kinds if each in known), None)
            if kind is None:
                return None
        elif id is None or not any(field in data for field in _VERDICTS):
            return None
        else:
            kind = ""
        accepted = kind not in self.refused and self._is_accepted(data)
        leaves = {**dict.fromkeys(self.begun, False), **dict.fromkeys(self.ended, True)}
        return Ack(
            accepted,
            id=id,
            channels=self._channels(data),
            reason="" if accepted else self._reason(data),
            leaves=leaves.get(kind),
            name={field: data.get(field) for field in self.name} if self.name else None,
        )

    def _id(self, data: Mapping[str, Any]) -> int | str | None:
        found = None if self.id is None else data.get(self.id)
        if found == "" or not isinstance(found, (int, str)):
            return None
        if not self.id_prefix:
            return found
        text = str(found)
        return text.removeprefix(self.id_prefix) if text.startswith(self.id_prefix) else None

    def _channels(self, data: Mapping[str, Any]) -> Sequence[Any] | None:
        find = self.channel
        told = find(data) if callable(find) else None if find is None else data.get(find)
        return None if told is None else [told]

    def _is_accepted(self, data: Mapping[str, Any]) -> bool:
        if data.get(self.error) or data.get(self.success) is False:
            return False
        return data.get(self.code) in self.ok

    def _reason(self, data: Mapping[str, Any]) -> str:
        told = data.get(self.error)
        if isinstance(told, Mapping):
            data, told = told, None
        found = told or next((data[field] for field in _REASONS if data.get(field)), None)
        return str(found or data.get(self.code) or "refused")


def whole(*fields: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return what takes the whole message for the channel's name where it has one of `fields`."""
    return lambda data: data if any(field in data for field in fields) else None


def bitmex(data: Any) -> Ack | None:
    """Judge ``{"success": true, "subscribe": "trade:XBTUSD"}``, and refusals that quote."""
    if not isinstance(data, Mapping):
        return None
    for leaves, word in ((False, "subscribe"), (True, "unsubscribe")):
        if isinstance(data.get(word), str) and "success" in data:
            return Ack(data["success"] is True, channels=[data[word]], leaves=leaves)
    asked = data.get("request")
    if not data.get("error") or not isinstance(asked, Mapping):
        return None
    args, op = asked.get("args"), asked.get("op")
    if op not in ("subscribe", "unsubscribe"):
        return None
    channels = args if isinstance(args, list) else [args]
    leaves = op == "unsubscribe"
    return Ack(False, channels=channels, reason=str(data["error"]), leaves=leaves)


def hyperliquid(data: Any) -> Ack | None:
    """Judge ``{"channel":"subscriptionResponse","data":{...}}``; an error names no subscription."""
    if not isinstance(data, Mapping):
        return None
    told = data.get("data")
    if data.get("channel") == "error":
        is_there = str(told).startswith("Already subscribed")
        return Ack(is_there, reason="" if is_there else str(told))
    if data.get("channel") != "subscriptionResponse" or not isinstance(told, Mapping):
        return None
    leaves = told.get("method") == "unsubscribe"
    return Ack(True, channels=[told.get("subscription")], leaves=leaves)


def mexc(data: Any) -> Ack | None:
    """Judge ``{"id":1,"code":0,"msg":"..."}``: code 0 in any case; `msg` lists what was taken."""
    ack = Answers()(data)
    if ack is None or not ack.accepted or not isinstance(data.get("msg"), str):
        return ack
    taken, refusal, reason = data["msg"].partition("Not Subscribed")
    only = [each.strip(" .") for each in taken.split(",")]
    return Ack(True, id=ack.id, only=only, reason=refusal + reason)
