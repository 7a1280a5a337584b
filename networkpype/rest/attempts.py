"""All attempts of one call: capacity for each, and what a retry policy makes of their failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from networkpype.errors import (
    CircuitOpenError,
    ConfigurationError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    ThrottleTimeoutError,
)
from networkpype.hooks import Hook, RetryScheduled, emit
from networkpype.redact import mask_url
from networkpype.rest.attempt import Sender, rest_status_error
from networkpype.rest.refused_clock import RefusedClock, TimestampRefused
from networkpype.rest.request import RESTRequest
from networkpype.rest.response import RESTResponse
from networkpype.retry import RetryBudget, RetryDecision, RetryPolicy
from networkpype.throttler.context import InFlightContext, takes_terms
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.waits import Waits

if TYPE_CHECKING:
    from networkpype.throttler.kinds import Priority

__all__ = ["Attempts", "Call"]

sleep = asyncio.sleep  # a name of this room's own, for tests that let a wait take no time

_WORSE = (Outcome.NOT_SENT, Outcome.REJECTED, Outcome.UNKNOWN)
_MADE_NO_ATTEMPT = (CircuitOpenError, ThrottleTimeoutError)


class _TooLateError(Exception):
    """Capacity came after the call's end."""


@dataclass(slots=True)
class Call:
    """What the caller wants, and what became of it so far.

    `limit_s` bounds each attempt. `outcome` is the worst of those that were made; `resigned` says
    that one of them was due to a refused timestamp.
    """

    request: RESTRequest
    limit_s: float
    return_err: bool
    options: dict[str, Any] = field(repr=False)  # a proxy's password may be among them
    idempotent: bool | None = None
    priority: Priority | None = None
    max_wait: float | None = None
    most_elapsed_s: float = math.inf
    granted_at: float = 0.0
    ends_at: float = math.inf
    made: int = 0
    resigned: bool = False
    outcome: Outcome = Outcome.NOT_SENT
    last_error: NetworkpypeError | None = field(default=None, repr=False)
    slot: InFlightContext | None = None  # of the first attempt, made where the call was checked

    def granted(self) -> float:
        """Note that an attempt begins; return how many seconds it has."""
        self.granted_at = now = asyncio.get_running_loop().time()
        if not self.made:
            self.ends_at = now + self.most_elapsed_s
        elif now >= self.ends_at:
            raise _TooLateError
        self.made += 1
        return min(self.limit_s, self.ends_at - now)

    def elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - (self.ends_at - self.most_elapsed_s)

    def left_s(self) -> float:
        """Return the seconds that are left for further attempts, more than none."""
        return max(0.001, self.ends_at - asyncio.get_running_loop().time())

    def longest_wait(self) -> float | None:
        """Return the seconds that the next attempt may wait for capacity."""
        if not self.made or self.ends_at == math.inf:
            return self.max_wait
        left_s = self.left_s()
        return left_s if self.max_wait is None else min(left_s, self.max_wait)

    def fail(self, error: NetworkpypeError) -> None:
        """Note what an attempt ended with."""
        self.outcome = max(self.outcome, error.outcome, key=_WORSE.index)
        self.last_error = error

    def tell(self, error: BaseException, why: str) -> None:
        """Write onto the error how often it was tried and why not again, and the worst outcome."""
        if not self.made:
            return
        times = "1 attempt was" if self.made == 1 else f"{self.made} attempts were"
        error.add_note(f"{times} made and no more: {why}")
        if self.last_error is None:
            return
        if not isinstance(error, NetworkpypeError):
            error.add_note(f"of those that ended the worst outcome is: {self.outcome.value}")
        elif error.outcome is not self.outcome:
            error.add_note(f"the outcome is that of an earlier attempt: {self.outcome.value}")
            error.outcome = self.outcome


class _Failed(NamedTuple):
    """What is wrong with an attempt, and its answer where there is one.

    `mended` says that the clock is measured before the next signature; `stop` why the next attempt
    could not be made: the error is that of the last one then.
    """

    error: NetworkpypeError
    response: RESTResponse | None = None
    mended: bool = False
    stop: str = ""


