"""The four named steps from a request to a signed one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.draft import Draft, unset_field
from networkpype.rest.request import RESTRequest
from networkpype.signing.methods import check_signing

__all__ = ["Choice", "RESTScheme"]


class RESTScheme(ABC):
    """How an exchange wants its REST requests signed: data and four steps, without a key.

    Subclass it for an exchange of no known family and hand an instance to `SchemeAuth`; each step
    sets what it makes on the draft. One instance serves any number of identities at once, so it
    keeps nothing between requests.
    """

    def __post_init__(self) -> None:
        check_signing(self)  # of a dataclass; a str in its place would be told by the first call

    @abstractmethod
    def canonical(self, draft: Draft) -> None:
        """Settle what is sent: timestamp, nonce, query and body, all but the signature."""

    @abstractmethod
    def string_to_sign(self, draft: Draft) -> str | bytes:
        """Return what the signature is made over; text counts as UTF-8."""

    @abstractmethod
    def signature(self, draft: Draft) -> str:
        """Return the signature over ``draft.string_to_sign``."""

    @abstractmethod
    def place(self, draft: Draft) -> None:
        """Put ``draft.signature`` and what goes with it into headers, query or body."""

    def explained(self, draft: Draft) -> Mapping[str, str]:
        """Return what there is to compare besides, where the string to sign is a digest itself."""
        return {}

    def chosen(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        """Return the scheme that takes the steps: this one, unless it chooses among others."""
        return self

    draft: Callable[[RESTRequest, Identity], Draft] = Draft
    """Begins: takes the request apart, each part as the encoder writes it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def sign(self, request: RESTRequest, identity: Identity) -> RESTRequest:
        """Take all steps and return the request, signed."""
        try:
            scheme = self.chosen(request, identity)
            draft = scheme.draft(request, identity)
            scheme.canonical(draft)
            draft.string_to_sign = scheme.string_to_sign(draft)
            draft.signature = scheme.signature(draft)
            scheme.place(draft)
            draft.finish()
            return request
        except AttributeError as error:
            failed = unset_field(error)
        raise failed

    def steps(self, request: RESTRequest, identity: Identity) -> Iterator[tuple[str, Draft]]:
        """Take the steps one by one, yielding each one's name and the draft after it."""
        try:
            scheme = self.chosen(request, identity)
            draft = scheme.draft(request, identity)
            scheme.canonical(draft)
            yield "canonical", draft
            draft.string_to_sign = scheme.string_to_sign(draft)
            yield "string to sign", draft
            draft.signature = scheme.signature(draft)
            yield "signature", draft
            scheme.place(draft)
            draft.finish()
            yield "placing", draft
            return
        except AttributeError as error:
            failed = unset_field(error)
        raise failed


class Choice(RESTScheme):
    """A scheme that leaves all steps to another, which it picks for each request."""

    @abstractmethod
    def pick(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        """Return the scheme for this request."""

    def chosen(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        return self.pick(request, identity).chosen(request, identity)

    def canonical(self, draft: Draft) -> None:
        self._of(draft).canonical(draft)

    def string_to_sign(self, draft: Draft) -> str | bytes:
        return self._of(draft).string_to_sign(draft)

    def signature(self, draft: Draft) -> str:
        return self._of(draft).signature(draft)

    def place(self, draft: Draft) -> None:
        self._of(draft).place(draft)

    def explained(self, draft: Draft) -> Mapping[str, str]:
        return self._of(draft).explained(draft)

    def _of(self, draft: Draft) -> RESTScheme:
        return self.chosen(draft.request, draft.identity)
