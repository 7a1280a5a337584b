"""A message waits without a bound where its caller says so, under both limits that it has."""

from __future__ import annotations

import math

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    RateLimit,
    ThrottleTimeoutError,
    WebSocketJSONRequest,
)
from tests.support.stage import Stage


async def test_a_message_may_wait_for_longer_than_the_throttler_says() -> None:
    throttler = AsyncThrottler([RateLimit("messages", 1, 0.1)], max_wait=0.0)
    message = WebSocketJSONRequest({"n": 1}, throttler_limit_id="messages")
    async with Stage() as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(message_limit=RateLimit("line", 1, 0.1))
        await manager.connect(stage.url)
        await manager.send(message)
        with pytest.raises(ThrottleTimeoutError):
            await manager.send(message)
        await manager.send(message, max_wait=math.inf)
        await stage.until(lambda: len(stage.heard) == 2)
        await manager.disconnect()
