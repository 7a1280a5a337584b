"""One REST request and its wire form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, NoReturn, Self

from networkpype import codec
from networkpype.copying import copy_object
from networkpype.errors import ConfigurationError
from networkpype.redact import MASK, escape, mask_url
from networkpype.rest.method import RESTMethod
from networkpype.wire import Params, WireURL, encode_pairs, encode_query, known_url, split_url

__all__ = ["RESTRequest"]

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(repr=False)
class RESTRequest:
    """What to send. An `Auth` receives a copy, changes or replaces it, and returns it.

    `params`: a mapping, ordered (name, value) pairs, or an already encoded query string.
    `data`: a mapping or list (sent as JSON, or as a form where the Content-Type header says so),
    text (UTF-8), or bytes; None sends no body.

    The wire form (`path`, `query_string`, `path_qs`, `host`, `body_bytes`) is computed from the
    fields each time it is read, by the encoder that also feeds the socket: sign what it returns,
    and what you signed is what is sent.
    """

    method: RESTMethod
    url: str | None = None
    endpoint_url: str | None = None
    params: Params | None = None
    data: Any = None
    headers: Mapping[str, str] | None = None
    is_auth_required: bool = False
    throttler_limit_id: str | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):
            # It may set some of the fields and leave the others to their defaults.
            for name, default in _DEFAULTS.items():
                if name not in vars(cls):
                    setattr(cls, name, default)

    def __post_init__(self) -> None:
        if type(self.method) is not RESTMethod:
            try:
                self.method = RESTMethod(str(self.method).upper())
            except ValueError:
                raise ConfigurationError(
                    f"method {self.method!r} is unknown; use one of {list(RESTMethod)}"
                ) from None
        if self.headers and not isinstance(self.headers, Mapping):
            raise ConfigurationError(
                f"headers are a {type(self.headers).__name__}; pass a mapping of str to str"
            )

    @property
    def wire_url(self) -> WireURL:
        """Return the URL's parts as they travel, without `params`."""
        url = self.url
        if isinstance(url, str):
            return known_url(url) or split_url(url)
        if url is None:
            raise ConfigurationError(
                "the request has no url; pass url=, or endpoint_url= to a factory with base_url="
            )
        raise ConfigurationError(f"url is a {type(url).__name__}; pass it as str")

    @property
    def host(self) -> str:
        """Return the Host header: the one in `headers`, else the URL's.

        The URL's is in lower case, with the port unless it is the scheme's own.
        """
        own = header_value(self.headers, "host")
        return self.wire_url.host if own is None else own

    @property
    def path(self) -> str:
        """Return the percent-encoded path, at least ``/``."""
        return self.wire_url.path

    @property
    def query_string(self) -> str:
        """Return the percent-encoded query, URL's own part first, without ``?``; may be empty."""
        return encode_query(self.wire_url.query, self.params)

    @property
    def path_qs(self) -> str:
        """Return path and query exactly as they stand on the request line."""
        _, _, path, query = self.wire_url
        if self.params:
            query = encode_query(query, self.params)
        return f"{path}?{query}" if query else path

    @property
    def body_bytes(self) -> bytes:
        """Return the body exactly as it is sent, empty where there is none."""
        data = self.data
        if data is None:
            return b""
        if isinstance(data, bytes):
            return data
        if isinstance(data, str):
            try:
                return data.encode()
            except UnicodeEncodeError:
                pass  # raised below, for the repr of this error shows the whole body
            raise ConfigurationError(
                "the body holds half of a surrogate pair, which UTF-8 cannot carry; "
                "decode the text properly before passing it"
            )
        if isinstance(data, (bytearray, memoryview)):
            return bytes(data)
        if self.content_type.startswith(FORM_TYPE):
            return encode_pairs(data).encode()
        if not isinstance(data, (dict, list, tuple)):
            data = dict(data) if isinstance(data, Mapping) else data
        return codec.dumps(data).encode()

    @property
    def content_type(self) -> str:
        """Return the Content-Type of the headers, in lower case; empty where none is set."""
        return (header_value(self.headers, "content-type") or "").lower()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy_object(self)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} does not pickle: it may hold a signature; "
            "send its fields and build it on the other side"
        )

    def __repr__(self) -> str:
        shown = mask_url(str(self.url or self.endpoint_url or ""))
        if self.params:
            shown += f", params=[{', '.join(_names(self.params))}]"
        if self.headers:
            shown += f", headers=[{', '.join(map(str, self.headers))}]"
        if self.data is not None:
            shown += f", data={type(self.data).__name__}"
        if self.is_auth_required:
            shown += ", is_auth_required"
        if self.throttler_limit_id is not None:
            shown += f", throttler_limit_id={self.throttler_limit_id!r}"
        return escape(f"{type(self).__name__}({self.method} {shown})")


# Beside a class attribute of the same name, each look at an attribute and each setting of it takes
# three times as long; the defaults stand in the signature.
_DEFAULTS = {each.name: each.default for each in fields(RESTRequest) if each.default is not MISSING}
for _name in _DEFAULTS:
    delattr(RESTRequest, _name)


def header_value(headers: Mapping[str, str] | None, lower_name: str) -> str | None:
    """Return the value of a header, whatever the case of its name; None where it is not there."""
    for name, value in (headers or {}).items():
        if str(name).lower() == lower_name:
            return str(value)
    return None


def _names(params: Params) -> list[str]:
    if isinstance(params, str):
        return [MASK]
    if isinstance(params, Mapping):
        return [str(name) for name in params]
    if isinstance(params, Iterator):
        return [type(params).__name__]  # looking at it would use it up
    try:
        return [str(name) for name, _ in params]
    except (TypeError, ValueError):
        return [type(params).__name__]
