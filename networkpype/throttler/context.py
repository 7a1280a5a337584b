"""`async with` around one throttled call."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from networkpype.throttler.store.base import Account
    from networkpype.throttler.throttler import AsyncThrottler

__all__ = ["AsyncRequestContext", "InFlightContext"]


class InFlightContext:
    """Wait for capacity on entry, and hold it until the body ended. For one call.

    Made by `AsyncThrottler.in_flight`.
    """

    __slots__ = ("_account", "_limit_id", "_throttler")

    def __init__(self, throttler: AsyncThrottler, limit_id: str) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._account: Account | None = None

    async def __aenter__(self) -> None:
        self._account = await self._throttler.hold(self._limit_id)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The account that was charged, though the limits may have been changed meanwhile.
        account, self._account = self._account, None
        if account is not None:
            self._throttler.settle(account)

    def __repr__(self) -> str:
        return f'InFlightContext("{self._limit_id}")'


class AsyncRequestContext:
    """Wait for capacity on entry, and hold nothing: each entry pays anew.

    The charge stands when the body raises, for the request may have been sent. Made by
    `AsyncThrottler.execute_task`.
    """

    __slots__ = ("_limit_id", "_throttler")

    def __init__(self, throttler: AsyncThrottler, limit_id: str) -> None:
        self._throttler = throttler
        self._limit_id = limit_id

    def __aenter__(self) -> Coroutine[Any, Any, None]:
        # No coroutine of its own around the throttler's: this is on the path of every call.
        return self._throttler.acquire(self._limit_id)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def __repr__(self) -> str:
        return f'AsyncRequestContext("{self._limit_id}")'
