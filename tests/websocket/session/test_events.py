"""Events of a session, as they are printed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from networkpype.websocket.session.events import Gap, LoopBlocked, Ready, SessionEvent
from tests.contrib.stage import ALL

EVENTS = [event for event in ALL if isinstance(event, SessionEvent)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_what_is_printed_has_every_field_and_the_shard_where_there_are_shards(
    event: SessionEvent,
) -> None:
    own = [each.name for each in fields(event) if each.name != "shard"]
    shown = ", ".join(f"{name}={getattr(event, name)!r}" for name in own)
    assert repr(event) == f"{type(event).__name__}({shown})"
    assert repr(replace(event, shard=3)) == f"{type(event).__name__}({shown}, shard=3)"


def test_some_of_them_as_they_read() -> None:
    assert repr(Ready(1)) == "Ready(epoch=1)"
    assert repr(Ready(1, shard=2)) == "Ready(epoch=1, shard=2)"
    assert str(Gap(2, "full", 7, shard=1)) == "Gap(epoch=2, reason='full', lost=7, shard=1)"
    assert f"{LoopBlocked(1, 0.5)}" == "LoopBlocked(epoch=1, blocked_s=0.5)"
