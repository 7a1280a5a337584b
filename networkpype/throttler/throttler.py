"""The throttler: wait until a call fits its limits, then let it go."""

from __future__ import annotations

import asyncio
import math
import time
from asyncio import get_running_loop
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Self

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook, ThrottleWaited, emit
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.context import AsyncRequestContext, InFlightContext
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.rate_limit import LimitUsage, RateLimit
from networkpype.throttler.store.base import Account, LimitStore
from networkpype.throttler.store.memory import MemoryStore

__all__ = ["AsyncThrottler"]

_LOOK_AGAIN_S = 0.001
"""When a timer fired before its time: by a clock's grain, or an injected clock stood still."""


class AsyncThrottler:
    """Keep calls within an exchange's rate limits, exactly and in fair order.

    ::

        throttler = AsyncThrottler(
            [
                RateLimit("ip", limit=1200, time_interval=60),
                RateLimit("orders", 10, 1, linked_limits=[LinkedLimitWeightPair("ip", 5)]),
            ]
        )
        async with throttler.execute_task("orders"):
            ...  # send it

    In any `time_interval` seconds, wherever they begin, the calls admitted under a limit weigh at
    most `int(limit * (1 - safety_margin_pct))` together, and 1 is always allowed. A call is charged
    under its own limit and those linked to it, all at once or not at all, from the moment when it
    is admitted.

    Calls under one limit id go in the order in which they came. A later call under another id goes
    first only where the earlier one is held up by a limit that the later does not need, and what
    the later takes is to be back by then (a call in flight may take longer); calls that share no
    limit never wait for each other. A waiter
    costs nothing while it waits: one timer wakes whoever is next. One that is cancelled pays
    nothing.

    `limits_share_percentage` is this program's part of every limit, in percent, where several
    programs share an account. `retry_interval` is accepted for programs written for 1.1.5 and not
    used, for nothing here polls. `clock` replaces the event loop's time for decisions (timers stay
    the loop's); `hook` receives a `ThrottleWaited` for each call that had to wait; `store` counts,
    in this process by default (its contract may still change).

    One throttler may serve several event loops one after the other, but not two that run at once,
    and is not safe across threads. Raises ConfigurationError for a wrong argument, two limits of
    one name, or a link to a limit that is not there.
    """

    def __init__(
        self,
        rate_limits: Iterable[RateLimit],
        retry_interval: float = 0.1,
        safety_margin_pct: Decimal | float = 0.05,
        limits_share_percentage: Decimal | float | None = None,
        *,
        clock: Clock | None = None,
        hook: Hook | None = None,
        store: LimitStore | None = None,
    ) -> None:
        configuration = Configuration(rate_limits, safety_margin_pct, limits_share_percentage)
        _check_retry_interval(retry_interval)
        if clock is not None and not callable(getattr(clock, "monotonic", None)):
            raise ConfigurationError(f"clock needs time() and monotonic(), got {clock!r}")
        if hook is not None and not callable(hook):
            raise ConfigurationError(f"hook is a callable that takes one event, got {hook!r}")
        if store is not None and not isinstance(store, LimitStore):
            raise ConfigurationError(f"store needs the methods of LimitStore, got {store!r}")
        self._clock = clock
        self._hook = hook
        self._begin(configuration, MemoryStore() if store is None else store)

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The limits in force, as copies: what was given, scaled by the share.

        Set a list of the exchange's full limits to change them, also while callers wait: they are
        judged by the new limits at once, and one whose limit is gone or has become too small for it
        gets UnknownLimitError or WeightExceedsLimitError. What is charged under an id that stays,
        stays charged. A list that is refused changes nothing.
        """
        return [limit.copy() for limit in self._configuration.limits.values()]

    @rate_limits.setter
    def rate_limits(self, rate_limits: Iterable[RateLimit]) -> None:
        self._configure(self._configuration.with_limits(rate_limits))
        self._lines.remove(_is_orphan)
        for limit_id in list(self._lines.by_limit):
            if limit_id not in self._lanes:
                for ticket in self._lines.dismiss(limit_id):
                    if not ticket.done():
                        ticket.set_exception(self._configuration.refusal(limit_id))
        self._admit()

    @property
    def limits_share_percentage(self) -> Decimal:
        """How much of every limit is this program's, in percent."""
        return self._configuration.share_percentage

    def execute_task(self, limit_id: str) -> AsyncRequestContext:
        """Return the context whose entry waits for capacity: `async with`, once per call sent.

        Raises UnknownLimitError or, where the call weighs more than a whole window admits,
        WeightExceedsLimitError, both at once.
        """
        try:
            return self._contexts[limit_id]
        except (KeyError, TypeError):
            raise self._configuration.refusal(limit_id) from None

    def in_flight(self, limit_id: str, *, departed: bool = True) -> InFlightContext:
        """Return a context that holds its capacity until the body, the whole call, is over.

        A call arrives at the exchange some time between its departure and its answer. Counted from
        the departure, a slow call and the quick ones of the next interval may arrive within one
        interval of the exchange's; counted until the answer, they cannot, however the network
        jitters. The price is the time of one round trip an interval. Managers send this way;
        with `departed=False` the call is prepared first, and holds from its `depart` on.

        Raises as `execute_task` does.
        """
        self.execute_task(limit_id)  # refuses what it refuses
        return InFlightContext(self, limit_id, departed)

    async def hold(self, limit_id: str) -> Account:
        """Wait for capacity and hold it; what `in_flight` does on entry. `settle` what it returns.

        Raises as `acquire` does.
        """
        lane = self._lane(limit_id)
        if self._lines.by_limit or lane.account.try_charge(self._now(), None, True) is not None:
            return (await self._wait(limit_id, hold=True))[0]
        return lane.account

    def try_charge(self, limit_id: str) -> tuple[Account, float] | None:
        """Charge at once, if there is capacity and nobody waits; raises as `acquire` does."""
        account = self._lane(limit_id).account
        now = self._now()
        if self._lines.by_limit or account.try_charge(now) is not None:
            return None
        return account, now

    async def charge(self, limit_id: str) -> tuple[Account, float]:
        """Do as `acquire` does; return the account and when it was charged."""
        return self.try_charge(limit_id) or await self._wait(limit_id)

    def lift(self, account: Account, granted_at: float) -> bool:
        """Hold what `charge` returned; False where it expired, and nothing is charged then."""
        held = account.lift(granted_at, self._now())
        if not held and self._lines.by_limit:
            self._admit()
        return held

    def settle(self, account: Account) -> None:
        """Let what `hold` returned begin to expire, and serve who waited for it."""
        account.settle(self._now())
        if self._lines.by_limit:
            self._admit()

    async def acquire(self, limit_id: str) -> None:
        """Wait for capacity and charge it; what `execute_task` does on entry.

        Raises UnknownLimitError or WeightExceedsLimitError without waiting, and while waiting where
        the limits are changed meanwhile.
        """
        lane = self._lane(limit_id)
        if self._lines.by_limit or lane.account.try_charge(self._now()) is not None:
            await self._wait(limit_id)

    def _lane(self, limit_id: str) -> Lane:
        """Return the lane of a call that begins now, on the loop that runs now."""
        try:
            lane = self._lanes[limit_id]
        except (KeyError, TypeError):
            raise self._configuration.refusal(limit_id) from None
        if get_running_loop() is not self._loop:
            self._adopt(get_running_loop())
        return lane

    def get_related_limits(self, limit_id: str) -> tuple[RateLimit, list[tuple[RateLimit, int]]]:
        """Return the limit, and every limit that a call is charged under with its weight there.

        The limit itself comes first in the list. All are copies. Raises UnknownLimitError.
        """
        related = self._configuration.related(limit_id)
        copies = [(limit.copy(), weight) for limit, weight in related]
        return copies[0][0], copies

    def snapshot(self) -> dict[str, LimitUsage]:
        """Return how full each limit is now, by limit id."""
        now = self._now()
        result = {}
        for limit_id, capacity in self._configuration.capacities.items():
            used, free_at = self._store.usage(limit_id, now)
            waiting = len(self._lines.by_limit.get(limit_id, ()))
            result[limit_id] = LimitUsage(used, *capacity, max(0.0, free_at - now), waiting)
        return result

    def copy(self) -> Self:
        """Return a throttler with the same configuration, a fresh count, and nobody waiting."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._begin(self._configuration, self._store.fresh())
        return twin

    def __repr__(self) -> str:
        waiting = sum(map(len, self._lines.by_limit.values()))
        return f"AsyncThrottler(limits={list(self._configuration.limits)}, waiting={waiting})"

    def _begin(self, configuration: Configuration, store: LimitStore) -> None:
        self._store = store
        self._lines: Lines[asyncio.Future[tuple[Account, float]]] = Lines()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._now: Callable[[], float] = (
            time.monotonic if self._clock is None else self._clock.monotonic
        )
        self._shift_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = math.inf
        self._configure(configuration)

    def _configure(self, configuration: Configuration) -> None:
        self._store.configure(configuration.capacities)
        self._configuration = configuration
        self._lanes = {
            limit_id: Lane(
                self._store.account(charges),
                charges,
                tuple(configuration.capacities[each.limit_id].time_interval for each in charges),
            )
            for limit_id, charges in configuration.charges.items()
            if configuration.too_heavy(limit_id) is None
        }
        self._contexts = {limit_id: AsyncRequestContext(self, limit_id) for limit_id in self._lanes}

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Move to the loop that runs now; who waits on one that was closed is forgotten."""
        if self._loop is not None and self._loop.is_running():
            raise ConfigurationError(
                f"{self!r} is in use on another event loop that is still running; "
                "give each loop its own, as copy() makes"
            )
        if self._clock is None:
            # Loops may count from different zeros (one in virtual time starts at 0). Time must not
            # run backwards here, or charges would stay for as long as the zeros are apart.
            shift_s = 0.0 if self._loop is None else max(0.0, self._now() - loop.time())
            self._now = loop.time if not shift_s else lambda: loop.time() + shift_s
            self._shift_s = shift_s
        self._set_timer(math.inf)
        self._loop = loop
        self._lines.remove(_is_orphan)
        self._admit()

    async def _wait(self, limit_id: str, *, hold: bool = False) -> tuple[Account, float]:
        asked_at = self._now()
        ticket: asyncio.Future[tuple[Account, float]] = get_running_loop().create_future()
        if self._lines.join(limit_id, ticket, hold):
            self._admit()
        if ticket.done():  # others wait, for what this call does not need
            return ticket.result()
        try:
            account, granted_at = await ticket
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(limit_id, ticket, hold)
            raise
        if self._hook is not None:
            emit(self._hook, ThrottleWaited(limit_id, granted_at - asked_at))
        return account, granted_at

    def _withdraw(
        self, limit_id: str, ticket: asyncio.Future[tuple[Account, float]], hold: bool
    ) -> None:
        if not ticket.done() or ticket.cancelled():
            if self._lines.leave(limit_id, ticket):
                self._admit()
        elif ticket.exception() is None:
            # Admitted and cancelled in the same turn of the loop: it never got to send.
            account, granted_at = ticket.result()
            account.refund(None if hold else granted_at)
            self._admit()

    def _admit(self) -> None:
        """Let all go that may, and set the timer for the next."""
        if not self._lines.by_limit and self._timer is None:
            return
        if self._loop is None or self._loop.is_closed():
            return
        now = self._now()
        admitted, again_at = self._lines.admit(now, self._lanes)
        for ticket, account in admitted:
            ticket.set_result((account, now))
        if again_at != self._wake_at:
            self._set_timer(again_at)

    def _set_timer(self, wake_at: float, least_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_at = wake_at
        if wake_at == math.inf or self._loop is None:
            return
        if self._clock is None and not least_s:
            self._timer = self._loop.call_at(wake_at - self._shift_s, self._on_timer)
        else:
            wait_s = max(wake_at - self._now(), least_s)
            self._timer = self._loop.call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        wake_at, self._wake_at = self._wake_at, math.inf
        if self._now() < wake_at:
            self._set_timer(wake_at, _LOOK_AGAIN_S)
        else:
            self._admit()


def _is_orphan(ticket: asyncio.Future[tuple[Account, float]]) -> bool:
    return ticket.get_loop().is_closed()


def _check_retry_interval(seconds: object) -> None:
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0:
        return
    raise ConfigurationError(
        f"retry_interval is seconds and no longer used; leave it out, got {seconds!r}"
    )
