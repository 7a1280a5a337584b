"""How often it dials (F34, F46), and how it lives with a network that changes (F47, F48)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from networkpype import ConnectionsFactory
from networkpype.errors import ReconnectError
from networkpype.hooks import Event
from networkpype.retry import Backoff
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.session.events import Disconnected, Ready
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from tests.support.memory_line import MemoryExchange, MemoryLine
from tests.support.stage import AT_ONCE, Guest, Stage, serving, topics, watched

MINUTE = 60.0
LIFE_S = 0.5


async def accept_then_close(line: MemoryLine) -> None:
    asyncio.get_running_loop().call_later(LIFE_S, line.hang_up, 1000, "enough")


def most_in_a_window(dials: list[float], window_s: float) -> int:
    return max(sum(at <= other < at + window_s for other in dials) for at in dials)


async def read_all(session: WebSocketSession) -> list[Any]:
    return [item async for item in session]


@virtual_time
async def test_accept_then_close_keeps_the_back_off_growing() -> None:
    """F34: the waits are 1, 2, 4, ... 60 s at full jitter's most, though it was ready each time."""
    exchange = MemoryExchange(on_open=accept_then_close)
    reconnect = Reconnect(backoff=Backoff(1.0, 2.0, 60.0, jitter=lambda: 1.0))
    async with exchange.session(reconnect=reconnect) as session:
        reading = asyncio.create_task(read_all(session))
        await asyncio.sleep(200)
    expected = [0.0]
    while expected[-1] < 200:
        expected.append(expected[-1] + LIFE_S + min(60.0, 2.0 ** (len(expected) - 1)))
    assert exchange.dials == expected[:-1]
    assert sum(at < MINUTE for at in exchange.dials) == 6
    items = await reading
    assert sum(isinstance(item, Ready) for item in items) == len(exchange.dials)


@virtual_time
async def test_accept_then_close_keeps_the_budget_whatever_the_jitter() -> None:
    """F34: with no wait at all between dials there are 20 in any 60 s, and not one more."""
    exchange = MemoryExchange(on_open=accept_then_close)
    reconnect = Reconnect(
        backoff=Backoff(jitter=lambda: 0.0), most_dials=20, window_s=MINUTE, healthy_after_s=0.1
    )
    async with exchange.session(reconnect=reconnect) as session:
        reading = asyncio.create_task(read_all(session))
        await asyncio.sleep(10 * MINUTE - 1)
    await reading
    assert most_in_a_window(exchange.dials, MINUTE) == 20
    assert len(exchange.dials) == 200, "20 a minute for ten minutes"


async def test_accept_then_close_on_sockets() -> None:
    """F34: the same at the wire: connects at the server are what the budget allows."""

    async def close_at_once(guest: Guest) -> None:
        await guest.upgrade()

    reconnect = Reconnect(backoff=Backoff(jitter=lambda: 0.0), most_dials=7, window_s=MINUTE)
    async with Stage(close_at_once) as stage, watched(stage.url, reconnect=reconnect) as seen:
        await seen.until(lambda: len(seen.of(Disconnected)) == 7)
        assert stage.connections == 7
        assert 55 < (seen.of(Disconnected)[-1].retry_in_s or 0) <= MINUTE


@virtual_time
async def test_200_sessions_that_drop_at_once_come_back_spread() -> None:
    """F46: all dials within the first back-off, evenly; a second of it has no crowd."""
    exchange = MemoryExchange()
    sessions = []
    for number in range(200):
        jitter = random.Random(number).random
        sessions.append(
            exchange.session(reconnect=Reconnect(backoff=Backoff(10.0, 2.0, 60.0, jitter=jitter)))
        )
        await sessions[-1].open()
    await asyncio.sleep(100)
    assert len(exchange.dials) == 200
    assert all(session.is_ready for session in sessions)
    exchange.dials.clear()
    for line in exchange.lines[:200]:
        line.hang_up(1012, "restart")
    await asyncio.sleep(50)
    dials = [at - 100 for at in exchange.dials]
    assert len(dials) == 200, "each came back with one dial"
    assert max(dials) <= 10
    # 20 a second on the average; a crowd of twice that would be 4.5 standard deviations.
    crowds = [sum(second <= at < second + 1 for at in dials) for second in range(10)]
    assert max(crowds) < 40
    assert min(crowds) > 4
    for session in sessions:
        await session.close()


