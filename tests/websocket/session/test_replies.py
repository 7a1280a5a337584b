"""Which answer belongs to which request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype.errors import ConfigurationError, WebSocketClosedError
from networkpype.websocket.session.events import SessionMessage
from networkpype.websocket.session.replies import Replies


def message(data: Any) -> SessionMessage:
    return SessionMessage(data, 1)


async def test_each_reply_goes_to_the_request_with_its_id_in_any_order() -> None:
    replies = Replies("id")
    first, second = replies.expect(1), replies.expect("b")
    answers = [message({"id": "b"}), message({"id": "1"})]  # text or number
    assert all(replies.take(answer, 0.0) for answer in answers)
    assert (await second, await first) == (answers[0], answers[1])
    assert not replies.waiting


@pytest.mark.parametrize("data", [{"id": 2}, {"id": None}, {}, [1], "1", None, {"id": [1]}])
async def test_what_answers_nothing_is_the_consumers(data: Any) -> None:
    replies = Replies("id")
    waiting = replies.expect(1)
    assert replies.take(message(data), 0.0) is False
    assert not waiting.done()


async def test_a_function_may_find_the_id() -> None:
    replies = Replies(lambda data: data["header"]["req"] if "header" in data else None)
    waiting = replies.expect(7)
    assert not replies.take(message({"req": 7}), 0.0)
    assert replies.take(message({"header": {"req": 7}}), 0.0)
    assert (await waiting).data == {"header": {"req": 7}}


async def test_an_id_that_waits_is_refused() -> None:
    replies = Replies("id")
    replies.expect(1)
    with pytest.raises(ConfigurationError, match="waits for its reply already; nothing was sent"):
        replies.expect("1")
    replies.take(message({"id": 1}), 0.0)
    replies.expect(1)  # answered, so it is free


async def test_a_second_reply_is_the_consumers() -> None:
    replies = Replies("id")
    replies.expect(1)
    assert replies.take(message({"id": 1}), 0.0)
    assert not replies.take(message({"id": 1}), 0.0)


async def test_a_reply_that_comes_late_is_not_mixed_into_the_data() -> None:
    replies = Replies("id")
    gone = replies.expect(1)
    replies.forget(1, gone, was_sent=True, now=0.0)
    assert not replies.is_awaited  # a rollover does not wait for it
    assert replies.take(message({"id": 1}), 0.0)
    assert not replies.waiting


async def test_what_was_never_sent_has_no_reply() -> None:
    replies = Replies("id")
    gone = replies.expect(1)
    replies.forget(1, gone, was_sent=False, now=0.0)
    assert not replies.waiting
    assert not replies.take(message({"id": 1}), 0.0)


async def test_an_id_may_be_used_again_after_it_was_given_up() -> None:
    replies = Replies("id")
    gone = replies.expect(1)
    replies.forget(1, gone, was_sent=True, now=0.0)
    again = replies.expect(1)
    assert replies.is_awaited
    assert replies.take(message({"id": 1}), 0.0)
    assert again.done()


async def test_requests_that_were_given_up_are_not_remembered_for_ever() -> None:
    replies = Replies("id")
    stays = replies.expect("stays")
    for n in range(5000):
        replies.forget(n, replies.expect(n), was_sent=True, now=float(n))
    assert len(replies.waiting) < 1000
    assert replies.take(message({"id": "stays"}), 0.0)
    assert stays.done()


async def test_a_drop_fails_each_once_with_an_error_of_its_own() -> None:
    replies = Replies("id")
    waiting = [replies.expect(n) for n in range(3)]
    gone = replies.expect("gone")
    gone.cancel()
    replies.fail(lambda: WebSocketClosedError("down", code=1006))
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, WebSocketClosedError) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert not replies.waiting
    assert not replies.take(message({"id": 0}), 0.0)
    replies.fail(lambda: WebSocketClosedError("down", code=1006))  # and nobody is left to fail


async def test_whoever_gives_up_takes_no_other_request_with_him() -> None:
    replies = Replies("id")
    first = replies.expect(7)
    first.cancel()
    second = replies.expect(7)  # before the first one's task has seen its cancellation
    replies.forget(7, first, was_sent=True, now=0.0)
    assert not second.done()
    assert replies.take(message({"id": 7}), 0.0)
    assert second.done()


async def test_after_a_minute_no_message_is_looked_into_for_a_reply_that_never_came() -> None:
    replies = Replies("id")
    replies.forget(1, replies.expect(1), was_sent=True, now=100.0)
    replies.forget(2, replies.expect(2), was_sent=True, now=130.0)
    stays = replies.expect(3)
    assert not replies.take(message({"n": 1}), 159.9)
    assert set(replies.waiting) == {"1", "2", "3"}
    assert not replies.take(message({"n": 2}), 200.0)
    assert set(replies.waiting) == {"3"}
    assert not stays.done()


async def test_an_id_that_is_used_again_is_not_forgotten_with_its_first_use() -> None:
    replies = Replies("id")
    replies.forget(1, replies.expect(1), was_sent=True, now=0.0)
    again = replies.expect(1)
    assert not replies.take(message({}), 1000.0)
    assert replies.take(message({"id": 1}), 1000.0)
    assert again.done()
