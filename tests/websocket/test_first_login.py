"""What a login that fails tells, and that one too many harms nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from networkpype import (
    AlreadyConnectedError,
    AsyncThrottler,
    AuthenticationError,
    ConfigurationError,
    ConnectionManagersFactory,
    SchemeAuth,
    WebSocketJSONRequest,
)
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import MockVenue
from networkpype.websocket.first_login import log_in
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

KEY, SECRET, PASSPHRASE = "key-0123456789", "secret-0123456789", "passphrase-0123456789"


class EchoingWire:
    """Refuses a login in words that hold all that was sent."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.connected = False

    async def connect(self, ws_url: str, **options: Any) -> None:
        self.connected = True

    async def send(self, request: WebSocketRequest) -> None:
        self.sent.append(request.payload["args"][0])

    async def receive(self) -> WebSocketResponse | None:
        said = ", ".join(map(str, self.sent[-1].values()))
        return WebSocketResponse({"event": "error", "code": "60009", "msg": f"no login: {said}"})

    async def disconnect(self) -> None:
        self.connected = False


async def test_a_refusal_that_echoes_the_frame_shows_nothing_of_it() -> None:
    auth = exchange_auth("okx", Credentials(key=KEY, secret=SECRET, passphrase=PASSPHRASE))
    wire = EchoingWire()
    assert auth.ws_pattern is not None
    with pytest.raises(AuthenticationError, match="refused the login: no login: ") as refused:
        await log_in(wire, auth.ws_pattern, auth, None, 1.0, {})
    assert not wire.connected
    for told in (KEY, PASSPHRASE, wire.sent[0]["sign"]):
        assert told not in str(refused.value)


async def test_a_login_is_not_shown_to_the_network() -> None:
    credentials = Credentials(key=KEY, secret=SECRET, passphrase=PASSPHRASE)
    pattern = replace(exchange("okx").pattern, url="ws://okx.example/private")  # type: ignore[type-var]
    auth = SchemeAuth(credentials, pattern=pattern)
    wire = EchoingWire()
    assert auth.ws_pattern is not None
    with pytest.raises(ConfigurationError, match="use wss://"):
        await log_in(wire, auth.ws_pattern, auth, None, 1.0, {})
    assert not wire.connected


async def test_a_second_login_leaves_the_open_one_as_it_is() -> None:
    async with MockVenue("krakenfutures") as venue:
        auth = exchange_auth(exchange(venue.name).at(venue.url, venue.ws_url), venue.credentials)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            ws = await factory.get_ws_manager()
            await ws.login()
            with pytest.raises(AlreadyConnectedError, match=r"disconnect\(\) first"):
                await ws.login()
            feed = {"event": "subscribe", "feed": "fills"}
            await ws.send(WebSocketJSONRequest(feed, is_auth_required=True))
            await venue.until(lambda: len(venue.ws_received) == 2)
        assert venue.refusals == []


async def test_a_second_connect_loses_nothing_that_came_before_the_ack() -> None:
    async with MockVenue("okx", on_login="hold") as venue:
        auth = exchange_auth(exchange(venue.name).at(venue.url, venue.ws_url), venue.credentials)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            ws = await factory.get_ws_manager()
            login = asyncio.create_task(ws.login())
            await venue.until(lambda: venue.ws_received)
            await venue.push({"data": "early"})
            await venue.release()
            await login
            with pytest.raises(AlreadyConnectedError):
                await ws.connect(venue.ws_url)
            async with asyncio.timeout(2):
                message = await ws.receive()
            assert message is not None
            assert message.data == {"data": "early"}
