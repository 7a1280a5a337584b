"""The pulse decides on times that it is told; no test here waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.websocket.heartbeat import Pulse, Verdict

WAIT, PING, DEAD, IDLE = Verdict.WAIT, Verdict.PING, Verdict.DEAD, Verdict.IDLE
INTERVAL, PONG = 10.0, 5.0


def new_pulse(
    ping: float | None = INTERVAL, pong: float | None = PONG, message: float | None = None
) -> Pulse:
    return Pulse(0.0, ping_interval_s=ping, pong_timeout_s=pong, message_timeout_s=message)


@pytest.fixture
def pulse() -> Pulse:
    return new_pulse()


def test_a_ping_is_due_after_the_interval_of_silence(pulse: Pulse) -> None:
    assert pulse.poll(0) == (WAIT, 10)
    assert pulse.poll(9.99) == (WAIT, 10)
    pulse.frame_at = 4
    assert pulse.poll(10) == (WAIT, 14), "any frame puts it off"
    assert pulse.poll(14)[0] is PING


def test_a_waiting_reader_finds_the_peer_dead_when_no_pong_comes(pulse: Pulse) -> None:
    pulse.waiting_since = 0
    assert pulse.poll(10) == (PING, 15)
    assert pulse.poll(14.99) == (WAIT, 15)
    assert pulse.poll(15) == (DEAD, None)


@pytest.mark.parametrize("seen_at", [10, 12, 14.99])
def test_any_frame_after_the_ping_is_as_good_as_a_pong(pulse: Pulse, seen_at: float) -> None:
    pulse.waiting_since = 0
    pulse.poll(10)
    pulse.frame_at = seen_at
    assert pulse.poll(15) == (WAIT, seen_at + 10)


def test_while_nobody_reads_pings_go_out_and_nobody_dies(pulse: Pulse) -> None:
    asked, pings = 0.0, 0
    while asked < 1000:
        verdict, next_at = pulse.poll(asked)
        assert verdict in (WAIT, PING)
        pings += verdict is PING
        assert next_at is not None
        asked = next_at
    assert pings == 99


def test_a_reader_who_comes_late_gives_the_peer_the_whole_time(pulse: Pulse) -> None:
    pulse.poll(10)
    pulse.waiting_since = 100
    assert pulse.poll(104.99) == (WAIT, 105)
    assert pulse.poll(105) == (DEAD, None)


def test_waits_that_were_cut_short_add_up(pulse: Pulse) -> None:
    pulse.waiting_since = 0
    pulse.poll(10)
    for start in (10, 12, 14):  # a caller with asyncio.timeout(2) around each receive
        pulse.give_up(start)
        pulse.waiting_since = start
    assert pulse.poll(14.99)[0] is WAIT
    assert pulse.poll(15)[0] is DEAD


def test_a_frame_forgets_the_waits_before_it(pulse: Pulse) -> None:
    pulse.waiting_since = 0
    pulse.poll(10)
    pulse.give_up(14)
    pulse.frame_at = 14.5
    pulse.waiting_since = 14.5
    assert pulse.poll(24.5) == (PING, 29.5)


def test_only_waiting_counts_not_the_pauses_between(pulse: Pulse) -> None:
    pulse.poll(10)
    for start in (20, 40, 60, 80):
        pulse.waiting_since = start
        assert pulse.poll(start)[0] is not DEAD
        pulse.give_up(start + 1)
    pulse.waiting_since = 200
    assert pulse.poll(200.9)[0] is WAIT
    assert pulse.poll(201)[0] is DEAD


@pytest.mark.parametrize(
    ("waiting_since", "now", "verdict"),
    [
        (None, 1000, WAIT),
        (7, 9.99, WAIT),
        (7, 10, IDLE),
        (7, 50, IDLE),
    ],
)
def test_a_message_is_awaited_from_when_the_reader_began(
    waiting_since: float | None, now: float, verdict: Verdict
) -> None:
    pulse = new_pulse(ping=None, pong=None, message=3)
    pulse.waiting_since = waiting_since
    assert pulse.poll(now)[0] is verdict
    assert pulse.stands(IDLE, now) is (verdict is IDLE)


def test_pings_and_pongs_are_no_messages() -> None:
    pulse = new_pulse(message=12)
    pulse.waiting_since = 0
    assert pulse.poll(10) == (PING, 12)
    pulse.frame_at = 11
    assert pulse.poll(12) == (IDLE, None)


def test_a_reader_is_seen_before_his_deadline_whenever_he_begins() -> None:
    pulse = new_pulse(ping=None, pong=None, message=3)
    assert pulse.poll(100) == (WAIT, 103)
    pulse.waiting_since = 100.001
    assert pulse.poll(103) == (WAIT, 103.001)


def test_a_ping_and_a_message_timeout_that_are_due_at_once_both_come() -> None:
    pulse = new_pulse(message=10)
    pulse.waiting_since = 0
    verdict, next_at = pulse.poll(10)
    assert (verdict, next_at) == (PING, 10)
    assert pulse.poll(10) == (IDLE, None)


def test_death_is_told_before_a_missing_message() -> None:
    pulse = new_pulse(message=15)
    pulse.waiting_since = 0
    pulse.poll(10)
    assert pulse.poll(15) == (DEAD, None)


@pytest.mark.parametrize("ping", [None, INTERVAL])
@pytest.mark.parametrize("message", [None, 3.0])
def test_none_switches_each_off(ping: float | None, message: float | None) -> None:
    pulse = new_pulse(ping=ping, message=message)
    pulse.waiting_since = 0
    verdicts = {pulse.poll(now)[0] for now in range(100)}
    assert (PING in verdicts, IDLE in verdicts) == (ping is not None, message is not None)
    if ping is None and message is None:
        assert pulse.poll(1000) == (WAIT, None)


def test_a_verdict_stands_until_a_frame_comes_or_the_reader_goes(pulse: Pulse) -> None:
    pulse.waiting_since = 0
    pulse.poll(10)
    assert not pulse.stands(DEAD, 14.99)
    assert pulse.stands(DEAD, 15)
    pulse.waiting_since = None
    assert not pulse.stands(DEAD, 15)
    pulse.waiting_since = 0
    pulse.frame_at = 15
    assert not pulse.stands(DEAD, 15)


@dataclass
class Simulation:
    """Ask the pulse when it wants to be asked, while a reader comes and goes."""

    pulse: Pulse
    pong_after: float | None
    now: float = 0.0
    reading_s: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)
    died_at: float | None = None
    _arrives: float | None = None

    def spend(self, seconds: float, *, reading: bool) -> None:
        end = self.now + seconds
        if reading:
            self.pulse.waiting_since = self.now
        while True:
            self._read(reading)
            verdict, next_at = self.pulse.poll(self.now)
            self.verdicts.append(verdict)
            if verdict is DEAD:
                self.died_at = self.now
                return
            if verdict is PING and self.pong_after is not None and self._arrives is None:
                self._arrives = self.now + self.pong_after
            assert next_at is not None
            assert next_at > self.now, "the timer would spin"
            later = [at for at in (next_at, self._arrives, end) if at is not None and at > self.now]
            self.now = min(later)
            if self.now >= end:
                break
        self._read(reading)
        if reading:
            self.reading_s += seconds
            self.pulse.give_up(self.now)

    def _read(self, reading: bool) -> None:
        if reading and self._arrives is not None and self._arrives <= self.now:
            self.pulse.frame_at = self.now
            self._arrives = None


PIECES = st.lists(st.tuples(st.floats(0.01, 60), st.booleans()), min_size=1, max_size=40)


@given(pieces=PIECES, latency=st.floats(0, PONG * 0.99))
def test_a_peer_that_answers_never_dies_however_the_consumer_dawdles(
    pieces: list[tuple[float, bool]], latency: float
) -> None:
    simulation = Simulation(new_pulse(), pong_after=latency)
    for seconds, reading in pieces:
        simulation.spend(seconds, reading=reading)
        assert DEAD not in simulation.verdicts


@given(pieces=st.lists(st.floats(0.01, 60), min_size=1, max_size=60))
def test_a_silent_peer_dies_in_time_however_often_the_reader_starts_anew(
    pieces: list[float],
) -> None:
    simulation = Simulation(new_pulse(), pong_after=None)
    for seconds in pieces:
        simulation.spend(seconds, reading=True)
        if simulation.died_at is not None:
            break
    if simulation.died_at is None:
        assert simulation.now < INTERVAL + PONG + 1e-6
    else:
        assert simulation.died_at == pytest.approx(INTERVAL + PONG)
