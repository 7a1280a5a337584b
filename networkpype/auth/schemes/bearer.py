"""A token in the Authorization header (RFC 6750)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.signing.methods import SigningMethod
from networkpype.signing.tokens import token_input

__all__ = ["BearerToken", "JWTBearer"]


@dataclass(kw_only=True, eq=False, repr=False)
class BearerToken(RESTScheme):
    """Place ``Authorization: Bearer`` and what `token` returns.

    Subclass it: for a token that is held, return it; for one that is made a request, such as a JWT,
    make it from the draft. Nothing of the request is signed unless `token` does.
    """

    layout: Layout = field(default_factory=Layout)
    content_type: str = ""
    """A Content-Type of its own for requests whose body sets none."""

    @abstractmethod
    def token(self, draft: Draft) -> str:
        """Return the token; the settled request is in the draft."""

    def canonical(self, draft: Draft) -> None:
        draft.content_type = self.content_type
        self.layout.settle(draft)

    def string_to_sign(self, draft: Draft) -> str | bytes:
        return ""

    def signature(self, draft: Draft) -> str:
        return self.token(draft)

    def place(self, draft: Draft) -> None:
        draft.headers["Authorization"] = f"Bearer {draft.signature}"


@dataclass(kw_only=True, eq=False, repr=False)
class JWTBearer(BearerToken):
    """Make a JWT for each request; `parts` returns its header and claims, in their order."""

    parts: Callable[[Draft], tuple[Mapping[str, Any], Mapping[str, Any]]]
    signing: SigningMethod
    """One of `token_signing`."""

    def string_to_sign(self, draft: Draft) -> str:
        return token_input(*self.parts(draft))

    def token(self, draft: Draft) -> str:
        text = str(draft.string_to_sign)
        return f"{text}.{draft.identity.sign(self.signing, text)}"
