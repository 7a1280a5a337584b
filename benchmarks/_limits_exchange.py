"""An exchange for `bench_limits`, in a process of its own: `python -m benchmarks._limits_exchange`.

A raw asyncio protocol: a request is counted by `networkpype.testing.arrivals` the moment its head
is there, refused with 429 where that exceeds a limit, and else answered after a delay that jitters.
Its clock is `AHEAD_S` ahead of the machine's, and told at ``GET /time``. What it counts is frozen
when `measure_s` are over and the window that runs then ends, while the demand still goes on, and
told at ``GET /counted``. The argument is a JSON object: terms (see `Terms`), measure_s, seed.
Prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from dataclasses import dataclass
from typing import Any, cast

from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit

KINDS = ("rolling", "fixed", "bucket", "counter", "places")
DEPTHS = {20: 1, 100: 2, 500: 5}
"""What a book costs by its depth."""
ORDER = 2
PLACE, BOOK, COUNTED, TIME = "/order", "/depth?limit=", "/counted", "/time"

AHEAD_S = 2.8
ASYMMETRY_S = 0.02
"""By so much at most the time takes longer on its way than the question for it."""

ROOM = 3
"""The limits that are not to bind are so many times as wide."""
BURST_S, COUNTER_S = 0.5, 1.0
"""What a bucket and a counter hold when they are full, in seconds of their rate."""
_EARLY_S = 0.001


@dataclass(frozen=True)
class Terms:
    """One limit of each kind; that of `kind` binds, and each request counts under all of them.

    Under four of them a request weighs what it asks for, and under "places" 1. `per_s` is what one
    that binds admits, in units a second; `places` and `open` are for calls under way, where they
    bind and where not. An answer takes about `delay_s`, one in fifty ten times as long.
    """

    kind: str
    per_s: int = 1000
    window_s: float = 5.0
    places: int = 40
    open: int = 45
    delay_s: float = 0.004

    def rate(self, kind: str) -> int:
        return self.per_s if kind == self.kind else ROOM * self.per_s

    def window(self, kind: str) -> int:
        return int(self.rate(kind) * self.window_s)

    def burst(self) -> int:
        return int(self.rate("bucket") * BURST_S)

    def counter(self) -> int:
        return int(self.rate("counter") * COUNTER_S)

    def under_way(self) -> int:
        return self.places if self.kind == "places" else self.open


def weigh(method: str, path: str) -> int:
    """Weigh a request: 2 for an order, a book by its depth."""
    return ORDER if method == "POST" else DEPTHS[int(path.rpartition("=")[2])]


def limits(terms: Terms) -> list[ArrivalLimit]:
    """Return the exchange's limits, in the order of `KINDS`."""
    window_s = terms.window_s
    return [
        ArrivalLimit("rolling", terms.window("rolling"), window_s, weight=weigh),
        ArrivalLimit.fixed_window("fixed", terms.window("fixed"), window_s, weight=weigh),
        ArrivalLimit.token_bucket(
            "bucket", terms.rate("bucket"), 1.0, burst=terms.burst(), weight=weigh
        ),
        ArrivalLimit.decaying_counter(
            "counter", terms.counter(), terms.rate("counter"), weight=weigh
        ),
        ArrivalLimit.concurrent("places", terms.under_way()),
    ]


def wall_s() -> float:
    """Return what the exchange's clock shows."""
    return time.time() + AHEAD_S


class Exchange:
    """What all connections share."""

    def __init__(self, terms: dict[str, Any], measure_s: float, seed: int) -> None:
        self._terms = Terms(**terms)
        self._counter = ArrivalCounter(limits(self._terms))
        self._measure_s = measure_s
        self._random = random.Random(seed)
        self._requests = 0
        self._until = (math.inf, math.inf)
        self._frozen: dict[str, Any] | None = None
        self.loop = asyncio.get_running_loop()

    def answer(self, connection: Connection, method: str, path: str) -> None:
        if path == COUNTED:
            connection.send(200, json.dumps(self._counted()).encode())
            return
        if path == TIME:
            delay_s = self._random.uniform(0, ASYMMETRY_S)
            body = json.dumps(wall_s() * 1000).encode()
            self.loop.call_later(delay_s, connection.send, 200, body)
            return
        now = time.monotonic()
        if not self._requests:
            self._freeze_later(now)
        self._freeze_at(now)
        self._requests += 1
        overrun = self._counter.arrive(method, path, now, wall_s())
        if overrun is not None:
            connection.send(429, b"{}", math.ceil(overrun.retry_after_s))
            return
        delay_s = self._random.uniform(0.2, 1.8) * self._terms.delay_s
        if self._random.random() < 0.02:
            delay_s *= 10
        self.loop.call_later(delay_s, self._let_go, connection, method, path)

    def _let_go(self, connection: Connection, method: str, path: str) -> None:
        now = time.monotonic()
        self._freeze_at(now)
        self._counter.leave(method, path, now)
        connection.send(200, b"{}")

    def _freeze_later(self, first: float) -> None:
        """Freeze at the end of a window: one that has only begun counts as a whole one."""
        window_s, wall = self._terms.window_s, wall_s()
        if self._terms.kind == "fixed":
            end_s = math.ceil((wall + self._measure_s) / window_s) * window_s - wall
        else:
            end_s = math.ceil(self._measure_s / window_s) * window_s
        self._until = (first + end_s - _EARLY_S, wall + end_s - _EARLY_S)

    def _freeze_at(self, now: float) -> None:
        if self._frozen is not None or now < self._until[0]:
            return
        self._frozen = {
            "measured": self._requests,
            "use": {name: tuple(use) for name, use in self._counter.use(*self._until).items()},
        }

    def _counted(self) -> dict[str, Any]:
        # Without demand up to the end, less was used than could have been: that is told, too.
        self._freeze_at(math.inf)
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
