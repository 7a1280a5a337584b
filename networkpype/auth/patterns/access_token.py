"""A login with an access token that REST refreshes: ETHGas's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import SecretStr

from networkpype.auth.access_tokens import AccessTokens
from networkpype.auth.expiry import first_lifetime_s
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import value_at
from networkpype.auth.wallet_login import WalletLogin
from networkpype.errors import AuthenticationError, AuthenticationFailure, ConfigurationError
from networkpype.redact import escape, scrub
from networkpype.rest.method import RESTMethod
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["AccessTokenLogin"]

_FRESH = 0.2
"""A token with less than this share of its lifetime left is refreshed before a dial."""


@dataclass(kw_only=True, eq=False, repr=False)
class AccessTokenLogin(WebSocketAuthPattern):
    """Dial with the token as a Bearer header, send it in a login frame, and refresh it by REST.

    Either way may be turned off. The token is that of `AccessTokens`. `pre_auth` refreshes it where
    it is missing, old or refused, and `renew` always: by the refresh token at `refresh_url`, else
    by the login of the wallet. `renew` serves those as well who have no WebSocket.
    """

    url: str
    compression: Compression | None = None
    refresh_url: str
    lifetime_s: float
    throttler_limit_id: str = ""
    bearer_header: bool = True
    login_frame: bool = True
    wallet_login: WalletLogin | None = None

    def reset(self) -> None:
        self._sent = SecretStr("")
        self._is_fresh = False

    @property
    def tokens(self) -> AccessTokens:
        """Return the tokens of the identity."""
        return AccessTokens.of(self.identity)

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        self.reset()
        if self._is_due():
            await self._fetch(rest)
        return self._dial()

    async def renew(self, rest: RESTCaller | None) -> PreAuth:
        # Another connection of this account may have been first.
        if self.tokens.access == self._sent.get_secret_value() or self._is_due():
            await self._fetch(rest)
        return self._dial()

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        if not self.login_frame:
            return None
        token = self._token()
        return WebSocketJSONRequest({"cmd": "login", "data": {"accessToken": token}})

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        frame = response.data
        command = value_at(frame, "cmd")
        if command == "token_expired":
            self._is_fresh = False
            self.tokens.spend(self._sent.get_secret_value())
            return AuthOutcome.expired(_text(value_at(frame, "data.message")))
        if command != "login":
            return AuthOutcome.not_mine()
        status = value_at(frame, "status")
        if status == "success":
            self._is_fresh = False
            left = self.tokens.remaining_s(self.identity.time())
            return AuthOutcome.accepted(left if left is not None and left > 0 else None)
        if status == "error":
            return self._refused(frame)
        return AuthOutcome.not_mine()

    def _refused(self, frame: Any) -> AuthOutcome:
        """Tell what waiting, a fresh token, or nothing helps against."""
        code = _text(value_at(frame, "error.code"))
        reason = _text(value_at(frame, "error.message")) or code or "refused without a reason"
        if code == "429":
            return AuthOutcome.rejected(reason, definite=False)
        if code == "403":
            return AuthOutcome.rejected(reason, failure=AuthenticationFailure.PERMISSION)
        if code == "401" and self._can_refresh() and not self._is_fresh:
            self.tokens.spend(self._sent.get_secret_value())
            return AuthOutcome.expired(reason)
        # A token that has just been made is not to be made again and again.
        return AuthOutcome.rejected(reason)

    def _token(self) -> str:
        """Return the token to send, and remember which one it was."""
        token = self.tokens.access
        if not token:
            raise ConfigurationError(
                "there is no access token yet; await pre_auth(rest) or renew(rest) before, or pass "
                "Credentials(key=...) with one"
            )
        self._sent = SecretStr(token)
        return token

    def _dial(self) -> PreAuth:
        token = self._token()
        headers = {"Authorization": f"Bearer {token}"} if self.bearer_header else {}
        return PreAuth(self.url, headers, self.tokens.remaining_s(self.identity.time()))

    def _can_refresh(self) -> bool:
        if self.tokens.refresh:
            return True
        has_wallet = self.identity.has_private_key and bool(self.identity.wallet)
        return self.wallet_login is not None and has_wallet

    def _is_due(self) -> bool:
        if not self.tokens.access:
            return True
        left = self.tokens.remaining_s(self.identity.time())
        if left is None or left > _FRESH * self.lifetime_s:
            return False
        return left <= 0 or self._can_refresh()

    async def _fetch(self, rest: RESTCaller | None) -> None:
        """Get a fresh token; AuthenticationError where the exchange gives none."""
        if not self._can_refresh():
            raise ConfigurationError(
                "the access token cannot be refreshed; pass Credentials(secret=...) with a refresh "
                "token, or Credentials(wallet=..., private_key=...) to log in"
            )
        if rest is None:
            raise ConfigurationError(
                "the access token is refreshed by REST before it is sent; pass the RESTManager"
            )
        # One for all connections of the account: a second use of a refresh token may be refused.
        await self.tokens.renewed(partial(self._ask, rest))
        self._is_fresh = True

    async def _ask(self, rest: RESTCaller) -> None:
        if self.tokens.refresh or self.wallet_login is None:
            asked = rest.execute_request(
                url=self.refresh_url,
                throttler_limit_id=self.throttler_limit_id,
                data={"refreshToken": self.tokens.refresh},
                method=RESTMethod.POST,
            )
        else:
            asked = self.wallet_login.run(rest, self.identity, self.throttler_limit_id)
        self._take(await asked)  # in no local variable, which a traceback may print

    def _take(self, answer: Any) -> None:
        data = value_at(answer, "data")
        # The seed's page has a text, the public site an object with one in it.
        access = value_at(data, "accessToken")
        if isinstance(access, Mapping):
            access = access.get("token")
        if not isinstance(access, str) or not access:
            said = _text(value_at(data, "errorMsg") or value_at(answer, "message"))
            said = scrub(said, {self.tokens.access, self.tokens.refresh})
            told = self.identity.hidden(said) or "it told no reason"
            answer = data = access = said = ""  # for a traceback that prints local variables
            raise AuthenticationError(
                f"no access token in the answer: {told}",
                reason=AuthenticationFailure.EXPIRED,
            )
        refresh, lifetime = value_at(data, "refreshToken"), value_at(data, "expiresIn")
        self.tokens.take(
            access,
            expires_at=self.identity.time() + (first_lifetime_s(lifetime) or self.lifetime_s),
            refresh=refresh if isinstance(refresh, str) else "",
        )


def _text(value: Any) -> str:
    return "" if value is None else escape(str(value), limit=300)
