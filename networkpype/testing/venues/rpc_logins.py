"""Sockets whose login is a call: a ``method``, an id and parameters."""

from __future__ import annotations

from typing import ClassVar

from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.pairs import check_pem
from networkpype.testing.venues.payloads import check_cryptocom_frame
from networkpype.testing.venues.venue import Frame, Socket, arguments, compact

__all__ = [
    "BinanceAPISocket",
    "CoinExSocket",
    "CryptocomSocket",
    "DeribitSocket",
    "MEXCContractSocket",
    "PhemexSocket",
]


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

    def answered(self, frame: Frame) -> Frame:
        answer = self.accepted(frame)
        if frame.get("method") == "server.ping":
            answer["data"] = {"result": "pong"}
        return answer

    def topics(self, frame: Frame) -> tuple[bool, list[str]]:
        channel, _, verb = str(frame.get("method")).partition(".")
        if verb not in ("subscribe", "unsubscribe"):
            return False, []
        params = frame.get("params") or {}
        listed = params.get("market_list", params.get("ccy_list")) or []
        # The depth's markets come with limit, interval and whether each push is the whole book.
        names = [each[0] if isinstance(each, list) else each for each in listed]
        return verb == "subscribe", [f"{channel}.{name}" for name in names] or [channel]


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


class PhemexSocket(Socket):
    """Key and expiry in seconds, two minutes away at most."""

    unrelated = ({"error": None, "id": 987654321, "result": "pong"},)

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "user.auth"

    def check_login(self, frame: Frame) -> None:
        kind, key, signature, expiry = arguments(frame.get("params"), 4)
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
            if frame["method"] == "session.logon" and not self.account.public_key:
                raise Refusal(Why.SIGNATURE, "a session is for Ed25519 keys only")
            self._check_signed(params)

    def _check_signed(self, params: Frame) -> None:
        self.account.check_key(params.get("apiKey"))
        window = float(params.get("recvWindow", 5000))
        self.account.check_time(params.get("timestamp"), window, 999)
        signed = "&".join(
            f"{name}={value if isinstance(value, str) else compact(value)}"
            for name, value in sorted(params.items())
            if name != "signature"
        )
        if self.account.public_key:
            check_pem(self.account, params.get("signature"), signed)
        else:
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
