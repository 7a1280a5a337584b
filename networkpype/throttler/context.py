"""`async with` around one throttled call."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from networkpype.throttler.kinds import Priority
    from networkpype.throttler.learning import Answer
    from networkpype.throttler.lessons import Departure
    from networkpype.throttler.store.base import Account
    from networkpype.throttler.throttler import AsyncThrottler

__all__ = [
    "AsyncRequestContext",
    "HeldRequestContext",
    "InFlightContext",
    "give_back",
    "takes_terms",
]

_Granted = TypeVar("_Granted")


def takes_terms(throttler: AsyncThrottler) -> bool:
    """Tell whether an `in_flight` of a subclass's own takes request, priority and max_wait."""
    parameters = inspect.signature(type(throttler).in_flight).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return takes_any or "max_wait" in parameters


def give_back(*slots: object) -> None:
    """Take back what was paid for something that certainly was not sent."""
    for slot in slots:
        if isinstance(slot, InFlightContext):  # a subclass of the user's may return its own
            slot.give_back()


class InFlightContext:
    """Wait for capacity on entry, and hold it until the call is over. For one call.

    Made by `AsyncThrottler.in_flight`. `depart` says that the call is about to be sent, `land` that
    its answer is there; leaving the block lands it in any case. One that never departed was not
    sent, and gets its capacity back. `around` makes what a wait for capacity runs inside of, where
    there is no capacity at once.
    """

    __slots__ = (
        "_account",
        "_asked",
        "_departed",
        "_departure",
        "_entered",
        "_granted_at",
        "_held",
        "_limit_id",
        "_throttler",
        "around",
    )

    def __init__(
        self,
        throttler: AsyncThrottler,
        limit_id: str,
        departed: bool,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._asked = (request, priority, max_wait)
        self._departed = departed
        self._entered = False
        self._account: Account | None = None
        self._granted_at = 0.0
        self._held = False
        self._departure: Departure | None = None
        self.around: Callable[[], AbstractContextManager[Any]] | None = None

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError(f"{self!r} was entered already; make one for each call")
        self._entered = True
        throttler, limit_id, asked = self._throttler, self._limit_id, self._asked
        if self._departed:
            self._account, self._held = await throttler.hold(limit_id, *asked), True
            self._departure = throttler.departure()
        else:
            charged = throttler.try_charge(limit_id, asked[0], asked[1])
            if charged is None:
                charged = await self._wait(throttler.charge)
            self._account, self._granted_at = charged
            throttler.prepares(self._account)
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
        self._throttler.prepares(account, -1)
        if not self._throttler.lift(account, self._granted_at):
            account = await self._wait(self._throttler.hold)
        self._account, self._held = account, True
        self._departure = self._throttler.departure()

    async def _wait(self, grant: Callable[..., Awaitable[_Granted]]) -> _Granted:
        if self.around is None:
            return await grant(self._limit_id, *self._asked)
        granted: list[Any] = []
        try:
            with self.around():
                granted.append(await grant(self._limit_id, *self._asked))
        except BaseException:
            for each in granted:  # and was ended all the same
                charge = each if isinstance(each, tuple) else (each, None)
                self._throttler.refund(*charge)
            raise
        return granted[0]  # type: ignore[no-any-return]

    def land(self, answer: Answer | None = None) -> None:
        """Let the interval begin to run; safe to repeat.

        What the answer tells of the limits is learnt.
        """
        # The account that was charged, though the limits may have been changed meanwhile.
        account, self._account = self._account, None
        if account is None:
            return
        throttler = self._throttler
        if not self._held:
            self._refund(account)
            return
        try:
            if answer is not None:
                throttler.learn(answer, self._limit_id, account, self._departure)
        finally:
            throttler.settle(account)

    def give_back(self) -> None:
        """Take the capacity back, departed or not: certainly nothing was sent. Safe to repeat.

        Once it has landed, nothing happens.
        """
        account, self._account = self._account, None
        if account is not None:
            self._refund(account)

    def _refund(self, account: Account) -> None:
        if self._held:
            self._throttler.refund(account, None)
        else:
            self._throttler.prepares(account, -1)
            self._throttler.refund(account, self._granted_at)

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

    __slots__ = ("_limit_id", "_options", "_throttler")

    def __init__(
        self,
        throttler: AsyncThrottler,
        limit_id: str,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._options = options

    def __aenter__(self) -> Coroutine[Any, Any, None]:
        # No coroutine of its own around the throttler's: this is on the path of every call.
        if self._options is None:
            return self._throttler.acquire(self._limit_id)
        return self._throttler.acquire(self._limit_id, **self._options)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def __repr__(self) -> str:
        return f'{type(self).__name__}("{self._limit_id}")'


class HeldRequestContext(AsyncRequestContext):
    """The same for a limit of calls under way: the body is the call, and holds its place."""

    __slots__ = ("_account",)

    def __init__(
        self, throttler: AsyncThrottler, limit_id: str, options: Mapping[str, Any]
    ) -> None:
        super().__init__(throttler, limit_id, options)
        self._account: Account | None = None

    def __aenter__(self) -> Coroutine[Any, Any, None]:
        return self._enter(**(self._options or {}))

    async def _enter(self, **options: Any) -> None:
        if self._account is not None:
            raise RuntimeError(f"{self!r} is entered already; make one for each call")
        self._account = await self._throttler.hold(self._limit_id, **options)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        account, self._account = self._account, None
        if account is not None:
            self._throttler.settle(account)
