"""`async with` around one throttled call."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from networkpype.throttler.store.base import Account
    from networkpype.throttler.throttler import AsyncThrottler

__all__ = ["AsyncRequestContext", "InFlightContext"]


class InFlightContext:
    """Wait for capacity on entry, and hold it until the call is over. For one call.

    Made by `AsyncThrottler.in_flight`. `depart` says that the call is about to be sent, `land` that
    its answer is there; leaving the block lands it in any case.
    """

    __slots__ = ("_account", "_departed", "_granted_at", "_held", "_limit_id", "_throttler")

    def __init__(self, throttler: AsyncThrottler, limit_id: str, departed: bool) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._departed = departed
        self._account: Account | None = None
        self._granted_at = 0.0
        self._held = False

    async def __aenter__(self) -> Self:
        throttler, limit_id = self._throttler, self._limit_id
        if self._departed:
            self._account, self._held = await throttler.hold(limit_id), True
        else:
            charged = throttler.try_charge(limit_id) or await throttler.charge(limit_id)
            self._account, self._granted_at = charged
        return self

    async def depart(self) -> None:
        """Hold from now on; wait for capacity anew where preparing took longer than the interval.

        Until then the charge expires by itself: what prepares a call (a token, the server's time)
        may need the same limit, and would wait for ever for capacity that waits for it.
        """
        account = self._account
        if self._held or account is None:
            return
        self._account = None  # what `lift` refuses is taken back, and waiting may be cancelled
        if not self._throttler.lift(account, self._granted_at):
            account = await self._throttler.hold(self._limit_id)
        self._account, self._held = account, True

    def land(self) -> None:
        """Let the interval begin to run; safe to repeat."""
        # The account that was charged, though the limits may have been changed meanwhile.
        account, self._account = self._account, None
        if account is not None and self._held:
            self._throttler.settle(account)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.land()

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
