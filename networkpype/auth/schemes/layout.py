"""Where a request's arguments go: `params` and `data` as the exchange wants to see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from networkpype import codec
from networkpype.auth.schemes.draft import Draft
from networkpype.rest.request import FORM_TYPE, JSON_TYPE
from networkpype.wire import encode_pairs

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Settle the query and the body of a draft.

    `params` stay in the query. A mapping or list in `data` is written as JSON (letters beyond ASCII
    as they are) or as a form; text and bytes are sent as they are. Where an exchange has one place
    only, `data_in_query` or `params_in_body` (of other methods than GET) move them there.
    `empty_body` is what a POST or PUT without arguments sends.
    """

    form: bool = False
    sort_query: bool = False
    sort_body: bool = False
    data_in_query: bool = False
    params_in_body: bool = False
    empty_body: str = ""

    def settle(self, draft: Draft) -> None:
        """Set `query`, `body` and `content_type` of the draft."""
        request, method = draft.request, draft.method
        data = request.data
        if method != "GET":
            if self.params_in_body and draft.query:
                data = {**dict(parse_qsl(draft.query, True)), **(data or {})}
                draft.query = ""
            elif self.data_in_query and data and isinstance(data, Mapping):
                more = encode_pairs(data)
                draft.query = f"{draft.query}&{more}" if draft.query else more
                data = None
        if self.sort_query and draft.query:
            draft.query = "&".join(sorted(draft.query.split("&")))
        if isinstance(data, (str, bytes, bytearray, memoryview)):
            draft.body = data if isinstance(data, str) else bytes(data)
        elif data:
            draft.body = self._written(data)
            draft.content_type = FORM_TYPE if self.form else JSON_TYPE
        elif self.empty_body and method in ("POST", "PUT"):
            draft.body = self.empty_body
            draft.content_type = FORM_TYPE if self.form else JSON_TYPE

    def _written(self, data: Mapping[str, Any] | Sequence[Any]) -> str:
        if self.sort_body and isinstance(data, Mapping):
            data = dict(sorted(data.items()))
        return encode_pairs(data) if self.form else codec.dumps_utf8(data)
