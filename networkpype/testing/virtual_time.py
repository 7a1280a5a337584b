"""An event loop in virtual time: an hour of waiting passes in no time, and always the same way."""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack

from networkpype.errors import ConfigurationError

__all__ = ["DeadlockError", "VirtualTimeLoop", "run_in_virtual_time", "virtual_time"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GRAIN_S = time.get_clock_info("monotonic").resolution
"""asyncio runs a timer once it is older than the loop's time and this."""

_REAL_WAIT_S = 0.5
"""What threads and sockets get in real time to wake a loop that has nothing else to wait for."""


class DeadlockError(RuntimeError):
    """Every task waits and nothing is scheduled that could wake one: in real time it would hang."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` stands still while code runs, and jumps to the next timer.

    For code that waits by timers: `asyncio.sleep`, timeouts, a throttler, a heartbeat. Sockets and
    threads work, but take no virtual time: timers run ahead of an answer that is still on its way.
    Raises DeadlockError where nothing is ready and nothing scheduled. `start` is the first `time()`
    in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._virtual_s = 0.0
        self._timers: list[float] = []
        super().__init__(_JumpingSelector(self))
        valid = isinstance(start, (int, float)) and not isinstance(start, bool)
        if not valid or not math.isfinite(start):
            self.close()  # a loop that is only half made complains when it is collected
            raise ConfigurationError(f"start is a finite number of seconds, got {start!r}")
        self._virtual_s = float(start)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._virtual_s

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> TimerHandle:
        """Schedule the callback for virtual time `when`."""
        heappush(self._timers, when)
        return super().call_at(when, callback, *args, context=context)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of the default executor; `timeout` is for real time, and unused."""
        # A timeout would jump to its end at once and report threads that are still ending.
        await super().shutdown_default_executor()

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass at once, to the very float that a timer was set to where one is due.

        The loop asks for this itself whenever it has nothing to do until then.
        """
        until = self._virtual_s + seconds
        near = 4 * math.ulp(until)
        while self._timers and self._timers[0] < until - near:  # cancelled, or it would be next
            heappop(self._timers)
        if self._timers and self._timers[0] <= until + near:
            until = self._timers[0]
        # After years the grain is smaller than one step of the float: take that step.
        self._virtual_s = until if until + _GRAIN_S > until else math.nextafter(until, math.inf)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(_REAL_WAIT_S if timeout is None else 0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise DeadlockError(_describe_deadlock(self._loop))
        self._loop.jump(timeout)
        return ready


def _describe_deadlock(loop: AbstractEventLoop) -> str:
    waiting = sorted(f"{task.get_name()} in {_name(task)}" for task in asyncio.all_tasks(loop))
    return (
        f"at virtual time {loop.time():g} s nothing is ready and no timer is set, so nothing can "
        f"wake: {', '.join(waiting) or 'no task'}"
    )


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", repr(coroutine))


def run_in_virtual_time(main: Coroutine[Any, Any, T], start: float = 0.0) -> T:
    """Run the coroutine on a loop in virtual time and return its result, as `asyncio.run` does.

    ::

        async def wait() -> float:
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()

        assert run_in_virtual_time(wait()) == 3600.0

    Raises ConfigurationError for anything that is no coroutine, and where a loop runs already.
    """
    if not asyncio.iscoroutine(main):
        raise ConfigurationError(f"a coroutine wanted, as in run(main()), got {main!r}")
    if _runs_already():
        main.close()  # else it would be told that nobody awaited it
        raise ConfigurationError(
            "run_in_virtual_time() begins a loop, and one is running here already; call it from a "
            "plain function or script, not from an async def, nor in `python -m asyncio`"
        )
    with asyncio.Runner(loop_factory=functools.partial(VirtualTimeLoop, start)) as runner:
        return runner.run(main)


def _runs_already() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a test that is a coroutine function run in virtual time, each call on a loop of its own.

    What comes out is a plain function: pytest needs no plugin for it, and pytest-asyncio lets it
    be. Fixtures that are coroutines run on the plugin's loop, not on this one.
    """

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_in_virtual_time(test(*args, **kwargs))

    return run
