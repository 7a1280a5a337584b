"""Whatever changes a throttler that runs is refused on another thread."""

from __future__ import annotations

import asyncio

import pytest

from networkpype import AsyncThrottler, ConfigurationError, RateLimit


@pytest.mark.parametrize("does", ["block", "unblock", "snapshot"])
async def test_another_thread_is_refused(does: str) -> None:
    throttler = AsyncThrottler([RateLimit("a", 1, 3600.0)])
    await throttler.acquire("a")
    calls = {
        "block": lambda: throttler.block(5.0),
        "unblock": throttler.unblock,
        "snapshot": throttler.snapshot,
    }
    with pytest.raises(ConfigurationError, match="another thread"):
        await asyncio.to_thread(calls[does])
    assert throttler.snapshot()["a"].blocked_s == 0
