"""The throttler: wait until a call fits its limits, then let it go."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Self

from networkpype.clock import Clock
from networkpype.hooks import Hook
from networkpype.throttler.charging import ExchangeTime
from networkpype.throttler.checks import (
    check_hook,
    check_max_wait,
    check_methods,
    check_seconds,
)
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.context import (
    AsyncRequestContext,
    HeldRequestContext,
    InFlightContext,
)
from networkpype.throttler.heeding import Heeding
from networkpype.throttler.kinds import Priority
from networkpype.throttler.learning import Learner, check_learners
from networkpype.throttler.rate_limit import LimitUsage, RateLimit, Weight
from networkpype.throttler.store.base import LimitStore
from networkpype.throttler.store.memory import MemoryStore
from networkpype.throttler.store.shared import SharedLimitStore

__all__ = ["AsyncThrottler"]


class AsyncThrottler(Heeding):
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
    `max_wait` is the longest wait in seconds of calls that bring none, by default without a bound,
    which is what ``math.inf`` says for one call (None is this default). `learn_from`
    reads the exchange's answers (`UsedHeader`, `RemainingHeader`, functions of your own); what asks
    for a pause by its status, such as 429, is always obeyed. `time_provider` tells the exchange's
    clock, for fixed windows: a `TimeSynchronizer`, by default the local wall clock.

    `clock` replaces the event loop's time for decisions (timers stay the loop's); `hook` receives
    ThrottleWaited, ThrottleRefused, LimitBlocked, LimitUnblocked and LimitCorrected; `store`
    counts, in this process by default (its contract may still change).

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
        check_seconds("retry_interval", retry_interval, "and no longer used; leave it out")
        if max_wait is not None:
            check_max_wait(max_wait)
        check_methods(clock, store, time_provider)
        check_hook(hook)
        learners = check_learners(learn_from)
        for learner in learners:
            named = getattr(learner, "limit_id", None)
            if named is not None and not configuration.knows(named):
                raise configuration.refusal(named)
        super().__init__(clock, hook, max_wait, time_provider, learners)
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
            check_max_wait(max_wait)
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
            check_max_wait(max_wait)
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
            check_max_wait(max_wait)
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
        result = {}
        for limit_id, (_, interval, kind, *_) in self._configuration.capacities.items():
            usage = self._queue.usage(limit_id)
            now = self._queue.now()  # after it, or what is free now would be so a moment later
            result[limit_id] = LimitUsage(
                used=usage.used,
                capacity=self._queue.units(limit_id),
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

    def _configure(self, configuration: Configuration) -> None:
        super()._configure(configuration)
        self._contexts = {limit_id: AsyncRequestContext(self, limit_id) for limit_id in self._plain}
