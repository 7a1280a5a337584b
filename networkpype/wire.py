"""From a URL, parameters and a body to the exact text that leaves the socket.

One encoder serves the signer and the sender. Values are percent-encoded by RFC 3986: everything but
``A-Z a-z 0-9 - . _ ~`` is escaped as UTF-8, a space as ``%20``. A URL keeps the escapes that its
author wrote and gets only those that are missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

from networkpype.errors import ConfigurationError
from networkpype.redact import mask_url

__all__ = [
    "Params",
    "WireURL",
    "check_headers",
    "encode_pairs",
    "encode_query",
    "encode_value",
    "is_encoded",
    "known_url",
    "split_url",
]

Params: TypeAlias = "Mapping[str, Any] | Sequence[tuple[str, Any]] | str"

_plain_or_escaped = re.compile(
    r"[A-Za-z0-9._~=&-]*+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~=&-]*+)*+"
).fullmatch
_unreserved = re.compile(r"[A-Za-z0-9._~-]*").fullmatch
_header_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110
_header_value = re.compile(r"[\t\x20-\x7e]*").fullmatch
_escape_or_percent = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The lengths are those of RFC 1035; with others, the look-up of the name raises a UnicodeError.
_host_name = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*").fullmatch
_port = re.compile(r"[0-9]{1,9}").fullmatch
_ipv6 = re.compile(r"\[[0-9A-Fa-f:.]+\]").fullmatch
_ESCAPED = [
    chr(byte) if _unreserved(chr(byte)) else f"%{byte:02X}" for byte in range(256)
]  # a third of what urllib's quote() takes
# Makes a digit of what stands for itself in a query, so that isdigit() tells whether all does: a
# third of what a regular expression takes.
_PLAIN_TO_DIGIT = bytes(
    ord("0") if _unreserved(chr(byte)) or chr(byte) in "=&" else ord("x") for byte in range(256)
)
_STR, _STR_INT = frozenset({str}), frozenset({str, int})
_PATH_SAFE = "/%:@!$&'()*+,;=~"
_QUERY_SAFE = _PATH_SAFE + "?"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_known: dict[str, WireURL] = {}  # by what stands before the query, which holds signatures
_MOST_KNOWN = 512
known_url = _known.get
"""Return the parts of a URL without a query that was split before, else None."""


class WireURL(NamedTuple):
    """A URL in parts, each as it travels: `host` is the Host header, `query` has no ``?``."""

    scheme: str
    host: str
    path: str
    query: str


def is_encoded(text: str) -> bool:
    """Tell whether every character stands for itself or in an escape: nothing to complete."""
    if text.isascii() and text.encode().translate(_PLAIN_TO_DIGIT).isdigit():
        return True
    return _plain_or_escaped(text) is not None


def encode_value(value: object) -> str:
    """Write one parameter value as text: booleans as ``true``, numbers without an exponent."""
    if type(value) is str:
        return value
    if isinstance(value, Enum):
        return encode_value(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value):
            raise ConfigurationError(f"a parameter is {value}; exchanges take finite numbers only")
        # repr(0.00001) is 1e-05, which no exchange reads as a price.
        # float.__repr__ for numpy's floats, whose own is np.float64(...).
        return format(value if isinstance(value, Decimal) else Decimal(float.__repr__(value)), "f")
    if isinstance(value, str):
        return str(value)
    raise ConfigurationError(
        f"a parameter is a {type(value).__name__}; pass str, int, float, Decimal, bool, "
        "an Enum of these, or a list of them (leave out what is None)"
    )


def _quote(text: str) -> str:
    return text if _unreserved(text) else _escape(text)


def _escape(text: str) -> str:
    try:
        return "".join([_ESCAPED[byte] for byte in text.encode()])
    except UnicodeEncodeError:
        pass  # raised below, for the repr of this error shows the whole text
    raise ConfigurationError(
        "a parameter holds half of a surrogate pair, which UTF-8 cannot carry; "
        "decode the text properly before passing it"
    )


def encode_pairs(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """Percent-encode names and values in their order; a list of values repeats its name."""
    if type(params) is dict and (query := _encode_plain(params)):
        return query
    return _encode_each(params)


def _encode_each(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    pairs = params.items() if isinstance(params, Mapping) else params
    if pairs is params and isinstance(params, Iterator):
        raise ConfigurationError(
            "params are an iterator, which can be read only once; pass list(params)"
        )
    parts = []
    try:
        for name, value in pairs:
            if type(name) is not str and isinstance(name, Enum):
                name = name.value
            key = name if _unreserved(name) else _escape(name)
            if type(value) is str:
                parts.append(f"{key}={value if _unreserved(value) else _escape(value)}")
            elif isinstance(value, (list, tuple)):
                parts.extend([f"{key}={_quote(encode_value(item))}" for item in value])
            else:
                parts.append(f"{key}={_quote(encode_value(value))}")
    except ConfigurationError:
        raise
    except (TypeError, ValueError):
        raise ConfigurationError(
            "params must be a mapping, pairs of (name, value) with str names, or an encoded str"
        ) from None
    return "&".join(parts)


def _encode_plain(params: dict[Any, Any]) -> str:
    """Encode str and int with one look at all of them; ``""`` where anything needs more."""
    if not (_STR.issuperset(map(type, params)) and _STR_INT.issuperset(map(type, params.values()))):
        return ""
    query = "&".join([f"{name}={value}" for name, value in params.items()])
    # Every pair is in it, so one separator too many is one that stands in a name or a value.
    count = len(params)
    if (
        query.isascii()
        and query.count("=") == count
        and query.count("&") == count - 1
        and query.encode().translate(_PLAIN_TO_DIGIT).isdigit()
    ):
        return query
    return ""


def encode_query(own: str, params: Params | None) -> str:
    """Join the URL's own query with `params`; a str is taken as already encoded.

    A ``?`` at its beginning is the one that goes between path and query, and is there already.
    """
    if not params:
        return own
    if type(params) is dict:
        more = _encode_plain(params) or _encode_each(params)
    elif isinstance(params, str):
        text = params[1:] if params[0] == "?" else params
        more = text if is_encoded(text) else _complete_escapes(text, _QUERY_SAFE)
    elif isinstance(params, (bytes, bytearray)):
        raise ConfigurationError("params are bytes; pass a mapping, pairs, or an encoded str")
    else:
        more = encode_pairs(params)
    return f"{own}&{more}" if own and more else own or more


def _complete_escapes(text: str, safe: str) -> str:
    """Escape what may not stand in a URL, leaving the escapes that are there."""
    if is_encoded(text):
        return text
    try:
        return quote(_escape_or_percent.sub("%25", text), safe=safe)
    except UnicodeEncodeError:
        pass  # raised below, for the repr of this error shows the whole text
    raise ConfigurationError(
        "the URL holds half of a surrogate pair, which UTF-8 cannot carry; "
        "decode the text properly before passing it"
    )


def split_url(url: str) -> WireURL:
    """Take an absolute http, https, ws or wss URL apart and encode each part once.

    A ``#`` is escaped like any other character: an API has no fragments, and dropping the rest of
    the path in silence would send something else than was asked for.
    """
    bare, _, raw_query = url.partition("?")
    parts = _known.get(bare)
    if parts is None:
        parts = _split_bare(bare, url)
        # A path may hold a listen key, which is not kept.
        if mask_url(bare) == bare:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[bare] = parts
    if not raw_query:
        return parts
    scheme, host, path, _ = parts
    return WireURL(scheme, host, path, _complete_escapes(raw_query, _QUERY_SAFE))


def _split_bare(bare: str, url: str) -> WireURL:
    """Take apart what stands before the query; the whole URL is there to be masked in errors."""
    scheme, separator, rest = bare.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        shown = mask_url(url)
        if url.startswith("/") and not url.startswith("//"):
            fix = "pass it as endpoint_url= to a factory with base_url=, or write the whole URL"
        else:
            fix = f'write it whole, such as "https://{shown.split("//")[-1]}"'
        raise ConfigurationError(f'URL "{shown}" has no scheme that can be sent; {fix}')
    cut = min((at for at in map(rest.find, "/#\\") if at >= 0), default=len(rest))
    authority, raw_path = rest[:cut], rest[cut:]
    if raw_path[:1] == "\\":
        raise ConfigurationError(f'URL "{mask_url(url)}" has a backslash after its host; use "/"')
    if raw_path[:1] == "#":
        raw_path = "/" + raw_path
    return WireURL(
        scheme,
        _wire_host(scheme, authority, url),
        _complete_escapes(raw_path, _PATH_SAFE) or "/",
        "",
    )


def _wire_host(scheme: str, authority: str, url: str) -> str:
    if "@" in authority:
        raise ConfigurationError(
            f'URL "{mask_url(url)}" holds user info; pass credentials to an Auth instead'
        )
    name, port = authority, ""
    if authority[-1:] != "]" and ":" in authority:
        name, _, port = authority.rpartition(":")
        if not (_port(port) and 0 < int(port) < 65536):
            raise ConfigurationError(f'URL "{mask_url(url)}" has a port that is no number')
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise ConfigurationError(f'URL "{mask_url(url)}" has a host that is no name') from None
    if name[-1:] == ".":
        raise ConfigurationError(
            f'URL "{mask_url(url)}" has a dot after its host, which aiohttp would not send; drop it'
        )
    if not (_host_name(name) or _ipv6(name)):
        raise ConfigurationError(
            f'URL "{mask_url(url)}" has no valid host; write names of 1 to 63 letters, digits, '
            "- or _, with one dot between them, or an IP address"
        )
    name = name.lower()
    return name if not port or int(port) == _DEFAULT_PORTS[scheme] else f"{name}:{int(port)}"


def _is_text(value: object) -> bool:
    # aiohttp would send the name of an enum's member where its value was signed.
    return isinstance(value, str) and not isinstance(value, Enum)


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what would break out of its line, be changed on the way, or stand there twice."""
    names = tuple(headers)
    _check_names(names)
    if len(names) != len(headers):  # iterating a multi-dict gives each name once
        raise ConfigurationError("headers hold a name twice; keep one of them")
    for name, value in headers.items():
        # Asked here too, for a member of an enum may equal a name that was checked before.
        if type(name) is not str and not _is_text(name):
            raise _no_token(name)
        if type(value) is not str and not _is_text(value):
            raise ConfigurationError(f'header "{name}" is a {type(value).__name__}; pass it as str')
        plain = value.isascii() and value.isprintable()  # a tab may stand inside as well
        if not (plain or _header_value(value)) or value != value.strip(" \t"):
            raise ConfigurationError(
                f'header "{name}" holds a control character (CR, LF, NUL, ...), a character '
                "outside ASCII, or blanks at its ends; strip or encode the value"
            )


@lru_cache(maxsize=256)
def _check_names(names: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in names:
        if not _is_text(name) or not _header_name(name):
            raise _no_token(name)
        if name.lower() in seen:
            # aiohttp would send the last of them, whatever else was signed.
            raise ConfigurationError(
                f'header "{name}" is there twice (case does not count); keep one of them'
            )
        seen.add(name.lower())


def _no_token(name: object) -> ConfigurationError:
    return ConfigurationError(f"header name {name!r} is not a token of RFC 9110")
