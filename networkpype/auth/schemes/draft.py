"""One signature in the making: what each of its steps has made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, NoReturn
from urllib.parse import unquote

from networkpype.auth.identity import Identity
from networkpype.errors import ConfigurationError
from networkpype.rest.request import RESTRequest
from networkpype.signing.methods import digest_hex
from networkpype.wire import encode_query

__all__ = ["FIELDS", "Draft", "Template"]


class Draft:
    """A request being signed. `query` and `body` are text exactly as they will be sent.

    A step may set any of them; `finish` writes them into the request. `timestamp`, `expires`,
    `nonce` and `recv_window` are texts that the canonical step sets where the scheme has them.
    """

    # Made by the steps; nothing stands there before.
    expires: str
    nonce: str
    recv_window: str
    signature: str
    string_to_sign: str | bytes
    timestamp: str

    __slots__ = (
        "body",
        "content_type",
        "expires",
        "headers",
        "host",
        "identity",
        "method",
        "nonce",
        "path",
        "query",
        "recv_window",
        "request",
        "scheme",
        "signature",
        "string_to_sign",
        "timestamp",
    )

    def __init__(self, request: RESTRequest, identity: Identity) -> None:
        self.request = request
        self.identity = identity
        self.method: str = request.method._value_  # .value is a slow descriptor
        self.scheme, self.host, self.path, query = request.wire_url
        self.query = encode_query(query, request.params)
        self.body: str | bytes = ""
        self.content_type = ""
        self.headers: dict[str, str] = {}

    def finish(self) -> None:
        """Write the settled URL, body and headers into the request."""
        request = self.request
        request.url = f"{self.scheme}://{self.host}{self.path}"
        request.params = self.query or None
        request.data = self.body or None
        own = self.headers
        if self.content_type:
            own["Content-Type"] = self.content_type
        given = request.headers
        if given:
            # What the scheme places beats what stands there, whatever the case of its name.
            placed = {name.lower() for name in own}
            own = {k: v for k, v in given.items() if str(k).lower() not in placed} | own
        request.headers = own

    def __getattr__(self, name: str) -> NoReturn:
        if name not in Draft.__slots__:
            raise AttributeError(f"Draft has no {name}")
        raise ConfigurationError(
            f"a step of the scheme asks for {name}, which no step before it has set"
        )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Draft does not pickle or copy: it holds a signature")

    def __repr__(self) -> str:
        return f"Draft({self.request!r})"


def body_text(draft: Draft) -> str:
    body = draft.body
    return body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")


def body_raw(draft: Draft) -> bytes:
    body = draft.body
    return body.encode() if isinstance(body, str) else body


FIELDS: dict[str, Callable[[Draft], str]] = {
    "key": lambda draft: draft.identity.key,
    "passphrase": lambda draft: draft.identity.passphrase,
    "memo": lambda draft: draft.identity.memo,
    "timestamp": lambda draft: draft.timestamp,
    "nonce": lambda draft: draft.nonce,
    "expires": lambda draft: draft.expires,
    "recv_window": lambda draft: draft.recv_window,
    "method": lambda draft: draft.method,
    "host": lambda draft: draft.host,
    "path": lambda draft: draft.path,
    "query": lambda draft: draft.query,
    "raw_query": lambda draft: unquote(draft.query) if "%" in draft.query else draft.query,
    "path_qs": lambda draft: f"{draft.path}?{draft.query}" if draft.query else draft.path,
    "body": body_text,
    "query_or_body": lambda draft: draft.query if draft.query else body_text(draft),
    "body_sha512": lambda draft: digest_hex("sha512", body_raw(draft)),
    "signature": lambda draft: draft.signature,
}
"""What a template may name in braces. `raw_query` is the query before percent-encoding."""


class Template:
    """A text with fields in braces, such as ``{timestamp}{method}{path_qs}{body}``.

    `render` fills it in from a draft.
    """

    __slots__ = ("render", "text")

    def __init__(self, text: str, fields: Mapping[str, Callable[[Any], str]] = FIELDS) -> None:
        self.text = text
        parts: list[Callable[[Any], str]] = []
        for literal, name, _, _ in Formatter().parse(text):
            if literal:
                parts.append(_constant(literal))
            if name is None:
                continue
            if name not in fields:
                known = ", ".join(fields)
                raise ConfigurationError(f'"{text}" names the field "{name}"; known: {known}')
            parts.append(fields[name])
        self.render: Callable[[Any], str] = parts[0] if len(parts) == 1 else _joined(parts)

    def __call__(self, source: Any) -> str:
        return self.render(source)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def _constant(text: str) -> Callable[[Any], str]:
    return lambda _: text


def _joined(parts: list[Callable[[Any], str]]) -> Callable[[Any], str]:
    return lambda source: "".join([part(source) for part in parts])
