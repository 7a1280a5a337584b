"""One exchange, several schemes: the path tells which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import Choice, RESTScheme
from networkpype.rest.request import RESTRequest

__all__ = ["ByPath"]


@dataclass(kw_only=True, eq=False, repr=False)
class ByPath(Choice):
    """Sign by the scheme of what the path begins or ends with, else by `default`.

    For exchanges whose versions, markets or endpoints sign differently under one set of keys.
    Of the `prefixes` the first that fits counts; `endings` are last segments, without a slash.
    """

    default: RESTScheme
    prefixes: Mapping[str, RESTScheme] = field(default_factory=dict)
    endings: Mapping[str, RESTScheme] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._prefixes = tuple(self.prefixes.items())
        self._starts = tuple(self.prefixes)

    def of_path(self, path: str) -> RESTScheme:
        """Return the scheme for a path."""
        for prefix, scheme in self._prefixes:
            if path.startswith(prefix):
                return scheme
        return self.endings.get(path[path.rfind("/") + 1 :], self.default)

    def pick(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        path = request.wire_url.path
        if not self.endings and not path.startswith(self._starts):
            return self.default  # as nearly all are
        return self.of_path(path)
