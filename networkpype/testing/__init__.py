"""Test kit: mock exchanges on loopback and clocks that tests move by hand."""

from networkpype.testing.arrivals import DEFAULT_LIMITS, ArrivalLimit, ArrivalUse
from networkpype.testing.clock import FakeClock
from networkpype.testing.exchange import MockExchange
from networkpype.testing.mock_coinex import MockCoinEx
from networkpype.testing.mock_ethgas import MockETHGas
from networkpype.testing.mock_venue import MockVenue
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedFrame, ReceivedRequest, Refused

__all__ = [
    "DEFAULT_LIMITS",
    "Access",
    "Answer",
    "ArrivalLimit",
    "ArrivalUse",
    "FakeClock",
    "MockCoinEx",
    "MockETHGas",
    "MockExchange",
    "MockVenue",
    "ReceivedFrame",
    "ReceivedRequest",
    "Refused",
]
