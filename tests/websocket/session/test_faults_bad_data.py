"""Frames that break the protocol (F33), and messages that are no JSON, or too much of it (F50)."""

from __future__ import annotations

import asyncio
import json
import struct
import time
import zlib
from typing import Any

import pytest

from networkpype import codec
from networkpype.errors import BodyTooLargeError, DecodeError
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import Disconnected, Gap, Ready, SessionMessage
from tests.support.lag import LoopLag
from tests.support.raw_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    close_frame,
    frame,
)
from tests.support.stage import Guest, Script, Stage, serving, staged, topics, watched

MOST = 1000


def writing(*pieces: bytes) -> Script:
    async def play(guest: Guest) -> None:
        await guest.enter()
        for piece in pieces:
            await guest.write(piece)
        await guest.serve()

    return play


def masked(payload: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def text_of(size: int) -> bytes:
    """Return JSON of exactly so many bytes."""
    return b'"' + b"x" * (size - 2) + b'"'


whole = frame(TEXT, '{"n": 1}')


@pytest.mark.parametrize(
    ("pieces", "data"),
    [
        pytest.param(
            [
                frame(TEXT, '{"n"', fin=False),
                frame(CONTINUATION, ": ", fin=False),
                frame(CONTINUATION, "1}"),
            ],
            {"n": 1},
            id="F33-fragmented",
        ),
        pytest.param(
            [frame(TEXT, '{"n"', fin=False), frame(PING, b"?"), frame(CONTINUATION, ":1}")],
            {"n": 1},
            id="F33-control-between-fragments",
        ),
        pytest.param([bytes([byte]) for byte in whole], {"n": 1}, id="F33-byte-by-byte"),
        pytest.param([frame(TEXT, text_of(MOST))], "x" * (MOST - 2), id="F33-max-size"),
        pytest.param([frame(TEXT, text_of(MOST - 1))], "x" * (MOST - 3), id="F33-max-size-less-1"),
        pytest.param([frame(BINARY, b"")], b"", id="F33-0-length-binary"),
    ],
)
async def test_what_is_allowed_arrives(pieces: list[bytes], data: Any) -> None:
    async with (
        Stage(writing(*pieces)) as stage,
        watched(stage.url, subscriptions=topics("a"), max_message_bytes=MOST) as seen,
    ):
        await seen.until(lambda: seen.data)
        assert seen.data == [data]
        if any(piece == frame(PING, b"?") for piece in pieces):
            await stage.until(lambda: stage.controls)
            assert [(got.opcode, got.payload) for _, got in stage.controls] == [(PONG, b"?")]


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        pytest.param(frame(TEXT, text_of(MOST + 1)), 1009, id="F33-max-size-plus-1"),
        pytest.param(struct.pack("!BBQ", 0x81, 127, 1 << 40), 1009, id="F33-oversize-header"),
        pytest.param(frame(TEXT, b'"\xff\xfe"'), 1007, id="F33-bad-UTF-8"),
        pytest.param(frame(TEXT, "1", rsv=RSV1), 1002, id="F33-RSV1"),
        pytest.param(frame(TEXT, "1", rsv=0x20), 1002, id="F33-RSV2"),
        pytest.param(frame(3, "1"), 1002, id="F33-reserved-opcode"),
        pytest.param(frame(11, "1"), 1002, id="F33-reserved-control"),
        pytest.param(frame(CONTINUATION, "1"), 1002, id="F33-continuation-of-nothing"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="F33-long-ping"),
        pytest.param(frame(PING, fin=False), 1002, id="F33-fragmented-ping"),
        pytest.param(b"\x88\x01\x03", 1002, id="F33-close-of-1-byte"),
        pytest.param(close_frame(999), 1002, id="F33-close-999"),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection(piece: bytes, code: int) -> None:
    """Typed by the close code; what came before is delivered, and the session comes back."""
    async with (
        Stage(writing(whole, piece), serving) as stage,
        watched(stage.url, subscriptions=topics("a"), max_message_bytes=MOST) as seen,
    ):
        await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert seen.data == [{"n": 1}]
        (ended,) = seen.of(Disconnected)
        assert ended.code == code
        assert len(seen.of(Gap)) == 1


async def test_a_masked_frame_is_read_as_what_it_says() -> None:
    """F33: RFC 6455 section 5.1 forbids it; aiohttp unmasks it, which harms nobody."""
    async with (
        Stage(writing(masked(b'{"n": 1}')), serving) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.data or seen.of(Disconnected))
        assert seen.data == [{"n": 1}] or seen.of(Disconnected)[0].code == 1002


async def test_a_deflate_bomb_is_not_inflated() -> None:
    """F33: a thousand to one; no more than the limit is ever in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b"0" * 50_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)

    async def play(guest: Guest) -> None:
        await guest.upgrade("Sec-WebSocket-Extensions: permessage-deflate")
        await guest.read_frame()  # the subscribe, packed
        await guest.say({"id": 100001, "result": None})
        await guest.write(frame(TEXT, bomb[:-4], rsv=RSV1))
        await guest.read_end()

    async with (
        Stage(play, serving) as stage,
        watched(
            stage.url,
            subscriptions=topics("a"),
            permessage_deflate=True,
            max_message_bytes=100_000,
        ) as seen,
    ):
        with LoopLag() as lag:
            await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert seen.of(Disconnected)[0].code == 1009
        assert lag.worst_s < 0.25


# -- F50 -------------------------------------------------------------------------------------------


def no_ping(data: Any) -> None:
    """Look into every message, and find nothing."""


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b'{"n": 1', id="F50-cut-short"),
        pytest.param(b'{"n": NaN}', id="F50-nan"),
        pytest.param(b"[" * 100_000, id="F50-deep"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="F50-deep-and-whole"),
    ],
)
@pytest.mark.parametrize("looks_in", [False, True], ids=["raw", "looked-into"])
async def test_what_is_no_json_is_a_typed_error_in_its_place(bad: bytes, looks_in: bool) -> None:
    """The next message comes as ever: one bad one does not end the stream."""
    beats = Heartbeat(answers=no_ping) if looks_in else Heartbeat()
    pieces = frame(TEXT, '{"n": 1}'), frame(TEXT, bad), frame(TEXT, '{"n": 2}')
    async with (
        Stage(writing(*pieces)) as stage,
        staged(stage.url, subscriptions=topics("a"), heartbeat=beats) as session,
    ):
        got: list[Any] = []
        async with asyncio.timeout(5):
            while len(got) < 3:
                try:
                    item = await anext(session)
                except DecodeError as error:
                    got.append(type(error))
                else:
                    assert not isinstance(item, (Disconnected, Gap))
                    got += [item.data] if isinstance(item, SessionMessage) else []
        assert got == [{"n": 1}, DecodeError, {"n": 2}]


async def test_what_does_not_even_look_like_json_is_text() -> None:
    """F33, F50: of no length, or an error page; some exchanges say "pong" so."""
    pieces = [frame(TEXT), frame(TEXT, "<html>busy</html>"), frame(TEXT, '{"n": 2}')]
    async with (
        Stage(writing(*pieces)) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: len(seen.data) == 3)
        assert seen.data == ["", "<html>busy</html>", {"n": 2}]


async def test_a_message_that_inflates_too_far_is_a_typed_error_in_its_place() -> None:
    """F50: gzip frames of the exchange's own; the connection is not to blame."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"0" * 5_000_000) + packer.flush()
    async with (
        Stage(writing(frame(BINARY, bomb), frame(TEXT, "1"))) as stage,
        staged(
            stage.url, subscriptions=topics("a"), compression="gzip", max_message_bytes=100_000
        ) as session,
    ):
        with pytest.raises(BodyTooLargeError):
            async for _ in session:
                pass
        async for item in session:
            if isinstance(item, SessionMessage):
                assert item.data == 1
                break


async def test_a_line_of_5_mb_keeps_the_loop_no_longer_than_its_decoder() -> None:
    """F50: the pause is measured and printed; 50 ms, or what the decoder alone takes here."""
    line = json.dumps([{"p": str(n), "q": "1.5"} for n in range(180_000)]).encode()
    assert len(line) > 5_000_000
    began = time.perf_counter()
    codec.loads(line)
    alone_s = time.perf_counter() - began
    async with (
        Stage(writing(frame(TEXT, line))) as stage,
        watched(stage.url, subscriptions=topics("a")) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        with LoopLag() as lag:
            await seen.until(lambda: seen.data)
            await asyncio.sleep(0.02)  # the tick that was late comes now
        assert len(seen.data[0]) == 180_000
    print(f"5 MB: the loop paused {lag.worst_s * 1e3:.0f} ms, its decoder {alone_s * 1e3:.0f} ms")  # noqa: T201
    assert lag.worst_s < max(0.05, 3 * alone_s)
