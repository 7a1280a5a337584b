"""A login with a token from REST, made by hand: it says what a test wants it to say."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from networkpype import (
    Auth,
    AuthOutcome,
    PreAuth,
    WebSocketAuthPattern,
    WebSocketJSONRequest,
    WebSocketResponse,
)
from networkpype.auth.patterns.base import RESTCaller
from networkpype.websocket.request import WebSocketRequest
from tests.support.stage import Guest

__all__ = ["TokenAuth", "TokenPattern", "let_in"]


class TokenPattern(WebSocketAuthPattern):
    """Get a token before each dial, and log in with it: ``{"op":"login","token":1}``.

    `mint` gives the tokens, and may raise or wait. An ``expired`` message ends what was good.
    """

    def __init__(self, url: str, lifetime_s: float | None = None) -> None:
        self.url = url
        self.lifetime_s = lifetime_s
        self.numbers = itertools.count(1)
        self.mint: Callable[[int], Any] = lambda number: number
        self.minted: list[int] = []
        self.at_once = 0
        self.most_at_once = 0
        self.token: Any = None

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        number = next(self.numbers)
        self.minted.append(number)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            token = self.mint(number)
            if asyncio.iscoroutine(token):
                token = await token
        finally:
            self.at_once -= 1
        self.token = token
        return PreAuth(self.url, lifetime_s=self.lifetime_s)

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        return WebSocketJSONRequest({"op": "login", "token": self.token})

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        data = response.data if isinstance(response.data, dict) else {}
        match data.get("op"):
            case "login" if data.get("ok"):
                return AuthOutcome.accepted()
            case "login":
                return AuthOutcome.rejected("no", definite=data.get("definite", True))
            case "expired":
                return AuthOutcome.expired("the token is old")
        return AuthOutcome.not_mine()


class TokenAuth(Auth):
    """The auth of one `TokenPattern`."""

    def __init__(self, pattern: TokenPattern) -> None:
        super().__init__()
        self.ws_pattern = pattern

    async def rest_authenticate(self, request: Any) -> Any:
        return request

    async def ws_authenticate(self, request: Any) -> Any:
        return request


async def let_in(guest: Guest) -> Any:
    """Shake hands, accept the login, and return its token."""
    await guest.upgrade()
    data = await guest.hear()
    assert data["op"] == "login", data
    await guest.say({"op": "login", "ok": True})
    return data["token"]
