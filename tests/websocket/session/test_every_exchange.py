"""A session logs in at every exchange, comes back after a drop, and outlives an expired login."""

from __future__ import annotations

import asyncio

import pytest

from networkpype import (
    AsyncThrottler,
    Backoff,
    Connected,
    ConnectionManagersFactory,
    Disconnected,
    Event,
    Gap,
    LoggedIn,
    LoginExpired,
    RateLimit,
    Ready,
    Reconnect,
    SessionEvent,
    WebSocketSession,
)
from networkpype.exchanges import exchange, exchange_auth, names
from networkpype.testing import MockVenue

SOON = Reconnect(backoff=Backoff(initial_s=0.005, cap_s=0.01))

TELL_THE_END = ("binance", "binance-margin", "binance-usdm", "bingx", "ethgas", "mexc")
"""Those that say when a key or token ends."""


async def until_ready(session: WebSocketSession) -> list[type[object]]:
    """Return the kinds of events up to the next Ready; acks of logins are none."""
    kinds: list[type[object]] = []
    async with asyncio.timeout(2.0):
        async for item in session:
            kinds += [type(item)] if isinstance(item, SessionEvent) else []
            if isinstance(item, Ready):
                break
    return kinds


@pytest.mark.parametrize("name", names())
async def test_it_logs_in_and_comes_back(name: str) -> None:
    hooked: list[Event] = []
    async with MockVenue(name) as venue:
        there = exchange(name).at(venue.url, venue.ws_url)
        auth = exchange_auth(there, venue.credentials, throttler_limit_id="keys")
        throttler = AsyncThrottler([RateLimit("keys", limit=50, time_interval=1.0)])
        async with (
            ConnectionManagersFactory(throttler, auth) as factory,
            factory.get_ws_session(hook=hooked.append, reconnect=SOON) as session,
        ):
            assert await until_ready(session) == [Connected, Ready]
            await venue.drop_websockets()
            assert await until_ready(session) == [Disconnected, Gap, Connected, Ready]
            assert session.epoch == 2
            assert [type(each) for each in hooked].count(LoggedIn) == 2
            if name in TELL_THE_END:
                await venue.expire()
                assert Gap in await until_ready(session)
                assert LoginExpired in map(type, hooked)
                assert venue.logged_in == 1  # a token is good for the whole connection there
    assert venue.refusals == []
