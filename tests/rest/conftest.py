from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from networkpype import RESTManager
from networkpype.testing import MockExchange
from tests.support.signing import HeaderHmac, rest_manager


@pytest.fixture
async def exchange() -> AsyncIterator[MockExchange]:
    async with MockExchange(limits=()) as exchange:
        yield exchange


@pytest.fixture
async def manager(exchange: MockExchange) -> AsyncIterator[RESTManager]:
    """A manager that signs for `exchange` in the headers."""
    async with rest_manager(HeaderHmac(exchange.api_key, exchange.api_secret)) as manager:
        yield manager
