"""How one process is told at once that another made room for it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from networkpype.errors import ConfigurationError
from networkpype.shared.link import RedisLink, RedisLostError

__all__ = ["Bell"]

_AGAIN_S = 5.0
"""After a failure it is left alone for so long: who waits asks now and then anyway."""


class Bell:
    """Waits at a list in Redis while somebody here waits for the end of a call elsewhere.

    The script puts something there when it made room for this process, which calls `ring`. That
    only makes it quicker: nothing is lost where it fails. It has a connection of its own, for one
    that waits can do nothing else.
    """

    def __init__(self, link: RedisLink, ring: Callable[[], None]) -> None:
        self._link = link
        self._ring = ring
        self._key = ""
        self._until = self._not_before = -math.inf
        self._task: asyncio.Task[None] | None = None
        self.is_heard = False
        """Whether it waits there now, as far as is known."""

    def listen(self, key: str, until: float) -> None:
        """Wait at this list until then, by the time of the loop that runs."""
        loop = asyncio.get_running_loop()
        task = self._task
        if task is not None and (task.done() or task.get_loop() is not loop):
            task, self.is_heard = None, False
        if task is None and loop.time() >= self._not_before:
            self._key = key
            self._task = loop.create_task(self._listen(loop))
        self._until = until

    async def close(self) -> None:
        """Wait no more, and close the connection, within its deadline."""
        task, self._task, self.is_heard = self._task, None, False
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})
        await self._link.close()

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        # Within the deadline of the connection, for which a Redis that is silent is lost.
        wait_s = self._link.timeout_s / 2
        try:
            while loop.time() < self._until:
                if not self._link.connected:
                    await self._link.connect()
                self.is_heard = True
                if await self._link.pop(self._key, wait_s):
                    self._ring()
        except (RedisLostError, ConfigurationError):
            self._not_before = loop.time() + _AGAIN_S
        finally:
            self.is_heard = False
