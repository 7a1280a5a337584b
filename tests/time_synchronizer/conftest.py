from __future__ import annotations

import pytest

from networkpype.hooks import Event
from networkpype.testing.clock import FakeClock
from networkpype.time_synchronizer import TimeSynchronizer
from tests.time_synchronizer.server import Server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def synchronizer(clock: FakeClock, events: list[Event]) -> TimeSynchronizer:
    return TimeSynchronizer(clock=clock, hook=events.append)


@pytest.fixture
def server(clock: FakeClock) -> Server:
    return Server(clock)
