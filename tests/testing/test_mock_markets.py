"""What mock venues push, to whom, and the ways in which they fail their clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from networkpype import (
    AsyncThrottler,
    Compression,
    ConnectionManagersFactory,
    HTTPStatusError,
    RateLimit,
    RateLimitedError,
    RESTManager,
    RESTMethod,
    WebSocketClosedError,
    WebSocketJSONRequest,
    WebSocketManager,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.testing import Answer, ArrivalLimit, MockCoinEx, MockETHGas, MockVenue

NEVER_S = 3600.0


@asynccontextmanager
async def dialed(
    venue: MockVenue, compression: Compression | None = "gzip", *, login: bool = False
) -> AsyncIterator[tuple[WebSocketManager, RESTManager]]:
    auth = exchange_auth(exchange(venue.name).at(venue.url, venue.ws_url), venue.credentials)
    throttler = AsyncThrottler([RateLimit("any", limit=1000, time_interval=1)])
    async with ConnectionManagersFactory(throttler, auth, base_url=venue.url) as factory:
        ws, rest = await factory.get_ws_manager(), await factory.get_rest_manager()
        if login:
            await ws.login(rest, compression=compression)
        else:
            await ws.connect(venue.ws_url, compression=compression, ping_timeout=0.1)
        yield ws, rest


async def ask(ws: WebSocketManager, method: str, **params: object) -> object:
    await ws.send(WebSocketJSONRequest({"method": method, "params": params, "id": 1}))
    while True:
        answer = await ws.receive()
        assert answer is not None
        if answer.data.get("id") == 1:
            return answer.data


async def heard(ws: WebSocketManager) -> str:
    """Return the method of the next frame."""
    message = await ws.receive()
    assert message is not None
    return str(message.data["method"])


async def test_only_who_is_subscribed_is_fed() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, _):
        assert await venue.publish("deals.BTCUSDT", {}) == 0
        await ask(ws, "deals.subscribe", market_list=["BTCUSDT"])
        assert await venue.publish("deals.BTCUSDT", {}) == 1
        assert await venue.publish("deals.ETHUSDT", {}) == 0
        assert await venue.publish("state.BTCUSDT", {}) == 0
        await ask(ws, "deals.unsubscribe", market_list=["BTCUSDT"])
        assert await venue.publish("deals.BTCUSDT", {}) == 0
        await ask(ws, "state.subscribe", market_list=[])  # of every market
        assert await venue.publish("state.ETHUSDT", {}) == 1


async def test_the_whole_book_comes_right_behind_the_answer() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, _):
        await ask(ws, "depth.subscribe", market_list=[["BTCUSDT", 20, "0", False]])
        first = await ws.receive()
        assert first is not None
        assert first.data["data"]["is_full"] is True
        assert len(first.data["data"]["depth"]["bids"]) == 10
        await venue.tick()
        second = await ws.receive()
        assert second is not None
        assert second.data["data"]["is_full"] is False


async def test_what_is_private_ends_with_the_login() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue, login=True) as (ws, _):
        await ask(ws, "order.subscribe", market_list=["BTCUSDT"])
        await ask(ws, "deals.subscribe", market_list=["BTCUSDT"])
        assert await venue.publish("order.BTCUSDT", {}) == 1
        await venue.expire()
        assert await venue.publish("order.BTCUSDT", {}) == 0
        assert await venue.publish("deals.BTCUSDT", {}) == 1
        assert venue.logged_in == 0


async def test_a_private_subscription_takes_a_login() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, _):
        answer = await ask(ws, "order.subscribe", market_list=["BTCUSDT"])
        assert answer == {"id": 1, "code": 21001, "message": "Authentication required"}
        assert await venue.publish("order.BTCUSDT", {}) == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_frames_are_sent_as_the_encoding_says(encoding: Compression) -> None:
    async with (
        MockCoinEx(interval_s=0.01, encoding=encoding) as venue,
        dialed(venue, encoding) as (ws, _),
    ):
        await ask(ws, "state.subscribe", market_list=["BTCUSDT"])
        assert await heard(ws) == "state.update"


async def test_a_mute_socket_answers_no_ping_and_a_new_one_does() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, _):
        assert venue.mute_websockets() == 1
        with pytest.raises(WebSocketClosedError, match=r"pong|frame"):
            await ws.receive()
        await ws.connect(venue.ws_url, compression="gzip", ping_timeout=0.05)
        await ask(ws, "server.ping")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):  # pings go to and fro meanwhile
                await ws.receive()
        assert ws.connected


@pytest.mark.parametrize(("code", "told"), [(None, 1006), (4001, 4001)])
async def test_a_line_is_cut_or_closed(code: int | None, told: int) -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, _):
        assert await venue.drop_websockets(code, "told so") == 1
        with pytest.raises(WebSocketClosedError) as closed:
            await ws.receive()
        assert closed.value.code == told
        assert ("told so" in closed.value.reason) is (code is not None)


async def test_everybody_gets_the_same_answer_while_it_is_set() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (ws, rest):
        venue.answer_all = Answer({"code": 4213}, 429, {"Retry-After": "1"})
        with pytest.raises(RateLimitedError) as refused:
            await rest.execute_request(endpoint_url="/v2/time", throttler_limit_id="any")
        assert refused.value.retry_after == 1
        await ws.disconnect()
        with pytest.raises(HTTPStatusError) as upgrade:
            await ws.connect(venue.ws_url)
        assert upgrade.value.status == 429
        venue.answer_all = None
        await rest.execute_request(endpoint_url="/v2/time", throttler_limit_id="any")


async def test_limits_are_kept_and_their_peaks_known() -> None:
    limits = [ArrivalLimit("time", 2, 60.0, ("GET",), "/v2/time")]
    async with MockCoinEx(interval_s=NEVER_S, limits=limits) as venue, dialed(venue) as (_, rest):
        for _ in range(2):
            await rest.execute_request(endpoint_url="/v2/time", throttler_limit_id="any")
        with pytest.raises(RateLimitedError) as refused:
            await rest.execute_request(endpoint_url="/v2/time", throttler_limit_id="any")
        assert refused.value.retry_after == 60
        assert venue.peak_arrivals == {"time": 3}


async def test_it_starts_again_at_the_same_address() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue:
        before = venue.url
        await venue.close()
        await venue.start()
        assert venue.url == before
        async with dialed(venue) as (ws, _):
            await ask(ws, "server.ping")


async def test_an_order_is_placed_once_a_client_id() -> None:
    async with MockCoinEx(interval_s=NEVER_S) as venue, dialed(venue) as (_, rest):
        order = {"market": "BTCUSDT", "market_type": "SPOT", "side": "buy", "type": "limit"}
        order |= {"price": "1", "amount": "1", "client_id": "one"}
        codes = []
        for _ in range(2):
            answer = await rest.execute_request(
                endpoint_url="/v2/spot/order",
                throttler_limit_id="any",
                method=RESTMethod.POST,
                data=order,
                is_auth_required=True,
            )
            codes.append(answer["code"])
        assert codes == [0, 3640]
        assert (len(venue.orders), venue.order_updates) == (1, 1)


async def test_the_refresh_token_outlives_the_access_token() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue:
        access, refresh = venue.credentials.reveal("key"), venue.credentials.reveal("secret")
        assert set(venue.account.tokens) == {access, refresh}
        await venue.expire()
        assert venue.account.tokens == (refresh,)
