"""Between the socket and the consumer: order, what is lost and told, and who waits for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.errors import ConfigurationError
from networkpype.websocket.session.buffer import Buffer, SessionQueue
from networkpype.websocket.session.events import Gap, MarkedMessage, Ready


def marked(data: Any, epoch: int = 1, *, key: Any = None, duplicate: bool = False) -> MarkedMessage:
    message = MarkedMessage(data, epoch)
    message.key, message.duplicate = key, duplicate
    return message


def drain(queue: SessionQueue) -> list[Any]:
    """Return all that waits: a raw frame with its epoch, a message's data, an event itself."""
    items: list[Any] = []
    while (item := queue.pop()) is not None:
        if isinstance(item, (str, bytes)):
            items.append((item, queue.epoch))
        else:
            items.append(item.data if isinstance(item, MarkedMessage) else item)
    return items


def dropping(size: int) -> SessionQueue:
    return SessionQueue(Buffer(size, "drop oldest"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": True},
        {"size": 2.5},
        {"overflow": "drop newest"},
        {"overflow": "conflate"},
        {"key": str},
    ],
)
def test_a_wrong_buffer_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Buffer(**wrong)


def test_events_and_messages_stay_in_their_order() -> None:
    queue = SessionQueue(Buffer())
    queue.put_raw("a", 1)
    queue.put_event(Ready(1))
    queue.put(marked({"b": 1}))
    queue.put_raw(b"c", 1)
    queue.put_event(Gap(1, "down"))
    assert drain(queue) == [("a", 1), Ready(1), {"b": 1}, (b"c", 1), Gap(1, "down")]
    assert queue.pop() is None


def test_each_frame_tells_the_connection_it_came_on() -> None:
    queue = SessionQueue(Buffer())
    for raw, epoch in [("a", 1), ("b", 1), ("c", 2), ("d", 1), ("e", 1), ("f", 2)]:
        queue.put_raw(raw, epoch)
    told = drain(queue)
    assert told == [("a", 1), ("b", 1), ("c", 2), ("d", 1), ("e", 1), ("f", 2)]


def test_epochs_hold_where_the_frames_of_one_were_dropped() -> None:
    queue = dropping(2)
    for raw, epoch in [("a", 1), ("b", 2), ("c", 3)]:
        queue.put_raw(raw, epoch)
    assert [item for item in drain(queue) if not isinstance(item, Gap)][-1] == ("c", 3)


@pytest.mark.parametrize("overflow", ["block", "fail"])
def test_no_message_is_dropped_where_that_is_not_the_policy(overflow: Any) -> None:
    queue = SessionQueue(Buffer(2, overflow))
    queue.put(marked(1))
    queue.put(marked(2))
    assert queue.put(marked(3)) is False
    assert queue.put_raw("3", 1) is False
    queue.put_event(Ready(1))  # an event always finds a place
    assert drain(queue) == [1, 2, Ready(1)]
    assert queue.dropped == 0


def test_what_is_dropped_is_told_in_its_place() -> None:
    queue = dropping(3)
    for n in range(5):
        queue.put(marked(n, 4))
    assert queue.dropped == 2
    assert drain(queue) == [Gap(4, "the buffer was full", 2), 2, 3, 4]


def test_drops_on_both_sides_of_an_event_are_told_on_both() -> None:
    queue = dropping(3)
    queue.put(marked("a", 1))
    queue.put_event(Ready(2))
    queue.put(marked("b", 2))
    for n in range(3):
        queue.put(marked(n, 2))
    told = drain(queue)
    first, event, second = told[:3]
    assert (first.lost, first.epoch, event) == (1, 1, Ready(2))
    assert (second.lost, second.epoch) == (queue.dropped - 1, 2)
    assert told[3:] == [0, 1, 2][queue.dropped - 2 :]


def test_a_consumer_that_reads_a_gap_learns_of_the_next_one_apart() -> None:
    queue = dropping(1)
    queue.put(marked("a"))
    queue.put(marked("b"))
    assert queue.pop() == Gap(1, "the buffer was full", 1)
    queue.put(marked("c"))
    assert drain(queue) == [Gap(1, "the buffer was full", 1), "c"]


steps = st.lists(
    st.sampled_from(
        ["raw", "raw", "raw", "message", "event", "take", "put back", "other connection"]
    ),
    max_size=60,
)


@given(steps, st.integers(1, 6))
def test_nothing_is_lost_that_is_not_told_of(steps: list[str], size: int) -> None:
    queue, sent, taken = dropping(size), 0, []
    epoch = 1
    for step in steps:
        if step == "take":
            item = queue.pop()
            taken += [] if item is None else [item]
        elif step == "put back":
            if taken and not isinstance(taken[-1], str):  # a raw frame is decoded by then
                queue.items.appendleft(taken.pop())
        elif step == "event":
            queue.put_event(Ready(epoch))
        elif step == "other connection":
            epoch = 3 - epoch
        else:
            if step == "raw":
                assert queue.put_raw(str(sent), epoch)
            else:
                assert queue.put(marked(str(sent), epoch))
            sent += 1
    while (item := queue.pop()) is not None:
        taken.append(item)
    expected = 0
    for item in taken:
        if isinstance(item, Gap):
            expected += item.lost or 0
        elif not isinstance(item, Ready):
            found = item.data if isinstance(item, MarkedMessage) else item
            assert found == str(expected)  # each gap is exactly as long as it says, where it says
            expected += 1
    assert expected == sent
    assert queue.dropped == sum(item.lost or 0 for item in taken if isinstance(item, Gap))


