"""Events reach whoever listens, and nobody who listens can stop them."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.hooks import Event, ThrottleWaited, emit, fan_out

EVENT = ThrottleWaited("ip", 1.0)


def test_each_of_several_hooks_gets_every_event_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, Event]] = []

    def fail(event: Event) -> None:
        told.append(("second", event))
        raise RuntimeError("no")

    hook = fan_out(lambda e: told.append(("first", e)), fail, lambda e: told.append(("third", e)))
    emit(hook, EVENT)
    assert told == [("first", EVENT), ("second", EVENT), ("third", EVENT)]
    [record] = caplog.records
    assert "fail" in record.getMessage()
    assert "failed on ThrottleWaited" in record.getMessage()


def test_fans_may_be_made_of_fans_and_of_none() -> None:
    told: list[Event] = []
    fan_out(fan_out(told.append, told.append), told.append, fan_out())(EVENT)
    assert told == [EVENT] * 3


async def asynchronous(event: Event) -> None: ...


@pytest.mark.parametrize("wrong", [None, 5, asynchronous, list, type("Tells", (), {})])
def test_a_hook_is_a_function(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="a hook is a function that takes one event"):
        fan_out(print, wrong)
