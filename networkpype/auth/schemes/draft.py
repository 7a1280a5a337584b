"""One signature in the making: what each of its steps has made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from string import Formatter
from typing import Any, NoReturn, TypeAlias
from urllib.parse import unquote

from networkpype.auth.identity import Identity
from networkpype.errors import ConfigurationError
from networkpype.rest.request import RESTRequest
from networkpype.signing.methods import digest_hex
from networkpype.wire import encode_query, is_encoded

__all__ = ["FIELDS", "Draft", "Field", "Template", "unset_field"]


class Draft:
    """A request being signed. `query` and `body` are text exactly as they will be sent.

    A step may set any of them; `finish` writes them into the request. `timestamp`, `expires`,
    `nonce` and `recv_window` are texts that the canonical step sets where the scheme has them.
    `is_sorted` says that the query was written in the order of its names.
    """

    # Made by the steps; nothing stands there before.
    expires: str
    nonce: str
    recv_window: str
    signature: str
    string_to_sign: str | bytes
    timestamp: str

    __slots__ = (
        "_came",
        "body",
        "content_type",
        "expires",
        "headers",
        "host",
        "identity",
        "is_sorted",
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
        self.query = encode_query(query, request.params) if request.params else query
        self._came = self.query
        self.body: str | bytes = ""
        self.content_type = ""
        self.is_sorted = False
        self.headers: dict[str, str] = {}

    @property
    def raw_query(self) -> str:
        """Return the query before percent-encoding."""
        return unquote(self.query) if "%" in self.query else self.query

    @property
    def path_qs(self) -> str:
        """Return path and query as on the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def raw_path_qs(self) -> str:
        """Return path and query before percent-encoding."""
        return f"{self.path}?{self.raw_query}" if self.query else self.path

    @property
    def body_text(self) -> str:
        """Return the body as text; bytes that are no UTF-8 come back when it is encoded to sign."""
        body = self.body
        return body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")

    @property
    def query_or_body(self) -> str:
        """Return the query where there is one, else the body."""
        if self.query:
            return self.query
        body = self.body
        return body if isinstance(body, str) else self.body_text

    @property
    def body_sha512(self) -> str:
        """Return the hex of the body's SHA-512."""
        return digest_hex("sha512", self.body_bytes)

    @property
    def body_bytes(self) -> bytes:
        """Return the body as it is sent."""
        body = self.body
        return body.encode() if isinstance(body, str) else body

    def finish(self) -> None:
        """Write the settled URL, body and headers into the request."""
        request = self.request
        request.url = f"{self.scheme}://{self.host}{self.path}"
        query = self.query
        if query and not is_encoded(query):
            query = _checked(query)
        request.params = query or None
        if not self.body and request.data and self.query == self._came:
            raise ConfigurationError(
                "the scheme settled no place for data, which would not be sent; set draft.body in "
                "its canonical step, such as by Layout().settle(draft)"
            )
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

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Draft does not pickle or copy: it holds a signature")

    def __repr__(self) -> str:
        return f"Draft({self.request!r})"


def unset_field(error: AttributeError) -> ConfigurationError:
    """Return what to say of a field that a draft does not have yet; raise any other error on."""
    # No Draft.__getattr__() says it: on Python 3.11 that doubles the time of every look at a draft.
    if not isinstance(error.obj, Draft) or error.name not in Draft.__slots__:
        raise error
    return ConfigurationError(
        f"a step of the scheme asks for {error.name}, which no step before it has set"
    )


def _checked(query: str) -> str:
    """Return what is sent as this query; raise where nothing is."""
    # The first of two is taken for the one behind the path.
    params = f"?{query}" if query[0] == "?" else query
    if encode_query("", params) != query:
        raise ConfigurationError(
            "the scheme left characters in the query that have to be escaped, so what it signed is "
            "not what would be sent; write the query with networkpype.wire.encode_pairs"
        )
    return params


Field: TypeAlias = "str | Callable[[Any], str]"
"""A field of a template: the name of an attribute, dotted for an inner one, or a function."""

FIELDS: dict[str, Field] = {
    "key": "identity.key",
    "passphrase": "identity.passphrase",
    "memo": "identity.memo",
    "timestamp": "timestamp",
    "nonce": "nonce",
    "expires": "expires",
    "recv_window": "recv_window",
    "method": "method",
    "host": "host",
    "path": "path",
    "query": "query",
    "raw_query": "raw_query",
    "path_qs": "path_qs",
    "raw_path_qs": "raw_path_qs",
    "body": "body_text",
    "query_or_body": "query_or_body",
    "body_sha512": "body_sha512",
    "signature": "signature",
}
"""What a scheme's templates may name in braces."""


class Template:
    """A text with fields in braces, such as ``{timestamp}{method}{path_qs}{body}``.

    `render` fills it in from a draft. `place` names it in errors, which do not show the text.
    """

    __slots__ = ("render", "text")

    def __init__(
        self, text: str, fields: Mapping[str, Field] = FIELDS, *, place: str = "the template"
    ) -> None:
        self.text = text
        form, found = "", list[Field]()
        for literal, name, form_of_field in _parsed(text, place):
            form += literal.replace("%", "%%")
            if name is None:
                continue
            if name not in fields:
                known = ", ".join(fields)
                raise ConfigurationError(f'{place} names the field "{name}"; known: {known}')
            if form_of_field:
                raise ConfigurationError(
                    f'{place} gives "{name}" a form, "{form_of_field}"; a field is its name in '
                    f"braces, {{{name}}}, and is put in as it is"
                )
            form += "%s"
            found.append(fields[name])
        self.render: Callable[[Any], str] = _renderer(form, found)

    def __call__(self, source: Any) -> str:
        try:
            return self.render(source)
        except AttributeError as error:
            failed = unset_field(error)
        raise failed

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def _parsed(text: str, place: str) -> list[tuple[str, str | None, str]]:
    """Return each literal, and the field behind it with the conversion and format it is given."""
    try:
        return [
            (literal, name, (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
            for literal, name, form, conversion in Formatter().parse(text)
        ]
    except ValueError as error:
        problem = str(error)  # such as: Single '}' encountered in format string
    raise ConfigurationError(
        f"{place} has braces that do not close or open ({problem}); double one that stands for "
        "itself: {{ or }}"
    )


def _renderer(form: str, fields: list[Field]) -> Callable[[Any], str]:
    """Return what fills the form in; attributes are read all at once, which is the fastest."""
    if not fields:
        text = form % ()
        return lambda _: text
    names = [field for field in fields if isinstance(field, str)]
    if len(names) == len(fields):
        read: Callable[[Any], Any] = attrgetter(*names)
        if form == "%s":
            return read
        if form == "%s" * len(names):
            return _joiner(form, read)
        return lambda source: form % read(source)
    reads = [attrgetter(field) if isinstance(field, str) else field for field in fields]
    return lambda source: form % tuple([read(source) for read in reads])


def _joiner(form: str, read: Callable[[Any], Any]) -> Callable[[Any], str]:
    join = "".join

    def render(source: Any) -> str:
        values = read(source)
        try:
            return join(values)  # half of what the form takes
        except TypeError:
            text: str = form % values  # a step has set what is no text
            return text

    return render
