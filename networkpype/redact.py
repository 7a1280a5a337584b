"""What may be shown: URLs, headers and server text with every secret masked.

Masking goes by allow-list: a query value or header that is not known to be harmless is shown as
``***``. A new exchange's new name for its signature is then hidden without anybody knowing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

__all__ = [
    "MASK",
    "body_pairs",
    "escape",
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
# Listen keys and session tokens travel in paths too. Order ids are digits, a UUID or shorter, and
# the name of a long stream has an @.
_UUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_OPAQUE_SEGMENT = re.compile(
    r"(?<=/)(?<!://)(?:[^/]{40,}|"
    rf"(?!{_UUID}(?:/|\Z))(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[^/@]{{24,}}(?=/|\Z))"
)
# Up to the last @ of the authority, or beyond its end where a password holds a slash: what follows
# the colon is then no port. A path may have an @ of its own, such as /ws/btcusdt@trade.
_USERINFO = re.compile(
    r"(?:(?<=://)|(?<=^//))(?:[^/?#]*|[^/?#:[]*:(?!\d{1,5}(?:[/?#]|$)).*)@", re.DOTALL
)
_PAIR = re.compile(r"[^&;#]+")
_WORD = re.compile(r"[^\s,;=:\"']+")
# One way to spell what follows: percent-encoded, as JSON escapes it, as it is, beyond ASCII.
_SPELLING = re.compile(
    r"%([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\([^u])|([^%\\\x80-\U0010ffff]+)|(.)", re.DOTALL
)
_LONGEST_SPELLING = 6  # a backslash, a u and four digits
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_URL = 2000  # the search for user info is quadratic
_LONGEST_SCRUBBED = 4000  # no error shows more
_LONGEST_SECRET = 9 * _LONGEST_SCRUBBED  # encoded, three bytes for one character of the text
_LONGEST_PARSED = 1 << 16  # a longer body is data; looking into it would hold up the event loop
_SHORTEST_SECRET = 6  # a passphrase may be that short; masking shorter text would mangle messages


def _harmless_param(name: str) -> bool:
    return _NOT_LETTERS.sub("", name.lower()) in _HARMLESS_PARAMS


def _hidden(pair: str) -> str:
    """Return what of an encoded pair may not be shown: its end, or nothing."""
    name, equals, value = pair.partition("=")
    if not equals:
        # A bare word has no name to judge it by: it may itself be a token.
        return "" if len(name) < _SHORTEST_SECRET else name
    # With another = in it, the value may hold a pair behind a separator that is not known here.
    return "" if _harmless_param(name) and "=" not in value else value


def mask_pairs(query: str) -> str:
    """Mask the values of an encoded query string, keeping names and known harmless values."""
    return _PAIR.sub(_mask_pair, query)


def _mask_pair(pair: re.Match[str]) -> str:
    hidden = _hidden(pair[0])
    return pair[0].removesuffix(hidden) + MASK if hidden else pair[0]


def mask_url(url: str) -> str:
    """Mask user info, opaque path segments and secret query values; drop control characters."""
    if len(url) > _LONGEST_URL:
        if "@" in url[_LONGEST_URL:]:
            return MASK  # all before it may be user info
        url = url[:_LONGEST_URL]
        # What was cut through could no longer be told from something short and harmless.
        url = url[: 1 + max(map(url.rfind, "/?#&;="))] + MASK
    url = _USERINFO.sub("", url)
    end = next((at for at, character in enumerate(url) if character in "?#"), len(url))
    bare = _OPAQUE_SEGMENT.sub(MASK, url[:end])
    return escape(bare + url[end : end + 1] + mask_pairs(url[end + 1 :]), limit=500)


def escape(text: str, *, limit: int = 2000) -> str:
    """Make foreign text safe to print: control characters escaped, at most `limit` characters."""
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text)} characters)"
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Mask every occurrence of the given values: servers like to echo keys in their errors.

    Found in upper and lower case and in each spelling of a URL, a form and JSON. What lies beyond
    the part of a text that an error shows is masked unseen, and keeps its length.
    """
    needles = {needle for secret in secrets for needle in _needles(secret)}
    if not needles or not text:
        return text
    reach = _LONGEST_SCRUBBED + _LONGEST_SPELLING * max(map(len, needles))
    folded, places = _fold(text[:reach])
    shown, at = [], 0
    for start, end in _spans(folded, needles):
        if places[start] >= _LONGEST_SCRUBBED:
            break
        shown += [text[at : places[start]], MASK]
        at = places[end]
    cut = max(at, _LONGEST_SCRUBBED)
    return "".join(shown) + text[at:cut] + "*" * (len(text) - cut)


def _needles(secret: str) -> Iterator[bytes]:
    if len(secret) < _SHORTEST_SECRET:
        return
    secret = secret[:_LONGEST_SECRET]
    yield secret.encode("utf-8", "surrogatepass").lower().replace(b"+", b" ")
    # A backslash or % in it may be an escape or not.
    for spelling in {secret, secret.replace("\\", "\\\\")}:
        if len(needle := _fold(spelling)[0]) >= _SHORTEST_SECRET:
            yield needle


def _fold(text: str) -> tuple[bytes, Sequence[int]]:
    """Spell all in one way, in lower case; with the place in the text of each byte and the end."""
    if text.isascii() and "%" not in text and "\\" not in text:
        return text.encode().lower().replace(b"+", b" "), range(len(text) + 1)
    folded = bytearray()
    places: list[int] = []
    for token in _SPELLING.finditer(text):
        percent, unicode, escaped, plain, other = token.groups()
        if plain:
            folded += plain.encode()
            places += range(token.start(), token.end())
            continue
        if percent:
            raw = bytes.fromhex(percent)
        else:
            character = chr(int(unicode, 16)) if unicode else escaped or other
            raw = character.encode("utf-8", "surrogatepass")
        folded += raw
        places += [token.start()] * len(raw)
    places.append(len(text))
    return bytes(folded).lower().replace(b"+", b" "), places


def _spans(folded: bytes, needles: Collection[bytes]) -> Iterator[tuple[int, int]]:
    """Yield where the needles lie, in order; those that overlap as one."""
    found = []
    for needle in needles:
        start = folded.find(needle)
        while start >= 0:
            found.append((start, start + len(needle)))
            start = folded.find(needle, start + len(needle))
    begin = end = -1
    for start, stop in sorted(found):
        if start >= end:
            if end > 0:
                yield begin, end
            begin = start
        end = max(end, stop)
    if end > 0:
        yield begin, end


def secret_values(
    pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], path: str = "", query: str = ""
) -> set[str]:
    """Collect the parameters, headers and parts of a URL that the masks above would hide.

    `query` is encoded. The words of a header such as ``Bearer <token>`` count by themselves.
    """
    found = set(map(_hidden, _PAIR.findall(query)))
    for name, value in pairs:
        if not _harmless_param(name):
            found.add(value)
        elif "=" in value:
            found.update((value, *_WORD.findall(value)))
    found.update(_OPAQUE_SEGMENT.findall(path))
    for name, value in headers.items():
        if name.lower() not in _HARMLESS_HEADERS:
            found.update((value, *_WORD.findall(value)))
    return found - {""}


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
