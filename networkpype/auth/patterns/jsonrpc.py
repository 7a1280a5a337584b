"""Login by a JSON-RPC call whose answer holds a refresh token."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import SecretStr

from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import RESTCaller
from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import value_at
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["JSONRPCLogin"]


@dataclass(kw_only=True, eq=False, repr=False)
class JSONRPCLogin(FrameLogin):
    """Sign in as `FrameLogin` does, and renew with the refresh token of the ack.

    A renewal goes by `renewal_method` with ``grant_type`` "refresh_token". Without a token, and
    after one that was refused, it is the signature again.
    """

    renewal_method: str = "public/auth"

    def reset(self) -> None:
        super().reset()
        self._refresh_token: SecretStr | None = None
        self._renews = False

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        self._refresh_token = None
        return await super().pre_auth(rest)

    async def renew(self, rest: RESTCaller | None) -> PreAuth:
        return await super().pre_auth(rest)

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        token, self._refresh_token = self._refresh_token, None
        self._renews = token is not None
        if token is None:
            return super().build_auth_message(now)
        self._login_id = self.next_id()
        return WebSocketJSONRequest(
            {
                "jsonrpc": "2.0",
                "id": int(self._login_id) if self._login_id.isdecimal() else self._login_id,
                "method": self.renewal_method,
                "params": {
                    "grant_type": "refresh_token",
                    "refresh_token": token.get_secret_value(),
                },
            }
        )

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        outcome = super().handle_auth_response(response)
        if outcome.status is AuthStatus.ACCEPTED:
            token = value_at(response.data, "result.refresh_token")
            self._refresh_token = SecretStr(token) if isinstance(token, str) and token else None
        elif outcome.status is AuthStatus.REJECTED and self._renews:
            # The signature may still be good where the token is not.
            return replace(outcome, definite=False)
        return outcome
