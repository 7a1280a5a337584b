"""The connector: one account of ETHGas, its token, its calls and its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from examples.ethgas.channels import Channels, Message, markets_of, orders, read
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Credentials,
    Heartbeat,
    Hook,
    HTTPAuthenticationError,
    RateLimit,
    RateLimitedError,
    Reconnect,
    RESTMethod,
    SessionEvent,
    SessionMessage,
)
from networkpype.exchanges import Exchange, exchange, exchange_auth

__all__ = ["ETHGas", "Item"]

Item: TypeAlias = Message | SessionEvent
"""What the stream yields: messages, and what became of the connection."""

_WHOLE_BLOCK = "/api/v1/trading/whole-block"
_UNAUTHORIZED = 401
_LONGEST_WAIT_S = 30.0

# The pages name no numbers; these are careful ones.
RATE_LIMITS = [
    RateLimit("tokens", limit=1, time_interval=1),
    RateLimit("orders", limit=10, time_interval=1),
]


class ETHGas:
    """Trade and listen; use it with ``async with``.

    `credentials` hold an access token as `key` and a refresh token as `secret`, or `wallet` and
    `private_key`, which sign in (extra ``evm``). `target` is the exchange at another address than
    its own, such as a mock's.

    The access token is good for an hour. It is refreshed by REST before that, when the exchange
    says ``token_expired``, and when it answers 401; the login is then repeated on the open
    connection, and what is private subscribed anew.
    """

    def __init__(
        self,
        credentials: Credentials,
        markets: Sequence[str] = ("ETH-USD",),
        *,
        target: Exchange | None = None,
        heartbeat: Heartbeat | None = None,
        reconnect: Reconnect | None = None,
        hook: Hook | None = None,
    ) -> None:
        target = target or exchange("ethgas")
        self._auth = exchange_auth(target, credentials, throttler_limit_id="tokens")
        self._factory = ConnectionManagersFactory(
            AsyncThrottler(RATE_LIMITS, hook=hook), self._auth, base_url=target.rest_url, hook=hook
        )
        dialect = Channels()
        self.session = self._factory.get_ws_session(
            subscriptions=[orders(dialect), *(markets_of(each, dialect) for each in markets)],
            heartbeat=heartbeat,
            reconnect=reconnect,
        )

    async def __aenter__(self) -> Self:
        await self._factory.__aenter__()
        self._rest = await self._factory.get_rest_manager()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream and every connection."""
        await self.session.close()
        await self._factory.close()

    async def stream(self) -> AsyncGenerator[Item, None]:
        """Yield everything that is heard, in order, until `close`.

        A `Gap` stands where messages are missing: ask for what you keep of your orders.
        """
        async with self.session as session:
            async for item in session:
                if isinstance(item, SessionMessage):
                    for message in read(item.data):
                        yield message
                else:
                    yield item

    async def place(self, block: int, transactions: Sequence[str], priority_fee_wei: int) -> str:
        """Place an order for a whole block, once; return the exchange's id of it."""
        order = {
            "blockNumber": block,
            "transactions": list(transactions),
            "gasLimit": 30_000_000,
            "baseFee": "20000000000",
            "priorityFee": str(priority_fee_wei),
        }
        answer = await self._post(f"{_WHOLE_BLOCK}/place-order", order)
        return str(answer["data"]["orderId"])

    async def cancel(self, order_id: str) -> None:
        """Cancel an order."""
        await self._post(f"{_WHOLE_BLOCK}/cancel-order", {"orderId": order_id})

    async def _post(self, path: str, data: dict[str, Any]) -> Any:
        """Send with a fresh token after 401 and after the wait that a 429 asks for, each once.

        Neither was executed, so it is safe to send them again. A 403 is the account's, and raised.
        """
        pattern = self._auth.for_connection().ws_pattern
        assert pattern is not None  # noqa: S101 - ETHGas has one
        await pattern.pre_auth(self._rest)  # refreshes a token that is about to end
        has_fresh_token = has_waited = False
        while True:
            try:
                return await self._rest.execute_request(
                    endpoint_url=path,
                    throttler_limit_id="orders",
                    method=RESTMethod.POST,
                    data=data,
                    is_auth_required=True,
                )
            except HTTPAuthenticationError as refused:
                if refused.status != _UNAUTHORIZED or has_fresh_token:
                    raise
                has_fresh_token = True
                await pattern.renew(self._rest)
            except RateLimitedError as refused:
                if has_waited:
                    raise
                has_waited = True
                wait_s = 1.0 if refused.retry_after is None else refused.retry_after
                await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S))