class Attempts:
    """Make the attempts of calls, each with capacity of its own."""

    def __init__(
        self,
        sender: Sender,
        throttler: AsyncThrottler,
        budget: RetryBudget,
        clock: RefusedClock | None,
        timestamp_refused: TimestampRefused,
        hook: Hook | None,
        waits: Waits,
    ) -> None:
        self._sender = sender
        self._throttler = throttler
        # One of the user's own, or one that says anew what a task is, is entered as 1.1.5 did.
        self._holds = getattr(type(throttler), "execute_task", None) is AsyncThrottler.execute_task
        self._takes_terms = self._holds and takes_terms(throttler)
        self._budget = budget
        self._clock = clock
        self._timestamp_refused = timestamp_refused
        self._hook = hook
        self._waits = waits

    def refuse_early(self, call: Call) -> None:
        """Raise what can be known to be wrong before capacity is waited and paid for.

        It comes before all else that ends a call: an outage shall hide no mistake.
        """
        self._sender.refuse_early(call.request, call.options)
        if (call.priority is not None or call.max_wait is not None) and not self._takes_terms:
            raise ConfigurationError(
                f"{type(self._throttler).__name__} knows no priority and no max_wait; "
                "pass an AsyncThrottler, or leave them out"
            )
        if self._holds:
            call.slot = self._slot(call, call.request)

    async def once(self, call: Call) -> RESTResponse:
        """Make one attempt; raise an error status unless the caller wants it returned."""
        response, sent = await self._send(call, call.request)
        if response.status < 400 and self._clock is None:
            return response
        late = self._is_late(response, sent)
        if late:
            self._doubt_clock(call)
        if response.status < 400 or call.return_err:
            return response
        raise await rest_status_error(response, sent, late=late)

    async def by(self, policy: RetryPolicy, call: Call) -> RESTResponse:
        """Make attempts until one succeeds or the policy stops.

        The error is the last attempt's; its outcome is the worst of all.
        """
        budget = policy.budget or self._budget
        budget.deposit()
        call.most_elapsed_s = policy.max_elapsed_s
        last: _Failed | None = None
        doubtful = False
        while True:
            before = call.outcome
            try:
                ended = await self._try(call)
            except BaseException as fault:  # cancelled, or a fault in an auth or processor
                call.tell(fault, f"{type(fault).__name__} ended the call")
                raise
            if not isinstance(ended, _Failed):
                return ended
            if ended.stop and last is not None:
                ended = last._replace(stop=ended.stop)  # with the answer that it had
            else:
                doubtful = before is Outcome.UNKNOWN
            wait_s, why = self._decide(policy, budget, call, ended)
            if wait_s is None:
                break
            await self._pause(call, ended, wait_s)
            last = ended
        response = ended.response
        # A body alone, be it a refusal with status 200, would hide that an earlier attempt may have
        # been executed.
        doubtful = doubtful and str(call.request.method) not in policy.methods
        if response is not None and not doubtful and (response.status < 400 or call.return_err):
            return response
        call.tell(ended.error, why)
        raise ended.error

    async def _try(self, call: Call) -> RESTResponse | _Failed:
        """Make one attempt, on a copy of the request."""
        made, last_error = call.made, call.last_error
        try:
            response, sent = await self._send(call, call.request.__deepcopy__({}))
        except NetworkpypeError as caught:
            # What a post-processor raises after the answer is UNKNOWN: that attempt was made.
            unsent = caught.outcome is Outcome.NOT_SENT
            if last_error is not None and unsent and isinstance(caught, _MADE_NO_ATTEMPT):
                call.made = made
                return _Failed(last_error, stop=f"{type(caught).__name__}: {_not_again(caught)}")
            call.fail(caught)
            return _Failed(caught)
        except _TooLateError:
            if last_error is None:
                raise
            return _Failed(last_error, stop="there was no capacity in time")
        late = self._is_late(response, sent)
        if response.status < 400 and not late:
            return response
        mended = late and self._doubt_clock(call) and not call.resigned
        call.resigned |= mended
        error = await rest_status_error(response, sent, late=late)
        call.fail(error)
        return _Failed(error, response, mended)

    async def _send(self, call: Call, request: RESTRequest) -> tuple[RESTResponse, RESTRequest]:
        self._waits.check()
        if not self._holds:
            task = self._throttler.execute_task(request.throttler_limit_id or "")
            self._sender.check_circuit(request)
            await self._measure_ahead(call, request)
            async with AsyncExitStack() as stack:
                with self._waits.for_capacity():
                    await _until(call.ends_at, stack.enter_async_context(task))
                return await self._sender.send(request, call.granted(), call.options)
        self._sender.check_circuit(request)
        await self._measure_ahead(call, request)
        now = asyncio.get_running_loop().time
        began_at = now()
        first, call.slot = call.slot, None
        async with first or self._slot(call, request) as slot:
            if self._clock is None or not self._clock.is_due:
                return await self._sender.send(request, call.granted(), call.options, slot)
            waited_s = now() - began_at
        # The clock was found to be wrong while this call stood in line. It gives its place up.
        await self._measure_ahead(call, request)
        async with self._slot(call, request, waited_s) as slot:
            return await self._sender.send(request, call.granted(), call.options, slot)

    def _slot(self, call: Call, request: RESTRequest, waited_s: float = 0.0) -> InFlightContext:
        limit_id = request.throttler_limit_id or ""
        if self._takes_terms:
            longest_s = call.longest_wait()
            if waited_s and longest_s is not None:
                longest_s = max(0.0, longest_s - waited_s)
            slot = self._throttler.in_flight(
                limit_id,
                departed=False,
                request=request,
                priority=call.priority,
                max_wait=longest_s,
            )
        else:
            slot = self._throttler.in_flight(limit_id, departed=False)
        if isinstance(slot, InFlightContext):  # a subclass of the user's may return its own
            slot.around = self._waits.for_capacity
        return slot

    async def _measure_ahead(self, call: Call, request: RESTRequest) -> None:
        if self._clock is not None and self._clock.is_due:
            await self._clock.measure_ahead(request, min(call.limit_s, call.left_s()))

    def _decide(
        self, policy: RetryPolicy, budget: RetryBudget, call: Call, ended: _Failed
    ) -> RetryDecision:
        if ended.stop:
            return RetryDecision(None, ended.stop)
        decision = policy.decide(
            ended.error,
            max(1, call.made),
            method=call.request.method,
            idempotent=bool(call.idempotent),
            elapsed_s=call.elapsed_s(),
            clock_mended=ended.mended,
        )
        if decision.wait_s is None:
            return decision
        try:
            self._sender.check_circuit(call.request, decision.wait_s)
        except CircuitOpenError as refusal:
            return RetryDecision(None, _not_again(refusal))
        if not ended.mended and not budget.withdraw():
            return RetryDecision(None, f"the retry budget is spent ({budget!r})")
        return decision

    async def _pause(self, call: Call, ended: _Failed, wait_s: float) -> None:
        """Wait before the next attempt, and have the clock measured where a timestamp was wrong."""
        request = call.request
        emit(
            self._hook,
            RetryScheduled(
                method=str(request.method),
                url=mask_url(self._sender.address(request)),
                attempt=call.made,
                wait_s=wait_s,
                error=type(ended.error).__name__,
            ),
        )
        try:
            if wait_s > 0:
                with self._waits.to_repeat():
                    await sleep(wait_s)
            if ended.mended and self._clock is not None:
                await self._clock.mend(call.left_s())
        except asyncio.CancelledError as cancelled:
            call.tell(cancelled, "cancelled while it waited to send again")
            raise
        except NotConnectedError as closed:
            call.tell(closed, "the factory was closed")
            raise

    def _is_late(self, response: RESTResponse, sent: RESTRequest) -> bool:
        """Tell whether the answer refuses the timestamp."""
        if not sent.is_auth_required or not response.body:
            return False
        if response.status < 400 and self._clock is None:
            return False
        return self._timestamp_refused(response.status, response.body)

    def _doubt_clock(self, call: Call) -> bool:
        """Have the clock measured anew before it signs again; tell whether that can help."""
        if self._clock is None:
            return False
        return self._clock.refused(call.granted_at, asyncio.get_running_loop().time())


async def _until(ends_at: float, entering: Awaitable[object]) -> None:
    """Await the entry; raise _TooLateError where the call has ended before."""
    deadline = asyncio.timeout_at(None if ends_at == math.inf else ends_at)
    try:
        async with deadline:
            await entering
    except TimeoutError:
        if not deadline.expired():
            raise
        raise _TooLateError from None


def _not_again(refusal: NetworkpypeError) -> str:
    """Return what it says; of a call that was sent before, that nothing was sent is not true."""
    return str(refusal).replace("nothing was sent", "it was not sent again")
