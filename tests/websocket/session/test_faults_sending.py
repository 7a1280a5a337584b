"""Sends that cannot be (F42), and requests in flight at a drop (F43)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from networkpype.errors import (
    ConfigurationError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RequestTimeoutError,
    WebSocketClosedError,
)
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import Disconnected, Ready
from networkpype.websocket.session.session import WebSocketSession
from tests.support.raw_websocket import TEXT, frame
from tests.support.stage import Guest, Stage, serving, staged, topics, watched


async def test_a_send_while_it_is_away_is_refused_and_never_replayed() -> None:
    """F42: NOT_SENT in each state but ready; the next connection hears nothing of it."""
    errors: list[NetworkpypeError] = []

    async def leave(guest: Guest) -> None:
        await guest.enter()
        await guest.hear()

    async def slow(guest: Guest) -> None:
        await guest.read_head()
        await try_to_send()
        guest.hang_up()

    async def unready(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await try_to_send()
        await guest.accept(data)
        await guest.serve()

    async def try_to_send() -> None:
        for sending in (seen.session.send({"op": "order"}), seen.session.request({"op": "order"})):
            with pytest.raises(NotConnectedError) as caught:
                await sending
            errors.append(caught.value)

    async with (
        Stage(leave, slow, unready) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        await seen.session.send({"op": "leave"})
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        await seen.session.send({"op": "order", "n": 2})
        await stage.until(lambda: len(stage.heard) == 4)
        assert len(errors) == 4
        assert {error.outcome for error in errors} == {Outcome.NOT_SENT}
        assert [data for _, data in stage.heard if data.get("op") == "order"] == [
            {"op": "order", "n": 2}
        ]


async def fill(session: WebSocketSession, timeout_s: float | None) -> None:
    while True:
        await session.send("x" * 1_000_000, timeout_s=timeout_s)


async def test_a_send_to_a_peer_that_does_not_read_ends_with_the_connection() -> None:
    """F42: the window is full; the wait is bounded by the heartbeat, and the outcome is UNKNOWN."""

    async def deaf(guest: Guest) -> None:
        await guest.enter()
        guest.pause_reading()
        await asyncio.Event().wait()

    async with (
        Stage(deaf, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=Heartbeat(ping_s=0.1)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        with pytest.raises(WebSocketClosedError) as caught:
            await asyncio.wait_for(fill(seen.session, None), 3)
        assert caught.value.outcome is Outcome.UNKNOWN
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert [data for by, data in stage.heard if by == 2 and isinstance(data, str)] == []


async def test_a_send_to_a_peer_that_talks_and_does_not_read_is_bounded() -> None:
    """F42: it lives, as its data shows, so the heartbeat does not help; the deadline does."""

    async def deaf(guest: Guest) -> None:
        await guest.enter()
        guest.pause_reading()
        while True:
            await guest.say({"n": 1})
            await asyncio.sleep(0.01)

    async with (
        Stage(deaf) as stage,
        watched(stage.url, subscriptions=topics("a"), heartbeat=Heartbeat(ping_s=0.1)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        with pytest.raises(RequestTimeoutError) as caught:
            await asyncio.wait_for(fill(seen.session, 0.2), 3)
        assert caught.value.outcome is Outcome.UNKNOWN
        assert not seen.of(Disconnected)


# -- F43 -------------------------------------------------------------------------------------------


async def test_requests_in_flight_at_a_drop_fail_once_as_unknown() -> None:
    """F43: a hundred at once; none is sent again on the next connection."""

    async def drop(guest: Guest) -> None:
        await guest.enter()
        for _ in range(100):
            await guest.hear()
        guest.reset()

    async with (
        Stage(drop, serving) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        results = await asyncio.gather(
            *(seen.session.request({"op": "order"}) for _ in range(100)), return_exceptions=True
        )
        assert {type(result) for result in results} == {WebSocketClosedError}
        assert len({id(result) for result in results}) == 100, "each has an error of its own"
        assert {result.outcome for result in results if isinstance(result, NetworkpypeError)} == {
            Outcome.UNKNOWN
        }
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert [by for by, data in stage.heard if data.get("op") == "order"] == [1] * 100
        assert seen.data == []


async def answering(guest: Guest) -> None:
    """Keep each request until there are ten, and answer them backwards, among data."""
    await guest.enter()
    kept: list[Any] = []
    while True:
        kept.append(await guest.hear())
        if len(kept) == 10:
            for data in reversed(kept):
                await guest.write(
                    frame(TEXT, json.dumps({"id": data["id"], "to": data["n"]})), frame(TEXT, "0")
                )
            kept.clear()


async def test_replies_find_their_requests_in_any_order() -> None:
    """F43: none is mixed into the data, and no data into them."""
    async with Stage(answering) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: seen.of(Ready))
        replies = await asyncio.gather(*(seen.session.request({"n": n}) for n in range(50)))
        assert [reply.data["to"] for reply in replies] == list(range(50))
        await seen.until(lambda: len(seen.data) == 50)
        assert seen.data == [0] * 50


async def test_a_reply_that_comes_too_late_is_nobodys() -> None:
    """F43: the request timed out as UNKNOWN; the consumer does not see its reply."""
    late = asyncio.Event()

    async def slow(guest: Guest) -> None:
        await guest.enter()
        data = await guest.hear()
        await late.wait()
        await guest.say({"id": data["id"]}, {"n": 1})
        await guest.serve()

    async with Stage(slow) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: seen.of(Ready))
        with pytest.raises(RequestTimeoutError) as caught:
            await seen.session.request({"op": "order"}, timeout_s=0.05)
        assert caught.value.outcome is Outcome.UNKNOWN
        late.set()
        await seen.until(lambda: seen.data)
        assert seen.data == [{"n": 1}]


async def test_an_id_that_is_waiting_is_refused() -> None:
    """F43: two answers could not be told apart; nothing is sent."""
    async with Stage() as stage, staged(stage.url) as session:
        await session.ready(2)
        first = asyncio.create_task(session.request({"op": "x", "id": 7}, timeout_s=0.1))
        await stage.until(lambda: stage.heard)
        with pytest.raises(ConfigurationError) as caught:
            await session.request({"op": "y", "id": 7})
        assert caught.value.outcome is Outcome.NOT_SENT
        with pytest.raises(RequestTimeoutError):
            await first
        again = asyncio.create_task(session.request({"op": "z", "id": 7}, timeout_s=5))
        await stage.until(lambda: len(stage.heard) == 2)
        assert [data["op"] for _, data in stage.heard] == ["x", "z"]
        await session.close()
        with pytest.raises(WebSocketClosedError):
            await again


async def test_to_give_up_one_request_leaves_the_next_with_its_id_alone() -> None:
    """F43: the first is cancelled, and the second is sent before the first has noticed."""

    async def second_only(guest: Guest) -> None:
        await guest.enter()
        await guest.hear()
        data = await guest.hear()
        await guest.say({"id": data["id"], "result": data["op"]})
        await guest.serve()

    async with Stage(second_only) as stage, staged(stage.url, subscriptions=topics("a")) as session:
        await session.ready(2)
        first = asyncio.create_task(session.request({"op": "first", "id": 7}, timeout_s=60))
        await stage.until(lambda: len(stage.heard) == 2)
        again = asyncio.create_task(session.request({"op": "again", "id": 7}, timeout_s=2))
        first.cancel()
        assert (await again).data == {"id": 7, "result": "again"}
        assert first.cancelled()
