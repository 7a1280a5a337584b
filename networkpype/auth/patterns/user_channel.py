"""A token by REST, and private channels that end with the user's number: Bitstamp's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from networkpype.auth.patterns.base import merged
from networkpype.auth.patterns.rest_token import RestToken
from networkpype.auth.patterns.rules import value_at
from networkpype.errors import AuthenticationError

__all__ = ["UserChannelToken"]


@dataclass(kw_only=True, eq=False, repr=False)
class UserChannelToken(RestToken):
    """A `RestToken` that completes the channels beginning with `prefix`; others get no token.

    ``private-my_orders_btcusd`` becomes ``private-my_orders_btcusd-12345``, where `user_at` is
    what the answer with the token tells.
    """

    prefix: str = "private-"
    user_at: str = "user_id"

    def reset(self) -> None:
        super().reset()
        self._user = ""

    def answered(self, answer: Any) -> None:
        user = value_at(answer, self.user_at)
        if user in (None, ""):
            raise AuthenticationError(f"the answer with the token tells no {self.user_at}")
        self._user = str(user)

    def subscribed(self, payload: Any) -> tuple[str | None, Sequence[str] | None]:
        channel = value_at(payload, "data.channel")
        return (channel if isinstance(channel, str) else None), None

    def sign_message(self, payload: Any) -> Any:
        channel, _ = self.subscribed(payload)
        if channel is None or not channel.startswith(self.prefix):
            return payload
        fields = self.build_subscribe_auth(channel)
        ending = f"-{self._user}"
        if not channel.endswith(ending):
            channel += ending
        return merged(merged(payload, fields or {}), {"data": {"channel": channel}})
