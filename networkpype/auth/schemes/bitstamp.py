"""Bitstamp's scheme: host, content type and a UUID are signed along with the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.rest.request import FORM_TYPE
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import time_writer

__all__ = ["BitstampSignature"]

_write_time = time_writer("ms")


@dataclass(kw_only=True, eq=False, repr=False)
class BitstampSignature(RESTScheme):
    """Sign ``key method host path query content-type nonce time version body`` without separators.

    The content type is signed and sent only where there is a body. The nonce is 36 characters.
    """

    layout: Layout
    signing: SigningMethod = field(default_factory=HMAC)
    version: str = "v2"

    def canonical(self, draft: Draft) -> None:
        draft.timestamp = _write_time(draft.identity.time())
        draft.nonce = _uuid_text(draft.identity)
        self.layout.settle(draft)
        if draft.body:
            draft.content_type = FORM_TYPE  # of a body that is text already as well
        elif draft.request.headers:
            # A Content-Type without a body is refused.
            given = draft.request.headers.items()
            draft.request.headers = {k: v for k, v in given if k.lower() != "content-type"}

    def string_to_sign(self, draft: Draft) -> str:
        return (
            f"BITSTAMP {draft.identity.key}{draft.method}{draft.host}{draft.path_qs}"
            f"{draft.content_type}{draft.nonce}{draft.timestamp}{self.version}{draft.body_text}"
        )

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        headers = draft.headers
        headers["X-Auth"] = f"BITSTAMP {draft.identity.key}"
        headers["X-Auth-Signature"] = draft.signature
        headers["X-Auth-Nonce"] = draft.nonce
        headers["X-Auth-Timestamp"] = draft.timestamp
        headers["X-Auth-Version"] = self.version


def _uuid_text(identity: Identity) -> str:
    """Return a text that never comes again; 32 digits get the dashes of a UUID."""
    text = identity.random_text()
    if len(text) != 32:
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
