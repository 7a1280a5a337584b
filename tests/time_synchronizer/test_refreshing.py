"""The background refresh, in virtual time: hours pass and nobody waits."""

from __future__ import annotations

import asyncio
import logging

import pytest

from networkpype.errors import ConfigurationError
from networkpype.hooks import ClockSyncFailed, Event
from networkpype.testing.virtual_time import virtual_time
from networkpype.time_synchronizer import TimeSynchronizer

DRIFT = 50e-6


class LoopClock:
    """The machine's clocks, as fast as the loop's."""

    def __init__(self) -> None:
        self.stepped_s = self.slept_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def boottime(self) -> float:
        return self.monotonic() + self.slept_s

    def time(self) -> float:
        return 1_700_000_000 + self.boottime() + self.stepped_s


class Exchange:
    """Tells its time, notes when it was asked, and fails or hangs on demand."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.events: list[Event] = []
        self.synchronizer = TimeSynchronizer(clock=self.clock, hook=self.events.append)
        self.start = self.clock.monotonic()
        self.asked_at: list[float] = []
        self.failure: Exception | None = None
        self.hangs = False

    @property
    def time(self) -> float:
        return 1_700_000_010 + self.clock.boottime() * (1 + DRIFT)

    @property
    def error_ms(self) -> float:
        return abs(self.synchronizer.time() - self.time) * 1e3

    async def ask(self) -> float:
        self.asked_at.append(self.clock.monotonic() - self.start)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.04)
        answer = self.time * 1e3
        await asyncio.sleep(0.04)
        if self.failure is not None:
            raise self.failure
        return answer


def no_jitter() -> float:
    return 0.0


def asked(exchange: Exchange) -> list[int]:
    return [round(each) for each in exchange.asked_at]


@virtual_time
async def test_it_takes_a_few_at_the_start_and_then_one_each_interval() -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=600, jitter=no_jitter):
        await asyncio.sleep(1900)
    assert asked(exchange) == [0, 0, 0, 600, 1200, 1800]


@virtual_time
async def test_it_follows_the_drift_for_hours() -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=600):
        await asyncio.sleep(3600)
        worst_ms = 0.0
        for _ in range(200):
            await asyncio.sleep(60)
            worst_ms = max(worst_ms, exchange.error_ms)
    assert worst_ms < 1


@virtual_time
async def test_jitter_cuts_up_to_a_tenth_of_the_interval() -> None:
    exchange = Exchange()
    jitter = iter([1.0, 0.5, 0.0])
    exchange.synchronizer.start(
        exchange.ask, interval_s=1000, samples=1, jitter=lambda: next(jitter)
    )
    await asyncio.sleep(1900)
    await exchange.synchronizer.stop()
    assert asked(exchange) == [0, 900, 1850]


@virtual_time
async def test_a_failing_source_is_asked_with_back_off_and_the_last_offset_stays() -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=100, jitter=no_jitter):
        await asyncio.sleep(50)
        exchange.failure = OSError("down")
        await asyncio.sleep(190)
        assert asked(exchange)[3:] == [100, 101, 103, 107, 116, 132, 164, 224]
        assert exchange.error_ms < 20
        failures = [each for each in exchange.events if isinstance(each, ClockSyncFailed)]
        assert [each.error for each in failures] == ["OSError"] * 8
        assert failures[-1].offset_ms == pytest.approx(10_000, abs=100)
        exchange.failure = None
        await asyncio.sleep(50)
        assert asked(exchange)[11:] == [284, 284, 284]
        assert exchange.error_ms < 1
        assert exchange.synchronizer.last_error is None
        exchange.failure = OSError("down again")
        await asyncio.sleep(104)
        assert asked(exchange)[14:] == [384, 385, 387, 391]


@virtual_time
async def test_a_failing_source_is_asked_no_less_often_than_a_working_one() -> None:
    exchange = Exchange()
    exchange.failure = OSError("down")
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=10):
        await asyncio.sleep(40)
    assert asked(exchange) == [0, 1, 3, 7, 15, 25, 35]


@virtual_time
async def test_a_source_that_is_down_at_the_start_gets_its_few_samples_later() -> None:
    exchange = Exchange()
    exchange.failure = OSError("down")
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=600):
        await asyncio.sleep(0.5)
        exchange.failure = None
        await asyncio.sleep(10)
    assert asked(exchange) == [0, 1, 1, 1]


@pytest.mark.parametrize("moved", ["stepped_s", "slept_s"])
@virtual_time
async def test_a_jump_of_the_clock_is_acted_upon_at_once(moved: str) -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(exchange.ask, interval_s=600):
        await asyncio.sleep(100)
        setattr(exchange.clock, moved, 600.0)
        await asyncio.sleep(2)
        assert len(asked(exchange)) == 6
        assert not exchange.synchronizer.stale
        assert exchange.error_ms < 1
        await asyncio.sleep(100)
        assert len(asked(exchange)) == 6


@virtual_time
async def test_stopping_leaves_no_task_even_in_the_middle_of_a_question() -> None:
    exchange = Exchange()
    exchange.hangs = True
    exchange.synchronizer.start(exchange.ask)
    await asyncio.sleep(0.1)
    await exchange.synchronizer.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert asked(exchange) == [0]
    assert exchange.events == []
    await exchange.synchronizer.stop()


@virtual_time
async def test_stopping_does_not_wait_long_for_a_source_that_ignores_it() -> None:
    exchange = Exchange()
    stubborn_until = exchange.start + 30

    async def stubborn() -> float:
        loop = asyncio.get_running_loop()
        while (left := stubborn_until - loop.time()) > 0.001:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
        return await exchange.ask()

    exchange.synchronizer.start(stubborn)
    await asyncio.sleep(0.1)
    await exchange.synchronizer.stop()
    assert exchange.clock.monotonic() - exchange.start < 2.2
    await asyncio.sleep(40)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_an_error_in_the_block_stops_the_refresh() -> None:
    exchange = Exchange()

    async def trade() -> None:
        async with exchange.synchronizer.refreshing(exchange.ask):
            await asyncio.sleep(0)
            raise KeyError("strategy")

    with pytest.raises(KeyError):
        await trade()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_a_refresh_and_others_share_one_measurement() -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(exchange.ask):
        await asyncio.sleep(0)
        await asyncio.gather(*(exchange.synchronizer.sync(exchange.ask) for _ in range(5)))
        assert asked(exchange) == [0, 0, 0]


@virtual_time
async def test_it_starts_once_and_again_after_stopping() -> None:
    exchange = Exchange()
    exchange.synchronizer.start(exchange.ask)
    with pytest.raises(ConfigurationError, match="already refreshing"):
        exchange.synchronizer.start(exchange.ask)
    await exchange.synchronizer.stop()
    async with exchange.synchronizer.refreshing(exchange.ask) as synchronizer:
        await asyncio.sleep(1)
        assert synchronizer.initialized


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_s": 0},
        {"interval_s": float("nan")},
        {"interval_s": "600"},
        {"samples": 0},
        {"jitter": 0.5},
        {"time_provider": None},
    ],
)
@virtual_time
async def test_a_wrong_argument_is_refused_at_the_start(wrong: dict[str, object]) -> None:
    exchange = Exchange()
    arguments = {"time_provider": exchange.ask, **wrong}
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        exchange.synchronizer.start(**arguments)  # type: ignore[arg-type]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with exchange.synchronizer.refreshing(exchange.ask):
        await asyncio.sleep(1)
    assert exchange.synchronizer.initialized


@pytest.mark.parametrize(("told", "second"), [(100.0, 540), (-100.0, 600)])
@virtual_time
async def test_a_jitter_out_of_bounds_is_held_within(told: float, second: int) -> None:
    exchange = Exchange()
    async with exchange.synchronizer.refreshing(
        exchange.ask, interval_s=600, samples=1, jitter=lambda: told
    ):
        await asyncio.sleep(700)
    assert asked(exchange) == [0, second]


@virtual_time
async def test_a_wrong_unit_is_reported_and_does_not_end_the_refresh() -> None:
    exchange = Exchange()

    async def seconds() -> float:
        exchange.asked_at.append(exchange.clock.monotonic() - exchange.start)
        return exchange.time

    async with exchange.synchronizer.refreshing(seconds, interval_s=600):
        await asyncio.sleep(10)
    assert asked(exchange) == [0, 1, 3, 7]
    assert exchange.synchronizer.misconfigured
    assert 'unit="s"' in str(exchange.synchronizer.last_error)


@virtual_time
async def test_a_broken_hook_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def hook(event: Event) -> None:
        raise ValueError("dashboard is down")

    exchange = Exchange()
    exchange.synchronizer = TimeSynchronizer(clock=exchange.clock, hook=hook)
    with caplog.at_level(logging.ERROR):
        async with exchange.synchronizer.refreshing(exchange.ask):
            await asyncio.sleep(1)
    assert exchange.error_ms < 1
    assert "dashboard" in caplog.text


def test_a_second_loop_may_refresh_again() -> None:
    synchronizer = TimeSynchronizer()

    async def ask() -> float:
        return synchronizer.time() * 1e3 + 500

    async def connector() -> None:
        synchronizer.start(ask)
        await synchronizer.sync(ask)

    asyncio.run(connector())
    asyncio.run(connector())
    asyncio.run(synchronizer.stop())
    assert synchronizer.initialized


def test_a_loop_closed_under_its_tasks_stops_nobody_from_measuring_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synchronizer = TimeSynchronizer()

    async def never() -> float:
        await asyncio.get_running_loop().create_future()
        return 0.0

    async def ask() -> float:
        return synchronizer.time() * 1e3 + 500

    async def leave_behind() -> set[asyncio.Task[object]]:
        synchronizer.start(never)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    async def again() -> None:
        async with asyncio.timeout(1):  # instead of waiting for a dead loop for ever
            synchronizer.start(ask)
            await synchronizer.sync(ask)
            await synchronizer.stop()

    loop = asyncio.new_event_loop()
    left = loop.run_until_complete(leave_behind())
    assert len(left) == 2
    with monkeypatch.context() as patch:  # a loop that is really closed could not be tidied up
        patch.setattr(loop, "is_closed", lambda: True)
        asyncio.run(again())
    assert synchronizer.initialized
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.wait(left))
    loop.close()
