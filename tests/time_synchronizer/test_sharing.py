"""Callers at the same time share one measurement, and none depends on another's fate."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from networkpype.errors import RequestTimeoutError
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.timekeeping.single_flight import SingleFlight


class Gate:
    """A time provider that answers when it is let."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.turns_to_die = 0
        self.dies_with: Exception | None = None
        self.answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def ask(self) -> float:
        self.started += 1
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            await turns(self.turns_to_die)
            self.cancelled += 1
            if self.dies_with is not None:
                raise self.dies_with from None
            raise


@pytest.fixture
async def gate() -> Gate:
    return Gate()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


Ask = Callable[[TimeSynchronizer, Gate], Awaitable[None]]


def once(synchronizer: TimeSynchronizer, gate: Gate) -> Awaitable[None]:
    return synchronizer.update_server_time_if_not_initialized(gate.ask())


def synced(synchronizer: TimeSynchronizer, gate: Gate) -> Awaitable[None]:
    return synchronizer.sync(gate.ask, samples=1)


both_ways = pytest.mark.parametrize("ask", [once, synced])


@both_ways
async def test_callers_at_the_same_time_share_one_measurement(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    callers = [asyncio.ensure_future(ask(synchronizer, gate)) for _ in range(10)]
    await turns()
    assert gate.started == 1
    gate.answer.set_result(1_700_000_001_000)
    await asyncio.gather(*callers)
    assert gate.started == 1
    assert synchronizer.time_offset_ms == pytest.approx(1000)


async def test_nothing_is_measured_when_there_is_a_sample(
    synchronizer: TimeSynchronizer, gate: Gate
) -> None:
    synchronizer.add_time_offset_ms_sample(5)
    await synchronizer.update_server_time_if_not_initialized(gate.ask())
    assert gate.started == 0
    assert synchronizer.time_offset_ms == 5


async def test_an_unused_future_is_left_to_its_owner(synchronizer: TimeSynchronizer) -> None:
    synchronizer.add_time_offset_ms_sample(5)
    future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    await synchronizer.update_server_time_if_not_initialized(future)
    assert not future.cancelled()


@both_ways
async def test_all_callers_learn_of_a_failure_and_the_next_one_tries_again(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    callers = [asyncio.ensure_future(ask(synchronizer, gate)) for _ in range(3)]
    await turns()
    gate.answer.set_exception(OSError("down"))
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in results] == [OSError] * 3
    assert gate.started == 1
    gate.answer = asyncio.get_running_loop().create_future()
    gate.answer.set_result(1_700_000_001_000)
    await ask(synchronizer, gate)
    assert synchronizer.initialized


@both_ways
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_cancelled_caller_leaves_the_measurement_to_the_others(
    synchronizer: TimeSynchronizer, gate: Gate, place: int, ask: Ask
) -> None:
    callers = [asyncio.ensure_future(ask(synchronizer, gate)) for _ in range(3)]
    await turns()
    callers.pop(place).cancel()
    await turns()
    assert gate.cancelled == 0
    gate.answer.set_result(1_700_000_001_000)
    await asyncio.gather(*callers)
    assert synchronizer.initialized
    assert gate.started == 1


@both_ways
async def test_the_last_caller_to_leave_ends_the_measurement(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    callers = [asyncio.ensure_future(ask(synchronizer, gate)) for _ in range(3)]
    await turns()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert all(caller.cancelled() for caller in callers)
    assert gate.cancelled == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@both_ways
async def test_whoever_comes_while_a_measurement_dies_starts_a_new_one(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    gate.turns_to_die = 20
    first = asyncio.ensure_future(ask(synchronizer, gate))
    await turns()
    first.cancel()
    await turns()
    second = asyncio.ensure_future(ask(synchronizer, gate))
    await turns()
    gate.answer.set_result(1_700_000_001_000)
    await second
    assert synchronizer.initialized
    assert gate.started == 2
    with pytest.raises(asyncio.CancelledError):
        await first


@both_ways
async def test_a_cancelled_caller_returns_when_the_measurement_has_really_ended(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    gate.turns_to_die = 20
    caller = asyncio.ensure_future(ask(synchronizer, gate))
    await turns()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gate.cancelled == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@both_ways
async def test_a_failure_that_no_caller_waits_for_any_more_is_not_reported_twice(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    gate.dies_with = OSError("connection closed")
    caller = asyncio.ensure_future(ask(synchronizer, gate))
    await turns()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.dies_with = None  # or its traceback would keep the task
    del caller
    await turns()
    gc.collect()
    assert reported == []
    assert synchronizer.last_error == "OSError: connection closed"


@both_ways
async def test_a_shutdown_before_the_first_step_leaves_no_coroutine_behind(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    # A coroutine that was never awaited is a warning, and warnings are errors here.
    caller = asyncio.ensure_future(ask(synchronizer, gate))
    await asyncio.sleep(0)
    doomed = asyncio.all_tasks() - {asyncio.current_task()}
    for task in doomed:
        task.cancel()
    await asyncio.wait(doomed)
    assert caller.cancelled()
    assert gate.started == 0
    gc.collect()


@both_ways
async def test_inside_its_own_measurement_it_does_not_wait_for_itself(
    synchronizer: TimeSynchronizer, gate: Gate, ask: Ask
) -> None:
    async def nested() -> float:
        assert synchronizer.in_measurement
        await ask(synchronizer, gate)
        await asyncio.create_task(as_task())
        return 1_700_000_001_000

    async def as_task() -> None:
        await ask(synchronizer, gate)

    assert not synchronizer.in_measurement
    await synchronizer.update_server_time_if_not_initialized(nested())
    assert not synchronizer.in_measurement
    assert synchronizer.initialized
    assert gate.started == 0


async def test_a_task_that_outlives_the_measurement_it_was_born_in_waits_like_all_others(
    synchronizer: TimeSynchronizer, gate: Gate
) -> None:
    go_on = asyncio.Event()

    async def late() -> None:
        await go_on.wait()
        await synchronizer.sync(gate.ask, samples=1)

    born: list[asyncio.Task[None]] = []

    async def provider() -> float:
        born.append(asyncio.create_task(late()))
        return 1_700_000_001_000

    await synchronizer.sync(provider, samples=1)
    go_on.set()
    gate.answer.set_result(1_700_000_001_000)
    await born[0]
    assert gate.started == 1


async def test_two_synchronizers_measure_through_one_another(gate: Gate) -> None:
    one, other = TimeSynchronizer(), TimeSynchronizer()
    gate.answer.set_result(1_700_000_001_000)

    async def through_the_other() -> float:
        await other.sync(back_through_one, samples=1)
        return await gate.ask()

    async def back_through_one() -> float:
        await one.sync(through_the_other, samples=1)
        return await gate.ask()

    await one.sync(through_the_other, samples=1)
    assert one.initialized
    assert other.initialized
    assert gate.started == 2


async def test_measuring_twice_at_once_by_request_shares_nothing(
    synchronizer: TimeSynchronizer, gate: Gate
) -> None:
    gate.answer.set_result(1_700_000_001_000)
    await asyncio.gather(
        synchronizer.update_server_time_offset_with_time_provider(gate.ask()),
        synchronizer.update_server_time_offset_with_time_provider(gate.ask()),
    )
    assert gate.started == 2


async def test_a_question_that_waits_for_its_own_answer_is_given_up(clock: FakeClock) -> None:
    # A task that was made before the measurement does not know that it belongs to it.
    synchronizer = TimeSynchronizer(clock=clock, timeout_s=0.02)

    async def ask_in_a_circle() -> float:
        await asyncio.sleep(0)
        assert not synchronizer.in_measurement
        await synchronizer.sync(ask_in_a_circle)
        return 0.0

    question = asyncio.create_task(ask_in_a_circle())
    with pytest.raises(RequestTimeoutError):
        await synchronizer.update_server_time_if_not_initialized(question)
    with pytest.raises(asyncio.CancelledError):
        await question


async def test_a_late_waiter_of_an_ended_run_does_not_count_for_the_next() -> None:
    flight = SingleFlight()
    runs: list[asyncio.Event] = []

    async def run() -> None:
        runs.append(asyncio.Event())
        await runs[-1].wait()

    async def again_and_again() -> None:
        await flight.run(run)
        await flight.run(run)

    callers = [asyncio.ensure_future(again_and_again()) for _ in range(3)]
    await turns()
    runs[0].set()
    await turns()
    late = asyncio.ensure_future(flight.run(run))
    await turns()
    assert len(runs) == 2
    runs[1].set()
    await asyncio.gather(*callers, late)
    assert not flight.under_way
