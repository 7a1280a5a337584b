"""Two connections side by side: which of their frames are one message."""

from __future__ import annotations

import random
import tracemalloc

from networkpype.websocket.session.overlap import Overlap


def test_the_second_of_a_pair_is_the_duplicate_whichever_comes_first() -> None:
    overlap = Overlap()
    told = [
        overlap.is_second(epoch, raw) for epoch, raw in [(1, "a"), (2, "a"), (2, "b"), (1, "b")]
    ]
    assert told == [False, True, False, True]


def test_what_one_connection_sends_twice_is_two_messages() -> None:
    overlap = Overlap()
    assert not overlap.is_second(1, "pong")
    assert not overlap.is_second(1, "pong")
    assert overlap.is_second(2, "pong")
    assert overlap.is_second(2, "pong")
    assert not overlap.is_second(2, "pong")


def test_text_and_bytes_are_different_frames() -> None:
    overlap = Overlap()
    assert not overlap.is_second(1, "a")
    assert not overlap.is_second(2, b"a")


def test_of_two_copies_in_any_order_exactly_one_is_a_duplicate() -> None:
    frames = [(epoch, str(n)) for n in range(300) for epoch in (1, 2)]
    random.Random(4).shuffle(frames)
    overlap = Overlap()
    first = [raw for epoch, raw in frames if not overlap.is_second(epoch, raw)]
    assert sorted(first, key=int) == [str(n) for n in range(300)]


def test_a_dial_that_takes_long_does_not_fill_the_memory() -> None:
    overlap = Overlap(most=10)
    for n in range(1000):
        overlap.is_second(1, str(n))
    assert sum(len(alone) for alone in overlap._alone.values()) == 10
    assert overlap.is_second(2, "999")
    assert not overlap.is_second(2, "5")  # forgotten: shown twice rather than not at all


def test_what_found_its_pair_is_forgotten() -> None:
    overlap = Overlap()
    for n in range(100):
        overlap.is_second(1, str(n))
        overlap.is_second(2, str(n))
    assert not any(overlap._alone.values())


def test_long_frames_take_no_more_memory_than_short_ones() -> None:
    overlap = Overlap()
    tracemalloc.start()
    try:
        for n in range(2000):
            overlap.is_second(1, f"{n}" + "x" * 10_000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_000_000
    assert overlap.is_second(2, "1999" + "x" * 10_000)
