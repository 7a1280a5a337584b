"""Whose login a manager's is, on which clock it is made, and where it may go."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from networkpype import (
    AlreadyConnectedError,
    AsyncThrottler,
    Auth,
    AuthOutcome,
    ConfigurationError,
    ConnectionManagersFactory,
    Credentials,
    PreAuth,
    SchemeAuth,
    TimeSynchronizer,
    WebSocketAuthPattern,
    WebSocketConnection,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketResponse,
)
from networkpype.auth.patterns.base import RESTCaller
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import FakeClock, MockVenue
from networkpype.websocket.request import WebSocketRequest

PRIVATE = {"op": "subscribe", "args": ["orders"]}


def auth_at(venue: MockVenue, **options: Any) -> SchemeAuth:
    target = exchange(venue.name).at(venue.url, venue.ws_url)
    return exchange_auth(target, options.pop("credentials", venue.credentials), **options)


def a_subscribe(feed: str = "fills") -> WebSocketJSONRequest:
    return WebSocketJSONRequest({"event": "subscribe", "feed": feed}, is_auth_required=True)


async def test_two_managers_of_a_factory_remember_their_own_login() -> None:
    """Kraken Futures signs a challenge, another one for each connection."""
    async with MockVenue("krakenfutures") as venue:
        auth = auth_at(venue)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            one, other = await factory.get_ws_manager(), await factory.get_ws_manager()
            await one.login()
            await other.login()
            for ws in (one, other):
                await ws.send(a_subscribe())
            await venue.until(lambda: len(venue.ws_received) == 4)
            assert venue.refusals == []
            own = [ws.auth for ws in (one, other) if isinstance(ws.auth, SchemeAuth)]
            assert len({id(each.ws_pattern) for each in (auth, *own)}) == 3
            assert [each.identity for each in own] == [auth.identity] * 2


async def test_an_auth_that_merely_looks_like_one_is_shared() -> None:
    class Duck:
        async def rest_authenticate(self, request: Any) -> Any:
            return request

        async def ws_authenticate(self, request: Any) -> Any:
            request.payload["signed"] = True
            return request

    auth: Any = Duck()
    async with (
        MockVenue("okx") as venue,
        ConnectionManagersFactory(AsyncThrottler([]), auth) as factory,
    ):
        ws = await factory.get_ws_manager()
        assert ws.auth is auth
        await ws.connect(venue.ws_url)
        await ws.send(WebSocketJSONRequest({}, is_auth_required=True))
        await venue.until(lambda: venue.ws_received)
        assert venue.ws_received[0].data == '{"signed":true}'
    assert WebSocketManager(ws._connection).auth is None


def test_a_managers_auth_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError):
        WebSocketManager.auth.__set__(object(), None)  # type: ignore[attr-defined]


async def test_a_twin_made_before_the_clock_was_found_logs_in_on_it() -> None:
    clock = FakeClock(time=1_700_000_000.0)
    async with MockVenue("okx", clock=clock) as venue:
        auth = auth_at(venue)
        twin = auth.for_connection()
        auth.adopt_time_provider(TimeSynchronizer(clock=clock))
        async with (
            ConnectionManagersFactory(AsyncThrottler([]), twin) as factory,
            await factory.get_ws_manager() as ws,
        ):
            await ws.login()
        assert json.loads(venue.ws_received[0].data)["args"][0]["timestamp"] == "1700000000"


class Unbound(WebSocketAuthPattern):
    """One of a user's own, which never had an identity."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[float] = []

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        self.told.append(now)
        return WebSocketJSONRequest({"event": "ping"})

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return AuthOutcome.accepted()


class OwnAuth(Auth):
    async def rest_authenticate(self, request: Any) -> Any:
        return request

    async def ws_authenticate(self, request: Any) -> Any:
        return request


async def test_a_pattern_without_an_identity_has_the_time_of_its_auth() -> None:
    clock = FakeClock(time=1_700_000_000.0)
    async with MockVenue("krakenfutures") as venue:
        auth = OwnAuth(TimeSynchronizer(clock=clock))
        auth.ws_pattern = pattern = Unbound(venue.ws_url)
        async with (
            ConnectionManagersFactory(AsyncThrottler([]), auth) as factory,
            await factory.get_ws_manager() as ws,
        ):
            await ws.login()
    assert pattern.told == [1_700_000_000.0]


async def test_a_second_login_while_the_first_dials_leaves_it_alone() -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Unbound):
        resets = 0

        def reset(self) -> None:
            self.resets += 1

        async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
            reached.set()
            await go_on.wait()
            return await super().pre_auth(rest)

    async with MockVenue("krakenfutures") as venue:
        auth = OwnAuth()
        auth.ws_pattern = pattern = Slow(venue.ws_url)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            ws = await factory.get_ws_manager()
            first = asyncio.create_task(ws.login())
            await reached.wait()
            with pytest.raises(AlreadyConnectedError, match="logging in already"):
                async with asyncio.timeout(2):
                    await ws.login()
            assert pattern.resets == 1
            go_on.set()
            await first
            assert ws.connected
            await ws.disconnect()
            await ws.login()  # what was refused is forgotten
            assert pattern.resets == 2


