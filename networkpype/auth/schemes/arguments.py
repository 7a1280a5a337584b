"""A request's arguments as one mapping, for exchanges that sign them one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import ConfigurationError
from networkpype.rest.request import RESTRequest

__all__ = ["arguments_of", "draft_of_data", "query_arguments"]


def draft_of_data(request: RESTRequest, identity: Identity) -> Draft:
    """Begin a draft where `params` count as `data`, for exchanges that read the body alone.

    So they may hold what a query cannot: lists, mappings, and null.
    """
    params, data = request.params, request.data
    if params and isinstance(params, Mapping) and (data is None or isinstance(data, Mapping)):
        request.data = {**params, **(data or {})}
        request.params = None
    return Draft(request, identity)


def arguments_of(draft: Draft, *, params_too: bool = False) -> Mapping[str, Any]:
    """Return the mapping in `data`, be it JSON text; with `params_too` those of the query, too.

    Those are taken out of the draft's query, for exchanges that read the body alone.
    """
    data: Any = draft.request.data
    if type(data) is dict and not draft.query:
        found: Mapping[str, Any] = data  # what nearly every request is
        return found
    if data is None:
        data = {}
    elif isinstance(data, (str, bytes, bytearray, memoryview)):
        data = _parsed(data if isinstance(data, str) else bytes(data))
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f"data is a {type(data).__name__}; pass a mapping, for the exchange wants the path, "
            "the nonce or the signature beside the arguments"
        )
    if not (params_too and draft.query):
        return data
    more = query_arguments(draft)
    draft.query = ""
    return {**more, **data}


def query_arguments(draft: Draft) -> Mapping[str, Any]:
    """Return the query's arguments, with the types that the caller gave them where it can be."""
    params = draft.request.params
    if isinstance(params, Mapping) and not draft.request.wire_url.query:
        return params
    pairs = parse_qsl(draft.query, keep_blank_values=True)
    arguments = dict(pairs)
    if len(arguments) != len(pairs):
        raise ConfigurationError(
            "a parameter is there twice, and this exchange takes parameters in the body, where a "
            "name has one value; pass data={name: [...]}"
        )
    return arguments


def _parsed(text: str | bytes) -> Any:
    try:
        return codec.loads(text) if text else {}
    except ValueError:
        pass  # raised below, for this error shows the body
    raise ConfigurationError("data is text that is no JSON; pass a mapping")
