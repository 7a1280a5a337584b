"""Arguments, path and nonce as JSON in base64 in a header: Gemini's and WhiteBIT's family."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype import codec
from networkpype.auth.schemes.arguments import arguments_of, draft_of_data
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.rest.request import JSON_TYPE
from networkpype.signing.methods import HMAC, SigningMethod

__all__ = ["PayloadSignature"]


@dataclass(kw_only=True, eq=False, repr=False)
class PayloadSignature(RESTScheme):
    """Sign the base64 of ``{"request": path, "nonce": ..., **arguments}`` and send it as a header.

    `extra` stands between the nonce and the arguments, any of which may replace what is before it.
    With `payload_is_body` that JSON is the body as well, and there is no query: `params` count as
    `data`. Without, the body is the caller's own ``data``, ``{}`` where there is none, and `params`
    stay in the query, which is part of the signed ``request``.
    """

    key_header: str
    payload_header: str
    signature_header: str
    signing: SigningMethod = field(default_factory=HMAC)
    extra: Mapping[str, Any] = field(default_factory=dict)
    payload_is_body: bool = False
    content_type: str = JSON_TYPE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.payload_is_body:
            self.draft = draft_of_data

    def canonical(self, draft: Draft) -> None:
        arguments = arguments_of(draft, params_too=self.payload_is_body)
        draft.nonce = str(draft.identity.nonce())
        payload = {"request": draft.path_qs, "nonce": draft.nonce, **self.extra, **arguments}
        text = codec.dumps_utf8(payload)
        draft.content_type = self.content_type
        if self.payload_is_body:
            draft.body = text
        elif draft.method != "GET":
            draft.body = _as_given(draft.request.data, arguments)
        draft.headers[self.payload_header] = b2a_base64(text.encode(), newline=False).decode()

    def string_to_sign(self, draft: Draft) -> str:
        return draft.headers[self.payload_header]

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        headers = draft.headers
        headers[self.key_header] = draft.identity.key
        headers[self.signature_header] = draft.signature


def _as_given(data: Any, arguments: Mapping[str, Any]) -> str | bytes:
    if isinstance(data, str):
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    return codec.dumps_utf8(arguments) if arguments else "{}"
