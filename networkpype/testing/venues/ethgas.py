"""ETHGas: a wallet signs in, a token lives an hour, and a refresh token gets the next one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.venues.headers import text_of
from networkpype.testing.venues.pairs import domain_hash, recovered, typed_hash
from networkpype.testing.venues.venue import Endpoint, Frame, Socket
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = ["ENDPOINTS", "ETHGasSocket", "check_bearer"]

_HOUR_S = 3600.0
_WEEK_S = 7 * 86_400.0
_NAME = "ETHGas Login"
_CHAIN = 1


class ETHGasSocket(Socket):
    """An access token, in a login frame or as the handshake's Bearer."""

    unrelated = ({"cmd": "subscribe", "status": "success", "data": {"channel": "markets"}},)

    def open(self) -> list[Frame]:
        if "Authorization" in self.request.headers:
            check_bearer(self.request, self.account)
            self.logged_in = True
        return []

    def is_login(self, frame: Frame) -> bool:
        return frame.get("cmd") == "login"

    def check_login(self, frame: Frame) -> None:
        self.account.check_token((frame.get("data") or {}).get("accessToken"))

    def accepted(self, frame: Frame) -> Frame:
        data = {"userId": "user_1", "username": "mock", "permissions": ["market_data"]}
        return {"cmd": "login", "status": "success", "data": data}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        error: Frame = {"code": 401, "message": "Invalid access token"}
        if refusal.why is Why.LOGIN:
            error = {"code": 403, "message": "Not logged in"}
        elif refusal.why is Why.BUSY:
            error = {"code": 429, "message": "Too many login attempts"}
        return {"cmd": frame.get("cmd"), "status": "error", "error": error}

    def is_private(self, frame: Frame) -> bool:
        channel = str((frame.get("data") or {}).get("channel", frame.get("channel")))
        return frame.get("cmd") == "subscribe" and channel.startswith(("account", "user", "order"))

    def answered(self, frame: Frame) -> Frame:
        return _naming(frame, {"cmd": frame.get("cmd"), "status": "success"})

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return _naming(frame, self.refused(frame, refusal))

    def topics(self, frame: Frame) -> tuple[bool, list[str]]:
        if frame.get("cmd") not in ("subscribe", "unsubscribe"):
            return False, []
        data = frame.get("data") or {}
        channel, market = str(frame.get("channel", data.get("channel"))), data.get("market")
        return frame["cmd"] == "subscribe", [f"{channel}.{market}" if market else channel]

    def expired(self) -> Frame:
        return {"cmd": "token_expired", "data": {"message": "Access token has expired"}}


def _naming(frame: Frame, answer: Frame) -> Frame:
    """Say what it is an answer to."""
    named = {"channel": frame["channel"]} if "channel" in frame else {}
    return {**answer, **named, "data": frame.get("data")}


def check_bearer(request: ReceivedRequest, account: Account) -> None:
    """Check the access token of a request."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        raise Refusal(Why.MISSING, "no Authorization: Bearer")
    account.check_token(given)


def _begin(request: ReceivedRequest, account: Account) -> Answer:
    """Give the wallet a message to sign (EIP-712), which holds a nonce."""
    query = parse_qs(request.raw_query)
    if query.get("addr", [""])[0].lower() != account.wallet.lower():
        raise Refusal(Why.KEY)
    nonce = account.issue(300.0)
    message = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "data": [{"name": each, "type": "string"} for each in ("hash", "message", "domain")],
        },
        "primaryType": "data",
        "domain": {
            "name": _NAME,
            "version": "1",
            "chainId": _CHAIN,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": _content(nonce),
    }
    return _told({"status": "verify", "eip712Message": json.dumps(message), "nonceHash": nonce})


def _verify(request: ReceivedRequest, account: Account) -> Answer:
    """Check the wallet's signature of the message, once, and hand out a token."""
    from eth_utils.crypto import keccak

    query = {name: values[0] for name, values in parse_qs(request.raw_query).items()}
    nonce = query.get("nonceHash", "")
    account.check_token(nonce)
    struct = keccak(text="data(string hash,string message,string domain)")
    for text in _content(nonce).values():
        struct += keccak(text=text)
    hashed = typed_hash(domain_hash(_NAME, _CHAIN), keccak(struct))
    text = query.get("signature", "").removeprefix("0x")
    signature = {"r": text[:64], "s": text[64:128], "v": int(text[128:], 16)}
    if recovered(hashed, signature).lower() != account.wallet.lower():
        raise Refusal(Why.SIGNATURE)
    account.revoke(nonce)
    return _told({"accessToken": {"token": account.issue(_HOUR_S)}})


def _refresh(request: ReceivedRequest, account: Account) -> Answer:
    """Take a refresh token, which is good once, for a new pair."""
    given = json.loads(text_of(request)).get("refreshToken")
    account.check_token(given)
    account.revoke(given)
    fresh = {
        "accessToken": account.issue(_HOUR_S),
        "refreshToken": account.issue(_WEEK_S, "refresh-"),
    }
    return _told({**fresh, "expiresIn": int(_HOUR_S)})


def _content(nonce: str) -> dict[str, str]:
    said = "Please sign this message to verify account ownership"
    return {"hash": nonce, "message": said, "domain": "ethgas.com"}


def _told(data: dict[str, Any]) -> Answer:
    return Answer({"success": True, "data": data})


ENDPOINTS: dict[str, Endpoint] = {
    "POST /api/v1/user/login": _begin,
    "POST /api/v1/user/login/verify": _verify,
    "POST /api/v1/user/login/refresh": _refresh,
}
"""All of them are open: what they check is in their arguments."""
