"""What may be shown: URLs, headers and server text with every secret masked.

Masking goes by allow-list: a query value or header that is not known to be harmless is shown as
``***``. A new exchange's new name for its signature is then hidden without anybody knowing it.
"""

from __future__ import annotations

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
_USERINFO = re.compile(r"(?<=://)(?:[^/]*|[^/:]*:(?!\d{1,5}(?:/|$)).*)@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHORTEST_SECRET = 8


def _harmless_param(name: str) -> bool:
    return _NOT_LETTERS.sub("", name.lower()) in _HARMLESS_PARAMS


def mask_pairs(query: str) -> str:
    """Mask the values of an encoded query string, keeping names and known harmless values."""
    parts = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if not equals:
            # A bare word has no name to judge it by: it may itself be a token.
            parts.append(name if len(name) < _SHORTEST_SECRET else MASK)
        elif not value or _harmless_param(name):
            parts.append(pair)
        else:
            parts.append(f"{name}={MASK}")
    return "&".join(parts)


def mask_url(url: str) -> str:
    """Mask user info, opaque path segments and secret query values; drop control characters."""
    # Tokens travel behind a # as well, and are pairs there too.
    bare, question, query = url.replace("#", "?", 1).partition("?")
    bare = _OPAQUE_SEGMENT.sub(MASK, _USERINFO.sub("", bare))
    return escape(f"{bare}?{mask_pairs(query)}" if question else bare, limit=500)


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
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text


def secret_values(pairs: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> list[str]:
    """List the parameter and header values that `mask_url` and `mask_headers` would hide."""
    found = [str(value) for name, value in pairs if not _harmless_param(name)]
    found += [
        str(value) for name, value in headers.items() if name.lower() not in _HARMLESS_HEADERS
    ]
    return found
