"""Older APIs: key and time among the arguments, all sorted, hashed with the secret behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from networkpype import codec
from networkpype.auth.schemes.arguments import arguments_of, draft_of_data
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft, Template
from networkpype.rest.request import FORM_TYPE, JSON_TYPE
from networkpype.signing.methods import SigningMethod
from networkpype.signing.timestamps import TimeFormat, time_writer
from networkpype.wire import encode_pairs

__all__ = ["ArgumentHash"]


@dataclass(kw_only=True, eq=False, repr=False)
class ArgumentHash(RESTScheme):
    """Add `added` to the arguments, sort them by name, and sign them as they read unescaped.

    `added` and `headers` are templates over `FIELDS`. The arguments are in the body of a POST, as
    JSON or as a form, and in the query of any other method, wherever the caller put them.
    """

    added: Mapping[str, str]
    headers: Mapping[str, str]
    signing: SigningMethod
    timestamp: TimeFormat = "ms"
    form: bool = False
    content_type: str = ""
    """A Content-Type for requests without a body too."""

    draft = staticmethod(draft_of_data)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._added = [
            (name, Template(text, place=f'added["{name}"]')) for name, text in self.added.items()
        ]
        self._headers = [
            (name, Template(text, place=f'headers["{name}"]'))
            for name, text in self.headers.items()
        ]
        self._write_time = time_writer(self.timestamp)

    def canonical(self, draft: Draft) -> None:
        draft.timestamp = self._write_time(draft.identity.time())
        draft.content_type = self.content_type
        arguments = dict(arguments_of(draft, params_too=True))
        arguments.update((name, text(draft)) for name, text in self._added)
        arguments = dict(sorted(arguments.items()))
        draft.request.data = arguments
        if draft.method == "POST":
            draft.query = ""
            draft.body = encode_pairs(arguments) if self.form else codec.dumps_utf8(arguments)
            draft.content_type = FORM_TYPE if self.form else JSON_TYPE
        else:
            draft.query = encode_pairs(arguments)

    def string_to_sign(self, draft: Draft) -> str:
        signed = draft.query or (draft.body_text if self.form else encode_pairs(draft.request.data))
        return unquote(signed) if "%" in signed else signed

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        for name, text in self._headers:
            draft.headers[name] = text(draft)
