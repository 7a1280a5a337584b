"""An exchange for `bench_limits`, in a process of its own: `python -m benchmarks._limits_exchange`.

A raw asyncio protocol: a request is counted by `networkpype.testing.arrivals` the moment its head
is there, refused with 429 where that exceeds a limit, and else answered after a delay that jitters.
What it counts is frozen `measure_s` after the first request, while the demand still goes on, and
told at ``GET /counted``. The argument is a JSON object: rate, window_s, measure_s, delay_s, seed.
Prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from typing import Any, cast

from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit

DEPTHS = {20: 1, 100: 2, 500: 5}
"""What a book costs by its depth."""
PLACE, BOOK, COUNTED = "/order", "/depth?limit=", "/counted"

IP_PER_S, ORDERS_PER_S = 2000, 400
ORDERS_BURST = 40
OPEN = 45


def costs_ip(method: str, path: str) -> int:
    """Weigh a request: 2 for an order, a book by its depth."""
    return 2 if method == "POST" else DEPTHS[int(path.rpartition("=")[2])]


def sizes(rate: float, window_s: float) -> tuple[int, int]:
    """Return the units of "ip" and "orders" a window; at a rate of 1 some 900 requests a second."""
    return int(IP_PER_S * rate * window_s), int(ORDERS_PER_S * rate * window_s)


def limits(rate: float, window_s: float) -> list[ArrivalLimit]:
    """Return the exchange's limits."""
    ip, orders = sizes(rate, window_s)
    return [
        ArrivalLimit("ip", ip, window_s, weight=costs_ip),
        ArrivalLimit.token_bucket(
            "orders", orders, window_s, burst=ORDERS_BURST, methods=("POST",)
        ),
        ArrivalLimit.concurrent("open", OPEN),
    ]


class Exchange:
    """What all connections share."""

    def __init__(
        self, rate: float, window_s: float, measure_s: float, delay_s: float, seed: int
    ) -> None:
        self._counter = ArrivalCounter(limits(rate, window_s))
        self._measure_s, self._delay_s = measure_s, delay_s
        self._random = random.Random(seed)
        self._requests = 0
        self._frozen: dict[str, Any] | None = None
        self.loop = asyncio.get_running_loop()

    def answer(self, connection: Connection, method: str, path: str) -> None:
        now = time.monotonic()
        if path == COUNTED:
            connection.send(200, json.dumps(self._counted()).encode())
            return
        if not self._requests:
            self.loop.call_later(self._measure_s, self._freeze, now + self._measure_s)
        self._requests += 1
        overrun = self._counter.arrive(method, path, now)
        if overrun is not None:
            connection.send(429, b"{}", math.ceil(overrun.retry_after_s))
            return
        delay_s = self._random.uniform(0.2, 1.8) * self._delay_s
        if self._random.random() < 0.02:
            delay_s *= 10
        self.loop.call_later(delay_s, self._let_go, connection, method, path)

    def _let_go(self, connection: Connection, method: str, path: str) -> None:
        self._counter.leave(method, path, time.monotonic())
        connection.send(200, b"{}")

    def _freeze(self, until: float) -> None:
        self._frozen = {
            "measured": self._requests,
            "use": {name: tuple(use) for name, use in self._counter.use(until).items()},
        }

    def _counted(self) -> dict[str, Any]:
        return {
            "requests": self._requests,
            "refused": sum(self._counter.refused.values()),
            "peaks": dict(self._counter.peaks),
            **(self._frozen or {}),
        }


class Connection(asyncio.Protocol):
    """Reads requests without a body, or with one whose length is told."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while True:
            head, end, rest = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(rest) < length:
                return
            self._rest = rest[length:]
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._exchange.answer(self, method, path)

    def send(self, status: int, body: bytes, retry_after_s: int = 0) -> None:
        more = b"Retry-After: %d\r\n" % retry_after_s if status == 429 else b""
        self._transport.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"
            % (status, more, len(body), body)
        )


async def serve(options: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    exchange = Exchange(**options)
    server = await loop.create_server(lambda: Connection(exchange), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
