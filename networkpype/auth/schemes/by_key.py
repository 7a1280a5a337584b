"""One exchange, several kinds of keys: the credentials tell which scheme signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.rest.request import RESTRequest

__all__ = ["ByKey"]


@dataclass(kw_only=True, eq=False, repr=False)
class ByKey(RESTScheme):
    """Sign by the scheme that `choose` names for an identity."""

    choose: Callable[[Identity], str]
    schemes: Mapping[str, RESTScheme]

    def of_identity(self, identity: Identity) -> RESTScheme:
        """Return the scheme for an identity's key."""
        return self.schemes[self.choose(identity)]

    def sign(self, request: RESTRequest, identity: Identity) -> RESTRequest:
        # Asked once a request, and not once a step.
        return self.of_identity(identity).sign(request, identity)

    def steps(self, request: RESTRequest, identity: Identity) -> Iterator[tuple[str, Draft]]:
        return self.of_identity(identity).steps(request, identity)

    def canonical(self, draft: Draft) -> None:
        self.of_identity(draft.identity).canonical(draft)

    def string_to_sign(self, draft: Draft) -> str | bytes:
        return self.of_identity(draft.identity).string_to_sign(draft)

    def signature(self, draft: Draft) -> str:
        return self.of_identity(draft.identity).signature(draft)

    def place(self, draft: Draft) -> None:
        self.of_identity(draft.identity).place(draft)
