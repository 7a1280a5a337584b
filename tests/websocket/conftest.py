from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from networkpype import ConnectionsFactory, Event, WebSocketConnection
from networkpype.testing import MockExchange
from tests.support.raw_websocket import RawServer


@pytest.fixture
async def exchange() -> AsyncIterator[MockExchange]:
    async with MockExchange(ticker_interval_s=0.01) as exchange:
        yield exchange


@pytest.fixture
def events() -> list[Event]:
    """What the hook of `connection` received."""
    return []


@pytest.fixture
async def connections(events: list[Event]) -> AsyncIterator[ConnectionsFactory]:
    async with ConnectionsFactory(hook=events.append) as factory:
        yield factory


@pytest.fixture
async def connection(connections: ConnectionsFactory) -> AsyncIterator[WebSocketConnection]:
    connection = await connections.get_ws_connection()
    yield connection
    await connection.disconnect()


@pytest.fixture
async def server(connection: WebSocketConnection) -> AsyncIterator[RawServer]:
    """A server that is gone before `connection` is closed, which then waits for nobody."""
    async with RawServer() as server:
        yield server
