"""What a review found about the limits of sockets: turns, outcomes, and what cannot be ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit
from networkpype.errors import (
    ConfigurationError,
    NotConnectedError,
    Outcome,
    RequestTimeoutError,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import MockVenue
from networkpype.throttler.kinds import Priority
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.request import WebSocketJSONRequest
from networkpype.websocket.session.events import Ready, SessionMessage
from tests.support.stage import Guest, Stage, serving, topics, watched
from tests.websocket.session.test_sharded import answering, of
from tests.websocket.session.test_sharded import watched as watched_shards


async def test_disconnecting_while_a_login_waits_for_its_turn_dials_nothing() -> None:
    throttler = AsyncThrottler([RateLimit("dials", 1, 0.1)], safety_margin_pct=0)
    async with MockVenue("okx") as venue:
        auth = exchange_auth(exchange("okx").at(venue.url, venue.ws_url), venue.credentials)
        async with ConnectionManagersFactory(throttler, auth) as factory:
            first, second = [await factory.get_ws_manager(dial_limit_id="dials") for _ in range(2)]
            await first.login()
            login = asyncio.create_task(second.login())
            await asyncio.sleep(0.02)
            await second.disconnect()
            with pytest.raises(NotConnectedError, match="turn") as failed:
                await login
            assert failed.value.outcome is Outcome.NOT_SENT
            assert not second.connected
            await second.login()  # it may still be used
            assert second.connected
            await first.disconnect()
            await second.disconnect()


@pytest.mark.parametrize("awaits_reply", [False, True])
async def test_what_others_kept_from_its_turn_was_not_sent(awaits_reply: bool) -> None:
    """The forecast left room in time; what came later and went first took it."""
    async with (
        Stage(serving) as stage,
        watched(stage.url, message_limit=RateLimit("messages", 1, 0.25)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        session = seen.session
        await session.send({"n": "first"})
        send = session.request if awaits_reply else session.send
        sending = asyncio.create_task(send({"n": "mine"}, timeout_s=0.7))
        await asyncio.sleep(0)
        link: Any = session._supervisor.current
        others = [
            asyncio.create_task(
                link._manager.send(WebSocketJSONRequest({"n": n}), priority=Priority.CANCEL)
            )
            for n in range(3)
        ]
        with pytest.raises(RequestTimeoutError) as failed:
            await sending
        assert failed.value.outcome is Outcome.NOT_SENT
        await asyncio.gather(*others)
        await stage.until(lambda: len(stage.heard) == 4)
        assert [data["n"] for _, data in stage.heard] == ["first", 0, 1, 2]


class NoWayBack(MethodSubscribe):
    def unsubscribe(self, channels: Any, id: int) -> Any:
        return None


async def test_what_is_delivered_still_needs_no_other_place() -> None:
    a, b = topics("a", "b", dialect=NoWayBack())
    async with (
        Stage(answering) as stage,
        watched(stage.url, subscriptions=[a], max_subscriptions=1) as seen,
    ):
        session = seen.session
        await session.ready(5)
        session.remove(a)
        await session.ready(5)
        with pytest.raises(ConfigurationError):
            session.add(b)
        session.add(a)
        await session.ready(5)
        assert session.subscriptions == (a,)
        assert stage.subscribes(1) == ["a"]


async def test_what_a_shard_delivers_still_is_not_asked_for_on_another() -> None:
    """Each of its messages would come twice."""
    a, b = topics("a", "b", dialect=NoWayBack())
    async with Stage(answering) as stage, watched_shards(stage.url, 1, subscriptions=[a]) as seen:
        session = of(seen)
        await session.ready(5)
        session.remove(a)
        await session.ready(5)
        session.add(b)  # there is no room for it on the first
        session.add(a)
        await session.ready(5)
        assert (session.subscriptions_of(1), session.subscriptions_of(2)) == ((a,), (b,))
        assert [stage.subscribes(number) for number in (1, 2)] == [["a"], ["b"]]
        await seen.until(lambda: len(seen.of(SessionMessage)) == 2)


async def test_who_waits_for_a_turn_does_not_wait_for_a_peer_that_never_closes() -> None:
    async def deaf(guest: Guest) -> None:
        await guest.upgrade()
        await asyncio.Event().wait()

    async with Stage(deaf) as stage, ConnectionManagersFactory(AsyncThrottler([])) as factory:
        manager = await factory.get_ws_manager(message_limit=RateLimit("messages", 1, 3600))
        await manager.connect(stage.url, close_timeout_s=0.5)
        await manager.send(WebSocketJSONRequest({"n": 1}))
        sending = asyncio.create_task(manager.send(WebSocketJSONRequest({"n": 2})))
        await asyncio.sleep(0)
        closing = asyncio.create_task(manager.disconnect())
        with pytest.raises(NotConnectedError):
            await sending
        assert not closing.done()
        await closing


async def test_what_is_asked_for_keeps_its_place_until_it_is_ended() -> None:
    """Removed before the exchange has answered: it must not have one too many in between."""
    held: set[str] = set()
    most = 0
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(guest: Guest) -> None:
        nonlocal most
        await guest.upgrade()
        while True:
            data = await guest.hear()
            if data["method"] == "SUBSCRIBE":
                held.update(data["params"])
                asked.set()
            else:
                held.difference_update(data["params"])
            most = max(most, len(held))
            await may_answer.wait()
            await guest.accept(data)

    a, b, c, d = topics("a", "b", "c", "d")
    async with (
        Stage(slow) as stage,
        watched(stage.url, subscriptions=[a, b], max_subscriptions=2) as seen,
    ):
        session = seen.session
        await asyncio.wait_for(asked.wait(), 5)
        session.remove(a, b)
        session.add(c, d)
        await asyncio.sleep(0.05)
        may_answer.set()
        await session.ready(5)
        assert session.live == {c.key, d.key}
        assert (most, held) == (2, {"c", "d"})
