"""Sockets that want what REST gave: a listen key, a token in the URL or in a frame."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl

from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.venues.venue import Endpoint, Frame, Socket
from networkpype.testing.wire import Answer, ReceivedRequest

__all__ = [
    "BingXSocket",
    "BitstampSocket",
    "KrakenSocket",
    "KuCoinSocket",
    "ListenKeySocket",
    "WhiteBITSocket",
    "kucoin_bullet",
    "listen_key",
    "token",
]

_HOUR_S = 3600.0


def token(lifetime_s: float, body: Any) -> Endpoint:
    """Make the endpoint that hands out a token; `body` builds its answer from it."""

    def answer(request: ReceivedRequest, account: Account) -> Answer:
        return Answer(body(account.issue(lifetime_s)))

    return answer


def listen_key(request: ReceivedRequest, account: Account) -> Answer:
    """Create, prolong or close the account's listen key; it lives an hour."""
    given = _listen_key_in(request)
    living = account.tokens
    if request.method == "POST":
        key = living[0] if living else account.issue(_HOUR_S)
        account.prolong(key, _HOUR_S)
        return Answer({"listenKey": key})
    if not living or (given and given not in living):
        raise Refusal(Why.TOKEN)
    key = given or living[0]
    if request.method == "PUT":
        account.prolong(key, _HOUR_S)
    else:
        account.revoke(key)
    return Answer({"listenKey": key})


def _listen_key_in(request: ReceivedRequest) -> str:
    text = f"{request.raw_query}&{request.body.decode('utf-8', 'replace')}"
    return dict(parse_qsl(text)).get("listenKey", "")


class ListenKeySocket(Socket):
    """The key stands in the URL, in its query or at the end of its path."""

    unrelated = ()

    def open(self) -> list[Frame]:
        self.account.check_token(self.key)
        self.logged_in = True
        return []

    @property
    def key(self) -> str:
        """The key that the client dialed with."""
        query = parse_qs(self.request.raw_query)
        return query.get("listenKey", [self.request.path.rpartition("/")[2]])[0]

    def answered(self, frame: Frame) -> Frame:
        return {"result": None, "id": frame.get("id")}

    def expired(self) -> Frame:
        event = {"e": "listenKeyExpired", "E": self.account.time_ms()}
        return event | {"listenKey": self.key}


class BingXSocket(ListenKeySocket):
    """The same, with gzip."""

    encoding = "gzip"

    def answered(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "code": 0, "msg": "", "dataType": frame.get("dataType")}


def kucoin_bullet(request: ReceivedRequest, account: Account) -> Answer:
    """Tell where to dial and with which token."""
    server = {
        "endpoint": f"ws://{request.headers.get('Host')}/endpoint",
        "encrypt": True,
        "protocol": "websocket",
        "pingInterval": 18000,
        "pingTimeout": 10000,
    }
    data = {"token": account.issue(24 * _HOUR_S), "instanceServers": [server]}
    return Answer({"code": "200000", "data": data})


class KuCoinSocket(Socket):
    """The token stands in the URL; ``welcome`` names the caller's connectId."""

    unrelated = ()

    def open(self) -> list[Frame]:
        try:
            self.account.check_token(self._asked("token"))
        except Refusal as refusal:
            return self.turned_away(refusal)
        self.logged_in = True
        return [{"id": self._asked("connectId"), "type": "welcome"}]

    def turned_away(self, refusal: Refusal) -> list[Frame]:
        error = {"type": "error", "code": 401, "data": "token is invalid"}
        return [{"id": self._asked("connectId"), **error}]

    def _asked(self, name: str) -> str:
        return parse_qs(self.request.raw_query).get(name, [""])[0]

    def is_private(self, frame: Frame) -> bool:
        return frame.get("privateChannel") is True

    def answered(self, frame: Frame) -> Frame:
        kind = "pong" if frame.get("type") == "ping" else "ack"
        return {"id": frame.get("id"), "type": kind}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        return {"id": frame.get("id"), "type": "error", "code": 403, "data": str(refusal)}


class KrakenSocket(Socket):
    """A token in the parameters of each private message."""

    greeting = ({"channel": "status", "type": "update", "data": [{"system": "online"}]},)
    unrelated = ({"channel": "heartbeat"},)
    private = ("executions", "balances")

    def is_private(self, frame: Frame) -> bool:
        params = frame.get("params") or {}
        orders = str(frame.get("method")) not in ("subscribe", "unsubscribe", "ping")
        return params.get("channel") in self.private or orders

    def check_private(self, frame: Frame) -> None:
        self.account.check_token((frame.get("params") or {}).get("token"))
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame:
        result = {"channel": (frame.get("params") or {}).get("channel"), "snapshot": True}
        known = {"method": frame.get("method"), "req_id": frame.get("req_id")}
        return known | {"success": True, "result": result}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        known = {"method": frame.get("method"), "req_id": frame.get("req_id")}
        return known | {"success": False, "error": "ESession:Invalid session"}


class WhiteBITSocket(Socket):
    """A token by REST, handed over by ``authorize``."""

    unrelated = ({"id": 987654321, "result": "pong", "error": None},)
    private = ("balance", "orders", "deals", "positions", "borrows")

    def is_login(self, frame: Frame) -> bool:
        return frame.get("method") == "authorize"

    def check_login(self, frame: Frame) -> None:
        params = frame.get("params") or []
        if len(params) != 2 or params[1] != "public":
            raise Refusal(Why.MISSING, 'params are the token and "public"')
        self.account.check_token(params[0])

    def accepted(self, frame: Frame) -> Frame:
        return {"id": frame.get("id"), "result": {"status": "success"}, "error": None}

    def refused(self, frame: Frame, refusal: Refusal) -> Frame:
        error = {"code": 2, "message": "authentication failed"}
        if refusal.why is Why.LOGIN:
            error = {"code": 6, "message": "require authentication"}
        return {"id": frame.get("id"), "result": None, "error": error}

    def is_private(self, frame: Frame) -> bool:
        return str(frame.get("method")).startswith(self.private)

    answered = accepted


class BitstampSocket(Socket):
    """A token by REST as ``auth`` of each private subscribe."""

    unrelated = ({"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}},)

    def is_private(self, frame: Frame) -> bool:
        return str((frame.get("data") or {}).get("channel")).startswith("private-")

    def check_private(self, frame: Frame) -> None:
        self.account.check_token(frame["data"].get("auth"))
        self.logged_in = True

    def answered(self, frame: Frame) -> Frame:
        channel = (frame.get("data") or {}).get("channel", "")
        return {"event": "bts:subscription_succeeded", "channel": channel, "data": {}}

    def denied(self, frame: Frame, refusal: Refusal) -> Frame:
        data = {"code": 4009, "message": "Connection is unauthorized."}
        given = frame.get("data")
        channel = given.get("channel", "") if isinstance(given, dict) else ""
        return {"event": "bts:error", "channel": channel, "data": data}
