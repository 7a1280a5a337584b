"""What `networkpype sign` prints: wrapped lines with nothing secret in them."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from urllib.parse import quote

from networkpype.credentials import Credentials
from networkpype.redact import escape

__all__ = ["Shown", "as_text", "terminal_width"]


class Shown:
    """Texts as they may be shown: wrapped, and with everything secret cut or hidden.

    `known` is what stands in the request without being a secret; any other long word, such as a
    token or a passphrase that is itself signed, is cut like a signature.
    """

    def __init__(self, credentials: Credentials, known: str, width: int | None) -> None:
        self.known = known
        fields = ("secret", "passphrase", "memo", "private_key_password")
        self._masks = {credentials.reveal(field): "***" for field in fields}
        if credentials.private_key is not None:
            self._masks[credentials.reveal("private_key")] = "***"
        self._width = width
        self.cut_too(credentials.reveal("key"))

    def cut_too(self, text: str) -> None:
        """Show no more than the beginning of this text from now on."""
        self._masks[text] = _cut(text)

    def line(self, name: str, value: str) -> Iterator[str]:
        """Yield `value` behind its name, in as many lines as the width takes."""
        text = escape(self._masked(value).replace("\n", "\\n"), limit=20_000)
        if self._width is None:
            yield f"  {name:<12}{text or '(empty)'}"
            return
        lines = textwrap.wrap(
            text,
            self._width,
            initial_indent=f"  {name:<12}",
            subsequent_indent=" " * 14,
            drop_whitespace=False,
            break_on_hyphens=False,
        )
        yield from lines or [f"  {name:<12}(empty)"]

    def _masked(self, text: str) -> str:
        masks = {
            spelling: mask
            for secret, mask in self._masks.items()
            if secret
            for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])
        }
        longest_first = sorted(masks, key=len, reverse=True)
        known = re.compile("|".join(map(_pattern, longest_first)) or r"(?!)")
        parts, at = [], 0
        for match in known.finditer(text):
            parts += [self._opaque(text[at : match.start()]), masks[match[0]]]
            at = match.end()
        return "".join([*parts, self._opaque(text[at:])])

    def _opaque(self, text: str) -> str:
        return _LONG_WORD.sub(lambda it: it[0] if it[0] in self.known else _cut(it[0]), text)


_SHORT = 6

# What is no timestamp, path or word: digests begin at 32 characters.
_LONG_WORD = re.compile(r"[A-Za-z0-9+=_.%-]{32,}(?:/[A-Za-z0-9+=_.%-]+)*|[A-Za-z0-9+/=]{40,}")


def _pattern(secret: str) -> str:
    """Match a secret anywhere, and one of few characters as a word of its own only.

    Else "a" would take every a of the output. Digits beside letters are another word.
    """
    pattern = re.escape(secret)
    if len(secret) >= _SHORT:
        return pattern
    first, last = (_kin(secret[at]) for at in (0, -1))
    return f"(?<!{first}){pattern}(?!{last})" if first and last else pattern


def _kin(character: str) -> str:
    """Return the characters that would be of one word with this one."""
    return (
        "[A-Za-z]" if character.isalpha() else r"[A-Za-z0-9]" if character.isdigit() else r"(?!)."
    )


def _cut(text: str) -> str:
    """Show at most six characters of a text, and no more than an eighth of it."""
    return f"{text[: min(6, len(text) // 8)]}... ({len(text)} characters)"


def terminal_width() -> int | None:
    """Return how wide lines may be, None where no person reads them: a pipe, or a file."""
    if not sys.stdout.isatty():
        return None
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def as_text(value: str | bytes) -> str:
    """Return text as it is, and bytes that are none as hex."""
    if isinstance(value, str):
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"
