"""KuCoin's tokens: REST names the server to dial, the token goes into its URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from networkpype.auth.outcome import PreAuth
from networkpype.auth.patterns.base import RESTCaller
from networkpype.auth.patterns.rest_token import RestToken
from networkpype.errors import ConfigurationError
from networkpype.wire import split_url

__all__ = ["BulletToken"]


@dataclass(kw_only=True, eq=False, repr=False)
class BulletToken(RestToken):
    """A `RestToken` whose answer may name hosts of `domain` only; the token goes to no others.

    `fields` are merged into each private message. The server greets those whose token it takes:
    https://www.kucoin.com/docs/websocket/basic-info/create-connection (2026-07) asks to wait for
    its ``welcome``.
    """

    greets = True

    domain: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        found = await super().pre_auth(rest)
        host = split_url(found.url).host.partition(":")[0]
        if host != self.domain and not host.endswith(f".{self.domain}"):
            raise ConfigurationError(
                f"the answer with the token names {host}, which is no host of {self.domain}; "
                "nothing was dialed; if it is to be trusted, set the pattern's domain"
            )
        return found

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        return self.fields or None
