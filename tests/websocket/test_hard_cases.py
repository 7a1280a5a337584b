"""What a hard reviewer broke: redirects, private messages and windows."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from networkpype import (
    AsyncThrottler,
    Auth,
    RateLimit,
    RedirectRefusedError,
    RESTRequest,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketPreProcessor,
    WebSocketRequest,
    WebSocketResponse,
)
from networkpype.testing import MockExchange


async def test_a_session_of_the_users_own_follows_no_redirect_of_a_handshake() -> None:
    seen: list[str | None] = []

    async def evil(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("X-API-KEY"))
        return web.Response()

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    async with aiohttp.ClientSession() as session:
        evil_site, site = await serve(evil), await serve(redirect)
        target = address(evil_site)
        connection = WebSocketConnection(session)
        with pytest.raises(RedirectRefusedError):
            await connection.connect(address(site), ws_headers={"X-API-KEY": "key"})
        assert seen == []
        async with session.get(address(site)) as followed:  # the user's own requests are as before
            assert str(followed.url).startswith(target)
        assert seen == [None]
    for each in (evil_site, site):  # now that no connection is kept alive
        each.close()
        await each.wait_closed()


async def serve(handler: object) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(web.Server(handler), "127.0.0.1", 0)  # type: ignore[arg-type]


def address(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


class Signer(Auth):
    """Sign slowly the first time, as one that fetches a token does."""

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        if self.slow:
            self.slow -= 1
            await asyncio.sleep(0.2)
        request.payload["signed"] = True
        return request


class Anew(WebSocketPreProcessor):
    async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
        return WebSocketJSONRequest(dict(request.payload))


async def test_a_private_message_stays_private_whatever_a_processor_builds(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    manager = WebSocketManager(connection, [Anew()], None, Signer())
    await manager.connect(exchange.ws_url)
    await manager.send(WebSocketJSONRequest({"op": "order"}, is_auth_required=True))
    await exchange.until(lambda: exchange.ws_received)
    assert '"signed":true' in str(exchange.ws_received[0].data)


async def test_a_slow_signature_does_not_bring_two_windows_together(
    exchange: MockExchange, connection: WebSocketConnection
) -> None:
    throttler = AsyncThrottler([RateLimit("send", 2, 0.2)], safety_margin_pct=0)
    manager = WebSocketManager(connection, None, None, Signer(slow=2), throttler=throttler)
    await manager.connect(exchange.ws_url)

    async def send(number: int) -> None:
        await manager.send(WebSocketJSONRequest({"n": number}, "send", is_auth_required=True))

    await asyncio.gather(*(send(number) for number in range(4)))
    await exchange.until(lambda: len(exchange.ws_received) == 4)
    arrivals = [frame.arrived_at for frame in exchange.ws_received]
    # The third comes an interval after the first, but for the way there.
    assert arrivals[2] - arrivals[0] > 0.15


def test_a_message_shows_nothing_of_what_is_in_it() -> None:
    assert repr(WebSocketResponse({"listenKey": "SECRET"})) == "WebSocketResponse(dict)"
