"""A client of networkpype, pointed at a mock venue as a user would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit, TimeSynchronizer
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth
from networkpype.rest.manager import RESTManager
from networkpype.testing import FakeClock, MockVenue
from networkpype.testing.venues.keys import make_keys
from networkpype.testing.venues.table import VENUES

__all__ = ["LIMIT", "PAIRS", "Client", "another_pair", "client_of", "wrong"]

LIMIT = "venue"
PAIRS = ("binance-ws-api", "coinbase")
"""Where the client has a PEM: with a character changed it would be none."""


@dataclass
class Client:
    auth: SchemeAuth
    factory: ConnectionManagersFactory
    rest: RESTManager


@asynccontextmanager
async def client_of(
    venue: MockVenue, credentials: Credentials | None = None, clock: FakeClock | None = None
) -> AsyncIterator[Client]:
    """Sign for `venue`, with its own credentials unless others are given."""
    target = exchange(venue.name).at(venue.url, venue.ws_url)
    provider = TimeSynchronizer(clock=clock) if clock is not None else None
    auth = exchange_auth(target, credentials or venue.credentials, time_provider=provider)
    if auth.ws_pattern is not None:
        auth.ws_pattern.throttler_limit_id = LIMIT
    throttler = AsyncThrottler([RateLimit(LIMIT, limit=1000, time_interval=1)])
    async with ConnectionManagersFactory(throttler, auth) as factory:
        yield Client(auth, factory, await factory.get_rest_manager())


def wrong(credentials: Credentials, field: str) -> Credentials:
    """Return the credentials with one character of a field changed."""
    text = credentials.reveal(field)
    # In the middle: the last character of base64 holds bits that count for nothing.
    at = len(text) // 2
    while not text[at].isalnum():
        at += 1
    other = "A" if text[at] not in "aA" else "b"
    if field == "private_key":
        other = "1" if text[at] != "1" else "2"
    changed: dict[str, Any] = {
        name: credentials.reveal(name)
        for name in ("key", "secret", "passphrase", "memo", "private_key", "wallet")
        if credentials.has(name)
    }
    changed[field] = text[:at] + other + text[at + 1 :]
    return Credentials(**changed, origins=credentials.origins)


def another_pair(venue: MockVenue) -> Credentials:
    """Return credentials of the venue's key with the private key of somebody else."""
    made, _ = make_keys(VENUES[venue.name].keys, ("key", "secret"))
    return Credentials(**{**made, "key": venue.account.key}, origins=[venue.url])
