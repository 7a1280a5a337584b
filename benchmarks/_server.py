"""The other end of the benchmarks, in a process of its own: `python -m benchmarks._server rest`.

Raw asyncio protocols that do as little as possible, so that the client decides what is measured.
Prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from typing import cast

_HANDSHAKE_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def order(number: int) -> dict[str, object]:
    """Return an order as exchanges answer with it, 1 KB of JSON with its fills."""
    return {
        "symbol": "BTCUSDT",
        "orderId": 28_457_000_000 + number,
        "clientOrderId": f"6gCrw2kRUAF9CvJDGP{number:04d}",
        "transactTime": 1_763_692_800_000 + number,
        "price": "91234.56000000",
        "origQty": "0.12500000",
        "executedQty": "0.12500000",
        "cummulativeQuoteQty": "11404.32000000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "selfTradePreventionMode": "NONE",
        "fills": [
            {
                "price": f"9123{fill}.56000000",
                "qty": "0.02500000",
                "commission": "0.00002500",
                "commissionAsset": "BTC",
                "tradeId": 4_200_000_000 + fill,
                "isMaker": False,
            }
            for fill in range(5)
        ],
    }


def trade(number: int) -> dict[str, object]:
    """Return a public trade as a stream sends it, 200 bytes of JSON."""
    return {
        "stream": "btcusdt@trade",
        "data": {
            "e": "trade",
            "E": 1_763_692_800_000 + number,
            "s": "BTCUSDT",
            "t": 4_200_000_000 + number,
            "p": f"9{number % 10_000:04d}.56000000",
            "q": "0.01250000",
            "b": 28_457_000_000 + number,
            "a": 28_457_000_001 + number,
            "T": 1_763_692_799_990 + number,
            "m": True,
        },
    }


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class FixedAnswer(asyncio.Protocol):
    """Answer every request without a body alike, whatever it asks."""

    body = compact(order(1))
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: bench\r\n"
        b"Date: Fri, 21 Nov 2025 02:40:00 GMT\r\nX-Used-Weight-1m: 12\r\n"
        b"Content-Length: %d\r\n\r\n%s"
    ) % (len(body), body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        self.transport.write(self.answer * len(requests))


class TradesAndEcho(asyncio.Protocol):
    """Speak WebSocket: a number asks for so many trades, anything else is echoed.

    ``stamps 500`` asks for so many trades one by one, a millisecond apart, each with the time of
    the machine's monotonic clock at which it was sent.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.rest = b""
        self.upgraded = False

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.upgraded:
            self._upgrade()
        while self.upgraded and self._read_frame():
            pass

    def _upgrade(self) -> None:
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        if not end:
            return
        name = b"sec-websocket-key:"
        lines = head.split(b"\r\n")
        key = next(line for line in lines if line.lower().startswith(name))[len(name) :].strip()
        accept = base64.b64encode(hashlib.sha1(key + _HANDSHAKE_GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        )
        self.rest, self.upgraded = rest, True

    def _read_frame(self) -> bool:
        """Act on the next frame, if it is there as a whole."""
        if len(self.rest) < 2:
            return False
        size, start = self.rest[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(self.rest[2:4]), 4
        end = start + 4 + size
        if len(self.rest) < end:
            return False
        mask = self.rest[start : start + 4] * (size // 4 + 1)
        masked = self.rest[start + 4 : end]
        payload = bytes(a ^ b for a, b in zip(masked, mask, strict=False))
        opcode = self.rest[0] & 15
        self.rest = self.rest[end:]
        if opcode == _PING:
            self.transport.write(frame(_PONG, payload))
        elif opcode == _CLOSE:
            self.transport.write(frame(_CLOSE, payload))
            self.transport.close()
        elif payload.isdigit():
            blocks, more = divmod(int(payload), len(TRADES))
            self.transport.write(b"".join(TRADES) * blocks + b"".join(TRADES[:more]))
        elif payload.startswith(b"stamps "):
            self._send_stamps(int(payload[7:]))
        elif opcode == _TEXT:
            self.transport.write(frame(_TEXT, payload))
        return True

    def _send_stamps(self, count: int) -> None:
        if count and not self.transport.is_closing():
            stamped = compact({"sent_ns": time.monotonic_ns(), **trade(count)})
            self.transport.write(frame(_TEXT, stamped))
            asyncio.get_running_loop().call_later(0.001, self._send_stamps, count - 1)


def frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2)
    return bytes([0x80 | opcode]) + length + payload


TRADES = [frame(_TEXT, compact(trade(number))) for number in range(1000)]
_PROTOCOLS = {"rest": FixedAnswer, "websocket": TradesAndEcho}


async def serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_PROTOCOLS[kind], "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
