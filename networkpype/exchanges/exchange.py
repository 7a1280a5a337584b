"""What there is to know of an exchange: data, no logic."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.schemes.base import RESTScheme
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.signing.nonces import NonceUnit
from networkpype.wire import split_url

__all__ = ["Exchange"]


@dataclass(frozen=True, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        return f"Exchange({self.name}, {self.rest_url})"

    @property
    def domains(self) -> frozenset[str]:
        """Return the domains under which its sockets are, such as ``okx.com``."""
        texts = [self.rest_url, *(f"https://{host}" for host in self.hosts)]
        texts += _addresses(self.pattern)
        named = getattr(self.pattern, "domain", "")
        return frozenset({*map(_domain_of, texts), *([named] if named else [])})

    def at(self, rest_url: str, ws_url: str) -> Exchange:
        """Return the same exchange at other addresses: a proxy of yours, or a mock in a test.

        Both are scheme and host, such as ``http://127.0.0.1:8080``; every address in the pattern
        keeps its path and query. Credentials go to `rest_url` and nowhere else, and there is no
        sandbox. ``http://`` and ``ws://`` are for this machine alone.
        """
        for wanted, url in (("http", rest_url), ("ws", ws_url)):
            if not url.startswith((f"{wanted}://", f"{wanted}s://")):
                raise ConfigurationError(f'"{url}" is no {wanted}:// or {wanted}s:// address')
        origin, ws_origin = Credentials(origins=(rest_url, ws_url)).origins
        ws_origin = ws_origin.replace("http", "ws", 1)
        return replace(
            self,
            rest_url=origin,
            pattern=None if self.pattern is None else _moved(self.pattern, origin, ws_origin),
            hosts=(),
            sandbox=None,
        )


def _addresses(value: Any) -> list[str]:
    """Return every address in the value."""
    if isinstance(value, str):
        return [value] if value.partition("://")[0] in ("https", "http", "wss", "ws") else []
    if isinstance(value, Mapping):
        return [each for inner in value.values() for each in _addresses(inner)]
    if is_dataclass(value) and not isinstance(value, type):
        held = [getattr(value, each.name) for each in fields(value) if each.init]
        return [each for inner in held for each in _addresses(inner)]
    return _addresses(value.url) if isinstance(value, WebSocketAuthPattern) else []


def _domain_of(url: str) -> str:
    """Return what was registered of the host, such as ``okx.com``, or a number as it is."""
    host = split_url(url.partition("{")[0]).host
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    parts = name.split(".")
    if parts[-1].isdigit():
        return name
    # Whoever registers below com.hk has three names to himself.
    is_national = len(parts) > 2 and parts[-2] == "com" and len(parts[-1]) == 2
    return ".".join(parts[-3 if is_national else -2 :])


def _moved(value: Any, rest_url: str, ws_url: str) -> Any:
    """Return the value with the scheme and host of every address in it replaced."""
    if isinstance(value, str):
        scheme, separator, rest = value.partition("://")
        base = {"http": rest_url, "https": rest_url, "ws": ws_url, "wss": ws_url}.get(scheme)
        if not separator or base is None:
            return value
        cut = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
        return base + rest[cut:]
    if isinstance(value, Mapping):
        return {name: _moved(inner, rest_url, ws_url) for name, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        moved = {name: _moved(inner, rest_url, ws_url) for name, inner in held.items()}
        if "domain" in held and isinstance(value, WebSocketAuthPattern):
            # Where a token may go although REST named the host.
            moved["domain"] = split_url(ws_url).host.partition(":")[0]
        return replace(value, **{name: new for name, new in moved.items() if new != held[name]})
    if isinstance(value, WebSocketAuthPattern):  # one of the user's own, which is no dataclass
        twin = copy.copy(value)
        twin.url = _moved(value.url, rest_url, ws_url)
        return twin
    return value
