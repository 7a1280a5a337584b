"""Sockets whose login is an event or a request on a channel."""

from __future__ import annotations

from typing import ClassVar

from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.headers import seconds
from networkpype.testing.venues.queries import check_utc, htx_message
from networkpype.testing.venues.venue import Frame, Socket, compact

__all__ = ["BitfinexSocket", "GateAPISocket", "HTXContractSocket", "HTXSocket", "WooSocket"]


class BitfinexSocket(Socket):
    """``AUTH`` and a nonce that rises with that of the REST requests."""

    greeting = ({"event": "info", "version": 2, "serverId": "s1", "platform": {"status": 1}},)
    unrelated = ({"event": "conf", "status": "OK", "flags": 0},)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("event") == "auth"

    def check_login(self, frame: Frame) -> None:
        self.account.check_key(frame.get("apiKey"))
        nonce, payload = frame.get("authNonce"), str(frame.get("authPayload"))
        if payload != f"AUTH{nonce}":
            raise Refusal(Why.SIGNATURE)
        self.account.check(frame.get("authSig"), payload, "sha384")
        if not str(nonce).isdigit() or int(str(nonce)) > 9007199254740991:
            raise Refusal(Why.NONCE)
        self.account.check_rising(nonce)

    def accepted(self, frame: Frame) -> Frame:
        known = {"chanId": 0, "userId": 1, "auth_id": "a1", "caps": {}}
        return {"event": "auth", "status": "OK"} | known

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = (10100, "apikey: digest invalid")
        if refusal.why is Why.KEY:
            said = "apikey: invalid"
        elif refusal.why is Why.NONCE:
            code, said = 10114, "nonce: small"
        return {"event": "auth", "status": "FAILED", "chanId": 0, "code": code, "msg": said}

    def is_private(self, frame: Frame) -> bool:
        return "list" in frame  # orders are lists: [0, "on", null, {...}]

    def answered(self, frame: Frame) -> Frame | None:
        return {"event": "subscribed", "channel": frame.get("channel"), "chanId": 17}


class GateAPISocket(Socket):
    """The trading socket: a login over channel and parameters, then calls."""

    def is_login(self, frame: Frame) -> bool:
        return frame.get("event") == "api" and str(frame.get("channel")).endswith(".login")

    def check_login(self, frame: Frame) -> None:
        payload = frame.get("payload") or {}
        self.account.check_key(payload.get("api_key"))
        stamp, param = payload.get("timestamp"), payload.get("req_param")
        written = "" if param is None else compact(param)
        self.account.check_time(seconds(str(stamp)), 60_000, 60_000)
        message = f"api\n{frame['channel']}\n{written}\n{stamp}"
        self.account.check(payload.get("signature"), message, "sha512")

    def accepted(self, frame: Frame) -> Frame:
        result = {"api_key": self.account.key, "uid": "1"}
        return self._told(frame, "200", {"result": result})

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        label = "INVALID_KEY" if refusal.why is Why.KEY else "INVALID_SIGNATURE"
        return self._told(frame, "401", {"errs": {"label": label, "message": str(refusal)}})

    def is_private(self, frame: Frame) -> bool:
        return frame.get("event") == "api"

    def answered(self, frame: Frame) -> Frame:
        return self._told(frame, "200", {"result": {"req_id": "1"}})

    def _told(self, frame: Frame, status: str, data: Frame) -> Frame:
        known = {"response_time": str(self.account.time_ms()), "client_id": "c1"}
        header = {"status": status, "channel": frame.get("channel"), "event": "api"} | known
        payload = frame.get("payload")
        id_ = payload.get("req_id") if isinstance(payload, dict) else None
        return {"request_id": id_, "header": header, "data": data}


