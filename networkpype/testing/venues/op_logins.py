"""Sockets whose login is an ``op`` or ``action`` with arguments."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.headers import seconds
from networkpype.testing.venues.venue import Frame, Socket, arguments

__all__ = [
    "BitMEXSocket",
    "BitgetSocket",
    "BitmartContractSocket",
    "BitmartSocket",
    "BybitSocket",
    "OKXSocket",
]


class BybitSocket(Socket):
    """``GET/realtime`` and an expiry in ms that must be later than now."""

    unrelated = ({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": {}, "success": True},)
    private = ("order", "position", "execution", "wallet", "greeks", "dcp")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "auth"

    def check_login(self, frame: Frame) -> None:
        key, expires, signature = arguments(frame.get("args"), 3)
        self.account.check_key(key)
        self.account.check_time(expires, -1, math.inf)
        self.account.check(signature, f"GET/realtime{expires}")

    def accepted(self, frame: Frame) -> Frame:
        return {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c1"}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        said = "Request not authorized" if refusal.why is Why.LOGIN else str(refusal)
        told = {"success": False, "ret_msg": said, "op": frame.get("op"), "conn_id": "c1"}
        return self._named(frame, told)

    def is_private(self, frame: Frame) -> bool:
        topics = frame.get("args") or [""]
        return frame.get("op") == "subscribe" and str(topics[0]).startswith(self.private)

    def answered(self, frame: Frame) -> Frame:
        # As the public sockets answer a ping; the private ones say op "pong".
        said = "pong" if frame.get("op") == "ping" else ""
        told = {"success": True, "ret_msg": said, "op": frame.get("op"), "conn_id": "c1"}
        return self._named(frame, told)

    def _named(self, frame: Frame, told: Frame) -> Frame:
        return {**told, "req_id": frame["req_id"]} if "req_id" in frame else told


class BitMEXSocket(Socket):
    """The same with seconds."""

    greeting = ({"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0"},)
    unrelated = ({"table": "instrument", "action": "partial", "data": []},)
    private = ("order", "execution", "position", "margin", "wallet", "transact", "affiliate")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "authKeyExpires"

    def check_login(self, frame: Frame) -> None:
        key, expires, signature = arguments(frame.get("args"), 3)
        self.account.check_key(key)
        self.account.check_time(int(expires) * 1000, -1, math.inf)
        self.account.check(signature, f"GET/realtime{expires}")

    def accepted(self, frame: Frame) -> Frame:
        return {"success": True, "request": frame}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        known = {Why.KEY: "Invalid API Key.", Why.TIME: "Signature has expired."}
        said = known.get(refusal.why, "Signature not valid.")
        return {"status": 401, "error": said, "meta": {}, "request": frame}

    def is_private(self, frame: Frame) -> bool:
        topics = frame.get("args") or [""]
        topics = [topics] if isinstance(topics, str) else topics
        return frame.get("op") == "subscribe" and str(topics[0]).startswith(self.private)

    def answered(self, frame: Frame) -> Frame:
        return {"success": True, "subscribe": frame.get("args"), "request": frame}


class OKXSocket(Socket):
    """A login of key, passphrase, seconds and signature."""

    unrelated = ({"event": "subscribe", "arg": {"channel": "tickers"}, "connId": "c1"},)
    path: ClassVar[str] = "/users/self/verify"
    ok: ClassVar[Any] = "0"
    codes: ClassVar[dict[Why, tuple[Any, str]]] = {
        Why.KEY: ("60005", "Invalid apiKey"),
        Why.PASSPHRASE: ("60024", "Wrong passphrase"),
        Why.TIME: ("60006", "Timestamp request expired"),
        Why.SIGNATURE: ("60007", "Invalid sign"),
        Why.LOGIN: ("60011", "Please log in"),
    }
    private: ClassVar[tuple[str, ...]] = (
        "account",
        "positions",
        "orders",
        "fills",
        "balance_and_position",
        "deposit-info",
    )

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "login"

    def check_login(self, frame: Frame) -> None:
        (given,) = arguments(frame.get("args"), 1)
        self.account.check_key(given.get("apiKey"))
        self.account.check_passphrase(given.get("passphrase"))
        stamp = given.get("timestamp")
        self.account.check_time(seconds(str(stamp)), 30_000, 30_000)
        self.account.check(given.get("sign"), f"{stamp}GET{self.path}", form="base64")

    def accepted(self, frame: Frame) -> Frame:
        return {"event": "login", "code": self.ok, "msg": "", "connId": "c1"}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = self.codes.get(refusal.why) or self.codes[Why.SIGNATURE]
        return {"event": "error", "code": code, "msg": said, "connId": "c1"}

    def is_private(self, frame: Frame) -> bool:
        args = frame.get("args") or [{}]
        return frame.get("op") == "subscribe" and str(args[0].get("channel")).startswith(
            self.private
        )

    def answered(self, frame: Frame) -> Frame:
        args = frame.get("args") or [{}]
        return {"event": frame.get("op"), "arg": args[0], "connId": "c1"}


class BitgetSocket(OKXSocket):
    """Another path to sign, and a code that is a number."""

    path = "/user/verify"
    ok = 0
    codes: ClassVar[dict[Why, tuple[Any, str]]] = {
        Why.KEY: (30011, "Invalid ACCESS_KEY"),
        Why.PASSPHRASE: (30012, "Invalid ACCESS_PASSPHRASE"),
        Why.TIME: (30007, "Request timestamp expired"),
        Why.SIGNATURE: (30015, "Invalid sign"),
        Why.LOGIN: (30004, "User needs to log in"),
    }
    private = ("account", "positions", "orders", "fill")


class BitmartSocket(Socket):
    """Spot: time, memo and a fixed text."""

    unrelated = ({"table": "spot/ticker", "data": []},)
    private: ClassVar[tuple[str, ...]] = ("spot/user/",)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "login"

    def check_login(self, frame: Frame) -> None:
        key, stamp, signature = arguments(frame.get("args"), 3)
        self.account.check_key(key)
        self.account.check_time(stamp, 60_000, 60_000)
        self.account.check(signature, f"{stamp}#{self.account.memo}#bitmart.WebSocket")

    def accepted(self, frame: Frame) -> Frame:
        return {"event": "login"}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = ("91011", "unauthorized") if refusal.why is Why.LOGIN else ("91002", "login")
        return {"event": frame.get("op"), "errorMessage": f"{said} failure", "errorCode": code}

    def is_private(self, frame: Frame) -> bool:
        topics = frame.get("args") or [""]
        return "subscribe" in frame.values() and str(topics[0]).startswith(self.private)

    def answered(self, frame: Frame) -> Frame:
        return {"event": frame.get("op"), "topic": (frame.get("args") or [""])[0]}


class BitmartContractSocket(BitmartSocket):
    """Contracts: ``access`` with the device, frames deflated."""

    unrelated = ({"group": "System", "data": "pong"},)
    encoding = "deflate"
    private = ("futures/asset", "futures/position", "futures/order")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("action") == "access"

    def check_login(self, frame: Frame) -> None:
        super().check_login(frame | {"args": arguments(frame.get("args"), 4)[:3]})

    def accepted(self, frame: Frame) -> Frame:
        return {"action": "access", "success": True}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"action": frame.get("action"), "success": False, "error": str(refusal)}

    def answered(self, frame: Frame) -> Frame:
        return {"action": frame.get("action"), "success": True, "request": frame}
