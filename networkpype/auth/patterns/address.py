"""No login at all: a private subscription names the account by its public address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.signing.typed_data import is_address
from networkpype.websocket.decoding import Compression

__all__ = ["AddressSubscribe"]


@dataclass(kw_only=True, eq=False, repr=False)
class AddressSubscribe(WebSocketAuthPattern):
    """Put the wallet's address at `place` in a private subscribe; one that is there stays.

    An account of an agent's key is that of its master: `wallet` is the master's address.
    """

    url: str = ""
    compression: Compression | None = None
    place: tuple[str, ...]

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        wallet = self.identity.wallet
        if not wallet:
            raise MissingCredentialsError(
                "a private subscription names the account; pass Credentials(wallet=...)"
            )
        # A private key in its place would be sent.
        if not is_address(wallet):
            raise ConfigurationError(
                "the wallet is no address: 40 hex digits behind 0x; nothing was sent"
            )
        fields: Any = wallet
        for name in reversed(self.place):
            fields = {name: fields}
        found: Mapping[str, Any] = fields
        return found

    def sign_message(self, payload: Any) -> Any:
        inner = payload
        for name in self.place:
            inner = inner.get(name) if isinstance(inner, Mapping) else None
        return payload if inner else super().sign_message(payload)
