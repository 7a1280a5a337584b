"""A request is sent once, to one place, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from networkpype import (
    Outcome,
    RedirectRefusedError,
    RESTConnection,
    RESTManager,
    RESTMethod,
    TransportError,
)
from tests.support.raw_server import Peer, RawServer, answer, answering
from tests.support.signing import LIMIT_ID, free_throttler, rest_manager

METHODS = [RESTMethod.GET, RESTMethod.PUT, RESTMethod.DELETE, RESTMethod.POST, RESTMethod.HEAD]


@asynccontextmanager
async def plain_session_manager() -> AsyncIterator[RESTManager]:
    """A manager over a session that a user made and configured nothing of."""
    async with aiohttp.ClientSession() as session:
        yield RESTManager(RESTConnection(session), free_throttler())


Managers = Callable[[], AbstractAsyncContextManager[RESTManager]]
EVERY_SESSION = pytest.mark.parametrize("managers", [rest_manager, plain_session_manager])


def dies(*last_bytes: bytes, reset: bool) -> Any:
    """Answer the first request of each connection; execute the second, and die."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.request()
        for data in last_bytes:
            await peer.send(data)
        if reset:
            peer.reset()

    return play


async def turns_of_the_loop() -> None:
    """Let the client notice what came, or ended, on a connection that it does not use."""
    for _ in range(10):
        await asyncio.sleep(0)


@EVERY_SESSION
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_alive_connection_that_dies_is_no_reason_to_send_again(
    managers: Managers, method: RESTMethod, reset: bool
) -> None:
    async with RawServer(dies(reset=reset)) as server, managers() as manager:
        await manager.execute_request(server.url, LIMIT_ID)
        with pytest.raises(TransportError, match=f"^{method} .*: connection lost") as caught:
            await manager.execute_request(server.url + "/order", LIMIT_ID, method=method)
        executed = [each for each in server.requests if b" /order " in each]
        assert (len(executed), server.connections) == (1, 1)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(
    "last_bytes",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        answer(b'{"order', "200 OK", "Content-Length: 20"),
        answer(b"5\r\n12345\r\n", "200 OK", "Transfer-Encoding: chunked"),
        answer(b"5\r\n123", "200 OK", "Transfer-Encoding: chunked"),
    ],
)
async def test_an_answer_that_breaks_off_leaves_the_outcome_unknown(
    last_bytes: bytes, reset: bool
) -> None:
    async with RawServer(dies(last_bytes, reset=reset)) as server, rest_manager() as manager:
        await manager.execute_request(server.url, LIMIT_ID)
        with pytest.raises(TransportError) as caught:
            await manager.execute_request(server.url, LIMIT_ID)
        assert len(server.requests) == 2
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01 not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        answer(b"zz\r\n{}\r\n0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked"),
        answer(b"not gzip", "200 OK", "Content-Encoding: gzip"),
    ],
)
async def test_an_answer_that_is_no_http_is_a_typed_error(nonsense: bytes) -> None:
    async with RawServer(answering(nonsense)) as server, rest_manager() as manager:
        with pytest.raises(TransportError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, timeout=2)
        assert len(server.requests) == 1
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(str(caught.value)) < 300


async def test_a_connection_that_the_server_closed_while_idle_is_replaced() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"1"))

    async with RawServer(once) as server, rest_manager() as manager:
        for _ in range(3):
            assert await manager.execute_request(server.url, LIMIT_ID) == 1
            await turns_of_the_loop()
        assert server.connections == 3


@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "while idle"])
async def test_an_answer_that_nobody_asked_for_is_never_taken_for_the_next_ones(
    at_once: bool,
) -> None:
    forged = answer(b'"forged"')
    idle: list[Peer] = []

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b'"true"') + (forged if at_once and peer.number == 1 else b""))
        if peer.number == 1 and not at_once:
            idle.append(peer)
        await peer.silence()

    async with RawServer(play) as server, rest_manager() as manager:
        assert await manager.execute_request(server.url, LIMIT_ID) == "true"
        for peer in idle:
            await peer.send(forged)
        await turns_of_the_loop()
        order = await manager.execute_request(server.url, LIMIT_ID, method=RESTMethod.POST)
        assert order == "true"
        assert (server.connections, len(server.requests)) == (2, 2)


@EVERY_SESSION
@pytest.mark.parametrize("target", ["same origin", "other origin", "itself"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (301, Outcome.REJECTED),
        (302, Outcome.UNKNOWN),
        (303, Outcome.UNKNOWN),
        (307, Outcome.REJECTED),
        (308, Outcome.REJECTED),
    ],
)
async def test_a_redirect_is_refused_and_its_target_sees_nothing(
    managers: Managers, status: int, outcome: Outcome, target: str
) -> None:
    async with RawServer(answering(answer())) as elsewhere:
        location = {
            "same origin": "/target",
            "other origin": f"{elsewhere.url}/target",
            "itself": "",
        }[target]
        redirect = answer(b"", f"{status} Moved", f"Location: {location}")
        async with RawServer(answering(redirect)) as server, managers() as manager:
            for method in (RESTMethod.POST, RESTMethod.GET):
                with pytest.raises(RedirectRefusedError, match=f"HTTP {status}") as caught:
                    await manager.execute_request(
                        server.url, LIMIT_ID, method=method, headers={"X-API-KEY": "k" * 32}
                    )
                assert (caught.value.status, caught.value.outcome) == (status, outcome)
                with pytest.raises(RedirectRefusedError):
                    await manager.execute_request(
                        server.url, LIMIT_ID, method=method, return_err=True
                    )
            assert len(server.requests) == 4
            assert not any(b"/target" in each for each in server.requests)
        assert elsewhere.requests == []
