from __future__ import annotations

import asyncio
import inspect
import math
import socket
import time

import pytest

from networkpype.errors import ConfigurationError
from networkpype.testing.virtual_time import (
    DeadlockError,
    VirtualTimeLoop,
    run_in_virtual_time,
    virtual_time,
)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_day_passes_at_once_and_to_the_second() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return now()

    start_s = time.perf_counter()
    assert run_in_virtual_time(sleep()) == 86_400.0
    assert time.perf_counter() - start_s < 1


def test_time_stands_still_while_code_runs() -> None:
    async def work() -> set[float]:
        times = set()
        for _ in range(100):
            times.add(now())
            await asyncio.sleep(0)
        return times

    assert run_in_virtual_time(work(), start=5) == {5.0}


@virtual_time
async def test_timers_run_in_order_each_at_its_own_moment() -> None:
    log: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        log.append((name, now()))

    await asyncio.gather(sleeper("late", 0.3), sleeper("early", 0.1), sleeper("next", 0.2))
    assert log == [("early", 0.1), ("next", 0.2), ("late", 0.3)]


async def arrive(when: float) -> float:
    """Wait for a timer set to `when`; return the time at which it ran."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[float] = loop.create_future()
    loop.call_at(when, lambda: arrived.set_result(loop.time()))
    loop.call_at(when - 0.01, arrived.cancel).cancel()
    return await arrived


def test_it_lands_on_the_very_float_that_a_timer_was_set_to() -> None:
    moments = [tenths / 10 for tenths in range(1, 200)]
    starts = [tenths / 10 for tenths in range(30)]
    missed = [
        (start, when)
        for start in starts
        for when in moments
        if when > start and start + (when - start) != when  # where adding the pause would miss it
        if run_in_virtual_time(arrive(when), start) != when
    ]
    assert missed == []


def test_timers_still_run_after_years_and_before_zero() -> None:
    async def sleep() -> float:
        before = now()
        for _ in range(3):
            await asyncio.sleep(1)
        return now() - before

    for start in (1e8, 1e12, -1e6):
        assert run_in_virtual_time(sleep(), start) == pytest.approx(3, rel=1e-3)


@virtual_time
async def test_a_timeout_ends_what_would_not_end() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 60)
    assert now() == 60.0


@virtual_time
async def test_a_timer_cancelled_does_not_move_time() -> None:
    asyncio.get_running_loop().call_later(100, lambda: None).cancel()
    await asyncio.sleep(1000)
    assert now() == 1000.0


def test_a_deadlock_is_an_error_that_names_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("networkpype.testing.virtual_time._REAL_WAIT_S", 0.01)

    async def wait_for_nothing() -> None:
        await asyncio.sleep(3)
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_for_nothing(), name="reader")

    with pytest.raises(DeadlockError, match=r"at virtual time 3 s .*reader in .*wait_for_nothing"):
        run_in_virtual_time(main())


@virtual_time
async def test_threads_and_sockets_wake_it() -> None:
    assert await asyncio.to_thread(lambda: 42) == 42
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.send(b"hello")
        assert await loop.sock_recv(near, 5) == b"hello"
    assert now() == 0.0


@pytest.mark.parametrize("number", [1, 2])
@virtual_time
async def test_a_decorated_test_takes_fixtures_and_parameters(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBER", str(number))
    await asyncio.sleep(number)
    assert now() == number


def test_a_decorated_test_is_no_coroutine_function_and_passes_its_result_on() -> None:
    @virtual_time
    async def give(value: int) -> int:
        return value

    assert not inspect.iscoroutinefunction(give)
    assert give(7) == 7
    assert give.__name__ == "give"


def test_errors_come_through() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        run_in_virtual_time(fail())


@pytest.mark.parametrize("start", [math.nan, math.inf, "0", None, True])
def test_a_start_that_is_no_moment_is_refused(start: object) -> None:
    with pytest.raises(ConfigurationError, match="start"):
        VirtualTimeLoop(start)  # type: ignore[arg-type]


async def test_where_a_loop_runs_already_it_says_where_to_call_it() -> None:
    with pytest.raises(ConfigurationError, match="call it from a plain function or script, not"):
        run_in_virtual_time(asyncio.sleep(1))


def test_what_is_no_coroutine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"as in run\(main\(\)\)"):
        run_in_virtual_time(asyncio.sleep)  # type: ignore[arg-type]
