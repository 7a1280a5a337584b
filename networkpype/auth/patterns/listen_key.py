"""A key from REST that opens the stream when it stands in the URL; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import value_at
from networkpype.errors import AuthenticationError, ConfigurationError, HTTPStatusError
from networkpype.redact import escape
from networkpype.rest.method import RESTMethod
from networkpype.websocket.decoding import Compression
from networkpype.websocket.response import WebSocketResponse

__all__ = ["ListenKey"]


@dataclass(kw_only=True, eq=False, repr=False)
class ListenKey(WebSocketAuthPattern):
    """Ask for a listen key on every dial, and keep it alive.

    `url` has ``{listen_key}`` where the key goes, percent-encoded. `key_url` answers POST with a
    key that lives `lifetime_s`, and PUT by prolonging it, where `names_key` says that PUT has to
    name the key. `gone` are the texts in an answer that tell of a key that is no more: then a new
    one is taken, whose URL asks for a new connection.
    """

    url: str
    compression: Compression | None = None
    key_url: str
    throttler_limit_id: str = ""
    lifetime_s: float = 3600.0
    names_key: bool = False
    gone: tuple[str, ...] = ()

    def reset(self) -> None:
        self._key: SecretStr | None = None

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        self.reset()
        answer = await self._call(rest, RESTMethod.POST)
        key = _listen_key(answer)
        if not key:
            reason = self.identity.hidden(_reason(answer))
            answer = None  # a traceback that prints local variables would print it
            raise AuthenticationError(
                f"{self.key_url} gave no listenKey: {reason}; check the key's permissions"
            )
        return self._with(key)

    async def renew(self, rest: RESTCaller | None) -> PreAuth:
        if self._key is None:
            return await self.pre_auth(rest)
        key = self._key.get_secret_value()
        try:
            answer = await self._call(rest, RESTMethod.PUT, key if self.names_key else "")
        except HTTPStatusError as error:
            if not any(text in error.body for text in self.gone):
                raise
            answer = None
        else:
            # Some exchanges refuse with status 200 and a code in the answer.
            if _is_fine(answer):
                return self._with(_listen_key(answer) or key)
        return await self.pre_auth(rest)

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        frame = response.data
        if not isinstance(frame, Mapping):
            return AuthOutcome.not_mine()
        # A combined stream wraps its events.
        event = frame if "e" in frame else frame.get("data")
        if not isinstance(event, Mapping) or event.get("e") != "listenKeyExpired":
            return AuthOutcome.not_mine()
        ended = event.get("listenKey")
        if ended and self._key is not None and ended != self._key.get_secret_value():
            return AuthOutcome.not_mine()
        return AuthOutcome.expired("listenKeyExpired")

    async def _call(self, rest: RESTCaller | None, method: RESTMethod, key: str = "") -> Any:
        if rest is None:
            raise ConfigurationError(
                f"a listen key comes from {self.key_url}; pass a RESTManager with this auth"
            )
        return await rest.execute_request(
            url=self.key_url,
            method=method,
            data={"listenKey": key} if key else None,
            is_auth_required=True,
            throttler_limit_id=self.throttler_limit_id,
        )

    def _with(self, key: str) -> PreAuth:
        self._key = SecretStr(key)
        url = self.url.replace("{listen_key}", quote(key, safe=""))
        return PreAuth(url, lifetime_s=self.lifetime_s)


def _listen_key(answer: Any) -> str:
    key = value_at(answer, "listenKey") or value_at(answer, "data.listenKey")
    return key if isinstance(key, str) else ""


def _is_fine(answer: Any) -> bool:
    return str(value_at(answer, "code") or 0) in ("0", "200")


def _reason(answer: Any) -> str:
    said = value_at(answer, "msg") or value_at(answer, "message") or type(answer).__name__
    return escape(str(said), limit=200)
