"""One REST answer, read to its end before anybody sees it."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from networkpype import codec
from networkpype.errors import DecodeError
from networkpype.redact import escape, mask_url
from networkpype.rest.method import RESTMethod

if TYPE_CHECKING:
    import aiohttp

__all__ = ["RESTResponse"]

_BOM = b"\xef\xbb\xbf"
_KEPT_RAW_BYTES = 2000


class RESTResponse:
    """Status, headers and body of an answer.

    `body` holds the decompressed bytes. It is None only where the object was built by hand around
    an aiohttp response that has not been read; `json` and `text` read it then.
    """

    def __init__(
        self,
        aiohttp_response: aiohttp.ClientResponse,
        *,
        body: bytes | None = None,
        json_loads: codec.JSONLoads | None = None,
    ) -> None:
        self._aiohttp_response = aiohttp_response
        self._loads = json_loads or codec.loads
        self.body = body

    @property
    def url(self) -> str:
        """Return the URL that was asked, as sent: it may hold a signature, so mask it in logs."""
        return str(self._aiohttp_response.url)

    @property
    def method(self) -> RESTMethod:
        return RESTMethod(self._aiohttp_response.method.upper())

    @property
    def status(self) -> int:
        return self._aiohttp_response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the answer's headers; look-up ignores case."""
        return self._aiohttp_response.headers

    @property
    def content_type(self) -> str:
        """Return the Content-Type as the server wrote it, in lower case; empty where it did not."""
        return self.headers.get("Content-Type", "").lower()

    async def json(self, content_type: str | None = "application/json") -> Any:
        """Parse the body as JSON; None for an empty one.

        Any Content-Type is accepted by default, for exchanges label JSON as text; one given here
        other than the default must be the body's, or a DecodeError is raised.
        """
        await self._read()
        if content_type not in (None, "application/json", self.content_type.partition(";")[0]):
            raise self._decode_error(f"Content-Type is not {content_type}")
        return self.parse()

    async def text(self) -> str:
        """Decode the body by its declared charset, UTF-8 where none is declared."""
        await self._read()
        return self._decoded()

    def parse(self, json_loads: codec.JSONLoads | None = None) -> Any:
        """Parse a body that has been read, with this `loads` or the connection's own.

        An empty body and 204 give None. What is not JSON raises DecodeError, whatever its label.
        """
        body = self.body
        if not body or body.isspace():
            return None
        loads = json_loads or self._loads
        problem = ""
        try:
            if "charset" in self.content_type:
                return loads(self._decoded())
            return loads(body[3:] if body.startswith(_BOM) else body)
        except DecodeError:
            raise
        except (Exception, RecursionError) as error:
            # Each JSON library has its own exceptions, and theirs keep the whole document.
            problem = f"{type(error).__name__} at {getattr(error, 'pos', '?')}"
        del body  # a traceback that prints local variables would print it
        raise self._decode_error(f"not JSON ({problem})")

    async def _read(self) -> None:
        if self.body is None:
            self.body = await self._aiohttp_response.read()

    def _decoded(self) -> str:
        body = self.body or b""
        _, _, rest = self.content_type.partition("charset=")
        charset = rest.partition(";")[0].strip(" \"'") or "utf-8"
        try:
            if codecs.lookup(charset).name == "utf-8":
                return body.removeprefix(_BOM).decode()
            return body.decode(charset)
        except (LookupError, UnicodeError):
            pass
        raise self._decode_error(f"not {charset} text")

    def _decode_error(self, problem: str) -> DecodeError:
        body = self.body or b""
        # Nothing of the body itself: it may be a login with a token in it, or a page that echoes
        # the key that it was asked with.
        page = " but a page of HTML or XML" if body.lstrip()[:1] == b"<" else ""
        return DecodeError(
            f"{self.method} {mask_url(self.url)}: HTTP {self.status}, "
            f"{escape(self.content_type, limit=80) or 'no Content-Type'}, "
            f"{len(body)} bytes, {escape(problem, limit=80)}{page}; "
            "the bytes are in .raw",
            raw=body[:_KEPT_RAW_BYTES],
        )

    def __repr__(self) -> str:
        size = "unread" if self.body is None else f"{len(self.body)} bytes"
        return f"RESTResponse({self.method} {mask_url(self.url)}, status={self.status}, {size})"
