"""What networkpype weighs: importing it, and a WebSocket that is open and idle."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Awaitable, Callable

import aiohttp

from benchmarks._measure import ratio_row, run_python, server
from benchmarks._report import Row, table
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    ConnectionsFactory,
    WebSocketManager,
)

IMPORTS = {
    # `import pydantic` alone loads next to nothing: it waits for the first name.
    "aiohttp and pydantic": "import aiohttp; from pydantic import BaseModel",
    "networkpype": "import networkpype",
}
IMPORT_ROUNDS = 7
WARM_UP_CONNECTIONS = 20
CONNECTIONS = 200


def import_ms() -> dict[str, list[float]]:
    """Return the CPU time of importing each in a fresh interpreter, in each round."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(IMPORT_ROUNDS + 1):
        for name, statement in IMPORTS.items():
            program = (
                "import time; start = time.process_time();"
                f"{statement}; print(time.process_time() - start)"
            )
            found[name].append(float(run_python("-c", program)) * 1e3)
    return {name: times[1:] for name, times in found.items()}  # the first had to compile as well


async def memory_of(dial: Callable[[], Awaitable[object]]) -> float:
    """Return the KiB that Python allocated for one more connection."""
    kept = [await dial() for _ in range(WARM_UP_CONNECTIONS)]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept += [await dial() for _ in range(CONNECTIONS)]
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / CONNECTIONS / 1024


async def bare_memory(url: str) -> float:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return await memory_of(lambda: session.ws_connect(url))


async def our_memory(url: str) -> float:
    connections = ConnectionsFactory(max_connections=1000)
    async with ConnectionManagersFactory(
        AsyncThrottler([]), connections_factory=connections
    ) as factory:

        async def dial() -> WebSocketManager:
            manager = await factory.get_ws_manager()
            await manager.connect(url)
            return manager

        return await memory_of(dial)


def rows() -> list[Row]:
    cost = import_ms()
    with server("websocket") as address:
        # Each in an interpreter of its own, for neither shall find the other's caches filled.
        ours, bare = (
            float(run_python("-m", "benchmarks.bench_footprint", whose, f"ws://{address}/ws"))
            for whose in ("ours", "bare")
        )
    return [
        ratio_row(
            "import networkpype / aiohttp and pydantic",
            cost["networkpype"],
            cost["aiohttp and pydantic"],
            1.05,
            "ms",
        ),
        ratio_row("memory of an idle WebSocket / aiohttp's", [ours], [bare], 1.10, "KiB"),
    ]


def main(arguments: list[str]) -> None:
    """Print the rows, or as a child the memory of one side's connection."""
    if arguments:
        whose, url = arguments
        print(asyncio.run(our_memory(url) if whose == "ours" else bare_memory(url)))
    else:
        print(table(rows()))


if __name__ == "__main__":
    main(sys.argv[1:])
