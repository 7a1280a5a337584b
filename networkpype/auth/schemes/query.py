"""Arguments, a timestamp and a signature behind them, in the query or in a form body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote, unquote

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.arguments import arguments_of
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import ConfigurationError
from networkpype.rest.method import RESTMethod
from networkpype.rest.request import FORM_TYPE, JSON_TYPE, RESTRequest
from networkpype.signing.methods import HMAC, Signer, SigningMethod
from networkpype.signing.timestamps import whole_ms
from networkpype.wire import encode_pairs, encode_value

__all__ = ["AnyKey", "JSONSignature", "KeyOnly", "QuerySignature"]

_PLAIN = frozenset({str, int, bool, float, Decimal})
_TEXTS, _SAME_IN_JSON = frozenset({str}), frozenset({str, int})


@dataclass(frozen=True, slots=True)
class AnyKey(SigningMethod):
    """HMAC with a secret, RSA or Ed25519 with a private key, in base64: the key tells which.

    `rsa_only` is for exchanges that take no Ed25519 keys.
    """

    with_secret: HMAC = field(default_factory=HMAC)
    rsa_only: bool = False

    takes_private_key = True

    def signer(self, secret: str, password: str | None = None) -> Signer:
        if "-----BEGIN " not in secret:
            return self.with_secret.signer(secret)
        return self.private_signer(secret, password)

    def private_signer(self, private_key: str, password: str | None = None) -> Signer:
        # Imported here, for most keys are HMAC's and need none of it.
        from networkpype.signing.asymmetric import RSA, PrivateKey

        method = RSA() if self.rsa_only else PrivateKey()
        return method.signer(private_key, password)


@dataclass(kw_only=True, eq=False, repr=False)
class QuerySignature(RESTScheme):
    """Stamp the arguments, sign them as they travel, and append the signature.

    What is signed is the query with the body directly behind it. `form` sends `data` as a form
    body, which then takes timestamp and signature too; without it `data` joins the query. Text in
    `data` is a body as it is: a form, or JSON, whose stamps go into the query. A ``timestamp`` or
    ``recvWindow`` among the caller's arguments stays where and what it is.

    `stamp` puts the timestamp before the caller's arguments, behind them, or ``sorted`` with them
    by name. `raw` signs the query before its percent-encoding. Lists and mappings are written as
    JSON, those named in `numbers` with texts of digits as numbers; lists named in `repeated` repeat
    their name instead. The names in both sets are in lower case. `typed` are the methods that carry
    Content-Type ``application/json`` although their arguments are a query.
    """

    key_header: str
    signing: SigningMethod = field(default_factory=HMAC)
    recv_window: str = ""
    stamp: Literal["first", "last", "sorted"] = "last"
    raw: bool = False
    form: bool = False
    typed: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._window = f"recvWindow={self.recv_window}" if self.recv_window else ""

    def draft(self, request: RESTRequest, identity: Identity) -> Draft:
        if isinstance(request.params, Mapping):
            # Lists and mappings are written here, for the encoder would repeat or refuse them.
            request.params = self._flat(request.params)
        return Draft(request, identity)

    def canonical(self, draft: Draft) -> None:
        draft.timestamp = str(whole_ms(draft.identity.time()))
        if draft.request.data is not None or self.form:
            self._settle(draft)
        if draft.content_type == FORM_TYPE:
            draft.body = self._stamped(draft, draft.body_text, draft.query)
        else:
            draft.query = self._stamped(draft, draft.query, draft.body_text)

    def string_to_sign(self, draft: Draft) -> str:
        signed = draft.query + draft.body_text if draft.body else draft.query
        return unquote(signed) if self.raw and "%" in signed else signed

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        signature = draft.signature
        if not signature.isalnum():  # the base64 of a private key's
            signature = quote(signature, safe="")
        if draft.content_type == FORM_TYPE:
            draft.body = f"{draft.body_text}&signature={signature}"
        else:
            draft.query = f"{draft.query}&signature={signature}"
            if draft.method in self.typed:
                draft.content_type = JSON_TYPE
        draft.headers[self.key_header] = draft.identity.key

    def _settle(self, draft: Draft) -> None:
        """Bring `data` to its place; a body of the type form is what will be stamped."""
        data = draft.request.data
        if isinstance(data, (bytes, bytearray, memoryview)):
            data = bytes(data).decode("utf-8", "surrogateescape")
        if isinstance(data, str) and data:
            draft.body = data
            draft.content_type = JSON_TYPE if data.lstrip()[:1] in ("{", "[") else FORM_TYPE
        elif data:
            arguments = encode_pairs(self._flat(_mapping(data)))
            if self.form and draft.method != "GET":
                draft.body, draft.content_type = arguments, FORM_TYPE
            else:
                draft.query = f"{draft.query}&{arguments}" if draft.query else arguments
        elif self.form and not draft.query and draft.method in ("POST", "PUT"):
            draft.content_type = FORM_TYPE  # a body of stamps alone

    def _stamped(self, draft: Draft, arguments: str, others: str) -> str:
        own = f"&{arguments}&{others}"
        stamp = "" if "&timestamp=" in own else f"timestamp={draft.timestamp}"
        window = "" if "&recvWindow=" in own else self._window
        order = [arguments, stamp, window]
        if self.stamp == "first":
            order = [stamp, arguments, window]
        stamped = "&".join(filter(None, order))
        if self.stamp == "sorted":
            return "&".join(sorted(stamped.split("&"), key=_name))
        return stamped

    def _flat(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if _PLAIN.issuperset(map(type, arguments.values())):
            return arguments
        flat: dict[str, Any] = {}
        lists: dict[str, Any] = {}
        for name, value in arguments.items():
            if isinstance(value, (list, tuple, Mapping)) and name.lower() not in self.repeated:
                lists[name] = self._json(name, value)
            else:
                flat[name] = value
        if self.stamp == "first" and lists and self._window:
            # The order is free; this is the one that other clients of Binance send.
            flat.setdefault("recvWindow", self.recv_window)
        return flat | lists

    def _json(self, name: str, value: Any) -> str:
        if name.lower() in self.numbers:
            value = [int(each) if _is_digits(each) else each for each in value]
        return codec.dumps_utf8(value)


@dataclass(kw_only=True, eq=False, repr=False)
class KeyOnly(RESTScheme):
    """Place the key header and sign nothing; `data` is a form body."""

    key_header: str
    typed: bool = True
    """Whether all methods carry the Content-Type of a form, with a body or without."""

    def canonical(self, draft: Draft) -> None:
        data = draft.request.data
        if isinstance(data, (str, bytes, bytearray, memoryview)):
            draft.body = data if isinstance(data, str) else bytes(data)
        elif data:
            draft.body = encode_pairs(_mapping(data))
        if self.typed or draft.body:
            draft.content_type = FORM_TYPE

    def string_to_sign(self, draft: Draft) -> str:
        return ""

    def signature(self, draft: Draft) -> str:
        return ""

    def place(self, draft: Draft) -> None:
        draft.headers[self.key_header] = draft.identity.key


@dataclass(kw_only=True, eq=False, repr=False)
class JSONSignature(RESTScheme):
    """Sign the arguments sorted by name as a raw query, and send them and it as one JSON object.

    Arguments in the query join those in `data`, for the body is the one place that is read. A GET
    is signed `otherwise`.
    """

    key_header: str
    otherwise: RESTScheme
    signing: SigningMethod = field(default_factory=HMAC)

    def chosen(self, request: RESTRequest, identity: Identity) -> RESTScheme:
        return self.otherwise if request.method is RESTMethod.GET else self

    def canonical(self, draft: Draft) -> None:
        arguments = dict(arguments_of(draft, params_too=True))
        draft.timestamp = str(whole_ms(draft.identity.time()))
        arguments.setdefault("timestamp", int(draft.timestamp))
        draft.request.data = dict(sorted(arguments.items()))
        draft.body = codec.dumps_utf8(draft.request.data)
        draft.content_type = JSON_TYPE

    def string_to_sign(self, draft: Draft) -> str:
        arguments = draft.request.data
        if _SAME_IN_JSON.issuperset(map(type, arguments.values())) and _TEXTS.issuperset(
            map(type, arguments)
        ):
            return "&".join([f"{name}={value}" for name, value in arguments.items()])
        arguments = codec.loads(draft.body_text)
        return "&".join([f"{name}={_text(value)}" for name, value in arguments.items()])

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        draft.body = f'{draft.body_text[:-1]},"signature":"{draft.signature}"}}'
        draft.headers[self.key_header] = draft.identity.key


def _mapping(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f"data is a {type(data).__name__}; this exchange takes named arguments, "
            "so pass a mapping"
        )
    return data


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return codec.dumps_utf8(value)
    return encode_value(value)


def _is_digits(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal()


def _name(pair: str) -> str:
    return pair.partition("=")[0]
