"""From the arguments of `connect` to an open WebSocket, or to one typed error."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from networkpype.errors import (
    ConfigurationError,
    ConnectFailedError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RedirectRefusedError,
)
from networkpype.redact import escape, mask_url, scrub, secret_values
from networkpype.status import status_error
from networkpype.transport import (
    LostError,
    RedirectedError,
    describe,
    dialing,
    transport_error,
)
from networkpype.wire import check_headers, split_url

__all__ = ["PASSED_ON", "check_handshake", "check_seconds", "check_size", "dial"]

_DEFLATE_WINDOW_BITS = 15
_LARGEST_LIMIT = 2**31 - 1  # aiohttp's parser counts in 32 bits
PASSED_ON = frozenset({"origin", "proxy", "proxy_auth", "proxy_headers", "server_hostname", "ssl"})
_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110


async def dial(
    session: aiohttp.ClientSession,
    ws_url: str,
    limit_s: float,
    *,
    max_message_bytes: int,
    permessage_deflate: bool,
    **options: Any,
) -> aiohttp.ClientWebSocketResponse[bool]:
    """Dial within `limit_s`; every failure is typed and leaves no WebSocket open.

    Pings and close frames are left for the reader to answer.
    """
    parts = split_url(ws_url)
    url = URL.build(
        scheme=parts.scheme,
        authority=parts.host,
        path=parts.path,
        query_string=parts.query,
        encoded=True,
    )
    if isinstance(session.connector, aiohttp.TCPConnector) and url.raw_host and url.port:
        # The host may have moved; aiohttp would go to where it was for another 10 seconds.
        session.connector.clear_dns_cache(url.raw_host, url.port)
    failure: NetworkpypeError
    task = asyncio.current_task()
    cancels_before = 0 if task is None else task.cancelling()
    guarded = dialing.set(True)
    try:
        async with asyncio.timeout(limit_s):
            ws: aiohttp.ClientWebSocketResponse[bool] = await session.ws_connect(
                url,
                autoping=False,
                autoclose=False,
                heartbeat=None,
                compress=_DEFLATE_WINDOW_BITS if permessage_deflate else 0,
                # aiohttp refuses a message of exactly the size that it is told.
                max_msg_size=max_message_bytes + 1,
                timeout=aiohttp.ClientWSTimeout(),  # whoever closes brings a deadline
                **options,
            )
            return ws
    except NetworkpypeError:
        raise
    except (OSError, aiohttp.ClientError, LostError, RedirectedError) as error:
        headers = {**(options.get("proxy_headers") or {}), **(options.get("headers") or {})}
        secrets = secret_values((), headers, parts.path, parts.query)
        failure = _dial_error(error, mask_url(ws_url), limit_s, secrets)
    except asyncio.CancelledError:
        if task is None or task.cancelling() > cancels_before:
            raise
        # Nobody cancelled this task: aiohttp does so with its waiters when the session closes.
        failure = NotConnectedError("the client session was closed while dialing")
    except RuntimeError:
        if not session.closed:
            raise
        failure = NotConnectedError(
            "the client session is closed, so nothing was sent; get a new manager from the factory"
        )
    except (TypeError, ValueError) as error:
        failure = ConfigurationError(
            f"aiohttp refused an option of connect() ({describe(error)}); "
            f"look at {', '.join(sorted(PASSED_ON))}"
        )
    finally:
        dialing.reset(guarded)
    # Raised out here so that no chained traceback shows aiohttp's URL and headers.
    raise failure


def check_seconds(**given: object) -> None:
    for name, value in given.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:  # type: ignore[operator]
            raise ConfigurationError(f"{name} is {value!r}; pass seconds above zero")


def check_size(max_message_bytes: object) -> None:
    size = max_message_bytes
    if type(size) is not int or not 0 < size <= _LARGEST_LIMIT:
        raise ConfigurationError(
            f"max_message_bytes is {size!r}; pass an int from 1 to {_LARGEST_LIMIT}"
        )


def check_handshake(
    ws_url: str,
    headers: Mapping[str, str] | None,
    subprotocols: Iterable[str],
    options: Mapping[str, Any],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Refuse what would break out of a header line, and options that this library decides.

    Return the headers and subprotocols as copies.
    """
    if not isinstance(ws_url, str):
        raise ConfigurationError(f"ws_url is a {type(ws_url).__name__}; pass str")
    split_url(ws_url)
    unknown = sorted(options.keys() - PASSED_ON)
    if unknown:
        raise ConfigurationError(
            f"connect() has no option {', '.join(unknown)}; "
            f"beside its own it takes {', '.join(sorted(PASSED_ON))}"
        )
    origin = options.get("origin")
    for name, given in (
        ("ws_headers", headers),
        ("proxy_headers", options.get("proxy_headers")),
        ("origin", None if origin is None else {"Origin": origin}),
    ):
        if not isinstance(given, Mapping | None):
            raise ConfigurationError(f"{name} is a {type(given).__name__}; pass a mapping")
        check_headers(given or {})
    return dict(headers or {}), _tokens(subprotocols)


def _tokens(subprotocols: Iterable[str]) -> tuple[str, ...]:
    try:
        tokens = tuple(subprotocols)
        valid = not isinstance(subprotocols, (str, bytes)) and all(map(_is_token, tokens))
    except TypeError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"subprotocols is {subprotocols!r}; pass a list of tokens, such as ['v1.json']"
        )
    return tokens


def _dial_error(
    error: BaseException, url: str, limit_s: float, secrets: Collection[str]
) -> NetworkpypeError:
    what = f"WebSocket {url}"
    if isinstance(error, RedirectedError):
        return RedirectRefusedError(
            f"{what}: HTTP {error.status} redirect refused; use the address it points to",
            status=error.status,
            outcome=Outcome.NOT_SENT,
        )
    if isinstance(error, LostError):
        return ConnectFailedError(f"{what}: connection lost in the upgrade ({error.reason})")
    if isinstance(error, aiohttp.WSServerHandshakeError):
        if error.status >= 400:
            refused = status_error(
                error.status,
                error.headers or {},
                method="WebSocket",
                url=url,
                body="the upgrade was refused",
                private=True,
                secrets=secrets,
            )
            refused.body = ""  # aiohttp does not read it
            return refused
        problem = escape(scrub(error.message, secrets), limit=200)
        return ConnectFailedError(f"{what}: HTTP {error.status}, handshake failed ({problem})")
    failure = transport_error(error, what, written=False)
    if isinstance(error, TimeoutError):
        failure.args = (f"{what}: not connected within {limit_s:g} s",)
    return failure
