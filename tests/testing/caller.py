"""A client that signs by hand, so that the mock exchange is tested against nothing of ours."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import aiohttp
from yarl import URL

from networkpype.testing import MockExchange

__all__ = ["Caller", "login_frame", "sign"]

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "price": "25000.10", "quantity": "0.5"}


def sign(secret: str, payload: bytes) -> str:
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def login_frame(exchange: MockExchange, *, ahead_ms: int = 0, **changes: str) -> dict[str, Any]:
    timestamp = exchange.time_ms() + ahead_ms
    signature = sign(exchange.api_secret, f"{timestamp}GET/ws/login".encode())
    args = {"apiKey": exchange.api_key, "timestamp": timestamp, "signature": signature} | changes
    return {"op": "login", "args": args, "id": 1}


class Caller:
    """Send to `exchange` the target and body exactly as given; headers are made, not encoded."""

    def __init__(self, exchange: MockExchange, session: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.session = session

    async def send(
        self, method: str, target: str, *, body: bytes = b"", **headers: str
    ) -> tuple[int, Any]:
        """Return the status and the parsed JSON, None where the body is empty."""
        url = URL(self.exchange.url + target, encoded=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, url, data=body or None, headers=named) as response:
            answer = await response.read()
            return response.status, json.loads(answer) if answer else None

    async def in_query(
        self, method: str, path: str, query: str = "", *, ahead_ms: int = 0, body: bytes = b""
    ) -> tuple[int, Any]:
        """Sign the query, as an `HmacAuth` would."""
        return await self.send(
            method,
            path + "?" + self.signed_query(query, ahead_ms),
            body=body,
            X_API_KEY=self.exchange.api_key,
        )

    def signed_query(self, query: str = "", ahead_ms: int = 0) -> str:
        query += "&" if query else ""
        query += f"timestamp={self.exchange.time_ms() + ahead_ms}"
        return f"{query}&signature={sign(self.exchange.api_secret, query.encode())}"

    async def in_headers(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        ahead_ms: int = 0,
        sent_target: str | None = None,
        sent_body: bytes | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, Any]:
        """Sign target and body in the headers; `sent_...` is what leaves instead, where given."""
        timestamp = str(self.exchange.time_ms() + ahead_ms)
        payload = (timestamp + method + target).encode() + body
        return await self.send(
            method,
            target if sent_target is None else sent_target,
            body=body if sent_body is None else sent_body,
            X_API_KEY=self.exchange.api_key,
            X_TIMESTAMP=timestamp,
            X_SIGNATURE=sign(self.exchange.api_secret, payload),
            Content_Type=content_type,
        )

    async def place(self, **changes: Any) -> tuple[int, Any]:
        body = json.dumps(ORDER | changes).encode()
        return await self.in_headers("POST", "/v1/order", body=body)
