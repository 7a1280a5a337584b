"""One deadline covers everything: the caller gets its error within the timeout plus 5 %."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from networkpype import (
    ConnectionsFactory,
    Event,
    Outcome,
    RequestFinished,
    RequestTimeoutError,
    RESTConnection,
    RESTMethod,
    RESTPreProcessor,
    RESTRequest,
    TransportError,
)
from tests.support.lag import LoopLag
from tests.support.raw_server import Peer, RawServer, Script, answer
from tests.support.signing import LIMIT_ID, rest_manager

TIMEOUT_S = 0.8
SHORT_S = 0.03
TOO_MUCH = b" " * (16 << 20)  # more than the buffers of both sockets hold

Stall = Callable[[], AbstractAsyncContextManager[tuple[str, dict[str, Any]]]]


def at_server(script: Script, scheme: str = "http") -> Stall:
    @asynccontextmanager
    async def stall() -> AsyncIterator[tuple[str, dict[str, Any]]]:
        async with RawServer(script) as server:
            yield f"{scheme}://127.0.0.1:{server.port}/", {}

    return stall


@asynccontextmanager
async def in_a_processor() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    class Slow(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            await asyncio.Event().wait()
            return request

    yield "http://127.0.0.1:1/", {"rest_pre_processors": [Slow()]}


@asynccontextmanager
async def in_name_resolution() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    class NeverResolves(AbstractResolver):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

        async def close(self) -> None:
            """Hold nothing."""

    factory = ConnectionsFactory(resolver=NeverResolves())
    yield "http://exchange.invalid/", {"connections_factory": factory}


@asynccontextmanager
async def in_tcp_connect() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A port whose queue of connections is full: the next one is never set up."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", {}


async def never_read(peer: Peer) -> None:
    await asyncio.Event().wait()


async def never_answer(peer: Peer) -> None:
    await peer.request()
    await peer.silence()


async def stop_in_the_headers(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nX-Half: ")
    await peer.silence()


async def stop_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(answer(b'{"order": 1', "200 OK", "Content-Length: 20"))
    await peer.silence()


async def drip(peer: Peer) -> None:
    await peer.request()
    await peer.send(answer(b"", "200 OK", "Content-Length: 100000"))
    while True:
        await peer.send(b" ")
        await asyncio.sleep(0.01)


STALLS: dict[str, tuple[Stall, Outcome]] = {
    "processor": (in_a_processor, Outcome.NOT_SENT),
    "name resolution": (in_name_resolution, Outcome.NOT_SENT),
    "TCP connect": (in_tcp_connect, Outcome.NOT_SENT),
    "TLS handshake": (at_server(Peer.silence, "https"), Outcome.NOT_SENT),
    "upload": (at_server(never_read), Outcome.UNKNOWN),
    "no answer": (at_server(never_answer), Outcome.UNKNOWN),
    "headers": (at_server(stop_in_the_headers), Outcome.UNKNOWN),
    "body": (at_server(stop_in_the_body), Outcome.UNKNOWN),
    "body, a byte at a time": (at_server(drip), Outcome.UNKNOWN),
}


async def stalled(stall: Stall, body: bytes) -> tuple[float, RequestTimeoutError]:
    """Return after how many seconds the call gave up, and its error."""
    loop = asyncio.get_running_loop()
    async with stall() as (url, options), rest_manager(**options) as manager:
        started = loop.time()
        with pytest.raises(RequestTimeoutError) as caught:
            await manager.execute_request(
                url, LIMIT_ID, data=body, method=RESTMethod.POST, timeout=TIMEOUT_S
            )
        return loop.time() - started, caught.value


async def test_wherever_it_stalls_the_error_comes_in_time_and_says_what_to_assume() -> None:
    # All at once, so that the suite waits for one timeout instead of nine.
    with LoopLag() as lag:
        ends = await asyncio.gather(
            *(
                stalled(stall, TOO_MUCH if place == "upload" else b"{}")
                for place, (stall, _) in STALLS.items()
            )
        )
    for (place, (_, outcome)), (elapsed_s, error) in zip(STALLS.items(), ends, strict=True):
        assert TIMEOUT_S <= elapsed_s <= 1.05 * TIMEOUT_S + lag.worst_s, (place, elapsed_s)
        assert error.outcome is outcome, (place, error)
        phase = "after it was written" if outcome is Outcome.UNKNOWN else "before anything was sent"
        assert str(error).endswith(f"timed out after {TIMEOUT_S} s, {phase}"), (place, error)
        assert isinstance(error, (TimeoutError, TransportError, OSError)), place


@pytest.mark.parametrize("script", [never_answer, stop_in_the_headers, stop_in_the_body, drip])
async def test_a_connection_that_timed_out_is_closed_and_never_used_again(script: Script) -> None:
    async with RawServer(script) as server, rest_manager() as manager:
        for _ in range(2):
            with pytest.raises(RequestTimeoutError):
                await manager.execute_request(server.url, LIMIT_ID, timeout=SHORT_S)
        assert (server.connections, len(server.requests)) == (2, 2)
        if script is not drip:
            await server.until(lambda: server.hang_ups == 2)


async def test_the_managers_own_timeout_holds_where_a_call_brings_none() -> None:
    events: list[Event] = []
    async with (
        RawServer(never_answer) as server,
        rest_manager(timeout_s=SHORT_S, hook=events.append) as manager,
    ):
        with pytest.raises(RequestTimeoutError, match=r"timed out after 0\.03 s"):
            await manager.execute_request(server.url, LIMIT_ID)
        with pytest.raises(RequestTimeoutError):
            await manager.call(RESTRequest(RESTMethod.GET, server.url))
        with pytest.raises(RequestTimeoutError):
            await manager.call(RESTRequest(RESTMethod.GET, server.url), timeout=SHORT_S)
    assert len(events) == 3
    for event in events:
        assert isinstance(event, RequestFinished)
        assert (event.error, event.outcome, event.status) == (
            "RequestTimeoutError",
            Outcome.UNKNOWN,
            None,
        )


async def test_a_bare_connection_has_a_deadline_as_well() -> None:
    async with RawServer(never_answer) as server, aiohttp.ClientSession() as session:
        connection = RESTConnection(session)
        with pytest.raises(RequestTimeoutError) as caught:
            await connection.call(RESTRequest(RESTMethod.GET, server.url), timeout=SHORT_S)
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_waiting_for_a_free_connection_is_within_the_deadline_and_not_sent() -> None:
    connections = ConnectionsFactory(max_connections=1)
    async with (
        RawServer(never_answer) as server,
        rest_manager(connections_factory=connections) as manager,
    ):
        first = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
        await server.until(lambda: server.requests)
        with pytest.raises(RequestTimeoutError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, timeout=SHORT_S)
        assert caught.value.outcome is Outcome.NOT_SENT
        assert len(server.requests) == 1
        first.cancel()
        await asyncio.wait([first])


async def test_a_timeout_of_the_auths_own_is_not_taken_for_the_deadline() -> None:
    class Impatient(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            raise TimeoutError("no key within a second")

    async with rest_manager(rest_pre_processors=[Impatient()]) as manager:
        with pytest.raises(TimeoutError, match="no key within a second") as caught:
            await manager.execute_request("http://127.0.0.1:1/", LIMIT_ID)
    assert not isinstance(caught.value, RequestTimeoutError)
