"""Snapshots are taken on the loop that the throttler serves, whoever asks from wherever."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from networkpype.contrib._watching import Reading, Watched
from networkpype.errors import ConfigurationError
from networkpype.throttler.rate_limit import LimitUsage, RateLimit
from networkpype.throttler.throttler import AsyncThrottler

PATIENCE_S = 10.0  # for what comes at once
USAGE = LimitUsage(1, 2, 1.0, 0.0, 0)


class Scripted:
    """A throttler that answers as it is told, and remembers in which thread it was asked."""

    def __init__(self, take: Callable[[], dict[str, LimitUsage]] = lambda: {"ip": USAGE}) -> None:
        self.threads: list[int] = []
        self._take = take

    def snapshot(self) -> dict[str, LimitUsage]:
        self.threads.append(threading.get_ident())
        return self._take()


def add(watched: Watched, throttler: object, name: str = "") -> None:
    watched.add(cast(AsyncThrottler, throttler), name)


async def test_a_thread_gets_what_was_taken_on_the_loop() -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()
    add(watched, throttler, "okx")
    assert await asyncio.to_thread(watched.read) == [Reading("okx", {"ip": USAGE})]
    assert throttler.threads == [threading.get_ident()]


async def test_the_loop_itself_need_not_wait() -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()
    add(watched, throttler)
    assert watched.read() == [Reading("", {"ip": USAGE})]


async def test_throttlers_of_two_loops_are_each_asked_on_their_own() -> None:
    watched = Watched(PATIENCE_S)
    here, there = Scripted(), Scripted()
    is_added, may_end = threading.Event(), threading.Event()

    async def elsewhere() -> int:
        add(watched, there, "b")
        is_added.set()
        await asyncio.to_thread(may_end.wait, PATIENCE_S)
        return threading.get_ident()

    other = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
    add(watched, here, "a")
    await asyncio.to_thread(is_added.wait, PATIENCE_S)
    readings = await asyncio.to_thread(watched.read)
    may_end.set()
    ident = await other
    assert readings == [Reading("a", {"ip": USAGE}), Reading("b", {"ip": USAGE})]
    assert (here.threads, there.threads) == ([threading.get_ident()], [ident])
    # Its loop is closed now, and nobody knows what it would say.
    assert await asyncio.to_thread(watched.read) == [
        Reading("a", {"ip": USAGE}),
        Reading("b", None),
    ]


async def test_a_loop_that_stands_still_gives_no_reading_and_finds_one_question() -> None:
    watched, throttler = Watched(0.02), Scripted()
    add(watched, throttler)
    readings: list[list[Reading]] = []

    def ask_often() -> None:
        readings.extend(watched.read() for _ in range(3))

    thread = threading.Thread(target=ask_often)
    thread.start()
    thread.join(PATIENCE_S)  # which is what blocks this loop
    assert readings == [[Reading("", None)]] * 3
    await asyncio.sleep(0)
    assert len(throttler.threads) == 1
    assert await asyncio.to_thread(watched.read) == [Reading("", {"ip": USAGE})]


async def test_all_throttlers_together_are_waited_for_once() -> None:
    watched = Watched(0.1)
    throttlers = [Scripted() for _ in range(20)]
    for number, throttler in enumerate(throttlers):
        add(watched, throttler, str(number))
    started = time.monotonic()
    thread = threading.Thread(target=watched.read)
    thread.start()
    thread.join(PATIENCE_S)
    assert 0.1 <= time.monotonic() - started < 1.0
    await asyncio.sleep(0)


async def test_a_snapshot_that_fails_is_logged_and_is_no_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> dict[str, LimitUsage]:
        raise RuntimeError("no")

    watched, throttler = Watched(PATIENCE_S), Scripted(fail)
    add(watched, throttler)
    assert await asyncio.to_thread(watched.read) == [Reading("", None)]
    assert "a throttler could not be read" in caplog.text


async def test_no_throttler_is_kept_alive() -> None:
    watched = Watched(PATIENCE_S)
    first: object = Scripted()
    add(watched, first, "okx")
    del first
    gc.collect()
    assert await asyncio.to_thread(watched.read) == []
    second = Scripted()
    add(watched, second, "okx")  # the name is free again
    assert len(watched.read()) == 1


async def test_two_throttlers_cannot_have_one_name() -> None:
    watched = Watched(PATIENCE_S)
    first, second = Scripted(), Scripted()
    add(watched, first, "okx")
    with pytest.raises(ConfigurationError, match=r'named "okx" is watched already; pass another'):
        add(watched, second, "okx")
    assert len(watched.read()) == 1


@pytest.mark.parametrize("name", ["okx", "", "bybit"])
async def test_a_throttler_is_watched_once(name: str) -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()
    add(watched, throttler, "okx")
    with pytest.raises(ConfigurationError, match=r'watched already, as "okx"; watch it once'):
        add(watched, throttler, name)
    assert [each.name for each in watched.read()] == ["okx"]


def test_a_throttler_is_watched_within_its_loop() -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()
    with pytest.raises(ConfigurationError, match="within the event loop"):
        add(watched, throttler)


def test_a_throttler_may_move_to_another_loop() -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()

    async def serve() -> list[Reading]:
        add(watched, throttler)
        return await asyncio.to_thread(watched.read)

    for _ in range(2):
        assert asyncio.run(serve()) == [Reading("", {"ip": USAGE})]
        assert watched.read() == [Reading("", None)]


def test_a_loop_that_was_stopped_is_not_waited_for() -> None:
    watched, throttler = Watched(PATIENCE_S), Scripted()

    async def watch() -> None:
        add(watched, throttler)

    with asyncio.Runner() as runner:  # which closes its loop at the end only
        runner.run(watch())
        started = time.monotonic()
        assert watched.read() == [Reading("", None)]
        assert time.monotonic() - started < PATIENCE_S / 2
    assert throttler.threads == []


@pytest.mark.parametrize("wrong", [0, -1, True, "1", float("inf"), float("nan"), None])
def test_a_timeout_is_seconds(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="read_timeout_s"):
        Watched(wrong)


@pytest.mark.parametrize(("throttler", "name"), [(object(), ""), (Scripted, ""), (Scripted(), 5)])
async def test_what_is_watched_is_a_throttler_with_a_name(throttler: object, name: Any) -> None:
    with pytest.raises(ConfigurationError):
        add(Watched(PATIENCE_S), throttler, name)


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Let threads take turns as often as they can, so that what may go wrong between two does."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("restless_threads")
async def test_threads_that_read_without_end_do_not_disturb_what_is_counted() -> None:
    """The real thing: entries expire every few milliseconds while four threads look on."""
    limit, interval_s, calls = 200, 0.004, 8_000
    throttler = AsyncThrottler([RateLimit("ip", limit, interval_s)], safety_margin_pct=0)
    watched = Watched(PATIENCE_S)
    watched.add(throttler, "")
    is_over = threading.Event()
    readings: list[Reading] = []

    def look_on() -> None:
        while not is_over.is_set():
            readings.extend(watched.read())

    threads = [threading.Thread(target=look_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(calls):
            await throttler.acquire("ip")
    finally:
        is_over.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, PATIENCE_S)
    usages = [reading.usages["ip"] for reading in readings if reading.usages is not None]
    assert len(usages) == len(readings) > 20
    assert all(0 <= usage.used <= limit for usage in usages)
    assert any(usage.used for usage in usages)
    await asyncio.sleep(2 * interval_s)
    assert throttler.snapshot()["ip"].used == 0
