"""Samples that the synchronizer takes itself: they know their round trip."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from networkpype.errors import ConfigurationError, DecodeError, RequestTimeoutError
from networkpype.hooks import ClockSyncFailed, ClockSynchronized, Event
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.timekeeping.provider import TimeUnit
from tests.time_synchronizer.server import Server


def error_ms(synchronizer: TimeSynchronizer, server: Server) -> float:
    return abs(synchronizer.time() - server.time) * 1e3


async def returned(value: Any) -> Any:
    return value


async def test_the_server_read_its_clock_halfway_through_the_round_trip(
    synchronizer: TimeSynchronizer, server: Server, events: list[Event]
) -> None:
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert synchronizer.time_offset_ms == pytest.approx(2000.3, abs=0.01)
    assert error_ms(synchronizer, server) < 0.01
    [event] = events
    assert isinstance(event, ClockSynchronized)
    assert event.offset_ms == pytest.approx(2000.3, abs=0.01)
    assert event.round_trip_ms == pytest.approx(80, abs=0.01)


async def test_the_uncertainty_is_half_the_best_round_trip_and_ages(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    assert synchronizer.uncertainty_ms is None
    await synchronizer.sync(server.ask, samples=2)
    fresh = synchronizer.uncertainty_ms
    assert fresh is not None
    assert fresh == pytest.approx(40, abs=0.1)
    clock.advance(1000)
    assert synchronizer.uncertainty_ms == pytest.approx(fresh + 100, abs=0.1)  # 100 ppm
    assert (
        repr(synchronizer) == "TimeSynchronizer(offset_ms=2000.3, uncertainty_ms=140.0, samples=2)"
    )


@pytest.mark.parametrize("way", ["out_s", "back_s"])
async def test_a_delayed_answer_moves_nothing(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, way: str
) -> None:
    for _ in range(4):
        await synchronizer.update_server_time_offset_with_time_provider(server.ask())
        clock.advance(10)
    setattr(server, way, 0.5)
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert error_ms(synchronizer, server) < 0.1


async def test_an_answer_ten_seconds_late_moves_nothing(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    # F22: the half of 10 s is an outlier of 5 s.
    synchronizer = TimeSynchronizer(clock=clock)
    await synchronizer.sync(server.ask)
    server.back_s = 10.0
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert error_ms(synchronizer, server) < 1


async def test_a_sample_five_seconds_off_is_not_believed_until_another_agrees(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    await synchronizer.sync(server.ask)
    clock.advance(600)
    server.glitch_s = 5.0
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert error_ms(synchronizer, server) < 1
    assert synchronizer.stale
    server.glitch_s = 0.0
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert error_ms(synchronizer, server) < 1
    assert not synchronizer.stale


async def test_a_server_that_set_its_clock_is_believed_when_a_second_sample_says_so(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    await synchronizer.sync(server.ask, samples=5)
    clock.advance(600)
    server.glitch_s = 5.0  # and stays so: it is the new truth
    await synchronizer.sync(server.ask, samples=1)
    assert synchronizer.time() - server.time == pytest.approx(5, abs=0.001)
    assert server.asked == 5 + 2


async def test_contradictions_at_the_start_are_settled_by_a_few_more_samples(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    async def flaky() -> float:
        server.glitch_s = 5.0 if server.asked == 2 else 0.0
        return await server.ask()

    await synchronizer.sync(flaky, samples=3)
    assert error_ms(synchronizer, server) < 1
    assert not synchronizer.stale
    assert server.asked == 4


async def test_servers_whose_clocks_differ_are_not_asked_for_ever(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    async def two_servers() -> float:
        server.glitch_s = 0.3 * (server.asked % 2)
        return await server.ask()

    await synchronizer.sync(two_servers, samples=3)
    assert server.asked == 6
    assert not synchronizer.needs_sync


@pytest.mark.parametrize("ppm", [50, -50, 200])
async def test_drift_is_followed_between_the_samples(
    synchronizer: TimeSynchronizer, clock: FakeClock, ppm: float
) -> None:
    server = Server(clock, drift=ppm * 1e-6)
    await synchronizer.sync(server.ask)
    for _ in range(4):
        clock.advance(600)
        await synchronizer.sync(server.ask, samples=1)
    clock.advance(600)
    assert error_ms(synchronizer, server) < 1
    assert synchronizer.drift_ppm == pytest.approx(ppm, abs=1)
    uncertainty = synchronizer.uncertainty_ms
    assert uncertainty is not None
    assert uncertainty < 44


async def test_samples_close_together_do_not_make_a_drift(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    rng = random.Random(7)
    for _ in range(5):
        server.out_s, server.back_s = 0.04 + rng.random() * 0.003, 0.04 + rng.random() * 0.003
        await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert synchronizer.drift_ppm == 0.0
    clock.advance(3600)
    assert error_ms(synchronizer, server) < 3


@pytest.mark.parametrize("seconds_a_minute", [2.0, -2.0])
async def test_a_clock_off_by_two_seconds_a_minute_is_caught_at_every_refresh(
    synchronizer: TimeSynchronizer, clock: FakeClock, seconds_a_minute: float
) -> None:
    # F22: no crystal does that, but a badly paused virtual machine does.
    server = Server(clock, drift=seconds_a_minute / 60)
    await synchronizer.sync(server.ask)
    for _ in range(20):
        clock.advance(60)
        await synchronizer.sync(server.ask, samples=1)
        assert error_ms(synchronizer, server) < 100


async def test_the_kind_of_sample_that_came_last_decides(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    synchronizer.add_time_offset_ms_sample(7000)
    await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert synchronizer.time_offset_ms == pytest.approx(2000.3, abs=0.01)
    synchronizer.add_time_offset_ms_sample(7000)
    assert synchronizer.time_offset_ms == 7000
    assert synchronizer.uncertainty_ms is None


async def test_old_measured_samples_are_stale_and_given_ones_never(
    clock: FakeClock, server: Server
) -> None:
    synchronizer = TimeSynchronizer(clock=clock, stale_after_s=900)
    await synchronizer.sync(server.ask)
    clock.advance(899)
    assert not synchronizer.stale
    clock.advance(2)
    assert synchronizer.stale
    assert synchronizer.needs_sync
    synchronizer.add_time_offset_ms_sample(1)
    clock.advance(10_000)
    assert not synchronizer.stale


async def test_an_infinite_age_is_never_stale(clock: FakeClock, server: Server) -> None:
    synchronizer = TimeSynchronizer(clock=clock, stale_after_s=math.inf)
    await synchronizer.sync(server.ask)
    clock.advance(1e6)
    assert not synchronizer.stale


async def test_distrust_asks_for_one_more_sample(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    synchronizer.distrust()
    assert not synchronizer.stale  # there is nothing yet to distrust
    await synchronizer.sync(server.ask)
    synchronizer.distrust()
    assert synchronizer.needs_sync
    assert error_ms(synchronizer, server) < 1
    await synchronizer.sync(server.ask, samples=1)
    assert not synchronizer.stale


async def test_clearing_forgets_measured_samples(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    await synchronizer.sync(server.ask)
    synchronizer.clear_time_offset_ms_samples()
    assert synchronizer.time() == clock.time()
    assert synchronizer.uncertainty_ms is None
    assert synchronizer.needs_sync


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("number", [int, float, Decimal])
async def test_the_declared_unit_is_read(unit: TimeUnit, number: type, clock: FakeClock) -> None:
    synchronizer = TimeSynchronizer(clock=clock, unit=unit)
    units_a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    answer = number((int(clock.time()) + 3) * units_a_second)
    await synchronizer.update_server_time_offset_with_time_provider(returned(answer))
    cut_off_s = 0.5 if unit == "s" else 0.0  # what whole seconds do not tell, on average
    assert synchronizer.time() == pytest.approx(clock.time() + 3 + cut_off_s, abs=1e-6)


@pytest.mark.parametrize(
    ("declared", "told"), [*itertools.permutations(["s", "ms", "us", "ns"], 2)]
)
async def test_another_unit_than_declared_is_named(
    declared: TimeUnit, told: TimeUnit, clock: FakeClock
) -> None:
    synchronizer = TimeSynchronizer(clock=clock, unit=declared)
    answer = clock.time() * {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[told]
    with pytest.raises(ConfigurationError, match=f'in {declared} but .* pass unit="{told}"'):
        await synchronizer.update_server_time_offset_with_time_provider(returned(answer))
    assert not synchronizer.initialized


async def test_a_local_clock_that_is_decades_off_blames_no_unit() -> None:
    clock = FakeClock(time=1_700.0)  # a board without a battery, half an hour after its start
    synchronizer = TimeSynchronizer(clock=clock)
    await synchronizer.update_server_time_offset_with_time_provider(returned(1_700_000_000_000))
    assert synchronizer.time() == 1_700_000_000


async def test_whole_seconds_are_known_to_be_coarse(clock: FakeClock) -> None:
    synchronizer = TimeSynchronizer(clock=clock, unit="s")
    await synchronizer.update_server_time_offset_with_time_provider(returned(1_700_000_000))
    assert synchronizer.uncertainty_ms == 1000


async def test_seconds_cut_off_by_the_server_bias_no_offset(clock: FakeClock) -> None:
    synchronizer = TimeSynchronizer(clock=clock, unit="s", stale_after_s=math.inf)
    for _ in range(16):
        answer = int(clock.time() + 10)
        await synchronizer.update_server_time_offset_with_time_provider(returned(answer))
        clock.advance(7.0625)
    assert synchronizer.time_offset_ms == pytest.approx(10_000, abs=100)


async def test_a_fraction_of_a_second_is_taken_as_told(clock: FakeClock) -> None:
    synchronizer = TimeSynchronizer(clock=clock, unit="s")
    answer = clock.time() + 10.25
    await synchronizer.update_server_time_offset_with_time_provider(returned(answer))
    assert synchronizer.time_offset_ms == pytest.approx(10_250, abs=1e-3)


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "://" * 33_000, "https://x.test/?" * 6_000, "a " * 50_000, "u:p@" * 25_000],
)
async def test_of_a_page_quoted_in_an_error_only_the_beginning_is_looked_at(
    synchronizer: TimeSynchronizer, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    class Pattern:
        def sub(self, replace: Callable[[re.Match[str]], str], text: str) -> str:
            looked_at.append(len(text))
            return re.sub(r"\S+", replace, text)

    monkeypatch.setattr("networkpype.time_synchronizer._WORD", Pattern())

    async def fail() -> float:
        raise OSError(text)

    with pytest.raises(OSError):
        await synchronizer.update_server_time_offset_with_time_provider(fail())
    assert len(looked_at) == 1
    assert looked_at[0] <= 1010
    assert str(synchronizer.last_error).startswith("OSError: ")
    assert len(str(synchronizer.last_error)) < 300


async def test_a_secret_that_is_cut_in_two_is_not_shown(synchronizer: TimeSynchronizer) -> None:
    async def fail() -> float:
        raise OSError(f"GET https://user:{'c0ffee' * 1000}@x.test/time failed")

    with pytest.raises(OSError):
        await synchronizer.update_server_time_offset_with_time_provider(fail())
    assert synchronizer.last_error == "OSError: GET ***..."


@pytest.mark.parametrize("answer", ["1700000000000", None, True, {"time": 1}, b"1"])
async def test_an_answer_that_is_no_number_is_the_providers_fault(
    synchronizer: TimeSynchronizer, answer: object
) -> None:
    with pytest.raises(ConfigurationError, match="must return a number, the server's time in ms"):
        await synchronizer.update_server_time_offset_with_time_provider(returned(answer))


@pytest.mark.parametrize(
    "answer",
    [math.nan, math.inf, -1, -1.7e12, pytest.param(10**5000, id="huge"), Decimal("sNaN")],
)
async def test_a_number_that_is_no_time_is_an_unreadable_answer(
    synchronizer: TimeSynchronizer, answer: object
) -> None:
    with pytest.raises(DecodeError, match="no time in ms"):
        await synchronizer.update_server_time_offset_with_time_provider(returned(answer))


async def test_a_function_instead_of_its_awaitable_is_told_apart(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be awaited"):
        await synchronizer.update_server_time_offset_with_time_provider(server.ask)  # type: ignore[arg-type]
    coroutine = server.ask()
    with pytest.raises(ConfigurationError, match=r"not fetch_time\(\)"):
        await synchronizer.sync(coroutine)  # type: ignore[arg-type]
    coroutine.close()
    with pytest.raises(ConfigurationError, match="samples"):
        await synchronizer.sync(server.ask, samples=0)


async def test_a_failure_is_logged_announced_and_raised_and_the_last_offset_stays(
    synchronizer: TimeSynchronizer,
    server: Server,
    events: list[Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await synchronizer.sync(server.ask)
    del events[:]
    failure = server.failure = OSError("GET https://x.test/time?signature=c0ffee said \x1b[31mno")
    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="said") as raised:
        await synchronizer.update_server_time_offset_with_time_provider(server.ask())
    assert raised.value is failure
    assert synchronizer.last_error is not None
    assert synchronizer.last_error.startswith("OSError: GET https://x.test/time?signature=***")
    assert not synchronizer.misconfigured
    assert error_ms(synchronizer, server) < 1
    [event] = events
    assert isinstance(event, ClockSyncFailed)
    assert event.error == "OSError"
    assert event.offset_ms == pytest.approx(2000.3, abs=0.01)
    [record] = caplog.records
    assert "the offset of 2000.3 ms stays in use: OSError" in record.getMessage()
    assert "c0ffee" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert len(record.getMessage()) < 400


async def test_a_failure_before_any_sample_keeps_the_local_clock(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock, events: list[Event]
) -> None:
    server.failure = KeyError("serverTime" * 100)
    with pytest.raises(KeyError):
        await synchronizer.sync(server.ask)
    assert events == [ClockSyncFailed("KeyError", None)]
    assert synchronizer.time() == clock.time()


async def test_one_sample_of_several_is_enough(
    synchronizer: TimeSynchronizer, server: Server
) -> None:
    async def fails_later() -> float:
        if server.asked == 1:
            raise OSError("gone")
        return await server.ask()

    await synchronizer.sync(fails_later, samples=3)
    assert error_ms(synchronizer, server) < 1
    assert synchronizer.last_error is None


async def test_a_failing_source_is_left_alone_for_longer_and_longer(
    synchronizer: TimeSynchronizer, server: Server, clock: FakeClock
) -> None:
    server.failure = OSError("down")
    for pause_s in (1, 2, 4, 8, 16, 32, 60, 60):
        with pytest.raises(OSError, match="down"):
            await synchronizer.sync(server.ask)
        assert not synchronizer.needs_sync
        clock.advance(pause_s - 0.01)
        assert not synchronizer.needs_sync
        clock.advance(0.02)
        assert synchronizer.needs_sync
    server.failure = None
    await synchronizer.sync(server.ask)
    server.failure = OSError("down again")
    with pytest.raises(OSError, match="again"):
        await synchronizer.sync(server.ask)
    synchronizer.clear_time_offset_ms_samples()
    clock.advance(1.01)
    assert synchronizer.needs_sync


async def test_a_source_that_hangs_is_given_up(clock: FakeClock, events: list[Event]) -> None:
    synchronizer = TimeSynchronizer(clock=clock, hook=events.append, timeout_s=0.01)
    with pytest.raises(RequestTimeoutError, match=r"within 0\.01 s"):
        await synchronizer.update_server_time_offset_with_time_provider(
            asyncio.get_running_loop().create_future()
        )
    assert events == [ClockSyncFailed("RequestTimeoutError", None)]


async def test_a_source_that_was_cancelled_is_a_failure_and_not_our_cancellation(
    synchronizer: TimeSynchronizer,
) -> None:
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    with pytest.raises(OSError, match="cancelled from elsewhere"):
        await synchronizer.update_server_time_offset_with_time_provider(gone)


async def test_our_cancellation_is_no_failure(
    synchronizer: TimeSynchronizer, events: list[Event]
) -> None:
    never = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(synchronizer.update_server_time_offset_with_time_provider(never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == []
    assert synchronizer.last_error is None
