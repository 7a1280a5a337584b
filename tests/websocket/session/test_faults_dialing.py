"""Dials that fail (F25): what is tried again, what ends the session, and with which error."""

from __future__ import annotations

import asyncio

import pytest

from networkpype.errors import (
    ConnectFailedError,
    HTTPAuthenticationError,
    HTTPStatusError,
    RateLimitedError,
    ReconnectError,
    RedirectRefusedError,
    RequestTimeoutError,
)
from networkpype.websocket.session.events import Connected, Disconnected, Gap, Ready
from networkpype.websocket.session.redial import Reconnect
from tests.support.lag import LoopLag
from tests.support.stage import AT_ONCE, Guest, Script, Stage, serving, topics, watched

ELSEWHERE = "Location: http://127.0.0.1:1/"


def refusing(status: str, *lines: str) -> Script:
    async def refuse(guest: Guest) -> None:
        await guest.read_head()
        await guest.answer(status, "Content-Length: 0", *lines)

    return refuse


async def stall(guest: Guest) -> None:
    await guest.read_head()
    await guest.read_end()


async def with_a_wrong_key(guest: Guest) -> None:
    await guest.upgrade(accept="c2FtcGxlIG5vbmNl")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(stall, id="F25-stall"),
        pytest.param(refusing("503 Service Unavailable"), id="F25-503"),
        pytest.param(refusing("429 Too Many Requests"), id="F25-429"),
        pytest.param(with_a_wrong_key, id="F25-wrong-accept-key"),
        pytest.param(refusing("401 Unauthorized"), id="F25-401-once"),
        pytest.param(refusing("403 Forbidden"), id="F25-403-once"),
        pytest.param(refusing("301 Moved Permanently", ELSEWHERE), id="F25-moved-once"),
    ],
)
async def test_what_may_pass_is_dialed_again(script: Script) -> None:
    async with (
        Stage(script, serving) as stage,
        watched(stage.url, subscriptions=topics("a"), dial_timeout_s=0.1) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert seen.story == ["Disconnected 1", "Connected 2", "Ready 2"], "no gap: none was fed"
        (failed,) = seen.of(Disconnected)
        assert (failed.code, failed.retry_in_s is not None) == (1006, True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param("401 Unauthorized", HTTPAuthenticationError, id="F25-401-twice"),
        pytest.param("403 Forbidden", HTTPAuthenticationError, id="F25-403-twice"),
        pytest.param("404 Not Found", HTTPStatusError, id="F25-404-twice"),
        pytest.param("426 Upgrade Required", HTTPStatusError, id="F25-426-twice"),
        pytest.param("308 Permanent Redirect", RedirectRefusedError, id="F25-moved-twice"),
    ],
)
async def test_what_cannot_pass_ends_the_session_at_the_second_time(
    status: str, kind: type[HTTPStatusError | RedirectRefusedError]
) -> None:
    async with (
        Stage(refusing(status, ELSEWHERE)) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        error = await seen.end()
        assert isinstance(error, kind)
        assert error.status == int(status[:3])
        assert stage.connections == 2
        assert seen.of(Disconnected)[-1].retry_in_s is None
        assert not seen.of(Gap)


async def test_a_redirect_that_is_temporary_is_never_followed_and_may_pass() -> None:
    """F25: a host under maintenance sends such, and comes back."""
    away = refusing("302 Found", ELSEWHERE)
    async with (
        Stage(away, away, away, serving) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert stage.connections == 4
        assert "redirect refused" in seen.of(Disconnected)[0].reason


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_retry_after_is_waited(status: str) -> None:
    """F25: the wait that the exchange asks for is a floor under the back-off."""
    async with (
        Stage(refusing(status, "Retry-After: 3600")) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Disconnected))
        (failed,) = seen.of(Disconnected)
        assert failed.retry_in_s == pytest.approx(3600, abs=1)
        assert stage.connections == 1


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        pytest.param(stall, RequestTimeoutError, id="F25-stall"),
        pytest.param(with_a_wrong_key, ConnectFailedError, id="F25-wrong-accept-key"),
        pytest.param(refusing("429 Too Many Requests"), RateLimitedError, id="F25-429"),
    ],
)
async def test_the_last_of_so_many_attempts_is_named(
    script: Script, cause: type[BaseException]
) -> None:
    reconnect = Reconnect(backoff=AT_ONCE, most_attempts=3)
    async with (
        Stage(script) as stage,
        watched(stage.url, dial_timeout_s=0.05, reconnect=reconnect) as seen,
    ):
        error = await seen.end()
        assert stage.connections == 3
        assert isinstance(error, cause) or (
            isinstance(error, ReconnectError) and isinstance(error.__cause__, cause)
        )


async def test_a_stalled_upgrade_is_given_up_at_its_deadline() -> None:
    """F25: TCP is accepted, the upgrade never answered."""
    now = asyncio.get_running_loop().time
    with LoopLag() as lag:
        async with Stage(stall, serving) as stage:
            began = now()
            async with watched(stage.url, dial_timeout_s=0.2) as seen:
                await seen.until(lambda: seen.of(Connected))
                took = now() - began
    assert 0.2 <= took <= 0.2 * 1.1 + 2 * lag.worst_s + 0.05
