"""The throttler: wait until a call fits its limits, then let it go."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import time
from asyncio import get_running_loop
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol, Self

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook, LimitBlocked, emit
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.context import (
    AsyncRequestContext,
    HeldRequestContext,
    InFlightContext,
)
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.lanes import Lanes
from networkpype.throttler.learning import Answer, Learner, Pause, check_learners
from networkpype.throttler.lessons import Departure, Lessons
from networkpype.throttler.lines import Lane
from networkpype.throttler.local_queue import Grant, LocalQueue
from networkpype.throttler.rate_limit import LimitUsage, RateLimit, Weight
from networkpype.throttler.shared_queue import SharedQueue
from networkpype.throttler.store.base import Account, LimitStore
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.store.shared import SharedLimitStore

__all__ = ["AsyncThrottler", "ExchangeTime"]

_log = logging.getLogger(__name__)


class ExchangeTime(Protocol):
    """What tells the exchange's wall clock, such as a `TimeSynchronizer`."""

    def time(self) -> float:
        """Return Unix seconds."""
        ...


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
    most `int(limit * (1 - safety_margin_pct))` together, and 1 is always allowed; `LimitKind` tells
    of the other kinds. A call is charged under its own limit and those linked to it, all at once or
    not at all, from the moment when it is admitted.

    Calls under one limit id go in the order in which they came. A later call under another id goes
    first only where its priority is better, or where the earlier one is held up by a limit that the
    later does not need and what the later takes is to be back by then (a call in flight may take
    longer); calls that share no limit never wait for each other. A waiter costs nothing while it
    waits: one timer wakes whoever is next. One that is cancelled pays nothing.

    `limits_share_percentage` is this program's part of every limit, in percent, where several
    programs share an account. `retry_interval` is accepted for programs written for 1.1.5 and not
    used, for nothing here polls. `safety_margin_s` is how much later than its departure a call may
    arrive at the exchange; managers need none, for they hold their capacity until the answer.
    `max_wait` is the longest wait in seconds of calls that bring none, None for ever. `learn_from`
    reads the exchange's answers (`UsedHeader`, `RemainingHeader`, functions of your own); what asks
    for a pause by its status, such as 429, is always obeyed. `time_provider` tells the exchange's
    clock, for fixed windows: a `TimeSynchronizer`, by default the local wall clock.

    `clock` replaces the event loop's time for decisions (timers stay the loop's); `hook` receives
    ThrottleWaited, ThrottleRefused, LimitBlocked and LimitCorrected; `store` counts, in this
    process by default (its contract may still change).

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
        safety_margin_s: float = 0.0,
        max_wait: float | None = None,
        learn_from: Sequence[Learner] = (),
        time_provider: ExchangeTime | None = None,
        clock: Clock | None = None,
        hook: Hook | None = None,
        store: LimitStore | SharedLimitStore | None = None,
    ) -> None:
        configuration = Configuration(
            rate_limits, safety_margin_pct, limits_share_percentage, safety_margin_s
        )
        _check_seconds("retry_interval", retry_interval, "and no longer used; leave it out")
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        _check_methods(clock, store, time_provider)
        if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
            raise ConfigurationError(
                f"hook is a function that takes one event and is not awaited, got {hook!r}"
            )
        self._clock = clock
        self._hook = hook
        self._max_wait_s = max_wait
        self._learners = check_learners(learn_from)
        for learner in self._learners:
            named = getattr(learner, "limit_id", None)
            if named is not None and not configuration.knows(named):
                raise configuration.refusal(named)
        self._time = time_provider.time if time_provider else clock.time if clock else time.time
        self._time_provider = time_provider
        self._doubted = False
        self._begin(configuration, MemoryStore() if store is None else store)

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The limits in force, as copies: what was given, scaled by the share.

        Set a list of the exchange's full limits to change them, also while callers wait: they are
        judged by the new limits at once, and one whose limit is gone or has become too small for it
        gets UnknownLimitError or WeightExceedsLimitError. What is charged under an id that stays,
        stays charged, unless its kind is another. A list that is refused changes nothing.
        """
        return [limit.copy() for limit in self._configuration.limits.values()]

    @rate_limits.setter
    def rate_limits(self, rate_limits: Iterable[RateLimit]) -> None:
        self._configure(self._configuration.with_limits(rate_limits))
        self._queue.relane(self._lanes.successor, self._lanes.refusal)

    @property
    def limits_share_percentage(self) -> Decimal:
        """How much of every limit is this program's, in percent."""
        return self._configuration.share_percentage

    def execute_task(
        self,
        limit_id: str,
        *,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> AsyncRequestContext:
        """Return the context whose entry waits for capacity: `async with`, once per call sent.

        `request` is what computed weights are computed from, `priority` replaces that of the limit.
        Entering raises ThrottleTimeoutError, without waiting where `max_wait` seconds cannot be
        kept as things stand. A limit of calls under way is held until the body is over.

        Raises UnknownLimitError or, where the call weighs more than a whole window admits,
        WeightExceedsLimitError, both at once.
        """
        if request is None and priority is None and max_wait is None:
            try:
                return self._contexts[limit_id]
            except (KeyError, TypeError):
                pass  # its cost is computed, it counts while under way, or it is wrong
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        lane = self._find(limit_id, request, priority)
        kind = HeldRequestContext if lane.counts_flights else AsyncRequestContext
        return kind(
            self, limit_id, {"request": request, "priority": priority, "max_wait": max_wait}
        )

    def in_flight(
        self,
        limit_id: str,
        *,
        departed: bool = True,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> InFlightContext:
        """Return a context that holds its capacity until the body, the whole call, is over.

        A call arrives at the exchange some time between its departure and its answer. Counted from
        the departure, a slow call and the quick ones of the next interval may arrive within one
        interval of the exchange's; counted until the answer, they cannot, however the network
        jitters. The price is the time of one round trip an interval. Managers send this way;
        with `departed=False` the call is prepared first, and holds from its `depart` on.

        The other arguments and what it raises are those of `execute_task`.
        """
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        self._find(limit_id, request, priority)  # refuses what it refuses
        return InFlightContext(self, limit_id, departed, request, priority, max_wait)

    async def acquire(
        self,
        limit_id: str,
        *,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> None:
        """Wait for capacity and charge it; what `execute_task` does on entry.

        Raises UnknownLimitError or WeightExceedsLimitError without waiting, and while waiting where
        the limits are changed meanwhile; ThrottleTimeoutError; and ConfigurationError for a limit
        of calls under way, for nobody could tell when this one is over.
        """
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        queue = self._queue
        try:
            lane = self._plain[limit_id]  # not by a call: this is on the path of every call
        except (KeyError, TypeError):
            lane = self._countable(limit_id, request, priority)
        if priority is not None and priority is not lane.priority:
            lane = self._countable(limit_id, request, priority)
        if get_running_loop() is not queue.loop:
            queue.adopt(get_running_loop())
        if self._waiting or lane.account.try_charge(queue.now()) is not None:
            await self._wait(lane, False, max_wait, final=True)

    async def hold(
        self,
        limit_id: str,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> Account:
        """Wait for capacity and hold it; what `in_flight` does on entry. `settle` what it returns.

        Raises as `acquire` does.
        """
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        lane = self._lane(limit_id, request, priority)
        if self._waiting or lane.account.try_charge(self._queue.now(), None, True) is not None:
            return (await self._wait(lane, True, max_wait))[0]
        return lane.account

    def try_charge(
        self, limit_id: str, request: Any = None, priority: Priority | None = None
    ) -> Grant | None:
        """Charge at once, if there is capacity and nobody waits; raises as `acquire` does."""
        account = self._lane(limit_id, request, priority).account
        now = self._queue.now()
        if self._waiting or account.try_charge(now) is not None:
            return None
        return account, now

    async def charge(
        self,
        limit_id: str,
        request: Any = None,
        priority: Priority | None = None,
        max_wait: float | None = None,
    ) -> Grant:
        """Do as `acquire` does; return the account and when it was charged."""
        if max_wait is not None:
            _check_seconds("max_wait", max_wait, "or None")
        lane = self._lane(limit_id, request, priority)
        now = self._queue.now()
        if self._waiting or lane.account.try_charge(now) is not None:
            return await self._wait(lane, False, max_wait)
        return lane.account, now

    def lift(self, account: Account, granted_at: float) -> bool:
        """Hold what `charge` returned; False where it expired, and nothing is charged then."""
        held = account.lift(granted_at, self._queue.now())
        if not held and self._waiting:
            self._queue.look()
        return held

    def settle(self, account: Account) -> None:
        """Let what `hold` returned begin to expire, and serve who waited for it."""
        account.settle(self._queue.now())
        if self._waiting:
            self._queue.look()

    def refund(self, account: Account, granted_at: float | None) -> None:
        """Take back what `charge` returned (or `hold`, with None): nothing was sent."""
        account.refund(granted_at)
        if self._waiting:
            self._queue.look()

    def block(
        self, for_s: float, limit_ids: Iterable[str] | None = None, *, status: int = 0
    ) -> None:
        """Let no call under these limits go for so many seconds, under none where None.

        For what the exchange says in ways that nothing here reads; a block that lasts longer stays.
        `status` is the answer's, for the event. Raises UnknownLimitError.
        """
        _check_seconds("for_s", for_s, "to be quiet")
        if isinstance(limit_ids, str):
            raise ConfigurationError(f"limit_ids is a list of names; write [{limit_ids!r}]")
        known = self._configuration
        names = tuple(known.limits) if limit_ids is None else tuple(dict.fromkeys(limit_ids))
        for name in names:
            if not known.knows(name):
                raise known.refusal(name)
        if self._queue.loop is None and (loop := asyncio._get_running_loop()) is not None:
            self._queue.adopt(loop)  # by whose time a block lasts
        now = self._queue.now()
        quiet_s = min((self._queue.usage(name).blocked_until - now for name in names), default=0.0)
        self._queue.block(names, for_s)
        # Whatever was under way is refused as well; that says the same once more.
        level = logging.DEBUG if quiet_s >= 0.9 * for_s else logging.WARNING
        why = f"the exchange answered {status}" if status else "block() was called"
        _log.log(level, "no call for %g s, for %s: %s", for_s, why, ", ".join(names))
        emit(self._hook, LimitBlocked(names, for_s, status))

    def prepares(self, account: Account, sign: int = 1) -> None:
        """Tell that a call is charged and not sent yet; with -1, that this is over.

        The exchange cannot have counted it, whatever an answer says meanwhile.
        """
        if self._lessons.counts:
            self._lessons.prepares(account.charges, sign)

    def departure(self) -> Departure | None:
        """Return what a call that leaves now is remembered by; None where nobody will ask."""
        if not self._lessons.counts:
            return None
        counted = {name: self._queue.usage(name).used for name in self._configuration.limits}
        return Departure(self._queue.now(), counted)

    def learn(
        self, answer: Answer, limit_id: str, account: Account, departure: Departure | None = None
    ) -> None:
        """Read what the answer to a call tells; what `InFlightContext.land` does before it settles.

        `account` is what it was charged to. Without what `departure` returned when it left, nothing
        is corrected.
        """
        self._lessons.learn(self._configuration, answer, limit_id, account.charges, departure)

    def get_related_limits(self, limit_id: str) -> tuple[RateLimit, list[tuple[RateLimit, Weight]]]:
        """Return the limit, and every limit that a call is charged under with its weight there.

        The limit itself comes first in the list. All are copies. Raises UnknownLimitError.
        """
        related = self._configuration.related(limit_id)
        copies = [(limit.copy(), weight) for limit, weight in related]
        return copies[0][0], copies

    def snapshot(self) -> dict[str, LimitUsage]:
        """Return how full each limit is now, by limit id.

        With a store that processes share it is what that told last, with the last call under the
        limit from here (or `RedisLimitStore.ping`), and nothing used before the first.

        Raises ConfigurationError from another thread than that of the loop that it runs on, for
        counts change while they are read.
        """
        self._queue.check_thread()
        now = self._queue.now()
        result = {}
        for limit_id, (units, interval, kind, *_) in self._configuration.capacities.items():
            usage = self._queue.usage(limit_id)
            result[limit_id] = LimitUsage(
                used=usage.used,
                capacity=units,
                time_interval=interval,
                next_free_s=max(0.0, usage.free_at - now),
                waiting=self._queue.count(limit_id),
                kind=kind,
                held=usage.held,
                blocked_s=max(0.0, usage.blocked_until - now),
            )
        return result

    def copy(self) -> Self:
        """Return a throttler with the same configuration, a fresh count, and nobody waiting."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        store = self._store
        twin._begin(
            self._configuration, store if isinstance(store, SharedLimitStore) else store.fresh()
        )
        return twin

    def __repr__(self) -> str:
        waiting = sum(map(self._queue.count, self._configuration.limits))
        return f"AsyncThrottler(limits={list(self._configuration.limits)}, waiting={waiting})"

    def _begin(self, configuration: Configuration, store: LimitStore | SharedLimitStore) -> None:
        self._store = store
        self._queue: LocalQueue | SharedQueue = (
            SharedQueue(store, self._clock, self._hook)
            if isinstance(store, SharedLimitStore)
            else LocalQueue(store, self._clock, self._hook)
        )
        self._waiting = self._queue.waiting
        self._lessons = Lessons(self._learners, self._pause, self._queue.observe, self._hook)
        self._configure(configuration)

    def _configure(self, configuration: Configuration) -> None:
        self._queue.configure(
            {
                name: capacity._replace(ahead=self._ahead, doubt=self._doubt)
                if capacity.kind is LimitKind.FIXED_WINDOW
                else capacity
                for name, capacity in configuration.capacities.items()
            }
        )
        self._configuration = configuration
        self._lanes = Lanes(configuration, self._queue.account)
        self._find = self._lanes.find
        self._plain = {
            limit_id: lane
            for limit_id, lane in self._lanes.ready.items()
            if not lane.counts_flights
        }
        self._contexts = {limit_id: AsyncRequestContext(self, limit_id) for limit_id in self._plain}

    def _ahead(self) -> float:
        return self._time() - self._queue.now()

    def _doubt(self) -> float:
        """Return how far off the exchange's clock may be, in seconds, where the provider knows."""
        doubt_ms = getattr(self._time_provider, "uncertainty_ms", 0.0)
        if doubt_ms is not None:
            return float(doubt_ms) / 1000
        if not self._doubted:
            self._doubted = True
            _log.warning(
                "fixed windows are aligned to %r, which has no sample of the exchange's clock yet; "
                "sync() it first",
                self._time_provider,
            )
        return 0.0

    def _countable(self, limit_id: str, request: Any, priority: Priority | None) -> Lane:
        lane = self._find(limit_id, request, priority)
        if lane.counts_flights:
            raise ConfigurationError(
                f'a call under "{limit_id}" counts while it is under way, and acquire() cannot '
                "tell when it is over; use `async with throttler.in_flight(...)`"
            )
        return lane

    def _lane(self, limit_id: str, request: Any, priority: Priority | None) -> Lane:
        """Return the lane of a call that begins now, on the loop that runs now."""
        lane = self._find(limit_id, request, priority)
        if get_running_loop() is not self._queue.loop:
            self._queue.adopt(get_running_loop())
        return lane

    async def _wait(
        self, lane: Lane, hold: bool, max_wait_s: float | None, final: bool = False
    ) -> Grant:
        if max_wait_s is None:
            max_wait_s = self._max_wait_s
        return await self._queue.wait(lane, hold=hold, max_wait_s=max_wait_s, final=final)

    def _pause(self, pause: Pause, status: int) -> None:
        if pause.for_s > 0:
            self.block(pause.for_s, pause.limit_ids, status=status)


def _check_methods(clock: object, store: object, time_provider: object) -> None:
    if clock is not None and not callable(getattr(clock, "monotonic", None)):
        raise ConfigurationError(f"clock needs time() and monotonic(), got {clock!r}")
    if isinstance(store, str):
        raise ConfigurationError("store is a text; write RedisLimitStore(url, name=...)")
    if store is not None and not isinstance(store, (LimitStore, SharedLimitStore)):
        raise ConfigurationError(
            f"store needs the methods of LimitStore, got a {type(store).__name__}"
        )
    if time_provider is not None and not callable(getattr(time_provider, "time", None)):
        raise ConfigurationError(f"time_provider needs time(), got {time_provider!r}")


def _check_seconds(name: str, seconds: object, what: str) -> None:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if number and 0 <= seconds < math.inf:  # type: ignore[operator]
        return
    raise ConfigurationError(f"{name} is seconds of at least 0, {what}; got {seconds!r}")
