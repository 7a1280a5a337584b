"""A nonce is greater than every one before it, whatever the clock, the threads and the crash."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.signing import high_water
from networkpype.signing.nonces import Nonces, NonceUnit

HOUR = 3600.0
NOW = 1_700_000_000.123
UNITS: list[NonceUnit] = ["s", "ms", "us", "ns"]


class Clock:
    """Tells what it is set to."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kraken.nonce"


def is_rising(nonces: list[int]) -> bool:
    return all(earlier < later for earlier, later in itertools.pairwise(nonces))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("s", 1_700_000_000),
        ("ms", 1_700_000_000_123),
        ("us", 1_700_000_000_123_000),
        ("ns", 1_700_000_000_123_000_064),  # what a double can hold of it
    ],
)
def test_the_first_nonce_is_the_time(unit: NonceUnit, expected: int, clock: Clock) -> None:
    nonce = Nonces(unit, clock)()
    assert abs(nonce - expected) <= {"s": 0, "ms": 0, "us": 0, "ns": 256}[unit]


def test_nonces_follow_the_clock_and_rise_while_it_stands(clock: Clock) -> None:
    nonces = Nonces("ms", clock)
    assert [nonces(), nonces(), nonces()] == [1_700_000_000_123 + each for each in range(3)]
    clock.seconds += 1
    assert nonces() == 1_700_000_001_123


@given(
    steps=st.lists(st.floats(min_value=-HOUR, max_value=HOUR), max_size=200),
    unit=st.sampled_from(UNITS),
)
def test_no_nonce_repeats_or_falls_however_the_clock_jumps(
    steps: list[float], unit: NonceUnit
) -> None:
    clock = Clock()
    nonces = Nonces(unit, clock)
    given_out = [nonces()]
    for step in steps:
        clock.seconds += step
        given_out.append(nonces())
    assert is_rising(given_out)


async def test_a_thousand_concurrent_tasks_and_an_hour_back(clock: Clock) -> None:
    nonces = Nonces("ms", clock)
    given_out: list[int] = []

    async def call(number: int) -> None:
        await asyncio.sleep(0)
        if number == 500:
            clock.seconds -= HOUR
        given_out.append(nonces())
        await asyncio.sleep(0)

    await asyncio.gather(*(call(number) for number in range(1000)))
    assert len(given_out) == 1000
    assert is_rising(given_out)


@pytest.mark.parametrize("remembered", [False, True])
def test_threads_and_an_hour_back(remembered: bool, clock: Clock, path: Path) -> None:
    nonces = Nonces("us", clock, high_water=path if remembered else None)
    start = threading.Barrier(8)
    each_thread: list[list[int]] = [[] for _ in range(8)]

    def run(mine: list[int]) -> None:
        start.wait()
        for number in range(500):
            if number == 250:
                clock.seconds -= HOUR
            mine.append(nonces())

    threads = [threading.Thread(target=run, args=(mine,)) for mine in each_thread]
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(old)
        nonces.close()
    assert all(is_rising(mine) for mine in each_thread)
    assert len({nonce for mine in each_thread for nonce in mine}) == 8 * 500


@pytest.mark.parametrize("unit", UNITS)
def test_a_restart_with_the_clock_an_hour_back(unit: NonceUnit, clock: Clock, path: Path) -> None:
    first = Nonces(unit, clock, high_water=path)
    before = [first() for _ in range(5)]
    first.close()
    clock.seconds -= HOUR
    second = Nonces(unit, clock, high_water=path)
    after = [second() for _ in range(5)]
    second.close()
    assert is_rising(before + after)


def test_a_crash_loses_no_nonce(clock: Clock, path: Path) -> None:
    """The process ends without a word, and what it gave is below what comes then."""
    script = (
        "import os, sys\n"
        "from networkpype.signing.nonces import Nonces\n"
        f"nonces = Nonces('ms', lambda: {NOW}, high_water=sys.argv[1])\n"
        "for _ in range(30_000): last = nonces()\n"
        "os.write(1, str(last).encode())\n"
        "os._exit(9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, check=False, timeout=60
    )
    assert run.returncode == 9, run.stderr.decode()
    clock.seconds -= HOUR
    nonces = Nonces("ms", clock, high_water=path)
    assert nonces() > int(run.stdout)
    nonces.close()


@given(lives=st.lists(st.tuples(st.floats(-HOUR, HOUR), st.integers(0, 30)), max_size=6))
def test_no_nonce_repeats_over_any_number_of_restarts(
    lives: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nonces") / "nonce"
    clock = Clock()
    given_out: list[int] = []
    for step, calls in lives:
        clock.seconds += step
        nonces = Nonces("s", clock, high_water=path)
        given_out += [nonces() for _ in range(calls)]
        nonces.close()
    assert is_rising(given_out)


def test_the_disk_is_written_once_in_ten_seconds(
    clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    written: list[str] = []
    replace = os.replace

    def counted(*names: Path) -> None:
        written.append(str(names[1]))
        replace(*names)

    monkeypatch.setattr(os, "replace", counted)
    for _ in range(100):
        clock.seconds += 0.5
        nonces()
    nonces.close()
    assert written == [str(path)] * 5


def test_a_disk_that_takes_two_bytes_at_a_time_gets_all(
    clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data)[:2]) or 0

    write = os.write
    # Whichever of the two it writes with.
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:2]))
    monkeypatch.setattr(
        high_water, "open", lambda fd, mode: io.BufferedWriter(Slow(fd, mode)), raising=False
    )
    nonces = Nonces("ms", clock, high_water=path)
    given_out = nonces()
    nonces.close()
    unit, mark = path.read_text().split(" ")
    assert unit == "ms"
    assert mark.endswith("\n")
    assert int(mark) >= given_out
    again = Nonces("ms", clock, high_water=path)
    assert again() > given_out
    again.close()