async def test_a_login_that_failed_can_be_tried_again() -> None:
    async with (
        MockVenue("okx", on_login="silent") as venue,
        ConnectionManagersFactory(AsyncThrottler([]), auth_at(venue)) as factory,
    ):
        ws = await factory.get_ws_manager()
        with pytest.raises(TimeoutError):
            await ws.login(ack_timeout_s=0.02)
        venue.on_login = "answer"
        await ws.login()
        assert ws.connected


async def test_a_login_stays_with_the_origins_of_the_credentials() -> None:
    async with MockVenue("okx") as venue:
        elsewhere = venue.credentials.model_copy(update={"origins": ("https://www.okx.com",)})
        auth = auth_at(venue, credentials=elsewhere)
        async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
            ws = await factory.get_ws_manager()
            with pytest.raises(ConfigurationError, match=r'origins=\[\.\.\., "http://127\.0\.0\.1'):
                await ws.login()
            assert not ws.connected
        assert venue.received == []


async def test_so_does_a_private_message_wherever_it_was_dialed() -> None:
    async with MockVenue("krakenfutures") as venue, MockVenue("krakenfutures") as stranger:
        async with ConnectionManagersFactory(AsyncThrottler([]), auth_at(venue)) as factory:
            ws = await factory.get_ws_manager()
            await ws.login()
            await ws.send(a_subscribe())
            await ws.disconnect()
            await ws.connect(f"{stranger.ws_url}/PRIVATE-PATH?token=PRIVATE")
            with pytest.raises(ConfigurationError, match="none of the origins") as refused:
                await ws.send(a_subscribe())
            assert "PRIVATE" not in str(refused.value)
            await ws.send(WebSocketJSONRequest({"event": "subscribe", "feed": "ticker"}))
            await stranger.until(lambda: stranger.ws_received)
        assert [json.loads(each.data)["feed"] for each in stranger.ws_received] == ["ticker"]


class RecordingSocket(WebSocketConnection):
    """Keeps what would be sent to where nobody listens."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._line = None
        self.sent: list[Any] = []

    async def send(self, request: WebSocketRequest) -> None:
        self.sent.append(request.payload)


@pytest.mark.parametrize(
    ("url", "origins", "fix"),
    [
        ("wss://ws.okx.com:8443/ws/v5/private", [], None),
        ("wss://anywhere.example/ws", [], None),
        ("ws://127.0.0.1:8080/ws", [], None),
        ("ws://localhost/ws", [], None),
        ("ws://ws.okx.com:8443/ws/v5/private", [], "use wss://"),
        ("ws://10.0.0.1/ws", ["https://10.0.0.1"], "use wss://"),
        ("wss://h.example/ws", ["https://h.example"], None),
        ("wss://h.example:443/ws?x=1", ["https://h.example:443/"], None),
        ("wss://h.example/ws", ["wss://h.example"], None),
        ("wss://h.example:8443/ws", ["https://h.example"], "h.example:8443"),
        ("wss://evil.example/ws", ["https://h.example"], "https://evil.example"),
        ("ws://127.0.0.1:8080/ws", ["https://h.example"], "http://127.0.0.1:8080"),
        ("ws://127.0.0.1:8080/ws", ["http://127.0.0.1:8080"], None),
    ],
)
async def test_where_a_socket_may_be(url: str, origins: list[str], fix: str | None) -> None:
    credentials = Credentials(key="key-01234", secret="sec-01234", passphrase="p", origins=origins)
    pattern = replace(exchange("okx").pattern, url=url)  # type: ignore[type-var]
    # Those of an exchange, where its REST is, say nothing of its sockets.
    auth = SchemeAuth(credentials, pattern=pattern, origins=["https://www.okx.com"])
    connection = RecordingSocket(url)
    ws = WebSocketManager(connection, auth=auth)
    request = WebSocketJSONRequest(PRIVATE, is_auth_required=True)
    if fix is None:
        auth.check_socket(url)
        await ws.send(request)
        assert connection.sent == [PRIVATE]
        return
    with pytest.raises(ConfigurationError, match=fix):
        auth.check_socket(url)
    with pytest.raises(ConfigurationError, match=fix):
        await ws.send(request)
    assert connection.sent == []


def test_a_plain_auth_lets_every_socket_pass() -> None:
    assert OwnAuth().check_socket("ws://anywhere.example/") is None  # type: ignore[func-returns-value]
