"""What may be shown: URLs, headers and server text with every secret masked.

Masking goes by allow-list: a query value or header that is not known to be harmless is shown as
``***``. A new exchange's new name for its signature is then hidden without anybody knowing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

__all__ = [
    "MASK",
    "body_pairs",
    "escape",
    "mask_headers",
    "mask_pairs",
    "mask_url",
    "scrub",
    "secret_values",
]

MASK = "***"

# Lower case, letters only. Market data and order terms that every exchange prints in its own docs.
_HARMLESS_PARAMS = frozenset(
    re.findall(
        "[a-z]+",
        """
        symbol symbols pair pairs market markets instrument instid insttype currency coin asset base
        quote category side type ordertype timeinforce tif price quantity qty size amount volume
        leverage limit depth interval period granularity start end starttime endtime from to since
        until fromid page pagesize offset cursor sort order orderby direction status state
        recvwindow timestamp reduceonly postonly permissions channel topic level step
        """,
    )
)
_HARMLESS_HEADERS = frozenset(
    re.findall(
        "[a-z-]+",
        """
        accept accept-encoding accept-language cache-control connection content-encoding
        content-length content-type date host origin retry-after server transfer-encoding upgrade
        user-agent vary
        """,
    )
)
_NOT_LETTERS = re.compile(r"[^a-z]")
# Listen keys and session tokens travel in paths too; order ids and UUIDs are shorter than this.
_OPAQUE_SEGMENT = re.compile(r"(?<=/)(?<!://)[^/]{40,}")
# Up to the last @ of the authority, or beyond its end where a password holds a slash: what follows
# the colon is then no port. A path may have an @ of its own, such as /ws/btcusdt@trade.
_USERINFO = re.compile(
    r"(?:(?<=://)|(?<=^//))(?:[^/?#]*|[^/?#:[]*:(?!\d{1,5}(?:[/?#]|$)).*)@", re.DOTALL
)
_PAIR = re.compile(r"[^&#]+")
_WORD = re.compile(r"[^\s,;=:\"']+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_PARSED = 1 << 16  # a longer body is data; looking into it would hold up the event loop
_SHORTEST_SECRET = 6  # a passphrase may be that short; masking shorter text would mangle messages


def _harmless_param(name: str) -> bool:
    return _NOT_LETTERS.sub("", name.lower()) in _HARMLESS_PARAMS


def mask_pairs(query: str) -> str:
    """Mask the values of an encoded query string, keeping names and known harmless values."""
    return _PAIR.sub(_mask_pair, query)


def _mask_pair(pair: re.Match[str]) -> str:
    name, equals, value = pair[0].partition("=")
    if not equals:
        # A bare word has no name to judge it by: it may itself be a token.
        return name if len(name) < _SHORTEST_SECRET else MASK
    return pair[0] if not value or _harmless_param(name) else f"{name}={MASK}"


def mask_url(url: str) -> str:
    """Mask user info, opaque path segments and secret query values; drop control characters."""
    url = _USERINFO.sub("", url)
    end = next((at for at, character in enumerate(url) if character in "?#"), len(url))
    bare = _OPAQUE_SEGMENT.sub(MASK, url[:end])
    return escape(bare + url[end : end + 1] + mask_pairs(url[end + 1 :]), limit=500)


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy the headers with every value masked that is not known to be harmless."""
    return {
        name: str(value) if name.lower() in _HARMLESS_HEADERS else MASK
        for name, value in headers.items()
    }


def escape(text: str, *, limit: int = 2000) -> str:
    """Make foreign text safe to print: control characters escaped, at most `limit` characters."""
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text)} characters)"
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Mask every occurrence of the given values: servers like to echo keys in their errors."""
    # The longest first, for one may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text


def secret_values(
    pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], path: str = ""
) -> set[str]:
    """Collect the parameters, headers and parts of the path that the masks above would hide.

    Each in the spellings that a server may echo: percent-encoded or not, with JSON's ``\\/``, and
    the words of a header such as ``Bearer <token>`` by themselves.
    """
    found = {value for name, value in pairs if not _harmless_param(name)}
    found.update(_OPAQUE_SEGMENT.findall(path))
    for name, value in headers.items():
        if name.lower() not in _HARMLESS_HEADERS:
            found.update((value, *_WORD.findall(value)))
    plain = {unquote(value) for value in found}
    quoted = {quote(value, safe="") for value in plain}
    return found | plain | quoted | {value.replace("/", "\\/") for value in plain}


def body_pairs(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a request's body with its name: of containers, JSON or a form."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from body_pairs(value, str(key))
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from body_pairs(value, name or "-")
    elif isinstance(data, str) and name:
        yield name, data
    elif isinstance(data, (str, bytes)) and len(data) < _LONGEST_PARSED:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        try:
            yield from body_pairs(json.loads(text), "-")
        except (ValueError, RecursionError):
            yield from parse_qsl(text)
