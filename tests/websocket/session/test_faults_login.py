"""Logins that go wrong (F36), and tokens that end in the middle of a session (F37)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from networkpype.auth.login import Login
from networkpype.errors import AuthenticationError, ConfigurationError, ConnectFailedError
from networkpype.hooks import (
    Event,
    LoggedIn,
    LoginExpired,
    LoginFailed,
    LoginRejected,
    RenewalFailed,
)
from networkpype.retry import Backoff
from networkpype.websocket.session import logins as session_logins
from networkpype.websocket.session.events import Disconnected, Gap, Ready
from networkpype.websocket.session.redial import Reconnect
from tests.support.raw_websocket import close_frame
from tests.support.stage import AT_ONCE, Guest, Script, Seen, Stage, topics, watched
from tests.support.tokens import TokenAuth, TokenPattern, let_in

PRIVATE = topics("orders", private=True)


@pytest.fixture(autouse=True)
def _logins_are_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_logins, "Login", partial(Login, backoff=AT_ONCE))


@asynccontextmanager
async def logged_in(
    *scripts: Script, lifetime_s: float | None = None, **options: Any
) -> AsyncIterator[tuple[Stage, TokenPattern, Seen, list[Event]]]:
    """Open a session with a login, of one private and one public subscription."""
    events: list[Event] = []
    async with Stage(*scripts) as stage:
        pattern = TokenPattern(stage.url, lifetime_s)
        async with watched(
            "",
            auth=TokenAuth(pattern),
            subscriptions=[*topics("ticker"), *PRIVATE],
            hook=events.append,
            **options,
        ) as seen:
            yield stage, pattern, seen, events


async def welcome(guest: Guest) -> None:
    await let_in(guest)
    await guest.serve()


def logins(stage: Stage) -> list[tuple[int, int]]:
    """Return connection and token of each login."""
    return [(by, data["token"]) for by, data in stage.heard if data.get("op") == "login"]


async def test_the_login_goes_first_and_private_subscriptions_after_its_ack() -> None:
    """F36: what a good exchange sees; and again after a drop, with a fresh token."""

    async def then_leave(guest: Guest) -> None:
        await let_in(guest)
        await guest.accept(await guest.hear())
        await guest.accept(await guest.hear())

    async with logged_in(then_leave, welcome) as (stage, _, seen, events):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert logins(stage) == [(1, 1), (2, 2)]
        assert sorted(stage.subscribes(2)) == ["orders", "ticker"]
        assert seen.session.live == {"orders", "ticker"}
        assert [type(each) for each in events].count(LoggedIn) == 2


async def test_a_definite_refusal_ends_the_session_at_once() -> None:
    """F36: one dial, one login, one typed error: no storm that ends in a ban."""

    async def refuse(guest: Guest) -> None:
        await guest.upgrade()
        await guest.hear()
        await guest.say({"op": "login", "ok": False})
        await guest.serve()

    async with logged_in(refuse) as (stage, pattern, seen, events):
        assert isinstance(await seen.end(), AuthenticationError)
        assert (stage.connections, pattern.minted) == (1, [1])
        assert "orders" not in stage.subscribes(1)
        assert [type(each) for each in events].count(LoginRejected) == 1


async def test_a_login_that_is_never_answered_is_made_anew() -> None:
    """F36: the answer to the first comes late, on the second connection; it does not count."""
    gone = asyncio.Event()

    async def mute(guest: Guest) -> None:
        await guest.upgrade()
        await guest.hear()
        guest.hang_up()

    async def answer_to_another(guest: Guest) -> None:
        # What an exchange with a queue between might do: before it was asked anything.
        await guest.upgrade(then=b"")
        await guest.hear()
        await gone.wait()
        await guest.say({"op": "login", "ok": True})
        await guest.serve()

    calm = Reconnect(backoff=AT_ONCE, most_dials=10_000)
    async with logged_in(mute, answer_to_another, reconnect=calm) as (stage, _, seen, events):
        await seen.until(lambda: seen.of(Disconnected))
        assert [type(each) for each in events].count(LoginFailed) == 1
        await asyncio.wait_for(stage.until(lambda: len(logins(stage)) == 2), 3)
        assert "orders" not in stage.subscribes(2), "not logged in on this connection yet"
        gone.set()
        await seen.until(lambda: seen.of(Ready))
        assert logins(stage) == [(1, 1), (2, 2)]


async def test_a_second_ack_changes_nothing() -> None:
    """F36."""

    async def twice(guest: Guest) -> None:
        await let_in(guest)
        await guest.say({"op": "login", "ok": True}, {"op": "login", "ok": True})
        await guest.serve()

    async with logged_in(twice) as (stage, _, seen, events):
        await seen.until(lambda: seen.of(Ready))
        await asyncio.sleep(0.02)
        assert len(seen.of(Ready)) == 1
        assert [type(each) for each in events].count(LoggedIn) == 1
        assert sorted(stage.subscribes(1)) == ["orders", "ticker"], "each once"


async def test_a_kick_right_after_the_ack_is_backed_off_from() -> None:
    """F36: being let in does not reset the back-off; the budget of dials holds."""

    async def kick(guest: Guest) -> None:
        await let_in(guest)
        await guest.write(close_frame(4001, "another session"))

    policy = Reconnect(backoff=Backoff(0.001, 2.0, 60.0, jitter=lambda: 1.0), most_dials=6)
    async with logged_in(kick, reconnect=policy) as (stage, pattern, seen, _):
        await seen.until(lambda: len(seen.of(Disconnected)) == 6)
        waits = [each.retry_in_s or 0.0 for each in seen.of(Disconnected)]
        assert stage.connections == len(pattern.minted) == 6
        assert waits[:5] == sorted(waits[:5])
        assert waits[-1] > 50, "the budget: 6 dials in 60 s"
        assert {each.code for each in seen.of(Disconnected)} == {4001}


async def at_the_login(guest: Guest) -> None:
    await guest.upgrade()
    await guest.hear()
    guest.reset()


async def at_the_private_subscribe(guest: Guest) -> None:
    await let_in(guest)
    await guest.hear()
    guest.reset()


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(at_the_login, id="F35-login-sent"),
        pytest.param(at_the_private_subscribe, id="F35-private-subscribe"),
    ],
)
async def test_a_drop_on_the_way_in_ends_in_the_exact_set(step: Script) -> None:
    """F35: twice in a row; then each is asked for once, the private one first."""
    async with logged_in(step, step, welcome) as (stage, pattern, seen, _):
        await seen.until(lambda: seen.of(Ready))
        assert stage.subscribes(3) == ["orders", "ticker"]
        assert logins(stage) == [(1, 1), (2, 2), (3, 3)]
        assert pattern.most_at_once == 1


# -- F37 -------------------------------------------------------------------------------------------


async def test_a_token_that_the_exchange_calls_expired_is_replaced_in_place() -> None:
    """F37: a fresh one, a login on the same connection, and the private ones asked for again."""

    async def expire(guest: Guest) -> None:
        await let_in(guest)
        for _ in range(2):
            await guest.accept(await guest.hear())
        await guest.say({"op": "expired"})
        assert (await guest.hear())["token"] == 2
        await guest.say({"op": "login", "ok": True})
        await guest.serve()

    async with logged_in(expire) as (stage, pattern, seen, events):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert stage.connections == 1
        assert stage.subscribes(1).count("orders") == 2
        assert stage.subscribes(1).count("ticker") == 1
        assert [type(each).__name__ for each in seen.items] == [
            *("Connected", "Ready", "Gap", "Ready")
        ]
        assert [type(each) for each in events].count(LoginExpired) == 1
        assert pattern.most_at_once == 1


@pytest.mark.parametrize("code", [4001, 3000], ids=["F37-close-4001", "F37-close-3000"])
async def test_a_token_that_ends_with_a_close_frame_is_replaced(code: int) -> None:
    """F37: the next connection has a fresh one."""

    async def close(guest: Guest) -> None:
        await let_in(guest)
        for _ in range(2):
            await guest.accept(await guest.hear())
        await guest.write(close_frame(code, "token expired"))

    async with logged_in(close, welcome) as (stage, _, seen, _):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert logins(stage) == [(1, 1), (2, 2)]
        assert len(seen.of(Gap)) == 1


async def test_a_token_that_would_end_silently_is_renewed_before() -> None:
    """F37: at four fifths of its life, without a gap."""

    async def renewed(guest: Guest) -> None:
        await let_in(guest)
        await guest.accept(await guest.hear())
        await guest.accept(await guest.hear())
        while True:
            data = await guest.hear()
            await guest.say({"op": "login", "ok": True, "token": data["token"]})

    async with logged_in(renewed, lifetime_s=1.5) as (stage, _, seen, _):
        await stage.until(lambda: len(logins(stage)) == 2)
        assert stage.connections == 1
        assert not seen.of(Gap)


@pytest.mark.parametrize("fault", ["error 500", "slow", "same token"])
async def test_a_refresh_that_fails_is_announced_and_done_again(fault: str) -> None:
    """F37: the endpoint answers 500, hangs, or gives the old token; one call at a time."""

    async def expire(guest: Guest) -> None:
        token = await let_in(guest)
        for _ in range(2):
            await guest.accept(await guest.hear())
        if token == 1:
            await guest.say({"op": "expired"}, {"op": "expired"}, {"op": "expired"})
        while True:
            data = await guest.hear()
            if data.get("op") == "login":
                old = data["token"] == 1
                await guest.say({"op": "login", "ok": not old, "definite": False})
            else:
                await guest.accept(data)

    def mint(number: int) -> Any:
        if number != 2:
            return number
        if fault == "same token":
            return 1
        return asyncio.sleep(0.1, 2) if fault == "slow" else fail()

    async def fail() -> None:
        raise ConnectFailedError("HTTP 500")

    async with logged_in(expire) as (stage, pattern, seen, events):
        pattern.mint = mint
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        kinds = [type(each) for each in events]
        assert LoginExpired in kinds
        if fault == "slow":
            assert stage.connections == 1
        else:
            assert {LoginFailed, LoginRejected, RenewalFailed} & set(kinds)
        assert pattern.most_at_once == 1
        assert seen.session.live == {"orders", "ticker"}
        assert seen.of(Gap)


async def test_a_login_is_never_shown_to_a_network_without_tls() -> None:
    """F36: nor to an address that the auth does not know; nothing is dialed."""
    pattern = TokenPattern("ws://exchange.example/ws")
    async with watched("", auth=TokenAuth(pattern), subscriptions=PRIVATE) as seen:
        error = await seen.end()
        assert isinstance(error, ConfigurationError)
        assert "wss://" in str(error)
