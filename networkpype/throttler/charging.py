"""Wait for capacity and charge it: what `async with` around a call stands on."""

from __future__ import annotations

import logging
import math
import time
from asyncio import get_running_loop
from typing import Any, Protocol

from networkpype.clock import Clock
from networkpype.errors import ConfigurationError
from networkpype.hooks import Hook
from networkpype.throttler.checks import check_max_wait
from networkpype.throttler.configuration import Configuration
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.lanes import Lanes
from networkpype.throttler.lines import Lane
from networkpype.throttler.local_queue import Grant, LocalQueue
from networkpype.throttler.shared_queue import SharedQueue
from networkpype.throttler.store.base import Account, LimitStore
from networkpype.throttler.store.shared import SharedLimitStore

__all__ = ["Charging", "ExchangeTime"]

_log = logging.getLogger(__name__)


class ExchangeTime(Protocol):
    """What tells the exchange's wall clock, such as a `TimeSynchronizer`."""

    def time(self) -> float:
        """Return Unix seconds."""
        ...


class Charging:
    """The lanes of one configuration, and the queue that its callers stand in.

    What a call is *charged* expires by itself; what is *held* counts until it is settled, and
    expires from then on.
    """

    def __init__(
        self,
        clock: Clock | None,
        hook: Hook | None,
        max_wait_s: float | None,
        time_provider: ExchangeTime | None,
    ) -> None:
        self._clock = clock
        self._hook = hook
        self._max_wait_s = max_wait_s
        self._time = time_provider.time if time_provider else clock.time if clock else time.time
        self._time_provider = time_provider
        self._doubted = False

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
            check_max_wait(max_wait)
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
            check_max_wait(max_wait)
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

    def _begin(self, configuration: Configuration, store: LimitStore | SharedLimitStore) -> None:
        self._store = store
        self._queue: LocalQueue | SharedQueue = (
            SharedQueue(store, self._clock, self._hook)
            if isinstance(store, SharedLimitStore)
            else LocalQueue(store, self._clock, self._hook)
        )
        self._waiting = self._queue.waiting
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
        if max_wait_s == math.inf:
            max_wait_s = None
        return await self._queue.wait(lane, hold=hold, max_wait_s=max_wait_s, final=final)
