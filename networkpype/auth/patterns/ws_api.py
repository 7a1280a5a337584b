"""Binance's WebSocket API: requests with a signature inside, and three ways to a user stream."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from networkpype import codec
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import value_at
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    NetworkpypeError,
)
from networkpype.redact import escape
from networkpype.rest.method import RESTMethod
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import whole_ms
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import encode_value

__all__ = ["ListenToken", "WebSocketAPI"]

_SESSION_LOGON = "session.logon"
_BAD_TIMESTAMP, _BAD_LISTEN_TOKEN = "-1021", "-1209"
# These ask for the session or the stream itself and know no timestamp.
_UNSTAMPED = ("session.", "userDataStream.")


@dataclass(kw_only=True, eq=False, repr=False)
class WebSocketAPI(WebSocketAuthPattern):
    """Log in with the signed request `login`, and sign every private request.

    Once ``session.logon`` is accepted the connection stands for the key, so private requests carry
    a timestamp and no signature. `recv_window` (ms) is for requests that name none.
    """

    url: str
    throttler_limit_id: str = ""
    compression: Compression | None = None
    login: str = "userDataStream.subscribe.signature"
    signing: SigningMethod = field(default_factory=HMAC)
    recv_window: int | None = None

    def reset(self) -> None:
        self._ids = itertools.count(1)
        self._login_id: str | None = None
        self._subscription: Any = None
        self._in_session = False

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        number, given = next(self._ids), self.identity.new_id()
        if given is None:
            # A renewal meets requests of the caller's, whose ids may be numbers as well.
            given = number if number == 1 else f"login-{number}"
        self._login_id = str(given)
        frame = {"id": self._login_id, "method": self.login, "params": self._login_params(now)}
        return WebSocketJSONRequest(frame)

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        frame = response.data
        if not isinstance(frame, Mapping):
            return AuthOutcome.not_mine()
        if value_at(frame, "event.e") == "eventStreamTerminated":
            # That of an earlier subscription ends when its token does, renewed or not.
            if frame.get("subscriptionId") in (None, self._subscription):
                return AuthOutcome.expired("eventStreamTerminated")
            return AuthOutcome.not_mine()
        if self._login_id is None or str(frame.get("id")) != self._login_id:
            return AuthOutcome.not_mine()
        if frame.get("status") is None:
            return AuthOutcome.not_mine()
        self._login_id = None  # the id may come again, in a request of the caller's
        if str(frame.get("status")) == "200":
            return self._admitted(frame)
        return self._refused(frame)

    def sign_message(self, payload: Any) -> Any:
        if not isinstance(payload, Mapping):
            raise ConfigurationError(
                f"a private message is a {type(payload).__name__}; its signature goes into "
                "params, so pass a WebSocketJSONRequest with a dict"
            )
        method, params = str(payload.get("method", "")), payload.get("params") or {}
        now = self.identity.time()
        if not self._in_session or method == _SESSION_LOGON:
            return {**payload, "params": self._signed(self._stamped(params, now))}
        if method.startswith(_UNSTAMPED):
            return payload
        return {**payload, "params": self._stamped(params, now)}

    def _login_params(self, now: float) -> dict[str, Any]:
        if self.login == _SESSION_LOGON:
            # The one on the page has no recvWindow.
            return self._signed({"timestamp": whole_ms(now)})
        return self._signed(self._stamped({}, now))

    def _stamped(self, params: Mapping[str, Any], now: float) -> dict[str, Any]:
        out = {name: _written(value) for name, value in params.items() if value is not None}
        out.setdefault("timestamp", whole_ms(now))
        if self.recv_window is not None:
            out.setdefault("recvWindow", self.recv_window)
        return out

    def _signed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the params by name, and the signature over them behind them."""
        unsigned = {**params, "apiKey": self.identity.key}
        unsigned.pop("signature", None)
        signed = dict(sorted(unsigned.items()))
        message = "&".join([f"{name}={_text(value)}" for name, value in signed.items()])
        try:
            signed["signature"] = self.identity.sign(self.signing, message)
        except NetworkpypeError:
            unsigned = signed = {}
            message = ""  # a traceback that prints local variables would print them
            raise
        return signed

    def _admitted(self, frame: Mapping[str, Any]) -> AuthOutcome:
        self._subscription = value_at(frame, "result.subscriptionId")
        self._in_session = self.login == _SESSION_LOGON
        return AuthOutcome.accepted(self._until(value_at(frame, "result.expirationTime")))

    def _refused(self, frame: Mapping[str, Any]) -> AuthOutcome:
        status, code = str(frame.get("status")), str(value_at(frame, "error.code"))
        reason = str(value_at(frame, "error.msg") or "refused without a reason")
        failure = {
            _BAD_TIMESTAMP: AuthenticationFailure.TIMESTAMP,
            _BAD_LISTEN_TOKEN: AuthenticationFailure.EXPIRED,
        }.get(code, AuthenticationFailure.REJECTED)
        may_pass = status in ("418", "429") or status.startswith("5")
        return AuthOutcome.rejected(
            escape(reason, limit=300),
            failure=failure,
            definite=not may_pass and failure is AuthenticationFailure.REJECTED,
            retry_after_s=self._until(value_at(frame, "error.data.retryAfter")),
        )

    def _until(self, ms: Any) -> float | None:
        """Return the seconds from now until a time in ms, None where there is none ahead."""
        if isinstance(ms, bool) or not isinstance(ms, (int, float)):
            return None
        try:
            seconds = ms / 1e3 - self.identity.time()
        except OverflowError:  # an int of hundreds of digits
            return None
        return seconds if 0 < seconds < math.inf else None


@dataclass(kw_only=True, eq=False, repr=False)
class ListenToken(WebSocketAPI):
    """Subscribe with a listen token, which `token_url` gives by POST with `data`.

    It is not prolonged: a renewal takes another one and subscribes again on the same connection.
    """

    token_url: str
    data: Mapping[str, Any] | None = None
    login: str = "userDataStream.subscribe.listenToken"

    def reset(self) -> None:
        super().reset()
        self._token: SecretStr | None = None

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        if rest is None:
            raise ConfigurationError(
                f"a listen token comes from {self.token_url}; pass a RESTManager with this auth"
            )
        answer = await rest.execute_request(
            url=self.token_url,
            method=RESTMethod.POST,
            data=None if self.data is None else dict(self.data),
            is_auth_required=True,
            throttler_limit_id=self.throttler_limit_id,
        )
        token = value_at(answer, "token")
        if not token:
            said = str(value_at(answer, "msg") or type(answer).__name__)
            said = escape(self.identity.hidden(said), limit=200)
            answer = token = None  # a traceback that prints local variables would print them
            raise AuthenticationError(f"{self.token_url} gave no token: {said}")
        self._token = SecretStr(str(token))
        return PreAuth(self.url, lifetime_s=self._until(value_at(answer, "expirationTime")))

    def _login_params(self, now: float) -> dict[str, Any]:
        if self._token is None:
            raise ConfigurationError("there is no listen token yet; await pre_auth(rest) first")
        return {"listenToken": self._token.get_secret_value()}


def _written(value: Any) -> Any:
    """Return the value as JSON has it; what it may write in two ways becomes a text."""
    if isinstance(value, (str, int, list, tuple, Mapping)) and type(value).__module__ == "builtins":
        return value
    return encode_value(value)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, Mapping)):
        return codec.dumps_utf8(value)
    return encode_value(value)
