"""Where a request's arguments go: `params` and `data` as the exchange wants to see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.arguments import draft_of_data, query_arguments
from networkpype.auth.schemes.draft import Draft
from networkpype.rest.request import FORM_TYPE, JSON_TYPE, RESTRequest
from networkpype.wire import encode_pairs

__all__ = ["LEGAL_IN_QUERY", "Layout"]

LEGAL_IN_QUERY = "!$'()*,/:;=?@"
"""What a value in a query may hold unescaped (RFC 3986), but for ``&`` and ``+``."""


@dataclass(kw_only=True, eq=False)
class Layout:
    """Settle the query and the body of a draft.

    `params` stay in the query. A mapping or list in `data` is written as JSON (letters beyond ASCII
    as they are) or as a form; text and bytes are sent as they are. Where an exchange has one place
    only, `data_in_query` or `params_in_body` (of other methods than GET) move them there.
    `query_only` names methods whose arguments the exchange reads in the query alone: `data` of
    those moves there. `empty_body` is what a POST or PUT without arguments sends; with
    `empty_is_typed` it has a Content-Type even where that is no body at all.
    The characters in `unescaped` stand in the query as they are, such as the colons and commas that
    a query may hold; `values_hold_escapes` takes ``%2C`` in a value of `params` for a comma that is
    escaped already.
    """

    form: bool = False
    sort_query: bool = False
    sort_body: bool = False
    data_in_query: bool = False
    params_in_body: bool = False
    query_only: tuple[str, ...] = ()
    empty_body: str = ""
    empty_is_typed: bool = False
    unescaped: str = ""
    values_hold_escapes: bool = False
    type_header: str = "Content-Type"

    def __post_init__(self) -> None:
        # Under names of their own: beside a class attribute each look takes three times as long.
        self._type = FORM_TYPE if self.form else JSON_TYPE
        self._write = encode_pairs if self.form else codec.dumps_utf8
        self._sorts_query, self._sorts_body = self.sort_query, self.sort_body
        self._to_query, self._to_body = self.data_in_query, self.params_in_body
        self._query_only, self._type_header = self.query_only, self.type_header
        self._unescapes = bool(self.unescaped) or self.values_hold_escapes

    def draft(self, request: RESTRequest, identity: Identity) -> Draft:
        """Begin a draft; `params` that will move to the body may hold what a query cannot."""
        params = request.params
        if not params:
            return Draft(request, identity)
        method = request.method._value_
        if self._to_body and method != "GET" and method not in self._query_only:
            return draft_of_data(request, identity)
        if not self._sorts_query or type(params) is not dict:
            return Draft(request, identity)
        request.params = ordered = _by_name(params)  # half of what it takes once they are written
        draft = Draft(request, identity)
        is_plain = "%" not in draft.query and "?" not in str(request.url)
        draft.is_sorted = is_plain and ordered is not params
        return draft

    def settle(self, draft: Draft) -> None:
        """Set `query`, `body` and `content_type` of the draft."""
        data, method = draft.request.data, draft.method
        if self._unescapes and "%" in draft.query:
            draft.query = self._plainer(draft)
        if method != "GET" and (
            self._to_query or method in self._query_only or (self._to_body and draft.query)
        ):
            data = self._moved(draft, data)
        if self._sorts_query and not draft.is_sorted and "&" in draft.query:
            draft.query = "&".join(sorted(draft.query.split("&"), key=_name))
        if not data and (data is None or data == {}):
            if (self.empty_body or self.empty_is_typed) and self._may_have_body(method):
                draft.body, draft.content_type = self.empty_body, self._type
        elif type(data) is not dict and isinstance(data, (str, bytes, bytearray, memoryview)):
            draft.body = data if isinstance(data, str) else bytes(data)
        else:
            if self._sorts_body and isinstance(data, Mapping):
                data = _by_name(data)
            # An empty list is no argument in a form.
            draft.body, draft.content_type = self._write(data) or self.empty_body, self._type
        if self._type_header != "Content-Type" and draft.content_type:
            draft.headers[self._type_header] = draft.content_type
            draft.content_type = ""

    def _plainer(self, draft: Draft) -> str:
        own = draft.request.wire_url.query
        if isinstance(draft.request.params, str):
            return draft.query  # encoded by the caller, every percent sign as it is meant
        undo = _escapes_of(self.unescaped, self.values_hold_escapes)
        return own + undo(draft.query[len(own) :])

    def _may_have_body(self, method: str) -> bool:
        return method in ("POST", "PUT") and method not in self.query_only

    def _moved(self, draft: Draft, data: Any) -> Any:
        """Bring all arguments to the one place that the exchange reads; return what is the body."""
        if draft.method in self.query_only or self.data_in_query:
            if not isinstance(data, Mapping):
                return data
            if more := encode_pairs(data):
                draft.query = f"{draft.query}&{more}" if draft.query else more
                draft.is_sorted = False
            return None
        if self.params_in_body and draft.query and (data is None or isinstance(data, Mapping)):
            data = {**query_arguments(draft), **(data or {})}
            draft.query = ""
        return data


@lru_cache(maxsize=64)
def _escapes_of(characters: str, percent: bool) -> Callable[[str], str]:
    """Return the function that undoes the escapes of these, and of a percent before two digits."""
    plain = {f"%{ord(each):02X}": each for each in characters}
    found = re.compile("|".join([*plain, *(["%25(?=[0-9A-Fa-f]{2})"] if percent else [])]))
    return partial(found.sub, lambda match: plain.get(match[0], "%"))


def _by_name(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return {name: arguments[name] for name in sorted(arguments)}
    except TypeError:
        return arguments  # names that are no texts, which whoever writes them refuses


def _name(pair: str) -> str:
    return pair.partition("=")[0]
