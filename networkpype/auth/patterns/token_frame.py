"""A token by REST on every dial, sent in a login frame: WhiteBIT's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.rest_token import RestToken
from networkpype.auth.patterns.rules import judge
from networkpype.errors import ConfigurationError
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["TokenFrameLogin"]


@dataclass(kw_only=True, eq=False, repr=False)
class TokenFrameLogin(RestToken):
    """Send ``{"id", "method": login_method, "params": [token, scope]}``; `rules` judge the answer.

    The id is a number, from the identity's source where that has one.
    """

    login_method: str = "authorize"
    scope: str = "public"

    def reset(self) -> None:
        super().reset()
        self._login_id: int | str | None = None
        self._numbers = itertools.count(1)

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        if self._token is None:
            raise ConfigurationError("there is no token yet; run pre_auth before the login")
        given = self.identity.new_id()
        self._login_id = next(self._numbers) if given is None else given
        params = [self._token.get_secret_value(), self.scope]
        return WebSocketJSONRequest(
            {"id": self._login_id, "method": self.login_method, "params": params}
        )

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules, self._login_id)