def test_to_drop_one_is_no_more_work_where_events_stand_before_it() -> None:
    class Counted(Ready):
        looks = 0

        @property  # type: ignore[misc]
        def __class__(self) -> Any:  # what isinstance asks a proxy
            Counted.looks += 1
            return Ready

    queue = dropping(1500)
    for _ in range(500):
        queue.put_event(Counted(1))
    for n in range(3000):
        queue.put_raw(str(n), 1)
    assert Counted.looks < 5000
    told = drain(queue)
    assert len([each for each in told if isinstance(each, Ready)]) == 500
    assert told[500] == Gap(1, "the buffer was full", queue.dropped)
    assert queue.dropped + len(told) - 501 == 3000


# -- conflation ------------------------------------------------------------------------------------


def conflating(size: int = 10) -> SessionQueue:
    return SessionQueue(Buffer(size, "conflate", key=lambda data: data))


def test_a_newer_one_takes_the_place_of_the_last_with_its_key() -> None:
    queue = conflating()
    for data, key in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a")]:
        queue.put(marked(data, key=key))
    first = queue.pop()
    assert isinstance(first, MarkedMessage)
    assert (first.data, first.replaced) == ("a3", 2)
    assert drain(queue) == ["b1"]
    assert (queue.conflated, queue.dropped) == (2, 0)


def test_what_was_taken_is_not_replaced() -> None:
    queue = conflating()
    queue.put(marked("a1", key="a"))
    taken = queue.pop()
    queue.put(marked("a2", key="a"))
    assert isinstance(taken, MarkedMessage)
    assert taken.data == "a1"
    assert drain(queue) == ["a2"]


def test_nothing_is_moved_before_an_event() -> None:
    queue = conflating()
    queue.put(marked("a1", key="a"))
    queue.put_event(Gap(1, "down"))
    queue.put(marked("a2", 2, key="a"))
    assert drain(queue) == ["a1", Gap(1, "down"), "a2"]


def test_without_a_key_each_is_kept() -> None:
    queue = conflating()
    queue.put(marked("a"))
    queue.put(marked("b"))
    assert drain(queue) == ["a", "b"]


def test_a_duplicate_does_not_hide_the_message_it_is_one_of() -> None:
    queue = conflating()
    queue.put(marked("a1", 1, key="a"))
    queue.put(marked("a2", 1, key="a"))
    queue.put(marked("a1", 2, key="a", duplicate=True))  # the other connection is a little late
    only = queue.pop()
    assert isinstance(only, MarkedMessage)
    assert (only.data, only.epoch, only.duplicate) == ("a2", 1, False)


def test_a_duplicate_of_what_was_taken_is_older_than_what_was_taken() -> None:
    queue = conflating()
    queue.put(marked("a1", 1, key="a"))
    queue.put(marked("a2", 1, key="a"))
    assert drain(queue) == ["a2"]
    assert queue.put(marked("a1", 2, key="a", duplicate=True))
    assert drain(queue) == []


def test_new_data_is_no_duplicate_whatever_came_before() -> None:
    queue = conflating()
    queue.put(marked("a1", 1, key="a"))
    queue.pop()
    queue.put(marked("a1", 2, key="a", duplicate=True))
    queue.put(marked("a2", 1, key="a"))
    only = queue.pop()
    assert isinstance(only, MarkedMessage)
    assert (only.data, only.duplicate, only.replaced) == ("a2", False, 0)
    assert queue.pop() is None


def test_a_newer_one_brings_its_own_epoch() -> None:
    queue = conflating()
    queue.put(marked("a1", 1, key="a"))
    queue.put(marked("a2", 2, key="a"))
    only = queue.pop()
    assert isinstance(only, MarkedMessage)
    assert (only.data, only.epoch) == ("a2", 2)


def test_where_too_many_keys_wait_the_oldest_goes_with_all_it_replaced() -> None:
    queue = conflating(2)
    for data, key in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c"), ("a3", "a")]:
        queue.put(marked(data, key=key))
    told = drain(queue)
    assert told[0] == Gap(1, "the buffer was full", 3)  # a2 with a1, and b1
    assert told[1:] == ["c1", "a3"]


# -- who waits -------------------------------------------------------------------------------------


async def test_the_consumer_is_woken_by_anything() -> None:
    queue = SessionQueue(Buffer())
    for put in (
        lambda: queue.put_raw("a", 1),
        lambda: queue.put(marked("b")),
        lambda: queue.put_event(Ready(1)),
        queue.wake,
    ):
        waiting = asyncio.create_task(queue.arrival())
        await asyncio.sleep(0)
        assert not waiting.done()
        put()
        await waiting
        assert queue.waiter is None


async def test_a_reader_waits_until_a_quarter_is_free() -> None:
    queue = SessionQueue(Buffer(8))
    for n in range(8):
        queue.put(marked(n))
    waiting = [asyncio.create_task(queue.until_room()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.pop()
    queue.make_way()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)  # one place is not worth a switch of tasks
    queue.pop()
    queue.make_way()
    await asyncio.gather(*waiting)
    assert queue.room is None


async def test_one_reader_that_is_cancelled_leaves_the_other_waiting() -> None:
    queue = SessionQueue(Buffer(1))
    queue.put(marked(1))
    gone, stays = (asyncio.create_task(queue.until_room()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert not stays.done()
    queue.pop()
    queue.make_way()
    await stays


async def test_with_room_nobody_waits() -> None:
    queue = SessionQueue(Buffer(4))
    queue.put(marked(1))
    await asyncio.wait_for(queue.until_room(), 1)
    assert queue.room is None
