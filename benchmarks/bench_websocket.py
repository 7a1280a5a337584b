"""What receiving costs: `iter_messages` beside a bare aiohttp loop, and an echo's round trip.

A server sends 200-byte trades as fast as they are taken, so that nearly all is the client's work.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import orjson

from benchmarks._measure import Contestant, compare, ratio_row, server
from benchmarks._report import Row, table
from benchmarks._server import order
from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    JSONLoads,
    RateLimit,
    WebSocketJSONRequest,
    WebSocketPlainTextRequest,
)

# A round is some milliseconds, so that whatever else the machine does hits all alike.
TRADES_A_ROUND, TRADE_ROUNDS = 600, 250
ECHOES_A_ROUND, ECHO_ROUNDS = 30, 80

BareSocket = aiohttp.ClientWebSocketResponse[bool]


def bare_stream(ws: BareSocket, loads: JSONLoads) -> Contestant:
    async def receive(calls: int) -> None:
        await ws.send_str(str(calls))
        async for message in ws:
            data = loads(message.data)
            calls -= 1
            if not calls:
                break
        assert data["stream"] == "btcusdt@trade"

    return receive


async def our_stream(
    factory: ConnectionManagersFactory, url: str, loads: JSONLoads | None, **options: Any
) -> Contestant:
    manager = await factory.get_ws_manager(json_loads=loads)
    await manager.connect(url, **options)

    async def receive(calls: int) -> None:
        await manager.send(WebSocketPlainTextRequest(str(calls)))
        async for message in manager.iter_messages():
            data = message.data
            calls -= 1
            if not calls:
                break
        assert data["stream"] == "btcusdt@trade"

    return receive


def bare_echo(ws: BareSocket) -> Contestant:
    async def echo(calls: int) -> None:
        payload = order(1)
        for _ in range(calls):
            await ws.send_json(payload)
            answer = json.loads((await ws.receive()).data)
        assert answer == payload

    return echo


async def our_echo(factory: ConnectionManagersFactory, url: str) -> Contestant:
    manager = await factory.get_ws_manager(json_loads=json.loads)
    await manager.connect(url)

    async def echo(calls: int) -> None:
        payload = order(1)
        for _ in range(calls):
            await manager.send(WebSocketJSONRequest(payload))
            answer = await manager.receive()
        assert answer is not None
        assert answer.data == payload

    return echo


async def measure(address: str) -> list[Row]:
    url = f"ws://{address}/ws"
    throttler = AsyncThrottler([RateLimit(limit_id="ws", limit=1000, time_interval=1)])
    async with aiohttp.ClientSession() as session, ConnectionManagersFactory(throttler) as factory:
        streams = {
            "bare json": bare_stream(await session.ws_connect(url), json.loads),
            "bare orjson": bare_stream(await session.ws_connect(url), orjson.loads),
            "our json": await our_stream(factory, url, json.loads),
            "our own": await our_stream(factory, url, None),
            "our orjson": await our_stream(factory, url, orjson.loads),
            "watched": await our_stream(factory, url, orjson.loads, message_timeout=30),
        }
        cost = await compare(streams, calls=TRADES_A_ROUND, rounds=TRADE_ROUNDS)
        stream = {name: each.cpu_us for name, each in cost.items()}
        echoes = {
            "bare": bare_echo(await session.ws_connect(url)),
            "ours": await our_echo(factory, url),
        }
        echo = await compare(echoes, calls=ECHOES_A_ROUND, rounds=ECHO_ROUNDS)
        return [
            ratio_row("iter_messages / bare, json", stream["our json"], stream["bare json"], 1.10),
            ratio_row(
                "iter_messages with its own decoder / bare, json",
                stream["our own"],
                stream["bare json"],
            ),
            ratio_row(
                "iter_messages / bare, orjson", stream["our orjson"], stream["bare orjson"], 1.10
            ),
            ratio_row(
                "iter_messages with orjson / bare with json",
                stream["our orjson"],
                stream["bare json"],
                0.65,
            ),
            ratio_row(
                "iter_messages with / without message_timeout",
                stream["watched"],
                stream["our orjson"],
                1.02,
            ),
            ratio_row(
                "echo round trip / bare, json", echo["ours"].wall_us, echo["bare"].wall_us, 1.05
            ),
            ratio_row("its CPU / bare, json", echo["ours"].cpu_us, echo["bare"].cpu_us),
        ]


def rows() -> list[Row]:
    with server("websocket") as address:
        return asyncio.run(measure(address))


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
