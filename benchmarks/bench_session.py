"""What a session adds to receiving: CPU a message and latency, beside a bare aiohttp loop.

The session does what the bare loop does not: a reader task, a bounded queue, epochs, a heartbeat, a
watch over all of it, and events in order. Both decode with the same decoder.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp
import orjson

from benchmarks._measure import compare, ratio_row, server
from benchmarks._report import Row, table
from benchmarks.bench_websocket import BareSocket, bare_stream
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    JSONLoads,
    SessionMessage,
    WebSocketSession,
)

TRADES_A_ROUND, TRADE_ROUNDS = 600, 200
STAMPS_A_ROUND, STAMP_ROUNDS = 250, 12


async def opened(
    stack: contextlib.AsyncExitStack, factory: ConnectionManagersFactory, url: str, loads: JSONLoads
) -> WebSocketSession:
    session = await stack.enter_async_context(factory.get_ws_session(url, json_loads=loads))
    await session.ready(5)
    return session


def everything(session: WebSocketSession) -> Callable[[int], Any]:
    """Read messages and events."""

    async def receive(calls: int) -> None:
        await session.send(str(calls))
        data: Any = None
        async for item in session:
            if isinstance(item, SessionMessage):
                data = item.data
                calls -= 1
                if not calls:
                    break
        assert data["stream"] == "btcusdt@trade"

    return receive


def messages_alone(session: WebSocketSession) -> Callable[[int], Any]:
    async def receive(calls: int) -> None:
        await session.send(str(calls))
        data: Any = None
        async for message in session.messages():
            data = message.data
            calls -= 1
            if not calls:
                break
        assert data["stream"] == "btcusdt@trade"

    return receive


async def bare_data(ws: BareSocket) -> AsyncIterator[Any]:
    async for message in ws:
        yield orjson.loads(message.data)


async def session_data(session: WebSocketSession) -> AsyncIterator[Any]:
    async for message in session.messages():
        yield message.data


async def latencies_us(stream: AsyncIterator[Any], ask: Callable[[str], Any]) -> list[float]:
    """Return how long after it was sent each message was in the hands of its reader."""
    took: list[float] = []
    await ask(f"stamps {STAMPS_A_ROUND}")
    async for data in stream:
        took.append((time.monotonic_ns() - data["sent_ns"]) / 1000)
        if len(took) == STAMPS_A_ROUND:
            return took
    raise AssertionError("the stream ended")


async def latency_rows(ws: BareSocket, session: WebSocketSession) -> list[Row]:
    took: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(STAMP_ROUNDS):
        gc.collect()
        took["bare"] += await latencies_us(bare_data(ws), ws.send_str)
        gc.collect()
        took["ours"] += await latencies_us(session_data(session), session.send)
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        ours, bare = percentile(took["ours"], share), percentile(took["bare"], share)
        figure = f"{ours - bare:+.0f} us ({ours:.0f} / {bare:.0f} us)"
        rows.append(Row(f"added latency, {name} of {len(took['ours'])}", figure))
    return rows


def percentile(values: Sequence[float], share: float) -> float:
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    return cuts[round(share * 1000) - 1]


async def measure(address: str) -> list[Row]:
    url = f"ws://{address}/ws"
    async with (
        aiohttp.ClientSession() as bare,
        ConnectionManagersFactory(AsyncThrottler([])) as factory,
        contextlib.AsyncExitStack() as stack,
    ):
        by_json = await opened(stack, factory, url, json.loads)
        by_orjson = await opened(stack, factory, url, orjson.loads)
        streams = {
            "bare json": bare_stream(await bare.ws_connect(url), json.loads),
            "bare orjson": bare_stream(await bare.ws_connect(url), orjson.loads),
            "json": everything(by_json),
            "orjson": everything(by_orjson),
            "messages json": messages_alone(await opened(stack, factory, url, json.loads)),
            "messages orjson": messages_alone(await opened(stack, factory, url, orjson.loads)),
        }
        cost = await compare(streams, calls=TRADES_A_ROUND, rounds=TRADE_ROUNDS)
        cpu = {name: each.cpu_us for name, each in cost.items()}
        return [
            ratio_row("session / bare, json", cpu["json"], cpu["bare json"], 1.30),
            ratio_row("session / bare, orjson", cpu["orjson"], cpu["bare orjson"], 1.30),
            ratio_row("its messages() / bare, json", cpu["messages json"], cpu["bare json"]),
            ratio_row("its messages() / bare, orjson", cpu["messages orjson"], cpu["bare orjson"]),
            *await latency_rows(await bare.ws_connect(url), by_orjson),
        ]


def rows() -> list[Row]:
    with server("websocket") as address:
        return asyncio.run(measure(address))


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
