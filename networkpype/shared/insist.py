"""Ask Redis again until it answers, where asking twice does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from networkpype.shared.link import RedisLostError

__all__ = ["insist"]

T = TypeVar("T")

_RETRY_S = 0.02


async def insist(ask: Callable[[], Awaitable[T]], timeout_s: float) -> T:
    """Return what `ask` returns, which is tried again where Redis was lost, for `timeout_s`.

    Raises RedisLostError.
    """
    deadline = asyncio.timeout(timeout_s)
    reason, is_final = f"no answer within {timeout_s:g} s", False
    try:
        async with deadline:
            while True:
                try:
                    return await ask()
                except RedisLostError as error:
                    reason, is_final = error.reason, error.is_final
                await asyncio.sleep(_RETRY_S)
    except TimeoutError:
        if not deadline.expired():
            raise
    # Out here, without the frames below, which hold what was asked.
    raise RedisLostError(reason, is_final=is_final)
