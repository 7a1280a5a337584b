"""A pattern of the user's own is copied whole, however its class is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from networkpype.auth.identity import Identity
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials

CREDENTIALS = Credentials(key="key-0123456789", secret="secret-0123456789")


@dataclass(slots=True)
class Slotted(WebSocketAuthPattern):
    channel: str = "orders"
    options: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Frozen(WebSocketAuthPattern):
    channel: str = "orders"
    options: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrozenSlotted(WebSocketAuthPattern):
    channel: str = "orders"
    options: dict[str, int] = field(default_factory=dict)


class Plain(WebSocketAuthPattern):
    __slots__ = ("__private",)

    def __init__(self, channel: str = "orders", options: dict[str, int] | None = None) -> None:
        self.channel = channel
        self.options = options
        self.__private = channel

    def private(self) -> str:
        return self.__private


@pytest.mark.parametrize("kind", [Slotted, Frozen, FrozenSlotted, Plain])
def test_it_keeps_its_fields(kind: Any) -> None:
    options = {"depth": 1}
    pattern = kind("fills", options)
    auth = SchemeAuth(CREDENTIALS, pattern=pattern, throttler_limit_id="keys")
    for bound in (auth.ws_pattern, auth.for_connection().ws_pattern):
        assert isinstance(bound, kind)
        assert bound is not pattern
        assert bound.channel == "fills"
        assert bound.options is options
        assert bound.identity is auth.identity
        assert bound.throttler_limit_id == "keys"
    assert pattern.throttler_limit_id == ""
    if kind is Plain:
        assert auth.ws_pattern.private() == "fills"  # type: ignore[union-attr]


def test_the_one_it_was_made_from_stays_data() -> None:
    pattern = Slotted()
    identity = SchemeAuth(CREDENTIALS).identity
    assert isinstance(identity, Identity)
    bound = pattern.bound_to(identity)
    bound.channel = "fills"
    assert pattern.channel == "orders"
    assert pattern._identity is None


class SlottedAuth(SchemeAuth):
    __slots__ = ("label",)
    label: str


def test_an_auth_of_ones_own_keeps_its_slots_too() -> None:
    auth = SlottedAuth(CREDENTIALS)
    auth.label = "sub-account"
    assert auth.for_connection().label == "sub-account"
