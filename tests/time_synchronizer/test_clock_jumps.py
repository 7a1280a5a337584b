"""F22: the local clock is set, slewed, or slept through, and the server's time stays right."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from networkpype.clock import Clock
from networkpype.errors import TransportError
from networkpype.hooks import ClockStepped, Event
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer
from tests.time_synchronizer.server import Server


class PlainClock:
    """A clock without boot time: it cannot tell a sleep from a step."""

    def __init__(self, clock: FakeClock) -> None:
        self.time = clock.time
        self.monotonic = clock.monotonic


class ClocksOfAMachineWithoutSleep(PlainClock):
    """As on Windows, where the monotonic clock goes on while the machine sleeps."""

    def __init__(self, clock: FakeClock) -> None:
        self.time = clock.time
        self.monotonic = self.boottime = clock.boottime


def error_ms(synchronizer: TimeSynchronizer, server: Server) -> float:
    return abs(synchronizer.time() - server.time) * 1e3


def stepped(events: list[Event]) -> list[float]:
    return [round(each.step_ms) for each in events if isinstance(each, ClockStepped)]


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 0.2, -0.2, 5e8])
async def test_setting_the_wall_clock_does_not_move_the_servers_time(
    synchronizer: TimeSynchronizer,
    server: Server,
    clock: FakeClock,
    events: list[Event],
    step_s: float,
) -> None:
    await synchronizer.sync(server.ask)
    clock.step_wall(step_s)
    assert error_ms(synchronizer, server) < 0.1
    assert synchronizer.time_offset_ms == pytest.approx(2000.3 - step_s * 1e3, abs=0.1)
    assert stepped(events) == [round(step_s * 1e3)]
    assert synchronizer.stale
    await synchronizer.sync(server.ask, samples=1)
    assert not synchronizer.stale
    assert error_ms(synchronizer, server) < 0.1


async def test_the_drift_is_still_known_after_a_step(
    synchronizer: TimeSynchronizer, clock: FakeClock
) -> None:
    server = Server(clock, drift=50e-6)
    for _ in range(5):
        await synchronizer.sync(server.ask, samples=1)
        clock.advance(600)
    clock.step_wall(-3600)
    clock.advance(600)
    assert error_ms(synchronizer, server) < 1
    await synchronizer.sync(server.ask, samples=1)
    assert synchronizer.drift_ppm == pytest.approx(50, abs=1)


def test_offsets_given_by_hand_follow_a_step_too(
    synchronizer: TimeSynchronizer, clock: FakeClock
) -> None:
    synchronizer.add_time_offset_ms_sample(1000)
    before = synchronizer.time()
    clock.step_wall(3600)
    clock.advance(1)
    assert synchronizer.time() == pytest.approx(before + 1, abs=1e-6)
    synchronizer.add_time_offset_ms_sample(1000 - 3_600_000)
    assert synchronizer.time() == pytest.approx(before + 1, abs=1e-6)


def test_without_samples_the_local_clock_is_told_as_it_is(
    synchronizer: TimeSynchronizer, clock: FakeClock
) -> None:
    clock.step_wall(3600)
    assert synchronizer.time() == clock.time()
    assert not synchronizer.stale


async def test_a_sleep_of_ten_minutes_keeps_the_offset_and_asks_for_a_sample(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, events: list[Event]
) -> None:
    await synchronizer.sync(server.ask)
    clock.suspend(600)
    assert error_ms(synchronizer, server) < 0.1
    assert stepped(events) == [600_000]
    assert synchronizer.stale
    assert synchronizer.uncertainty_ms is None
    await synchronizer.sync(server.ask)
    assert error_ms(synchronizer, server) < 0.1
    assert synchronizer.uncertainty_ms == pytest.approx(40, abs=0.1)


async def test_a_sleep_that_was_timed_badly_is_repaired_by_the_next_sample(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    # The clock that counts on during a sleep ticks in whole seconds on many machines.
    await synchronizer.sync(server.ask, samples=5)
    clock.suspend(600)
    server._epoch += 0.7
    await synchronizer.sync(server.ask, samples=1)
    assert error_ms(synchronizer, server) < 0.1


async def test_a_step_during_a_sleep_is_told_from_the_sleep(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, events: list[Event]
) -> None:
    await synchronizer.sync(server.ask)
    clock.suspend(600)
    clock.step_wall(-30)
    assert error_ms(synchronizer, server) < 0.1
    assert stepped(events) == [570_000]


async def test_a_machine_whose_monotonic_clock_never_sleeps_sees_steps_only(
    clock: FakeClock, server: Server, events: list[Event]
) -> None:
    synchronizer = TimeSynchronizer(clock=ClocksOfAMachineWithoutSleep(clock), hook=events.append)
    await synchronizer.sync(server.ask)
    clock.suspend(600)
    assert error_ms(synchronizer, server) < 0.1
    assert stepped(events) == []
    clock.step_wall(3600)
    assert error_ms(synchronizer, server) < 0.1
    assert stepped(events) == [3_600_000]


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_clock_that_cannot_tell_asks_for_a_sample(
    clock: FakeClock, server: Server, step_s: float
) -> None:
    plain: Clock = PlainClock(clock)
    synchronizer = TimeSynchronizer(clock=plain)
    await synchronizer.sync(server.ask, samples=5)
    clock.step_wall(step_s)
    assert synchronizer.needs_sync
    await synchronizer.sync(server.ask)
    assert error_ms(synchronizer, server) < 0.1


async def test_a_clock_that_cannot_tell_still_knows_that_backwards_is_a_step(
    clock: FakeClock, server: Server
) -> None:
    synchronizer = TimeSynchronizer(clock=PlainClock(clock))
    await synchronizer.sync(server.ask)
    clock.step_wall(-3600)
    assert error_ms(synchronizer, server) < 0.1


async def test_a_clock_that_cannot_tell_is_right_after_a_sleep(
    clock: FakeClock, server: Server
) -> None:
    synchronizer = TimeSynchronizer(clock=PlainClock(clock))
    await synchronizer.sync(server.ask)
    clock.suspend(600)
    assert error_ms(synchronizer, server) < 0.1


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("moved", ["step_wall", "suspend"])
async def test_a_jump_while_the_server_is_asked_spoils_nothing(
    server: Server, clock: FakeClock, moved: str, plain: bool
) -> None:
    async def interrupted() -> float:
        answer = await server.ask()
        getattr(clock, moved)(600)
        return answer

    synchronizer = TimeSynchronizer(clock=PlainClock(clock) if plain else clock)
    await synchronizer.sync(server.ask)
    with suppress(TransportError):
        await synchronizer.update_server_time_offset_with_time_provider(interrupted())
    if plain and moved == "step_wall":
        await synchronizer.sync(server.ask)  # which it asks for
    assert error_ms(synchronizer, server) < 0.1


async def test_an_answer_that_came_through_a_sleep_is_no_sample(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    async def asleep() -> float:
        clock.suspend(600)
        return await server.ask()

    with pytest.raises(TransportError, match="slept"):
        await synchronizer.update_server_time_offset_with_time_provider(asleep())
    assert not synchronizer.initialized


@pytest.mark.parametrize("seconds_a_minute", [2.0, -2.0])
async def test_a_wall_clock_slewed_by_two_seconds_a_minute_stays_within_a_tenth(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, seconds_a_minute: float
) -> None:
    await synchronizer.sync(server.ask)
    worst_ms = 0.0
    for _ in range(300):
        clock.advance(1)
        clock.step_wall(seconds_a_minute / 60)
        worst_ms = max(worst_ms, error_ms(synchronizer, server))
    assert worst_ms < 100


@pytest.mark.parametrize("looked_every_s", [3, 30, 3000])
async def test_gentle_slewing_is_no_step(
    synchronizer: TimeSynchronizer,
    server: Server,
    clock: FakeClock,
    events: list[Event],
    looked_every_s: float,
) -> None:
    await synchronizer.sync(server.ask)
    for _ in range(200):
        clock.advance(looked_every_s)
        clock.step_wall(looked_every_s * 50e-6)
        synchronizer.time()
    assert stepped(events) == []


async def test_a_small_step_stands_out_however_long_the_clock_went_well(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, events: list[Event]
) -> None:
    await synchronizer.sync(server.ask)
    for _ in range(600):
        clock.advance(7)
        synchronizer.time()
    clock.step_wall(0.2)
    assert error_ms(synchronizer, server) < 1
    assert stepped(events) == [200]


class Unhurried(FakeClock):
    """Lets other threads run while it is read."""

    def boottime(self) -> float:
        time.sleep(0.0005)
        return super().boottime()


async def test_one_step_seen_by_many_threads_is_corrected_once(events: list[Event]) -> None:
    clock = Unhurried()
    server, synchronizer = Server(clock), TimeSynchronizer(clock=clock, hook=events.append)
    await synchronizer.sync(server.ask)
    for step in range(1, 6):
        clock.step_wall(3600)
        threads = [threading.Thread(target=synchronizer.time) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert error_ms(synchronizer, server) < 1
        assert len(stepped(events)) == step


def test_a_hook_may_ask_for_the_time(clock: FakeClock) -> None:
    told: list[float] = []

    def hook(event: Event) -> None:
        told.append(synchronizer.time())

    synchronizer: TimeSynchronizer = TimeSynchronizer(clock=clock, hook=hook)
    synchronizer.add_time_offset_ms_sample(0)
    clock.step_wall(3600)
    synchronizer.time()
    assert told == [1_700_000_000, 1_700_000_000]
