"""Backpack's family: an instruction and the sorted arguments are signed, whatever their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype import codec
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import ConfigurationError
from networkpype.rest.request import JSON_TYPE
from networkpype.signing.asymmetric import Ed25519
from networkpype.signing.canonical import canonical_query
from networkpype.signing.methods import SigningMethod
from networkpype.signing.timestamps import whole_ms
from networkpype.wire import encode_pairs

__all__ = ["InstructionSignature"]


@dataclass(kw_only=True, eq=False, repr=False)
class InstructionSignature(RESTScheme):
    """Sign ``instruction=...&<sorted arguments>&timestamp=...&window=...``.

    `instructions` tells the instruction of each method and path, as in ``GET /api/v1/capital``.
    GET takes its arguments from the query, every other method from the body as JSON, sorted by
    name; a list in the body is a batch, of which every member is signed with the instruction.
    """

    instructions: Mapping[str, str]
    signing: SigningMethod = field(default_factory=lambda: Ed25519("base64", "base64"))
    window_ms: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        self._window = str(self.window_ms)
        self._layout = Layout(params_in_body=True, sort_body=True)

    def canonical(self, draft: Draft) -> None:
        draft.timestamp = str(whole_ms(draft.identity.time()))
        draft.recv_window = self._window
        if draft.method == "GET":
            self._settle_query(draft)
        else:
            if draft.request.data in (None, "", b""):
                draft.request.data = {}
            self._layout.settle(draft)
            draft.body = draft.body or "{}"  # what a method with a body sends for no arguments
            draft.content_type = draft.content_type or JSON_TYPE

    def string_to_sign(self, draft: Draft) -> str:
        name = f"{draft.method} {draft.path}"
        instruction = self.instructions.get(name)
        if instruction is None:
            raise ConfigurationError(
                f"no instruction is known for {name}; take it from the exchange's page and add it: "
                f'InstructionSignature(instructions={{**INSTRUCTIONS, "{name}": "..."}}), '
                "as the scheme of a SchemeAuth"
            )
        start = f"instruction={instruction}"
        end = f"timestamp={draft.timestamp}&window={draft.recv_window}"
        if draft.method == "GET":
            return "&".join(filter(None, (start, draft.query, end)))
        content = _content(draft)
        members = content if isinstance(content, list) else [content]
        parts = []
        for member in members:
            parts.append(start)
            if member:
                parts.append(canonical_query(member, sort=True))
        parts.append(end)
        return "&".join(parts)

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def _settle_query(self, draft: Draft) -> None:
        data = draft.request.data
        if isinstance(data, Mapping):
            draft.query = "&".join(filter(None, (draft.query, encode_pairs(data))))
        elif data:
            raise ConfigurationError(
                f"GET has no body, and data is a {type(data).__name__}; pass params={{...}}"
            )
        if "&" in draft.query:
            draft.query = "&".join(sorted(draft.query.split("&"), key=_name))

    def place(self, draft: Draft) -> None:
        draft.headers.update(
            {
                "X-Timestamp": draft.timestamp,
                "X-Window": draft.recv_window,
                "X-API-Key": draft.identity.key,
                "X-Signature": draft.signature,
            }
        )


def _name(pair: str) -> str:
    return pair.partition("=")[0]


def _content(draft: Draft) -> Any:
    """Return the arguments as they stand in the body: what is signed is read from what is sent."""
    try:
        content = codec.loads(draft.body)
    except ValueError:
        pass  # raised below, for this error holds the body
    else:
        members = content if isinstance(content, list) else [content]
        if all(isinstance(member, dict) for member in members):
            return content
    raise ConfigurationError(
        "the body is no JSON object, nor a list of them; pass data={...}, or data=[{...}, ...]"
    )
