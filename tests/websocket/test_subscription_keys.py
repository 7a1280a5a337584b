"""By what a session tells one subscription from another."""

from __future__ import annotations

import pytest

from networkpype import ConfigurationError, Subscription
from networkpype.websocket.dialects import MethodAsTopic

DIALECT = MethodAsTopic()


def test_a_name_with_params_is_known_by_both() -> None:
    first, again, other = (
        Subscription(("state", {"market_list": [market]}), DIALECT) for market in ("A", "A", "B")
    )
    assert first.key == again.key
    assert len({first.key, other.key}) == 2


def test_what_can_be_a_key_is_its_own() -> None:
    assert Subscription(("depth", "A"), DIALECT).key == ("depth", "A")
    assert Subscription("depth", DIALECT).key == "depth"


def test_what_cannot_be_told_apart_asks_for_a_key() -> None:
    with pytest.raises(ConfigurationError, match="key="):
        Subscription(("depth", object(), {}), DIALECT)
    assert Subscription(("depth", object(), {}), DIALECT, key="mine").key == "mine"