def test_it_is_on_disk_before_it_is_given(clock: Clock, path: Path) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    for step in (0, 1, 9, 20, 3600):
        clock.seconds += step
        nonce = nonces()
        unit, mark = path.read_text().split()
        assert (unit, int(mark) >= nonce) == ("ms", True)
        assert int(mark) <= nonce + 10_000
    nonces.close()


def test_the_file_is_for_the_user_alone(clock: Clock, path: Path) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    nonces()
    nonces.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_two_may_not_use_one_file(clock: Clock, path: Path) -> None:
    first = Nonces("ms", clock, high_water=path)
    with pytest.raises(ConfigurationError, match="in use by other Nonces; share those"):
        Nonces("ms", clock, high_water=path)
    first.close()
    Nonces("ms", clock, high_water=str(path)).close()


def test_another_process_may_not_either(clock: Clock, path: Path) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    script = (
        "import sys, time\n"
        "from networkpype.signing.nonces import Nonces\n"
        "Nonces('ms', time.time, high_water=sys.argv[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, check=False, timeout=60
    )
    nonces.close()
    assert run.returncode == 1
    assert b"in use by other Nonces" in run.stderr


def test_one_that_is_dropped_lets_go_of_the_file(clock: Clock, path: Path) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    nonces()
    del nonces
    gc.collect()
    Nonces("ms", clock, high_water=path).close()


@pytest.mark.parametrize(
    "content",
    [b"", b"1700000000123\n", b"ms 17000", b"ms -1\n", b"ms x\n", b"\0" * 20, b"ms 1\nms 2\n"],
)
def test_a_damaged_file_is_an_error_and_stays_as_it_is(
    content: bytes, clock: Clock, path: Path
) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"is damaged; .* with N above the last"):
        Nonces("ms", clock, high_water=path)
    assert path.read_bytes() == content
    path.write_text("ms 1800000000000\n")  # the lock was let go
    repaired = Nonces("ms", clock, high_water=path)
    assert repaired() == 1_800_000_000_001
    repaired.close()


def test_a_file_of_another_unit_is_an_error(clock: Clock, path: Path) -> None:
    Nonces("us", clock, high_water=path).close()
    with pytest.raises(ConfigurationError, match="counts in us, and these nonces in ms"):
        Nonces("ms", clock, high_water=path)


def test_a_place_that_cannot_be_written_is_told_at_once(clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be locked: No such file or directory"):
        Nonces("ms", clock, high_water=tmp_path / "nowhere" / "nonce")


def test_a_full_disk_gives_no_nonce_and_loses_none(
    clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    last = nonces()
    clock.seconds += 60

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(ConfigurationError, match="No space left on device; no nonce is given"):
            nonces()
    assert nonces() == 1_700_000_060_123 > last
    nonces.close()


def test_a_closed_one_gives_none(clock: Clock, path: Path) -> None:
    nonces = Nonces("ms", clock, high_water=path)
    nonces()
    nonces.close()
    nonces.close()
    with pytest.raises(ConfigurationError, match="was closed"):
        nonces()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_a_clock_that_tells_no_time(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="the clock says"):
        Nonces("ms", lambda: seconds)()


def test_an_unknown_unit_names_the_known_ones(clock: Callable[[], float]) -> None:
    with pytest.raises(ConfigurationError, match='pass one of "s", "ms", "us", "ns"'):
        Nonces("minutes", clock)  # type: ignore[arg-type]


def test_a_file_has_one_lock_by_whatever_name(tmp_path: Path, clock: Clock, path: Path) -> None:
    Nonces("ms", clock, high_water=path).close()
    link = tmp_path / "link"
    link.symlink_to(path)
    nonces = Nonces("ms", clock, high_water=link)
    with pytest.raises(ConfigurationError, match="is in use"):
        Nonces("ms", clock, high_water=path)
    given = nonces()
    nonces.close()
    assert Nonces("ms", clock, high_water=path)() > given


def test_the_file_stays_where_it_was_when_the_directory_changes(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nonces = Nonces("ms", clock, high_water="nonce")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    last = nonces()
    clock.seconds += 3600
    last = nonces()
    nonces.close()
    clock.seconds -= 3600
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert Nonces("ms", clock, high_water=tmp_path / "nonce")() > last


@pytest.mark.parametrize("name", ["~no-such-user-here/nonce", "a\0b"])
def test_a_name_that_is_none_is_told(clock: Clock, name: str) -> None:
    with pytest.raises(ConfigurationError, match="high_water names no file"):
        Nonces("ms", clock, high_water=name)