class HTXSocket(Socket):
    """Spot: the signature is over the socket's own host and path."""

    unrelated = ({"action": "ping", "data": {"ts": 1575537778295}},)
    names: ClassVar[tuple[str, str, str, str, str, str]] = (
        "accessKey",
        "signatureMethod",
        "signatureVersion",
        "timestamp",
        "signature",
        "2.1",
    )

    def is_login(self, frame: Frame) -> bool:
        return (frame.get("action"), frame.get("ch")) == ("req", "auth")

    def check_login(self, frame: Frame) -> None:
        self.check_params(frame.get("params") or {})

    def check_params(self, params: Frame) -> None:
        """Check the signature over all that it names."""
        key, method, version, stamp, signature, wanted = self.names
        self.account.check_key(params.get(key))
        if (params.get(method), params.get(version)) != ("HmacSHA256", wanted):
            raise Refusal(Why.MISSING, f"{method} is HmacSHA256 and {version} {wanted}")
        check_utc(self.account, str(params.get(stamp)))
        signed = {name: str(params[name]) for name in (key, method, version, stamp)}
        self.account.check(params.get(signature), htx_message(self.request, signed), form="base64")

    def accepted(self, frame: Frame) -> Frame:
        return {"action": "req", "code": 200, "ch": "auth", "data": {}}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        said = "invalid.auth.state" if refusal.why is Why.LOGIN else "auth.fail"
        told = {"action": frame.get("action"), "ch": frame.get("ch")}
        return told | {"code": 2002, "message": said}

    def is_private(self, frame: Frame) -> bool:
        channel = str(frame.get("ch"))
        return channel.startswith(("accounts.", "orders#", "trade.clearing#"))

    def answered(self, frame: Frame) -> Frame | None:
        if frame.get("action") != "sub":
            return None
        return {"action": "sub", "code": 200, "ch": frame.get("ch"), "data": {}}


class HTXContractSocket(HTXSocket):
    """Contracts: version 2, ``op`` for ``action``, and gzip."""

    unrelated = ({"op": "ping", "ts": "1492420473058"},)
    encoding = "gzip"
    names = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature", "2")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "auth"

    def check_login(self, frame: Frame) -> None:
        self.check_params(frame)

    def accepted(self, frame: Frame) -> Frame:
        told = {"err-code": 0, "ts": self.account.time_ms(), "data": {"user-id": "1"}}
        return {"op": "auth", "type": "api"} | told

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = 2003, "Authentication failed"
        if refusal.why is Why.LOGIN:
            code, said = 2002, "invalid.auth.state"
        told = {"op": frame.get("op"), "type": "api", "topic": frame.get("topic")}
        return told | {"err-code": code, "err-msg": said, "ts": self.account.time_ms()}

    def is_private(self, frame: Frame) -> bool:
        topic = str(frame.get("topic"))
        return topic.startswith(("orders", "accounts", "positions", "matchOrders", "trigger_order"))

    def answered(self, frame: Frame) -> Frame | None:
        if frame.get("op") != "sub":
            return None
        known = {"op": "sub", "cid": frame.get("cid"), "topic": frame.get("topic")}
        return known | {"ts": self.account.time_ms(), "err-code": 0}


class WooSocket(Socket):
    """``|`` and a timestamp; the application id stands in the URL."""

    unrelated = ({"event": "ping", "ts": 1614667590000},)
    private = ("executionreport", "position", "balance", "account", "marginassignment")

    def open(self) -> list[Frame]:
        if self.request.path.rpartition("/")[2] != self.account.memo:
            raise Refusal(Why.KEY, "the URL does not end with the application id")
        return []

    def is_login(self, frame: Frame) -> bool:
        return frame.get("event") == "auth"

    def check_login(self, frame: Frame) -> None:
        given = frame.get("params") or {}
        self.account.check_key(given.get("apikey"))
        stamp = given.get("timestamp")
        self.account.check_time(stamp, 300_000, 300_000)
        self.account.check(given.get("sign"), f"|{stamp}")

    def accepted(self, frame: Frame) -> Frame:
        known = {"id": frame.get("id"), "event": frame.get("event")}
        return known | {"success": True, "ts": self.account.time_ms()}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        return self.accepted(frame) | {"success": False, "errorMsg": str(refusal)}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("topic")).startswith(self.private)

    def answered(self, frame: Frame) -> Frame:
        return self.accepted(frame) | {"data": frame.get("topic")}
