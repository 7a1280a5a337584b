"""Kraken's two families: a hash within the HMAC, and a secret in base64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.arguments import draft_of_data, query_arguments
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import ConfigurationError
from networkpype.rest.request import FORM_TYPE, JSON_TYPE, RESTRequest
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.wire import encode_pairs

__all__ = ["KrakenFuturesSignature", "KrakenSignature"]

_LISTS = frozenset({list, tuple})
_BATCH = "/batchorder"
_TEXTS = (str, bytes, bytearray, memoryview)


def _hmac() -> SigningMethod:
    return HMAC("sha512", "base64", secret="base64")  # noqa: S106


@dataclass(kw_only=True, eq=False, repr=False)
class KrakenSignature(RESTScheme):
    """Sign the path and ``SHA256(nonce + body)``; arguments and nonce are the body.

    The body is a form, or JSON for a batch, where an argument is a list, which a form cannot hold,
    and where a price is relative, such as ``-5%``; Kraken takes both. `params` count as `data`, for
    it reads the body only. A nonce in `data` is kept, and signed; text and bytes must hold one.
    """

    signing: SigningMethod = field(default_factory=_hmac)
    draft = staticmethod(draft_of_data)

    def canonical(self, draft: Draft) -> None:
        if draft.method != "POST":
            # The reference has no private call of another method, and the body is what is signed.
            raise ConfigurationError(
                f"{draft.method} {draft.path} is none of Kraken's private calls, all of which are "
                "POST; pass method=RESTMethod.POST"
            )
        data = draft.request.data
        if isinstance(data, _TEXTS):
            _take_text(draft, data if isinstance(data, str) else bytes(data).decode())
            return
        if draft.query:
            data = {**query_arguments(draft), **(data or {})}
            draft.query = ""
        if not isinstance(data or {}, Mapping):
            raise ConfigurationError(
                f"data is a {type(data).__name__}; pass a mapping, for the nonce goes into it"
            )
        draft.nonce = str(data["nonce"] if data and "nonce" in data else draft.identity.nonce())
        body: dict[str, Any] = {"nonce": draft.nonce, **(data or {})}
        if _wants_json(body) or draft.path.endswith("Batch"):
            draft.body, draft.content_type = codec.dumps_utf8(body), JSON_TYPE
        else:
            draft.body, draft.content_type = _form(body), FORM_TYPE

    def string_to_sign(self, draft: Draft) -> bytes:
        hashed = sha256(f"{draft.nonce}{draft.body_text}".encode()).digest()
        return draft.path.encode() + hashed

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        draft.headers["API-Key"] = draft.identity.key
        draft.headers["API-Sign"] = draft.signature


def _futures_draft(request: RESTRequest, identity: Identity) -> Draft:
    is_batch = request.params and request.wire_url.path.endswith(_BATCH)
    return draft_of_data(request, identity) if is_batch else Draft(request, identity)


@dataclass(kw_only=True, eq=False, repr=False)
class KrakenFuturesSignature(RESTScheme):
    """Sign ``SHA256(arguments + nonce + path)``, the path without its ``/derivatives``.

    Arguments of every method travel in the query, wherever the caller put them; ``batchorder`` has
    a body, ``json=`` and the JSON of them. `sends_nonce` adds the header, which is optional.
    """

    signing: SigningMethod = field(default_factory=_hmac)
    sends_nonce: bool = False
    draft = staticmethod(_futures_draft)

    def canonical(self, draft: Draft) -> None:
        data = draft.request.data
        draft.nonce = str(draft.identity.nonce()) if self.sends_nonce else ""
        draft.content_type = FORM_TYPE
        if isinstance(data, _TEXTS):
            draft.body = data if isinstance(data, str) else bytes(data)
        elif data and draft.path.endswith(_BATCH):
            draft.body = _batch(data)
        elif data:
            more = encode_pairs(data)
            draft.query = f"{draft.query}&{more}" if draft.query else more

    def string_to_sign(self, draft: Draft) -> bytes:
        endpoint = draft.path.removeprefix("/derivatives")
        arguments = draft.query.encode() + draft.body_bytes
        return sha256(arguments + f"{draft.nonce}{endpoint}".encode()).digest()

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        headers = draft.headers
        headers["Accept"] = JSON_TYPE
        headers["APIKey"] = draft.identity.key
        headers["Authent"] = draft.signature
        if draft.nonce:
            headers["Nonce"] = draft.nonce


def _wants_json(body: Mapping[str, Any]) -> bool:
    price = body.get("price")
    return not _LISTS.isdisjoint(map(type, body.values())) or (
        type(price) is str and price[-1:] == "%"
    )


def _form(body: Mapping[str, Any]) -> str:
    """Write a form; a mapping in it as ``close[ordertype]=limit``, brackets as they are."""
    if dict in map(type, body.values()):
        flat: dict[str, Any] = {}
        for name, value in body.items():
            if isinstance(value, Mapping):
                flat.update({f"{name}[{inner}]": each for inner, each in value.items()})
            else:
                flat[name] = value
        body = flat
    text = encode_pairs(body)
    return text.replace("%5B", "[").replace("%5D", "]") if "%5" in text else text


def _take_text(draft: Draft, text: str) -> None:
    """Send a body that is already written; its nonce is what is signed."""
    if draft.query:
        raise ConfigurationError(
            "Kraken takes parameters in the body, and data is text already; put all into data"
        )
    is_json = text.startswith("{")
    try:
        written = codec.loads(text) if is_json else dict(parse_qsl(text, keep_blank_values=True))
    except ValueError:
        written = {}
    if "nonce" not in written:
        raise ConfigurationError(
            "the body holds no nonce; pass data as a mapping, which gets one, or write it in"
        )
    draft.nonce = str(written["nonce"])
    draft.body = text
    draft.content_type = JSON_TYPE if is_json else FORM_TYPE


def _batch(data: Any) -> str:
    if isinstance(data, Mapping) and "json" in data:
        orders = data["json"]
        written = orders if isinstance(orders, str) else codec.dumps_utf8(orders)
        return encode_pairs({**data, "json": written})
    return f"json={codec.dumps_utf8(data)}"
