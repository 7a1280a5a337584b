"""From a frame's payload to a message: decompression by declaration, then text, then JSON."""

from __future__ import annotations

import zlib
from typing import Any, Literal, TypeAlias

from networkpype import codec
from networkpype.errors import BodyTooLargeError, ConfigurationError, DecodeError

__all__ = ["Compression", "MessageDecoder"]

Compression: TypeAlias = Literal["gzip", "deflate", "zlib"]
"""How an exchange packs its binary frames; ``deflate`` is raw."""

_WINDOW_BITS = {"gzip": 31, "deflate": -15, "zlib": 15}
_KEPT_RAW_BYTES = 2000
# Each member costs a copy of what follows it, so many tiny ones would stop the event loop.
_MOST_MEMBERS = 100


class MessageDecoder:
    """Decode the frames of one connection.

    `compression` is what the exchange's manual says of its binary frames: ``gzip``, ``deflate``
    (raw, RFC 1951) or ``zlib`` (RFC 1950); None leaves binary frames as bytes. It is declared and
    never guessed, for a guess turns a corrupt frame into data. `max_size` bounds a message in bytes
    after decompression.
    """

    __slots__ = ("_compression", "_max_size", "loads")

    def __init__(
        self,
        compression: Compression | None = None,
        *,
        max_size: int,
        json_loads: codec.JSONLoads | None = None,
    ) -> None:
        if compression is not None and compression not in _WINDOW_BITS:
            raise ConfigurationError(
                f"compression {compression!r} is unknown; use one of {sorted(_WINDOW_BITS)} or None"
            )
        self._compression = compression
        self._max_size = max_size
        self.loads = json_loads or codec.loads

    def decode(self, payload: str | bytes) -> Any:
        """Return the message in a frame, whatever its kind; DecodeError where it is broken."""
        if isinstance(payload, str):
            try:
                return self.loads(payload)
            except Exception:
                return self.text(payload)
        return self.binary(payload)

    def text(self, text: str) -> Any:
        """Parse JSON; text that is none stays str, unless it starts like JSON and is broken."""
        try:
            return self.loads(text)
        except Exception:  # each JSON library has its own, and theirs keep the document
            if text[:64].lstrip()[:1] not in ("{", "["):
                return text
        raise DecodeError(
            f"a message of {len(text)} characters starts like JSON and is broken; "
            "its beginning is in .raw",
            raw=text[:_KEPT_RAW_BYTES].encode("utf-8", "replace"),
        )

    def binary(self, payload: bytes) -> Any:
        """Decompress and parse as declared; bytes as they are where nothing was declared."""
        if self._compression is None:
            return payload
        inflated = self._inflate(payload, self._compression)
        try:
            text = inflated.decode()
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise DecodeError(
                "a decompressed message is not UTF-8 text", raw=inflated[:_KEPT_RAW_BYTES]
            )
        return self.text(text)

    def _inflate(self, payload: bytes, compression: Compression) -> bytes:
        parts: list[bytes] = []
        room = self._max_size + 1
        rest = payload
        problem = ""
        while not problem and room > 0 and (rest or not parts):
            inflater = zlib.decompressobj(_WINDOW_BITS[compression])
            try:
                parts.append(inflater.decompress(rest, room))
            except zlib.error as error:
                problem = str(error)
                break
            room -= len(parts[-1])
            rest = inflater.unused_data  # gzip may come in several members
            # Raw deflate is often cut at a sync flush, without a final block.
            if not inflater.eof and room > 0 and (compression != "deflate" or not payload):
                problem = "it is cut short"
            elif rest and len(parts) == _MOST_MEMBERS:
                problem = f"it has more than {_MOST_MEMBERS} members"
        if problem:
            raise DecodeError(
                f"a binary message is not {compression}: {problem}", raw=payload[:_KEPT_RAW_BYTES]
            )
        if room <= 0:
            raise BodyTooLargeError(
                f"a message inflates to more than {self._max_size} bytes; "
                "raise max_message_bytes if that is expected",
                raw=payload[:_KEPT_RAW_BYTES],
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)
