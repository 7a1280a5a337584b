"""The ETHGas connector against a mock of ETHGas, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from examples.ethgas.channels import Channels, Market, Order, markets_of, read
from examples.ethgas.connector import ETHGas
from networkpype import (
    Ack,
    AuthenticationError,
    Credentials,
    Gap,
    HTTPAuthenticationError,
    RateLimitedError,
    Ready,
    SubscribeFailed,
)
from networkpype.exchanges import exchange
from networkpype.testing import Answer, MockETHGas
from networkpype.testing.venues.account import Refusal, Why
from networkpype.testing.venues.ethgas import ETHGasSocket
from tests.examples.reading import QUICKLY, Reader, reading

NEVER_S = 3600.0
REFRESH = "/api/v1/user/login/refresh"
PLACE = "/api/v1/trading/whole-block/place-order"


@asynccontextmanager
async def connected(
    venue: MockETHGas, credentials: Credentials | None = None
) -> AsyncIterator[tuple[ETHGas, Reader]]:
    target = exchange("ethgas").at(venue.url, venue.ws_url)
    keys = credentials or venue.credentials
    async with (
        ETHGas(keys, target=target, reconnect=QUICKLY) as connector,
        reading(connector.stream()) as reader,
    ):
        yield connector, reader


def sent(venue: MockETHGas) -> list[dict[str, Any]]:
    return [json.loads(each.data) for each in venue.ws_received]


def asked(venue: MockETHGas, path: str) -> int:
    return sum(each.path == path for each in venue.received)


async def place(connector: ETHGas) -> str:
    return await connector.place(12_345_678, ["0x00"], 1_000_000_000)


async def test_it_logs_in_both_ways_and_hears_markets_and_orders() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        token = venue.credentials.reveal("key")
        assert venue.received[0].headers["Authorization"] == f"Bearer {token}"
        frames = sent(venue)
        assert {"cmd": "login", "data": {"accessToken": token}} in frames
        assert {"cmd": "subscribe", "channel": "account_order_update"} in frames
        await venue.tick()
        market = await reader.next(Market)
        assert (market.name, market.status) == ("ETH-USD", 1)
        order_id = await place(connector)
        assert await reader.next(Order, id=order_id, status="pending")
        await connector.cancel(order_id)
        assert await reader.next(Order, id=order_id, status="cancelled")


async def test_a_token_that_expires_is_refreshed_and_the_connection_kept() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        old = venue.credentials.reveal("key")
        await venue.expire()
        assert "login" in (await reader.next(Gap)).reason
        await reader.next(Ready)
        assert asked(venue, REFRESH) == 1
        logins = [each["data"]["accessToken"] for each in sent(venue) if each["cmd"] == "login"]
        assert logins[0] == old
        assert len(set(logins)) == 2
        assert connector.session.epoch == 1
        # What is private came with the login, and is asked for again; what is public stayed.
        channels = [each["channel"] for each in sent(venue) if each["cmd"] == "subscribe"]
        assert sorted(channels) == [
            "account_order_update",
            "account_order_update",
            "preconf_market_update",
        ]
        order_id = await place(connector)
        assert await reader.next(Order, id=order_id)
        assert asked(venue, REFRESH) == 1  # REST and the socket share the token


async def test_a_401_is_answered_with_a_fresh_token_once() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        venue.account.revoke(venue.credentials.reveal("key"))
        await place(connector)
        assert [each.status for each in venue.received if each.path == PLACE] == [401, 200]
        assert len(venue.orders) == 1
        # A fresh token that is refused as well is not made again and again.
        venue.add_endpoint("POST", PLACE, lambda request: Answer({"code": 401}, 401))
        with pytest.raises(HTTPAuthenticationError):
            await place(connector)
        assert [each.status for each in venue.received if each.path == PLACE][2:] == [401, 401]


async def test_a_403_is_the_account_s_and_no_token_helps() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        venue.add_endpoint("POST", PLACE, lambda request: Answer({"code": 403}, 403))
        with pytest.raises(HTTPAuthenticationError):
            await place(connector)
        assert (asked(venue, PLACE), asked(venue, REFRESH)) == (1, 0)


async def test_a_429_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def pass_by(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        await reader.next(Ready)
        busy = Answer({"code": 429}, 429, {"Retry-After": "2"})
        venue.add_endpoint("POST", PLACE, lambda request: busy)
        monkeypatch.setattr("examples.ethgas.connector.asyncio.sleep", pass_by)
        with pytest.raises(RateLimitedError):
            await place(connector)
        monkeypatch.undo()
        assert waited.count(2.0) == 1
        assert asked(venue, PLACE) == 2


async def test_a_refresh_token_alone_is_enough() -> None:
    async with MockETHGas(interval_s=NEVER_S) as venue:
        refresh = Credentials(secret=venue.credentials.reveal("secret"), origins=(venue.url,))
        async with connected(venue, refresh) as (_, reader):
            await reader.next(Ready)
            assert asked(venue, REFRESH) == 1


@pytest.mark.parametrize(("why", "ends"), [(Why.LOGIN, True), (Why.BUSY, False)])
async def test_a_login_is_refused_for_good_or_for_now(
    why: Why, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = 0
    check = ETHGasSocket.check_login

    def refuse(self: ETHGasSocket, frame: dict[str, Any]) -> None:
        nonlocal refusals
        refusals += 1
        if ends or refusals == 1:
            raise Refusal(why)
        check(self, frame)

    monkeypatch.setattr(ETHGasSocket, "check_login", refuse)
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (_, reader):
        if ends:
            assert isinstance(await reader.end(), AuthenticationError)
            assert refusals == 1
        else:
            await reader.next(Ready)
            assert refusals == 2


async def test_a_refused_channel_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: ETHGasSocket, frame: dict[str, Any]) -> None:
        raise Refusal(Why.LOGIN)

    monkeypatch.setattr(ETHGasSocket, "check_private", refuse)
    async with MockETHGas(interval_s=NEVER_S) as venue, connected(venue) as (connector, reader):
        failed = await reader.next(SubscribeFailed)
        assert failed.key == ("account_order_update", None)
        await reader.next(Ready)
        assert connector.session.live == {("preconf_market_update", "ETH-USD")}


def test_an_answer_without_a_channel_is_the_oldest_s() -> None:
    error = {"cmd": "subscribe", "status": "error", "error": {"code": 429, "message": "wait"}}
    assert Channels().judge(error) == Ack(False, reason="wait", definite=False)
    assert Channels().judge({"cmd": "login", "status": "success"}) is None
    both = [markets_of(None, Channels()).channel, markets_of("ETH-USD", Channels()).channel]
    frames = [Channels().subscribe([each], 1) for each in both]
    assert frames[0] == {"cmd": "subscribe", "channel": "preconf_market_update"}
    assert frames[1] == {**frames[0], "data": {"market": "ETH-USD"}}


def test_a_market_that_ended_has_no_price() -> None:
    data = {"market": "ETH-USD", "status": 2, "statusText": "EXPIRED", "slotNumber": 7}
    frame = {"cmd": "preconf_market_update", "data": data}
    assert list(read(frame)) == [Market("ETH-USD", 2, None, 7)]
