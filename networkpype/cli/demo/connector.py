"""A connector as its author would write it: an `Auth`, the limits, and a factory."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from networkpype.auth import Auth
from networkpype.factory import ConnectionManagersFactory
from networkpype.hooks import Hook
from networkpype.rest.manager import RESTManager
from networkpype.rest.method import RESTMethod
from networkpype.rest.processor.time_synchronizer import TimeSynchronizerRESTPreProcessor
from networkpype.rest.request import RESTRequest
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest

ORDERS_A_SECOND = 20
ANY_ORDER = LinkedLimitWeightPair("orders")
RATE_LIMITS = [
    RateLimit("ip", limit=6000, time_interval=60),
    RateLimit("orders", limit=ORDERS_A_SECOND, time_interval=1),
    RateLimit("time", limit=6000, time_interval=60, linked_limits=[LinkedLimitWeightPair("ip")]),
    RateLimit("place", limit=ORDERS_A_SECOND, time_interval=1, linked_limits=[ANY_ORDER]),
    RateLimit("cancel", limit=ORDERS_A_SECOND, time_interval=1, linked_limits=[ANY_ORDER]),
]


class MockAuth(Auth):
    """Sign ``timestamp + method + path and query + body`` with HMAC-SHA256, in headers."""

    def __init__(self, api_key: str, api_secret: str) -> None:
        super().__init__()
        self._api_key = api_key
        self._api_secret = api_secret.encode()

    def _sign(self, message: bytes) -> str:
        return hmac.new(self._api_secret, message, hashlib.sha256).hexdigest()

    def _timestamp(self) -> str:
        return str(int(self.time_provider.time() * 1000))

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        timestamp = self._timestamp()
        head = f"{timestamp}{request.method}{request.path_qs}".encode()
        request.headers = {
            **(request.headers or {}),
            "X-API-KEY": self._api_key,
            "X-TIMESTAMP": timestamp,
            "X-SIGNATURE": self._sign(head + request.body_bytes),
        }
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        timestamp = self._timestamp()
        request.payload["args"] = {
            "apiKey": self._api_key,
            "timestamp": timestamp,
            "signature": self._sign(f"{timestamp}GET/ws/login".encode()),
        }
        return request


class MockConnector:
    """What a trading program would use: `server_time`, `place`, `cancel`, `messages`."""

    def __init__(
        self, url: str, ws_url: str, api_key: str, api_secret: str, hook: Hook | None = None
    ) -> None:
        self.clock = TimeSynchronizer(hook=hook)
        self.throttler = AsyncThrottler(RATE_LIMITS, hook=hook)
        self._ws_url = ws_url
        self._factory = ConnectionManagersFactory(
            self.throttler,
            MockAuth(api_key, api_secret),
            [TimeSynchronizerRESTPreProcessor(self.clock, self.server_time)],
            time_synchronizer=self.clock,
            base_url=url,
            hook=hook,
        )

    async def __aenter__(self) -> Self:
        self._rest: RESTManager = await self._factory.get_rest_manager()
        self._ws: WebSocketManager = await self._factory.get_ws_manager()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect and close the session; a reader's `messages` ends."""
        await self._factory.close()

    async def server_time(self) -> float:
        """Return the exchange's clock in milliseconds."""
        answer = await self._rest.execute_request(
            endpoint_url="/v1/time", throttler_limit_id="time"
        )
        return float(answer["serverTime"])

    async def place(self, client_order_id: str) -> str:
        """Place a limit order and return the exchange's id for it."""
        answer = await self._rest.execute_request(
            endpoint_url="/v1/order",
            throttler_limit_id="place",
            method=RESTMethod.POST,
            data={
                "symbol": "BTCUSDT",
                "side": "BUY",
                "price": "25000.10",
                "quantity": "0.01",
                "clientOrderId": client_order_id,
            },
            is_auth_required=True,
        )
        return str(answer["orderId"])

    async def cancel(self, order_id: str) -> None:
        """Cancel an order."""
        await self._rest.execute_request(
            endpoint_url="/v1/order",
            throttler_limit_id="cancel",
            params={"orderId": order_id},
            method=RESTMethod.DELETE,
            is_auth_required=True,
        )

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Connect, log in, subscribe, and yield every message until closed."""
        await self._ws.connect(self._ws_url)
        await self._ws.send(WebSocketJSONRequest({"op": "login"}, is_auth_required=True))
        topics = ["orders", "btcusdt@ticker", "ethusdt@trade"]
        await self._ws.subscribe(WebSocketJSONRequest({"method": "SUBSCRIBE", "params": topics}))
        async for message in self._ws.iter_messages():
            yield message.data
