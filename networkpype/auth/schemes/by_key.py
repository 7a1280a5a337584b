"""One exchange, several kinds of keys: the credentials tell which scheme signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import Choice, RESTScheme
from networkpype.rest.request import RESTRequest

__all__ = ["ByKey"]


@dataclass(kw_only=True, eq=False, repr=False)
class ByKey(Choice):
    """Sign by the scheme that `choose` names for an identity."""

    choose: Callable[[Identity], str]
    schemes: Mapping[str, RESTScheme]

    def pick(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        return self.schemes[self.choose(identity)]
