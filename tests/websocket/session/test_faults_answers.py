"""Answers and refusals as a session tells them (F38): all of them, in words that may be shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.websocket.session.events import MarkedMessage, Ready, SubscribeFailed
from networkpype.websocket.spoken import spoken_by
from networkpype.websocket.subscriptions import Dialect, Subscription
from tests.support.stage import Guest, Stage, topics, watched


async def test_one_symbol_of_a_message_that_is_refused_later() -> None:
    """F38: Kraken answers each symbol; ready means that all were answered."""

    async def play(guest: Guest) -> None:
        await guest.upgrade()
        id = (await guest.hear())["req_id"]
        await guest.say({"method": "subscribe", "success": True, "req_id": id})
        await asyncio.sleep(0.02)
        error = {"method": "subscribe", "success": False, "error": "unknown B", "req_id": id}
        await guest.say(error)
        await guest.serve()

    pairs = Subscription({"channel": "ticker", "symbol": ["A", "B"]}, spoken_by("kraken"), key="t")
    async with Stage(play) as stage, watched(stage.url, subscriptions=[pairs]) as seen:
        await seen.until(lambda: seen.of(Ready))
        assert seen.story == ["Connected 1", "SubscribeFailed 1", "Ready 1"]


async def test_a_dialect_that_forgets_to_return_a_message_ends_the_session() -> None:
    class Forgetful(Dialect):
        def subscribe(self, channels: Any, id: int) -> Any:
            return None

    wrong = topics("a", dialect=Forgetful())
    async with Stage() as stage, watched(stage.url, subscriptions=wrong) as seen:
        assert isinstance(error := await seen.end(), ConfigurationError)
        assert "Forgetful() returned no message to subscribe with" in str(error)
        seen.session.remove(*wrong)


@pytest.mark.parametrize("is_watched", [False, True])
async def test_the_answer_to_a_message_of_ones_own_is_ones_own(is_watched: bool) -> None:
    """F38: an error that names nothing, though no subscription waits; looked into or not."""

    async def play(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.say({"event": "subscribe", "arg": data["args"][0], "id": data["id"]})
        assert await guest.hear() == {"op": "oops"}
        await guest.say({"event": "error", "code": "60012", "msg": "Invalid request"})
        await guest.serve()

    watching: dict[str, Any] = {"matches": lambda data: False, "stale_after_s": 60.0}
    more = watching if is_watched else {}
    tickers = Subscription({"channel": "tickers"}, spoken_by("okx"), **more)
    async with Stage(play) as stage, watched(stage.url, subscriptions=[tickers]) as seen:
        await seen.session.ready(2)
        await seen.session.send({"op": "oops"})
        await seen.until(lambda: seen.data)
        assert [each["code"] for each in seen.data] == ["60012"]


async def test_matches_costs_nothing_where_no_silence_is_to_be_told() -> None:
    looks = 0

    def count(data: Any) -> bool:
        nonlocal looks
        looks += 1
        return True

    async def play(guest: Guest) -> None:
        await guest.enter()
        await guest.say(*range(20))
        await guest.serve()

    async with (
        Stage(play) as stage,
        watched(stage.url, subscriptions=topics("a", matches=count)) as seen,
    ):
        await seen.until(lambda: len(seen.data) == 20)
        assert not looks
        assert not [each for each in seen.items if isinstance(each, MarkedMessage)]


async def test_a_refusal_does_not_show_what_it_echoes_of_the_address_and_headers() -> None:
    key, token = "LISTENKEY0123456789", "TOKEN0123456789"

    async def echo(guest: Guest) -> None:
        await guest.upgrade()
        data = await guest.hear()
        await guest.say({"id": data["id"], "error": {"msg": f"no {key} with {token}"}})
        await guest.serve()

    async with (
        Stage(echo) as stage,
        watched(
            f"{stage.url}?listenKey={key}", subscriptions=topics("a"), ws_headers={"X-Key": token}
        ) as seen,
    ):
        await seen.until(lambda: seen.of(SubscribeFailed))
        assert seen.of(SubscribeFailed)[0].reason == "no *** with ***"
