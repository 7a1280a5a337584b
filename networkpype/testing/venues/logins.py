"""Sockets where one signed frame logs the connection in, and an ack answers it."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.headers import seconds
from networkpype.testing.venues.payloads import check_cryptocom_frame
from networkpype.testing.venues.queries import check_utc, htx_message
from networkpype.testing.venues.venue import Frame, Socket

__all__ = [
    "BinanceAPISocket",
    "BitMEXSocket",
    "BitfinexSocket",
    "BitgetSocket",
    "BitmartContractSocket",
    "BitmartSocket",
    "BybitSocket",
    "CoinExSocket",
    "CryptocomSocket",
    "DeribitSocket",
    "GateAPISocket",
    "HTXContractSocket",
    "HTXSocket",
    "MEXCContractSocket",
    "OKXSocket",
    "PhemexSocket",
    "WooSocket",
]


class BybitSocket(Socket):
    """``GET/realtime`` and an expiry in ms that must be later than now."""

    unrelated = ({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": {}, "success": True},)
    private = ("order", "position", "execution", "wallet", "greeks", "dcp")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "auth"

    def check_login(self, frame: Frame) -> None:
        key, expires, signature = _args(frame, 3)
        self.account.check_key(key)
        self.account.check_time(expires, -1, math.inf)
        self.account.check(signature, f"GET/realtime{expires}")

    def accepted(self, frame: Frame) -> Frame:
        return {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c1"}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        said = "Request not authorized" if refusal.why is Why.LOGIN else str(refusal)
        return {"success": False, "ret_msg": said, "op": frame.get("op"), "conn_id": "c1"}

    def is_private(self, frame: Frame) -> bool:
        topics = frame.get("args") or [""]
        return frame.get("op") == "subscribe" and str(topics[0]).startswith(self.private)

    def answered(self, frame: Frame) -> Frame:
        return {"success": True, "ret_msg": "", "op": frame.get("op"), "conn_id": "c1"}


class BitMEXSocket(Socket):
    """The same with seconds."""

    greeting = ({"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0"},)
    unrelated = ({"table": "instrument", "action": "partial", "data": []},)
    private = ("order", "execution", "position", "margin", "wallet", "transact", "affiliate")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "authKeyExpires"

    def check_login(self, frame: Frame) -> None:
        key, expires, signature = _args(frame, 3)
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
        (given,) = _args(frame, 1)
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


class DeribitSocket(Socket):
    """JSON-RPC ``public/auth``; the login is remembered for as long as ``expires_in`` says."""

    unrelated = (
        {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}},
        {"jsonrpc": "2.0", "id": 987654321, "result": {"version": "1.2.26"}},
    )
    lifetime_s: ClassVar[int] = 900

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "public/auth"

    def check_login(self, frame: Frame) -> None:
        params = frame.get("params") or {}
        if params.get("grant_type") == "refresh_token":
            self.account.check_token(params.get("refresh_token"))
            return
        self.account.check_key(params.get("client_id"))
        stamp, nonce = params.get("timestamp"), params.get("nonce")
        self.account.check_time(stamp, 60_000, 60_000)
        message = f"{stamp}\n{nonce}\n{params.get('data', '')}"
        self.account.check(params.get("signature"), message)
        self.account.check_unused(nonce)

    def accepted(self, frame: Frame) -> Frame:
        tokens = {
            "access_token": self.account.issue(self.lifetime_s),
            "refresh_token": self.account.issue(86_400),
        }
        told = {"expires_in": self.lifetime_s, "scope": "connection", "token_type": "bearer"}
        return {"jsonrpc": "2.0", "id": frame.get("id"), "result": tokens | told}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        error = {"message": "invalid_credentials", "code": 13004}
        if refusal.why is Why.LOGIN:
            error = {"message": "unauthorized", "code": 13009}
        error["data"] = {"reason": str(refusal)}
        return {"jsonrpc": "2.0", "id": frame.get("id"), "error": error}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("method")).startswith("private/")

    def answered(self, frame: Frame) -> Frame:
        result = (frame.get("params") or {}).get("channels", [])
        return {"jsonrpc": "2.0", "id": frame.get("id"), "result": result}


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
        written = "" if param is None else _compact(param)
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
        id_ = (frame.get("payload") or {}).get("req_id")
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


class CoinExSocket(Socket):
    """``server.sign``: the text of a timestamp, signed; every frame is gzip."""

    unrelated = (
        {"method": "state.update", "data": {"state_list": []}, "id": None},
        {"id": 987654321, "code": 0, "message": "OK"},
    )
    encoding = "gzip"
    private = ("order.", "stop.", "user_deals.", "balance.", "position.")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "server.sign"

    def check_login(self, frame: Frame) -> None:
        params = frame.get("params") or {}
        self.account.check_key(params.get("access_id"))
        stamp = params.get("timestamp")
        self.account.check_time(stamp, 60_000, 60_000)
        self.account.check(params.get("signed_str"), str(stamp))

    def accepted(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "code": 0, "message": "OK"}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = 21002, "Signature Incorrect"
        if refusal.why is Why.LOGIN:
            code, said = 21001, "Authentication required"
        return {"id": frame.get("id"), "code": code, "message": said}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("method")).startswith(self.private)

    answered = accepted


class MEXCContractSocket(Socket):
    """Key and time signed, as in a request without arguments."""

    unrelated = ({"channel": "pong", "data": 1587453241453},)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "login"

    def check_login(self, frame: Frame) -> None:
        given = frame.get("param") or {}
        self.account.check_key(given.get("apiKey"))
        stamp = given.get("reqTime")
        self.account.check_time(stamp, 10_000, 10_000)
        self.account.check(given.get("signature"), f"{given['apiKey']}{stamp}")

    def accepted(self, frame: Frame) -> Frame:
        return {"channel": "rs.login", "data": "success", "ts": self.account.time_ms()}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"channel": "rs.error", "data": str(refusal), "ts": self.account.time_ms()}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("method")).startswith(("personal.", "sub.personal."))

    def answered(self, frame: Frame) -> Frame:
        told = {"data": "success", "ts": self.account.time_ms()}
        return {"channel": f"rs.{frame.get('method')}"} | told


class CryptocomSocket(Socket):
    """The same signature as a request's body, for the method ``public/auth``."""

    unrelated = ({"id": 1587523073344, "method": "public/heartbeat", "code": 0},)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "public/auth"

    def check_login(self, frame: Frame) -> None:
        check_cryptocom_frame(frame, self.account)

    def accepted(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "method": frame.get("method"), "code": 0}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        code, said = 40101, "UNAUTHORIZED"
        if refusal.why is Why.TIME:
            code, said = 40102, "INVALID_NONCE"
        known = {"id": frame.get("id"), "method": frame.get("method")}
        return known | {"code": code, "message": said}

    def is_private(self, frame: Frame) -> bool:
        channels = (frame.get("params") or {}).get("channels") or [""]
        return str(frame.get("method")).startswith("private/") or channels[0].startswith("user.")

    answered = accepted


