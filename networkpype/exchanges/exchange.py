"""What there is to know of an exchange: data, no logic."""

from __future__ import annotations

from dataclasses import dataclass

from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.schemes.base import RESTScheme
from networkpype.signing.nonces import NonceUnit

__all__ = ["Exchange"]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Endpoints, scheme and pattern of one exchange, or of one market of it.

    `hosts` are those that credentials may go to by REST besides that of `rest_url`. `needs` names
    the fields of `Credentials` that must be there. `sandbox` is the same for its test network, None
    where there is none: a sandbox never falls back to the live addresses. `sources` are the pages
    that the module was written from.
    """

    name: str
    rest_url: str
    scheme: RESTScheme
    pattern: WebSocketAuthPattern | None = None
    hosts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("key", "secret")
    nonce_unit: NonceUnit = "ms"
    sandbox: Exchange | None = None
    sources: tuple[str, ...] = ()

    @property
    def origins(self) -> frozenset[str]:
        """Return the origins that credentials may go to."""
        return frozenset({self.rest_url, *(f"https://{host}" for host in self.hosts)})
