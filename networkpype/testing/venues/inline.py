"""Sockets that have each private subscribe signed, or the handshake."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import ClassVar

from networkpype.testing.venues.account import Refusal, Why, b64
from networkpype.testing.venues.headers import seconds
from networkpype.testing.venues.pairs import check_ed25519, check_jwt
from networkpype.testing.venues.venue import Frame, Socket

__all__ = [
    "BackpackSocket",
    "CoinbaseExchangeSocket",
    "CoinbaseSocket",
    "GateSocket",
    "GeminiSocket",
    "HyperliquidSocket",
    "KrakenFuturesSocket",
]


class KrakenFuturesSocket(Socket):
    """A challenge, which goes signed into each private message of the connection."""

    greeting = ({"event": "info", "version": 1},)
    unrelated = ({"feed": "heartbeat", "time": 1534262350627},)
    private = ("fills", "open_orders", "balances", "open_positions", "account_log", "notifications")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("event") == "challenge"

    def check_login(self, frame: Frame) -> None:
        self.account.check_key(frame.get("api_key"))

    def accepted(self, frame: Frame) -> Frame:
        self._challenge = str(uuid.uuid4())
        return {"event": "challenge", "message": self._challenge}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"event": "error", "message": "Invalid API key"}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("feed")).startswith(self.private)

    def check_private(self, frame: Frame) -> None:
        super().check_private(frame)
        self.account.check_key(frame.get("api_key"))
        if frame.get("original_challenge") != self._challenge:
            raise Refusal(Why.SIGNATURE, "another challenge than this connection's")
        hashed = hashlib.sha256(self._challenge.encode()).digest()
        secret = b64(self.account.secret)
        self.account.check(frame.get("signed_challenge"), hashed, "sha512", "base64", secret)

    def answered(self, frame: Frame) -> Frame:
        return {"event": "subscribed", "feed": frame.get("feed")}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"event": "alert", "message": "Failed to subscribe to authenticated feed"}


class GateSocket(Socket):
    """An ``auth`` object in each private subscribe; the payload is not signed."""

    unrelated = ({"time": 1606292218, "channel": "spot.pong", "event": "", "result": None},)
    public = ("tickers", "trades", "candlesticks", "book_ticker", "order_book", "ping", "pong")

    def is_private(self, frame: Frame) -> bool:
        channel = str(frame.get("channel")).partition(".")[2]
        return not channel.startswith(self.public)

    def check_private(self, frame: Frame) -> None:
        auth = frame.get("auth") or {}
        if auth.get("method") != "api_key":
            raise Refusal(Why.MISSING, "auth.method is api_key")
        self.account.check_key(auth.get("KEY"))
        stamp = frame.get("time")
        self.account.check_time(seconds(str(stamp)), 60_000, 60_000)
        signed = f"channel={frame.get('channel')}&event={frame.get('event')}&time={stamp}"
        self.account.check(auth.get("SIGN"), signed, "sha512")
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame:
        return self._told(frame) | {"error": None, "result": {"status": "success"}}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        error = {"code": 4, "message": f"Authentication failed: {refusal}"}
        return self._told(frame) | {"error": error, "result": {"status": "fail"}}

    def _told(self, frame: Frame) -> Frame:
        known = {name: frame.get(name) for name in ("id", "channel", "event")}
        return {"time": self.account.time_ms() // 1000} | known


class GeminiSocket(Socket):
    """Signed headers of the handshake; the nonce is the time in seconds."""

    unrelated = ()

    def open(self) -> list[Frame]:
        headers = self.request.headers
        self.account.check_key(headers.get("X-GEMINI-APIKEY"))
        payload = headers.get("X-GEMINI-PAYLOAD", "")
        self.account.check(headers.get("X-GEMINI-SIGNATURE"), payload, "sha384")
        nonce = headers.get("X-GEMINI-NONCE", "")
        if self.request.path == "/v1/order/events":
            said = json.loads(b64(payload))
            if said.get("request") != self.request.path:
                raise Refusal(Why.MISSING, "the payload's request is not the path")
            self.account.check_rising(said.get("nonce"))
        elif b64(payload) != nonce.encode():
            raise Refusal(Why.SIGNATURE, "the payload is not the nonce")
        else:
            self.account.check_time(seconds(nonce), 31_000, 31_000)
        self.logged_in = True
        return []

    def answered(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "status": 200}


class CoinbaseExchangeSocket(Socket):
    """Signature, key, passphrase and time in the subscribe; the secret is base64."""

    unrelated = ({"type": "heartbeat", "sequence": 90, "product_id": "BTC-USD"},)

    def is_private(self, frame: Frame) -> bool:
        return "user" in (frame.get("channels") or ()) or "signature" in frame

    def check_private(self, frame: Frame) -> None:
        self.account.check_key(frame.get("key"))
        self.account.check_passphrase(frame.get("passphrase"))
        stamp = str(frame.get("timestamp"))
        self.account.check_time(seconds(stamp), 30_000, 30_000)
        signed, secret = f"{stamp}GET/users/self/verify", b64(self.account.secret)
        self.account.check(frame.get("signature"), signed, form="base64", secret=secret)
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame:
        return {"type": "subscriptions", "channels": frame.get("channels")}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"type": "error", "message": "Authentication Failed", "reason": str(refusal)}


class CoinbaseSocket(Socket):
    """A JWT in each private subscribe, without a uri."""

    unrelated = ({"channel": "heartbeats", "sequence_num": 0, "events": []},)
    private: ClassVar[tuple[str, ...]] = ("user", "futures_balance_summary")

    def is_private(self, frame: Frame) -> bool:
        return frame.get("channel") in self.private or "jwt" in frame

    def check_private(self, frame: Frame) -> None:
        if "jwt" not in frame:
            raise Refusal(Why.MISSING, "no jwt")
        claims = check_jwt(frame["jwt"], self.account)
        if "uri" in claims or "uris" in claims:
            raise Refusal(Why.SIGNATURE, "a socket's token is for no uri")
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame:
        subscribed = {str(frame.get("channel")): frame.get("product_ids")}
        return {"channel": "subscriptions", "events": [{"subscriptions": subscribed}]}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"type": "error", "message": "authentication failure"}


class BackpackSocket(Socket):
    """An Ed25519 signature of the instruction ``subscribe`` in each private subscribe."""

    unrelated = ({"stream": "ticker.SOL_USDC", "data": {"e": "ticker"}},)

    def is_private(self, frame: Frame) -> bool:
        return any(str(each).startswith("account.") for each in frame.get("params") or ())

    def check_private(self, frame: Frame) -> None:
        given = frame.get("signature")
        if not isinstance(given, list) or len(given) != 4:
            raise Refusal(Why.MISSING, "signature is [key, signature, timestamp, window]")
        key, signature, stamp, window = map(str, given)
        self.account.check_key(key)
        self.account.check_time(stamp, float(window), 1000)
        signed = f"instruction=subscribe&timestamp={stamp}&window={window}"
        check_ed25519(self.account.key, signature, signed)
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame | None:
        return None  # a subscribe that is right has no answer

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"id": frame.get("id"), "error": {"code": 4002, "message": "Invalid signature"}}


class HyperliquidSocket(Socket):
    """Nothing is private: the address is public."""

    unrelated = ()

    def answered(self, frame: Frame) -> Frame:
        return {"channel": "subscriptionResponse", "data": frame}