class BitmartSocket(Socket):
    """Spot: time, memo and a fixed text."""

    unrelated = ({"table": "spot/ticker", "data": []},)
    private: ClassVar[tuple[str, ...]] = ("spot/user/",)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("op") == "login"

    def check_login(self, frame: Frame) -> None:
        key, stamp, signature = _args(frame, 3)
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
        super().check_login(frame | {"args": _args(frame, 4)[:3]})

    def accepted(self, frame: Frame) -> Frame:
        return {"action": "access", "success": True}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"action": frame.get("action"), "success": False, "error": str(refusal)}

    def answered(self, frame: Frame) -> Frame:
        return {"action": frame.get("action"), "success": True, "request": frame}


class PhemexSocket(Socket):
    """Key and expiry in seconds, two minutes away at most."""

    unrelated = ({"error": None, "id": 987654321, "result": "pong"},)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "user.auth"

    def check_login(self, frame: Frame) -> None:
        kind, key, signature, expiry = _list(frame.get("params"), 4)
        if kind != "API":
            raise Refusal(Why.MISSING, 'the first parameter is "API"')
        self.account.check_key(key)
        self.account.check_time(int(expiry) * 1000, -1, 121_000)
        self.account.check(signature, f"{key}{expiry}")

    def accepted(self, frame: Frame) -> Frame:
        return {"error": None, "id": frame.get("id"), "result": {"status": "success"}}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        error = {"code": 6012, "message": "invalid login token"}
        if refusal.why is Why.LOGIN:
            error = {"code": 6004, "message": "access denied"}
        return {"error": error, "id": frame.get("id"), "result": None}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("method")).startswith(("aop", "wo.", "orders."))

    answered = accepted


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


class BinanceAPISocket(Socket):
    """The WebSocket API: parameters by name, not percent-encoded, signed in each call."""

    unrelated = ({"id": "987654321", "status": 200, "result": {"serverTime": 1656400526260}},)
    logins = (
        "userDataStream.subscribe.signature",
        "userDataStream.subscribe.listenToken",
        "session.logon",
    )
    public = ("ping", "time", "exchangeInfo", "depth", "klines", "ticker")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") in self.logins

    def check_login(self, frame: Frame) -> None:
        params = frame.get("params") or {}
        if frame["method"].endswith("listenToken"):
            self.account.check_token(params.get("listenToken"))
        else:
            self._check_signed(params)

    def _check_signed(self, params: Frame) -> None:
        self.account.check_key(params.get("apiKey"))
        window = float(params.get("recvWindow", 5000))
        self.account.check_time(params.get("timestamp"), window, 999)
        signed = "&".join(
            f"{name}={value if isinstance(value, str) else _compact(value)}"
            for name, value in sorted(params.items())
            if name != "signature"
        )
        self.account.check(params.get("signature"), signed)

    def accepted(self, frame: Frame) -> Frame:
        result: Frame = {"subscriptionId": 0}
        if frame["method"] == "session.logon":
            result = {"apiKey": self.account.key, "serverTime": self.account.time_ms()}
        elif frame["method"].endswith("listenToken"):
            result["expirationTime"] = self.account.time_ms() + 86_400_000
        return {"id": frame.get("id"), "status": 200, "result": result}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        status, code, said = 400, -1022, "Signature for this request is not valid."
        if refusal.why is Why.KEY:
            status, code, said = 401, -2015, "Invalid API-key, IP, or permissions for action."
        elif refusal.why is Why.TIME:
            code, said = -1021, "Timestamp for this request is outside of the recvWindow."
        elif refusal.why is Why.TOKEN:
            code, said = -1209, "Invalid listenToken"
        return {"id": frame.get("id"), "status": status, "error": {"code": code, "msg": said}}

    def is_private(self, frame: Frame) -> bool:
        method = str(frame.get("method"))
        return not self.is_login(frame) and method.partition(".")[0] not in self.public

    def check_private(self, frame: Frame) -> None:
        params = frame.get("params") or {}
        if "signature" in params or not self.logged_in:
            self._check_signed(params)

    def answered(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "status": 200, "result": {}}

    def expired(self) -> Frame:
        event = {"e": "eventStreamTerminated", "E": self.account.time_ms()}
        return {"subscriptionId": 0, "event": event}


def _args(frame: Frame, count: int) -> list[Any]:
    return _list(frame.get("args"), count)


def _list(given: object, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise Refusal(Why.MISSING, f"{count} arguments wanted")
    return given


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
