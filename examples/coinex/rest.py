"""CoinEx's REST calls: the clock, the account, and orders.

Sources (read 2026-07): https://docs.coinex.com/api/v2/rate-limit, and the pages of the HTTP calls
under common, spot and assets.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from networkpype import (
    LinkedLimitWeightPair,
    NetworkpypeError,
    Outcome,
    RateLimit,
    RESTManager,
    RESTMethod,
)

__all__ = ["RATE_LIMITS", "CoinExError", "CoinExREST"]

_BY_IP = [LinkedLimitWeightPair("ip")]
RATE_LIMITS = [
    RateLimit("ip", limit=400, time_interval=1),
    RateLimit("public", limit=400, time_interval=1, linked_limits=_BY_IP),
    RateLimit("account", limit=10, time_interval=1, linked_limits=_BY_IP),
    RateLimit("place", limit=30, time_interval=1, linked_limits=_BY_IP),
    RateLimit("cancel", limit=60, time_interval=1, linked_limits=_BY_IP),
]


class CoinExError(NetworkpypeError):
    """CoinEx answered, and did not do it; `code` is its own."""

    outcome = Outcome.REJECTED

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"CoinEx says {code}: {message}")
        self.code = code


class CoinExREST:
    """The calls of one account; `manager` throttles and signs them."""

    def __init__(self, manager: RESTManager) -> None:
        self._manager = manager

    async def server_time(self) -> float:
        """Return the exchange's clock in milliseconds."""
        return float((await self._call("/v2/time", "public"))["timestamp"])

    async def balances(self) -> dict[str, Decimal]:
        """Return what is available of each currency."""
        listed = await self._call("/v2/assets/spot/balance", "account", is_private=True)
        return {each["ccy"]: Decimal(each["available"]) for each in listed}

    async def place(
        self, market: str, side: str, price: str, amount: str, client_id: str = ""
    ) -> int:
        """Place a limit order, once; return the exchange's id of it.

        An error whose `outcome` is UNKNOWN leaves open whether it was placed: look it up by
        `client_id` before placing another.
        """
        order = {
            "market": market,
            "market_type": "SPOT",
            "side": side,
            "type": "limit",
            "price": price,
            "amount": amount,
            "client_id": client_id or None,  # None is left out
        }
        return int((await self._post("/v2/spot/order", "place", order))["order_id"])

    async def cancel(self, market: str, order_id: int) -> None:
        """Cancel an order; CoinExError where it is not open any more."""
        named = {"market": market, "market_type": "SPOT", "order_id": order_id}
        await self._post("/v2/spot/cancel-order", "cancel", named)

    async def _post(self, path: str, limit: str, data: dict[str, Any]) -> Any:
        return await self._call(path, limit, method=RESTMethod.POST, data=data, is_private=True)

    async def _call(
        self,
        path: str,
        limit: str,
        *,
        method: RESTMethod = RESTMethod.GET,
        data: dict[str, Any] | None = None,
        is_private: bool = False,
    ) -> Any:
        answer = await self._manager.execute_request(
            endpoint_url=path,
            throttler_limit_id=limit,
            method=method,
            data=data,
            is_auth_required=is_private,
        )
        # CoinEx tells its refusals with status 200.
        if answer["code"] != 0:
            raise CoinExError(answer["code"], answer["message"])
        return answer["data"]
