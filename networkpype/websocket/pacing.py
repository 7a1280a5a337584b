"""When a connection may be dialed, and when the next message may go out on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from networkpype.errors import ConfigurationError, HTTPStatusError, NotConnectedError
from networkpype.hooks import Hook
from networkpype.throttler.context import InFlightContext, give_back, takes_terms
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.learning import Answer
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.waits import Waits

__all__ = [
    "FOR_EVER_S",
    "DialTurn",
    "MessageLimit",
    "Pace",
    "check_message_limit",
    "holds",
]

MessageLimit: TypeAlias = "RateLimit | Sequence[RateLimit]"
"""What an exchange takes on one connection; a message is charged under each."""

FOR_EVER_S = 1e9
"""A `max_wait` for what has to go out some time, whatever the throttler's own is."""
_JITTER_S = 0.25
_CONTROL = "pings and pongs"


def holds(throttler: object) -> bool:
    """Tell whether capacity can be held; one of the user's own is entered as 1.1.5 did."""
    return getattr(type(throttler), "execute_task", None) is AsyncThrottler.execute_task


class DialTurn:
    """The turn of one connection under a limit of dials, which all connections share.

    `wait` for it before what is fetched for a dial, such as a token, grows old; `dial` pays, and
    waits where that took too long or nobody had waited. What the exchange says in refusing a dial
    (429, 418, Retry-After) holds back all that dial under the limit. NotConnectedError ends the
    wait where `waits` are ended.
    """

    def __init__(
        self, throttler: AsyncThrottler, limit_id: str, waits: Waits | None = None
    ) -> None:
        self._throttler = throttler
        self._limit_id = limit_id
        self._waits = Waits() if waits is None else waits
        self._takes_terms = holds(throttler) and takes_terms(throttler)
        self._slot: InFlightContext | None = None

    async def wait(self, max_wait: float | None = None) -> None:
        """Wait for the turn; a throttler of the user's own is asked at the dial alone."""
        if self._slot is not None or not holds(self._throttler):
            return
        slot = await self._enter(max_wait)
        if self._slot is None:
            self._slot = slot
        else:
            slot.land()  # another waited as well

    def give_up(self) -> None:
        """Let others dial in this one's place."""
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.land()

    async def dial(self, connect: Callable[[], Awaitable[None]], check: Callable[[], None]) -> None:
        """Dial when the turn has come; `check` raises where nobody wants it any more."""
        check()
        if not holds(self._throttler):
            async with AsyncExitStack() as stack:
                with self._waits.to_dial():
                    await stack.enter_async_context(self._throttler.execute_task(self._limit_id))
                check()
                await connect()
            return
        slot, self._slot = self._slot, None
        if slot is None:
            slot = await self._enter()
        try:
            await self._depart(slot, check)
            await connect()
        except (HTTPStatusError, NotConnectedError) as error:
            # A dial that was called off may have been refused.
            refusal = error.__cause__ if isinstance(error, NotConnectedError) else error
            if isinstance(refusal, HTTPStatusError):
                slot.land(Answer(refusal.status, refusal.headers, refusal.body.encode()))
            raise
        finally:
            slot.land()

    async def _depart(self, slot: InFlightContext, check: Callable[[], None]) -> None:
        check()  # before it waits anew
        await slot.depart()
        try:
            check()
        except BaseException:
            give_back(slot)
            raise

    async def _enter(self, max_wait: float | None = None) -> InFlightContext:
        self._waits.check()
        if self._takes_terms:
            slot = self._throttler.in_flight(self._limit_id, departed=False, max_wait=max_wait)
        else:
            slot = self._throttler.in_flight(self._limit_id, departed=False)
        if isinstance(slot, InFlightContext):  # a subclass of the user's may return its own
            slot.around = self._waits.to_dial
        return await slot.__aenter__()


class Pace:
    """Count what is sent on one connection, from its beginning to its end.

    Signs of life and logins go first, then the caller's own messages, then subscriptions. Pings
    and pongs of the protocol are charged under the limits whose weight is a number: a function has
    no request to look at. Each interval is a quarter of a second longer than the exchange's, for
    messages may arrive closer together than they left. All that wait here end with `waits`, those
    of the connection.
    """

    def __init__(
        self, limits: Sequence[RateLimit], hook: Hook | None = None, waits: Waits | None = None
    ) -> None:
        first, *others = limits
        first = first.copy(linked_limits=_links(others))
        countable = [limit for limit in limits if not callable(limit.weight)]
        lanes = [first, *others]
        self._lane = self._control = first.limit_id
        if len(countable) < len(limits):
            self._control = _CONTROL
            lanes.append(RateLimit(_CONTROL, 1, 1, weight=0, linked_limits=_links(countable)))
        self._throttler = AsyncThrottler(
            lanes, safety_margin_pct=0, safety_margin_s=_JITTER_S, hook=hook
        )
        self._waits = Waits() if waits is None else waits

    @asynccontextmanager
    async def turn(
        self, request: Any, priority: Priority, max_wait: float | None
    ) -> AsyncIterator[InFlightContext]:
        """Wait for the message's turn; the slot has to `depart` before it is sent.

        Raises NotConnectedError where the connection ends first, ThrottleTimeoutError where
        `max_wait` cannot be kept, both with nothing sent.
        """
        self._waits.check()
        slot = self._throttler.in_flight(
            self._lane, departed=False, request=request, priority=priority, max_wait=max_wait
        )
        slot.around = self._waits.to_send
        async with slot:
            yield slot

    async def control_turn(self) -> None:
        """Wait until a ping or pong of the protocol may go."""
        with self._waits.to_ping():
            await self._throttler.acquire(self._control, priority=Priority.CANCEL)

    def takes_control(self) -> bool:
        """Tell whether a ping or pong may go now; it is paid for then."""
        return self._throttler.try_charge(self._control, None, Priority.CANCEL) is not None


def check_message_limit(given: MessageLimit | None) -> tuple[RateLimit, ...]:
    """Return the limits of one connection, none for None; refuse what cannot be one."""
    limits = () if given is None else (given,) if isinstance(given, RateLimit) else given
    if isinstance(limits, str) or not isinstance(limits, Sequence):
        raise ConfigurationError(
            f"message_limit is a {type(given).__name__}; pass a RateLimit, or a list of them"
        )
    for limit in limits:
        if not isinstance(limit, RateLimit):
            raise ConfigurationError(
                f"message_limit holds a {type(limit).__name__}; pass RateLimit(id, messages, "
                "seconds)"
            )
        if limit.linked_limits:
            raise ConfigurationError(
                f'message_limit "{limit.limit_id}" links to others; pass a list, each of which '
                "counts every message"
            )
        if limit.kind is LimitKind.CONCURRENT:
            raise ConfigurationError(
                f'message_limit "{limit.limit_id}" counts what is under way; a message is over '
                "once it is sent"
            )
    names = [limit.limit_id for limit in limits]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f'message_limit has two rate limits "{name}"; give each a name of its own'
            )
    if limits:
        Pace(limits)  # refuses what an AsyncThrottler refuses
    return tuple(limits)


def _links(limits: Sequence[RateLimit]) -> list[LinkedLimitWeightPair]:
    return [LinkedLimitWeightPair(limit.limit_id, limit.weight) for limit in limits]
