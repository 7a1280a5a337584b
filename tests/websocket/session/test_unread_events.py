"""Nobody reads while connections come and go: what is told stays bounded, and is told."""

from __future__ import annotations

from typing import Any

from networkpype.websocket.session.buffer import Buffer, SessionQueue
from networkpype.websocket.session.events import (
    Connected,
    Disconnected,
    Gap,
    Ready,
    SessionEvent,
    SubscribeFailed,
)


def taken(queue: SessionQueue) -> list[Any]:
    """Return all that waits: an event itself, a raw frame with its epoch."""
    items: list[Any] = []
    while (item := queue.pop()) is not None:
        items.append((item, queue.epoch) if isinstance(item, str) else item)
    return items


def story(epoch: int) -> list[SessionEvent]:
    """Return what a connection tells that came and went."""
    return [
        Connected(epoch, "wss://host"),
        Ready(epoch),
        Disconnected(epoch, 1006, "lost"),
        Gap(epoch, "lost"),
    ]


def test_connections_that_come_and_go_unread_do_not_fill_the_memory() -> None:
    queue = SessionQueue(Buffer(5))
    queue.put_raw("a", 1)
    most = 0
    for epoch in range(1, 5000):
        for event in story(epoch):
            queue.put_event(event)
            most = max(most, len(queue))
    assert most < 2000
    queue.put_event(Connected(5000, "wss://host"))
    told = taken(queue)
    assert told[0] == ("a", 1)
    assert told[-5:] == [*story(4999), Connected(5000, "wss://host")]
    assert isinstance(told[1], Connected)  # what is folded keeps its order
    assert [event.epoch for event in told[1:]] == sorted(event.epoch for event in told[1:])


def test_an_end_and_its_gap_are_told_however_much_follows() -> None:
    queue = SessionQueue(Buffer(5))
    for event in story(1):
        queue.put_event(event)
    for _ in range(5000):
        queue.put_event(Ready(2))
    told = taken(queue)
    assert told[:3] == [Connected(1, "wss://host"), *story(1)[2:]]
    assert len(told) < 2000


def test_each_subscription_that_failed_is_told_of() -> None:
    queue = SessionQueue(Buffer(5))
    for _ in range(2):
        for key in range(3000):
            queue.put_event(SubscribeFailed(1, key, "no", definite=True))
    assert {event.key for event in taken(queue)} == set(range(3000))


def test_new_keys_without_end_do_not_fill_the_memory_either() -> None:
    queue = SessionQueue(Buffer(5))
    queue.put_event(Gap(1, "down"))
    for key in range(50_000):
        queue.put_event(SubscribeFailed(1, key, "no", definite=True))
    assert len(queue) < 25_000
    told = taken(queue)
    assert told[0] == Gap(1, "down")
    assert told[-1].key == 49_999


def test_what_was_read_meanwhile_is_not_missed() -> None:
    queue = SessionQueue(Buffer(5))
    for epoch in range(1, 300):
        for event in story(epoch):
            queue.put_event(event)
        assert isinstance(queue.pop(), SessionEvent)
    assert taken(queue)[-1] == Gap(299, "lost")


def test_where_messages_are_dropped_among_the_events_their_number_holds() -> None:
    queue = SessionQueue(Buffer(3, "drop oldest"))
    for epoch in range(1, 3000):
        for event in story(epoch):
            queue.put_event(event)
        queue.put_raw(str(epoch), epoch)
    assert len(queue) < 3000
    told = taken(queue)
    raws = [each for each in told if isinstance(each, tuple)]
    assert raws == [(str(epoch), epoch) for epoch in range(3000 - len(raws), 3000)]
    lost = [each for each in told if isinstance(each, Gap) and each.lost is not None]
    assert sum(each.lost or 0 for each in lost) == queue.dropped == 2999 - len(raws)
