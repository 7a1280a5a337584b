"""The socket side of REST: one request out, one whole answer back."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from networkpype.codec import JSONLoads
from networkpype.errors import (
    BodyTooLargeError,
    ConfigurationError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RedirectRefusedError,
    TransportError,
)
from networkpype.redact import body_pairs, mask_url, secret_values
from networkpype.rest.build import check_timeout
from networkpype.rest.request import JSON_TYPE, RESTRequest, header_value
from networkpype.rest.response import RESTResponse
from networkpype.transport import (
    Flight,
    LostError,
    RedirectedError,
    StaleConnectionError,
    redirect_outcome,
    transport_error,
)
from networkpype.waits import Waits
from networkpype.wire import check_headers, encode_query

__all__ = [
    "DEFAULT_MAX_BODY_BYTES",
    "RESTConnection",
    "check_options",
    "freeze",
    "request_secrets",
    "rest_failure",
]

# The largest public answers (all instruments of an exchange) are near 20 MB.
DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the caller's deadline rules
_OPTIONS = frozenset(
    re.findall(
        "[a-z_]+",
        """
        cookies proxy proxy_auth proxy_headers server_hostname skip_auto_headers ssl
        max_field_size max_headers max_line_size read_bufsize trace_request_ctx
        """,
    )
)
_ARGUMENTS = (
    *("url", "endpoint_url", "throttler_limit_id", "params", "data", "method", "headers"),
    *("is_auth_required", "return_err", "timeout", "json_loads", "retry"),
    *("idempotent", "idempotency_key", "max_wait", "priority"),
)
_log = logging.getLogger(__name__)
_LARGE_BODY_BYTES = 1 << 20  # above this aiohttp wants a file, which it writes in pieces


class RESTConnection:
    """Sends requests through a client session; never twice, never to another place.

    `max_body_bytes` bounds the answer after decompression. `json_loads` parses it. `waits` are the
    calls over the session that wait for capacity.
    """

    def __init__(
        self,
        aiohttp_client_session: aiohttp.ClientSession,
        *,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        json_loads: JSONLoads | None = None,
        waits: Waits | None = None,
    ) -> None:
        if not isinstance(max_body_bytes, int) or max_body_bytes < 1:
            raise ConfigurationError(f"max_body_bytes is {max_body_bytes}; pass at least 1")
        self._session = aiohttp_client_session
        self._max_body_bytes = max_body_bytes
        self._json_loads = json_loads
        self.waits = Waits() if waits is None else waits

    async def call(
        self,
        request: RESTRequest,
        encoded: bool = False,
        *,
        flight: Flight | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> RESTResponse:
        """Send the request and read the answer to its end, any status but 3xx.

        `encoded` is kept from 1.1.5; the request encodes itself once in either case. `timeout`
        (seconds) covers connect, headers and body. `kwargs` go to aiohttp (`ssl`, `proxy`, ...).

        Raises TransportError, its RequestTimeoutError or RedirectRefusedError, BodyTooLargeError,
        and before anything is sent ConfigurationError, or NotConnectedError once the session is
        closed.
        """
        check_options(kwargs)
        if self._session.closed:
            raise NotConnectedError("the session was closed; get a new manager from the factory")
        flight = flight or Flight()
        if timeout is not None:
            return await self._call_within(timeout, request, flight, kwargs)
        response: aiohttp.ClientResponse | None = None
        url, headers, body = freeze(request)
        if body is None and "Content-Type" not in headers:
            # aiohttp would label a POST or PATCH without a body as a file.
            kwargs = {"skip_auto_headers": ("Content-Type",), **kwargs}
        failure: BaseException
        task = asyncio.current_task()
        cancels_before = 0 if task is None else task.cancelling()
        try:
            response = await self._session.request(
                request.method._value_,  # what .value finds by a detour
                url,
                data=io.BytesIO(body) if body and len(body) > _LARGE_BODY_BYTES else body,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(flight,),
                timeout=_NO_TIMEOUT,
                **kwargs,
            )
            content = await read(response, self._max_body_bytes)
            return RESTResponse(response, body=content, json_loads=self._json_loads)
        except NetworkpypeError as error:
            failure = error.with_traceback(None)
        except (OSError, aiohttp.ClientError, LostError, RedirectedError) as error:
            failure = error
        except StaleConnectionError as error:
            failure = error
        except asyncio.CancelledError:
            if task is None or task.cancelling() > cancels_before:
                raise
            # Nobody cancelled this task: aiohttp does so with its waiters when the session closes.
            failure = closed_meanwhile(request, flight)
        # Raised out here so that no chained traceback shows aiohttp's URL and headers, nor one that
        # prints local variables ours.
        del url, headers, body, response
        if isinstance(failure, NetworkpypeError):
            raise failure
        # What a socket tells of its own end reads as if the server had gone away.
        if self._session.closed and not isinstance(failure, RedirectedError):
            raise closed_meanwhile(request, flight)
        raise rest_failure(failure, request, flight)

    async def _call_within(
        self, timeout: float, request: RESTRequest, flight: Flight, kwargs: dict[str, Any]
    ) -> RESTResponse:
        failure: BaseException
        try:
            async with asyncio.timeout(check_timeout(timeout)):
                return await self.call(request, flight=flight, **kwargs)
        except NetworkpypeError:
            raise
        except TimeoutError as error:
            failure = error
        raise rest_failure(failure, request, flight)


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what aiohttp does not know, and what would change or repeat a signed request."""
    if not options:
        return
    for name in sorted(options.keys() - _OPTIONS):
        import difflib  # only a mistake needs it

        near = difflib.get_close_matches(name, [*_ARGUMENTS, *_OPTIONS], n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise ConfigurationError(
            f'no argument "{name}"; {hint}beside its own, a call takes '
            f"{', '.join(sorted(_OPTIONS))} for aiohttp; nothing was sent"
        )
    if options.get("ssl") is False:
        _log.warning("ssl=False: the TLS certificate is not verified; for tests only")


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body to its end, at most `limit` bytes after decompression."""
    stream = response.content
    chunks: list[bytes] = []
    room = limit
    try:
        while not stream.at_eof():
            chunks.append(await stream.readany())
            room -= len(chunks[-1])
            if room < 0:
                raise BodyTooLargeError(
                    f"the body of {mask_url(str(response.url))} is larger than {limit} bytes; "
                    "raise max_body_bytes if that is expected",
                    raw=chunks[0][:2000],
                )
    except BaseException:
        response.close()  # half a body is left on this socket: it must not go back to the pool
        raise
    if response.connection is not None:  # most often it went back when the body had ended
        response.release()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def freeze(request: RESTRequest) -> tuple[URL, dict[str, str], bytes | None]:
    """Turn the request into the URL, headers and body that leave the socket, all validated."""
    parts = request.wire_url
    url = URL.build(
        scheme=parts.scheme,
        authority=parts.host,
        path=parts.path,
        query_string=encode_query(parts.query, request.params),
        encoded=True,
    )
    check_headers(request.headers or {})
    headers = dict(request.headers or {})
    body = None if request.data is None else request.body_bytes
    _check_framing(headers, len(body or b""))
    if body is not None and header_value(headers, "content-type") is None:
        text = isinstance(request.data, str)
        raw = isinstance(request.data, (bytes, bytearray, memoryview))
        headers["Content-Type"] = (
            "text/plain; charset=utf-8"
            if text
            else "application/octet-stream"
            if raw
            else JSON_TYPE
        )
    return url, headers, body


def _check_framing(headers: dict[str, str], length: int) -> None:
    """Refuse headers that would send another body than the one that was signed."""
    for name, value in headers.items():
        lower = name.lower()
        if lower == "transfer-encoding" or (lower == "content-length" and value != str(length)):
            raise ConfigurationError(
                f'header "{name}: {value}" contradicts the body of {length} bytes; leave it out'
            )


def rest_failure(error: BaseException, request: RESTRequest, flight: Flight) -> TransportError:
    """Name the request, masked, and what became of it."""
    what = f"{request.method} {mask_url(request.url or '')}"
    if isinstance(error, RedirectedError):
        return RedirectRefusedError(
            f"{what}: HTTP {error.status} redirect refused, for its target would see the "
            "credentials; use the address it points to",
            status=error.status,
            outcome=redirect_outcome(error.status),
        )
    return transport_error(error, what, written=flight.written)


def closed_meanwhile(request: RESTRequest, flight: Flight) -> NotConnectedError:
    """Say that this side ended the call; the server is not to blame."""
    return NotConnectedError(
        f"{request.method} {mask_url(request.url or '')}: "
        "the factory was closed while the call was under way",
        outcome=Outcome.UNKNOWN if flight.written else Outcome.NOT_SENT,
    )


def request_secrets(request: RESTRequest) -> set[str]:
    """Collect what a server could echo of a request that was sent, and nobody may see."""
    return secret_values(
        body_pairs(request.data), request.headers or {}, request.path, request.query_string
    )
