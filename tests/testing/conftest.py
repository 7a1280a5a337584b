from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from networkpype.testing import FakeClock, MockExchange
from tests.testing.caller import Caller


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def exchange(clock: FakeClock) -> AsyncIterator[MockExchange]:
    async with MockExchange(clock=clock, ticker_interval_s=0.001) as exchange:
        yield exchange


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def caller(exchange: MockExchange, session: aiohttp.ClientSession) -> Caller:
    return Caller(exchange, session)
