"""crypto.com's family: the arguments in a JSON envelope that holds method, key and signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype import codec
from networkpype.auth.schemes.arguments import arguments_of, draft_of_data
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import ConfigurationError
from networkpype.rest.request import JSON_TYPE
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import time_writer

__all__ = ["EnvelopeSignature", "flattened"]

_TEXTS = frozenset({str})
_write_time = time_writer("ms")


@dataclass(kw_only=True, eq=False, repr=False)
class EnvelopeSignature(RESTScheme):
    """Sign ``method + id + key + flattened arguments + nonce`` into the body.

    The method is the path behind one of `roots`; id and nonce are the time in ms. `params` count as
    `data`: there is one place.
    """

    roots: tuple[str, ...]
    signing: SigningMethod = field(default_factory=HMAC)
    draft = staticmethod(draft_of_data)

    def canonical(self, draft: Draft) -> None:
        draft.nonce = _write_time(draft.identity.time())
        draft.content_type = JSON_TYPE
        arguments = arguments_of(draft, params_too=True)
        draft.request.data = arguments
        draft.body = codec.dumps_utf8(arguments if type(arguments) is dict else dict(arguments))

    def string_to_sign(self, draft: Draft) -> str:
        method, nonce = self._method(draft.path), draft.nonce
        return f"{method}{nonce}{draft.identity.key}{flattened(draft.request.data)}{nonce}"

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        key = codec.dumps_utf8(draft.identity.key)
        # Digits, hex, and a path, whose quotes are escaped in its own way, can stand in JSON.
        draft.body = (
            f'{{"id":"{draft.nonce}","method":"{self._method(draft.path)}",'
            f'"params":{draft.body_text},"api_key":{key},'
            f'"sig":"{draft.signature}","nonce":"{draft.nonce}"}}'
        )

    def _method(self, path: str) -> str:
        for root in self.roots:
            if path.startswith(root):
                return path[len(root) :]
        raise ConfigurationError(
            f'the path "{path}" names no method; write it behind {" or ".join(self.roots)}'
        )


def flattened(value: Any) -> str:
    """Return names and values one after another, names sorted, lists in their order.

    Numbers, booleans and null are written as they stand in the JSON that is sent.
    """
    if type(value) is str:
        return value
    if isinstance(value, Mapping):
        if _TEXTS.issuperset(map(type, value.values())):
            return "".join([f"{name}{value[name]}" for name in sorted(value)])
        return "".join([f"{name}{flattened(value[name])}" for name in sorted(value)])
    if isinstance(value, (list, tuple)):
        return "".join([flattened(each) for each in value])
    if isinstance(value, str):
        return str.__str__(value)
    return codec.dumps_utf8(value)
