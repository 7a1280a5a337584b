"""Two connectors' own `Auth`, as a reader of the docs would write them, and a manager with one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from networkpype import (
    AsyncThrottler,
    Auth,
    ConnectionManagersFactory,
    RateLimit,
    RESTManager,
    RESTRequest,
    WebSocketRequest,
)

__all__ = ["HeaderHmac", "QueryHmac", "free_throttler", "rest_manager", "sign"]

LIMIT_ID = "any"


def sign(secret: str, payload: bytes) -> str:
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


class HeaderHmac(Auth):
    """Sign timestamp, method, path with query, and body; the signature goes into a header."""

    def __init__(self, key: str, secret: str) -> None:
        super().__init__()
        self._key = key
        self._secret = secret

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        timestamp = str(int(self.time_provider.time() * 1000))
        payload = f"{timestamp}{request.method}{request.path_qs}".encode() + request.body_bytes
        request.headers = {
            **(request.headers or {}),
            "X-API-KEY": self._key,
            "X-TIMESTAMP": timestamp,
            "X-SIGNATURE": sign(self._secret, payload),
        }
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class QueryHmac(HeaderHmac):
    """Sign the query; the signature is its last parameter."""

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        timestamp = str(int(self.time_provider.time() * 1000))
        request.params = _extended(request.params, "timestamp", timestamp)
        signature = sign(self._secret, request.query_string.encode())
        request.params = _extended(request.params, "signature", signature)
        request.headers = {**(request.headers or {}), "X-API-KEY": self._key}
        return request


def _extended(params: Any, name: str, value: str) -> Any:
    if isinstance(params, str):
        return f"{params}&{name}={value}" if params else f"{name}={value}"
    if isinstance(params, Mapping):
        return {**params, name: value}
    return [*(params or ()), (name, value)]


def free_throttler() -> AsyncThrottler:
    """Make a throttler with one limit, `LIMIT_ID`, that no test reaches.

    A 429 holds the next call up for its interval.
    """
    return AsyncThrottler([RateLimit(LIMIT_ID, 1_000_000, 0.05)])


@asynccontextmanager
async def rest_manager(auth: Auth | None = None, **options: Any) -> AsyncIterator[RESTManager]:
    """Build a manager as a connector does; `options` are those of the factory."""
    async with ConnectionManagersFactory(free_throttler(), auth, **options) as factory:
        yield await factory.get_rest_manager()
