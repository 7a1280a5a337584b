"""Read a connector's stream in the background and wait for what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

__all__ = ["QUICKLY", "Reader", "reading"]

from networkpype import Backoff, Reconnect

T = TypeVar("T")

QUICKLY = Reconnect(backoff=Backoff(initial_s=0.01, cap_s=0.01))
_PATIENCE_S = 5.0


class Reader:
    """What came so far is in `items`; `error` is what ended the stream."""

    def __init__(self, stream: AsyncGenerator[Any, None]) -> None:
        self.items: list[Any] = []
        self.error: BaseException | None = None
        self._news = asyncio.Event()
        self._is_over = False
        self.task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: AsyncGenerator[Any, None]) -> None:
        try:
            async for item in stream:
                self.items.append(item)
                self._news.set()
        except Exception as error:
            self.error = error
        self._is_over = True
        self._news.set()

    async def next(self, kind: type[T], **fields: Any) -> T:
        """Wait for the first item of this kind with these fields, and take it out."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                for item in self.items:
                    if isinstance(item, kind) and all(
                        getattr(item, name) == value for name, value in fields.items()
                    ):
                        self.items.remove(item)
                        return item
                assert not self._is_over, f"the stream ended by {self.error!r}"
                self._news.clear()
                await self._news.wait()

    def forget(self) -> None:
        """Drop what came so far and nobody waited for."""
        self.items.clear()

    async def end(self) -> BaseException | None:
        """Wait until the stream ends by itself; return what it ended with."""
        async with asyncio.timeout(_PATIENCE_S):
            await self.task
        return self.error


@asynccontextmanager
async def reading(stream: AsyncGenerator[Any, None]) -> AsyncIterator[Reader]:
    """Read the stream while the block runs; close the connector inside of it."""
    reader = Reader(stream)
    try:
        yield reader
    finally:
        if not reader.task.done():
            reader.task.cancel()
        await asyncio.wait([reader.task])
        await stream.aclose()
