"""`WebSocketManager.login`, against exchanges on loopback that check who is asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from networkpype import (
    AsyncThrottler,
    Auth,
    AuthenticationError,
    ConnectionManagersFactory,
    HTTPStatusError,
    MissingCredentialsError,
    NotConnectedError,
    RateLimit,
    RequestTimeoutError,
    RESTManager,
    RESTRequest,
    UnknownLimitError,
    WebSocketJSONRequest,
    WebSocketManager,
    WebSocketRequest,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import MockVenue


@asynccontextmanager
async def connector(
    venue: MockVenue, *, throttler_limit_id: str = ""
) -> AsyncIterator[tuple[WebSocketManager, RESTManager]]:
    auth = exchange_auth(
        exchange(venue.name).at(venue.url, venue.ws_url),
        venue.credentials,
        throttler_limit_id=throttler_limit_id,
    )
    throttler = AsyncThrottler([RateLimit("keys", limit=5, time_interval=1.0)])
    async with ConnectionManagersFactory(throttler, auth) as factory:
        yield await factory.get_ws_manager(), await factory.get_rest_manager()


async def data_of(ws: WebSocketManager, count: int) -> list[object]:
    """Return what the next data messages hold; OKX tells its count of connections in between."""
    found: list[object] = []
    while len(found) < count:
        message = await ws.receive()
        assert message is not None
        if "data" in message.data:
            found.append(message.data["data"])
    return found


async def once(venue: MockVenue, condition: Callable[[], object]) -> None:
    await venue.until(condition)


@pytest.mark.parametrize("name", ["okx", "kucoin", "krakenfutures", "gemini"])
async def test_it_returns_when_the_exchange_accepted(name: str) -> None:
    """A frame and its ack, a greeting, a challenge, and headers of the handshake."""
    async with MockVenue(name) as venue, connector(venue, throttler_limit_id="keys") as (ws, rest):
        await ws.login(rest)
        assert ws.connected
        assert venue.logged_in == 1
    assert venue.refusals == []


async def test_what_comes_before_the_ack_is_received_first() -> None:
    async with MockVenue("okx", on_login="hold") as venue, connector(venue) as (ws, _):
        login = asyncio.create_task(ws.login())
        await once(venue, lambda: venue.ws_received)
        await venue.push({"arg": {"channel": "tickers"}, "data": [1]})
        await venue.push({"arg": {"channel": "tickers"}, "data": [2]})
        await venue.release()
        await login
        await venue.push({"arg": {"channel": "tickers"}, "data": [3]})
        assert await data_of(ws, 3) == [[1], [2], [3]]


async def test_iterating_begins_with_them_too() -> None:
    async with MockVenue("okx", on_login="hold") as venue, connector(venue) as (ws, _):
        login = asyncio.create_task(ws.login())
        await once(venue, lambda: venue.ws_received)
        await venue.push({"data": [1]})
        await venue.release()
        await login
        await venue.push({"data": [2]})
        seen = []
        async for message in ws.iter_messages():
            if "data" in message.data:
                seen.append(message.data["data"])
            if len(seen) == 2:
                break
        assert seen == [[1], [2]]


async def test_they_are_gone_with_the_connection() -> None:
    async with MockVenue("okx", on_login="hold") as venue, connector(venue) as (ws, _):
        login = asyncio.create_task(ws.login())
        await once(venue, lambda: venue.ws_received)
        await venue.push({"data": "old"})
        await venue.release()
        await login
        await ws.disconnect()
        venue.on_login = "answer"
        await ws.login()
        await venue.push({"data": "new"})
        assert await data_of(ws, 1) == ["new"]


async def test_a_refusal_is_typed_and_leaves_nothing_open() -> None:
    async with MockVenue("okx", on_login="refuse") as venue, connector(venue) as (ws, _):
        with pytest.raises(AuthenticationError, match="refused the login: "):
            await ws.login()
        assert not ws.connected
        await once(venue, lambda: not venue.websockets)


async def test_silence_is_a_typed_error_and_leaves_nothing_open() -> None:
    async with MockVenue("okx", on_login="silent") as venue, connector(venue) as (ws, _):
        with pytest.raises(RequestTimeoutError, match=r"no answer to the login within 0.05 s"):
            await ws.login(ack_timeout_s=0.05)
        assert not ws.connected
        await once(venue, lambda: not venue.websockets)


async def test_a_timeout_of_the_callers_stays_the_callers() -> None:
    async with MockVenue("okx", on_login="silent") as venue, connector(venue) as (ws, _):
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await ws.login()
        assert not isinstance(caught.value, RequestTimeoutError)
        await once(venue, lambda: not venue.websockets)


async def test_cancelling_it_leaves_nothing_open() -> None:
    async with MockVenue("okx", on_login="silent") as venue, connector(venue) as (ws, _):
        login = asyncio.create_task(ws.login())
        await once(venue, lambda: venue.ws_received)
        login.cancel()
        with pytest.raises(asyncio.CancelledError):
            await login
        assert not ws.connected
        await once(venue, lambda: not venue.websockets)


async def test_a_line_that_ends_before_the_ack_is_no_login() -> None:
    async with MockVenue("okx", on_login="silent") as venue, connector(venue) as (ws, _):
        login = asyncio.create_task(ws.login())
        await once(venue, lambda: venue.ws_received)
        await ws.disconnect()
        with pytest.raises(NotConnectedError):
            await login


async def test_the_pattern_calls_under_the_limit_that_was_named() -> None:
    async with (
        MockVenue("mexc") as venue,
        connector(venue, throttler_limit_id="keys") as (ws, rest),
    ):
        await ws.login(rest)
        assert [each.path for each in venue.received if each.method == "POST"] == [
            "/api/v3/userDataStream"
        ]


async def test_without_that_name_nothing_is_sent() -> None:
    async with MockVenue("mexc") as venue, connector(venue) as (ws, rest):
        with pytest.raises(UnknownLimitError):
            await ws.login(rest)
        assert venue.received == []


async def test_two_connections_of_one_identity_remember_their_own_login() -> None:
    async with MockVenue("krakenfutures") as venue:
        auth = exchange_auth(
            exchange("krakenfutures").at(venue.url, venue.ws_url), venue.credentials
        )
        throttler = AsyncThrottler([])
        async with (
            ConnectionManagersFactory(throttler, auth) as first,
            ConnectionManagersFactory(throttler, auth.for_connection()) as second,
        ):
            one, other = await first.get_ws_manager(), await second.get_ws_manager()
            await asyncio.gather(one.login(), other.login())
            for ws in (one, other):
                request = WebSocketJSONRequest(
                    {"event": "subscribe", "feed": "open_orders"}, is_auth_required=True
                )
                await ws.send(request)
            await once(venue, lambda: len(venue.ws_received) == 4)
            assert venue.logged_in == 2
        assert venue.refusals == []
        assert auth.for_connection().identity is auth.identity
        assert auth.for_connection().ws_pattern is not auth.ws_pattern


class TwoMethods(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


@pytest.mark.parametrize("auth", [None, TwoMethods()])
async def test_without_a_pattern_it_says_what_to_do(auth: Auth | None) -> None:
    async with ConnectionManagersFactory(AsyncThrottler([]), auth) as factory:
        ws = await factory.get_ws_manager()
        with pytest.raises(MissingCredentialsError, match=r"use connect\(\.\.\.\)"):
            await ws.login()
    if auth is not None:
        assert auth.for_connection() is auth


PACKED = {
    "bingx": "gzip",
    "bitmart": "deflate",
    "bitmart-contract": "deflate",
    "coinex": "gzip",
    "coinex-futures": "gzip",
    "htx": None,
    "htx-contract": "gzip",
}


@pytest.mark.parametrize("name", PACKED)
async def test_packed_frames_are_unpacked_without_a_word(name: str) -> None:
    pattern = exchange(name).pattern
    assert pattern is not None
    assert pattern.compression == PACKED[name]
    async with MockVenue(name) as venue, connector(venue, throttler_limit_id="keys") as (ws, rest):
        await ws.login(rest, ack_timeout_s=2)
        await venue.until(lambda: venue.websockets)
        await venue.push({"told": "all"})
        while "told" not in (message := await ws.receive()).data:  # type: ignore[union-attr]
            pass
    assert message is not None
    assert message.data == {"told": "all"}


async def test_the_caller_s_word_on_compression_wins() -> None:
    async with MockVenue("bingx") as venue, connector(venue, throttler_limit_id="keys") as both:
        ws, rest = both
        await ws.login(rest, compression=None)
        await venue.until(lambda: venue.websockets)
        await venue.push({"told": "all"})
        message = await ws.receive()
    assert message is not None
    assert isinstance(message.data, bytes)


async def test_a_wrong_key_of_a_handshake_or_a_wallet_is_an_error_status() -> None:
    for name, wrong in (
        ("gemini", {"secret": "ab"}),
        ("ethgas", {"private_key": "0x" + "01" * 32}),
    ):
        if name == "ethgas":
            pytest.importorskip("eth_keys")
        async with MockVenue(name) as venue:
            moved = exchange(name).at(venue.url, venue.ws_url)
            credentials = venue.credentials.model_copy(update=wrong)
            auth = exchange_auth(moved, credentials, throttler_limit_id="keys")
            throttler = AsyncThrottler([RateLimit("keys", limit=5, time_interval=1.0)])
            async with ConnectionManagersFactory(throttler, auth) as factory:
                ws, rest = await factory.get_ws_manager(), await factory.get_rest_manager()
                with pytest.raises(HTTPStatusError) as refused:
                    await ws.login(rest)
        assert refused.value.status in (400, 401)
        assert not isinstance(refused.value, AuthenticationError)