class Names(aiohttp.abc.AbstractResolver):
    """A resolver that says what the test says, and counts."""

    def __init__(self, *answers: list[tuple[str, int]]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": to,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address, to in answer
        ]

    async def close(self) -> None:
        pass


async def test_a_host_that_moved_is_found_at_the_next_dial() -> None:
    """F47: every dial asks for the name anew; the connection that fell was at the old address."""

    async def leave(guest: Guest) -> None:
        await guest.enter()
        await guest.hear()

    async with Stage(leave) as old, Stage(serving) as new:
        names = Names([("127.0.0.1", old.port)], [("127.0.0.1", new.port)])
        async with watched(
            "ws://exchange.test/ws",
            subscriptions=topics("a"),
            connections=ConnectionsFactory(resolver=names),
        ) as seen:
            await seen.until(lambda: seen.of(Ready))
            await seen.session.send({"please": "leave"})
            await seen.until(lambda: len(seen.of(Ready)) == 2)
        assert (old.connections, new.connections, names.asked) == (1, 1, 2)


async def test_a_broken_ipv6_does_not_keep_it_from_dialing() -> None:
    """F47: the first address swallows everything; the second is tried a quarter second later."""
    async with Stage(serving) as stage:
        # 100::/64 is where packets are thrown away (RFC 6666), if there is a way at all.
        names = Names([("100::1", stage.port), ("127.0.0.1", stage.port)])
        async with watched(
            "ws://exchange.test/ws",
            connections=ConnectionsFactory(resolver=names),
            dial_timeout_s=3.0,
        ) as seen:
            await seen.until(lambda: seen.of(Ready))
            assert not seen.of(Disconnected)


async def test_a_process_without_a_free_descriptor_dials_later() -> None:
    """F48: EMFILE, for real: the reason is named, and it comes back."""
    resource = pytest.importorskip("resource")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with Stage(serving) as stage:
        with socket.socket() as highest:
            taken = highest.fileno()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken, most[1]))
            async with watched(stage.url, subscriptions=topics("a")) as seen:
                await seen.until(lambda: len(seen.of(Disconnected)) == 2)
                resource.setrlimit(resource.RLIMIT_NOFILE, most)
                await seen.until(lambda: seen.of(Ready))
                assert os.strerror(errno.EMFILE) in seen.of(Disconnected)[0].reason
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENETUNREACH])
async def test_a_network_that_is_not_there_is_dialed_later(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F48, and the moment between two networks of F47: the reason is named, and it comes back."""
    loop = asyncio.get_running_loop()
    connect: Callable[..., Awaitable[None]] = loop.sock_connect
    left = [3]

    async def fail(sock: socket.socket, address: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(number, "no more")
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", fail)
    async with Stage(serving) as stage, watched(stage.url, subscriptions=topics("a")) as seen:
        await seen.until(lambda: seen.of(Ready))
        told = [each.reason for each in seen.of(Disconnected)]
        assert len(told) == 3
        assert all(os.strerror(number) in reason for reason in told), told
        assert stage.subscribes(1) == ["a"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
async def test_a_log_on_a_full_disk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """F48: whatever is logged when a session gives up, it ends with its own error."""

    async def refuse(guest: Guest) -> None:
        await guest.read_head()

    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = logging.FileHandler("/dev/full")
    logging.getLogger().addHandler(handler)
    try:
        async with (
            Stage(refuse) as stage,
            watched(stage.url, reconnect=Reconnect(backoff=AT_ONCE, most_attempts=2)) as seen,
        ):
            assert isinstance(await seen.end(), ReconnectError)
    finally:
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


async def test_a_hook_that_fails_changes_nothing() -> None:
    """F48: such as one that writes to a disk that is full."""

    def hook(event: Event) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    async with (
        Stage(serving) as stage,
        watched(stage.url, subscriptions=topics("a"), hook=hook) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        assert stage.subscribes(1) == ["a"]
