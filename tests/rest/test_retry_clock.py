"""A refused timestamp: the clock is measured anew, once for all, and what may be is signed anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from networkpype import (
    AuthenticationError,
    AuthenticationFailure,
    ConnectionManagersFactory,
    HTTPAuthenticationError,
    HTTPStatusError,
    Outcome,
    RESTManager,
    RESTMethod,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
)
from networkpype.rest.refused_clock import RefusedClock, is_timestamp_refusal
from networkpype.testing import Access, Answer, MockExchange, Refused
from tests.support.retrying import policy
from tests.support.signing import LIMIT_ID, HeaderHmac, free_throttler

HOUR_S = 3600.0


@asynccontextmanager
async def synchronized(
    exchange: MockExchange, **options: Any
) -> AsyncIterator[tuple[RESTManager, TimeSynchronizer]]:
    """A manager whose clock is that of the exchange, read through the same manager."""
    synchronizer = TimeSynchronizer()

    async def server_time() -> float:
        answer = await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID)
        return float(answer["serverTime"])

    auth = HeaderHmac(exchange.api_key, exchange.api_secret)
    async with ConnectionManagersFactory(
        free_throttler(),
        auth,
        rest_pre_processors=[TimeSynchronizerRESTPreProcessor(synchronizer, server_time)],
        time_synchronizer=synchronizer,
        **options,
    ) as factory:
        manager = await factory.get_rest_manager()
        yield manager, synchronizer
        await synchronizer.stop()


def received(exchange: MockExchange, path: str) -> list[int | None]:
    """Return with which status each request to the path was answered."""
    return [each.status for each in exchange.received if each.path == path]


async def read(manager: RESTManager, exchange: MockExchange, **how: Any) -> Any:
    return await manager.execute_request(
        f"{exchange.url}/v1/echo/x", LIMIT_ID, is_auth_required=True, **how
    )


@pytest.mark.parametrize("skew_s", [HOUR_S, -HOUR_S])
async def test_a_read_is_signed_anew_by_the_right_clock(
    exchange: MockExchange, skew_s: float
) -> None:
    async with synchronized(exchange, retry=policy()) as (manager, synchronizer):
        await read(manager, exchange)
        exchange.clock_skew_s = skew_s
        for _ in range(2):
            await read(manager, exchange)
        assert synchronizer.time_offset_ms == pytest.approx(skew_s * 1000, abs=100)
    assert received(exchange, "/v1/echo/x") == [200, 400, 200, 200]


async def test_without_a_policy_the_next_call_is_right(exchange: MockExchange) -> None:
    async with synchronized(exchange) as (manager, _):
        await read(manager, exchange)
        exchange.clock_skew_s = HOUR_S
        with pytest.raises(HTTPAuthenticationError, match="recv window") as caught:
            await read(manager, exchange)
        assert received(exchange, "/v1/echo/x") == [200, 400]
        await read(manager, exchange)
    assert received(exchange, "/v1/echo/x") == [200, 400, 200]
    assert caught.value.reason is AuthenticationFailure.TIMESTAMP
    assert caught.value.outcome is Outcome.REJECTED
    assert isinstance(caught.value, HTTPStatusError)
    assert isinstance(caught.value, AuthenticationError)


async def test_an_order_is_not_sent_twice_but_the_next_one_is_right(exchange: MockExchange) -> None:
    async with synchronized(exchange, retry=policy()) as (manager, _):
        await read(manager, exchange)
        exchange.clock_skew_s = HOUR_S
        with pytest.raises(HTTPAuthenticationError) as caught:
            await read(manager, exchange, method=RESTMethod.POST)
        assert caught.value.reason is AuthenticationFailure.TIMESTAMP
        assert "without the caller's word" in "".join(caught.value.__notes__)
        await read(manager, exchange, method=RESTMethod.POST)
    assert received(exchange, "/v1/echo/x") == [200, 400, 200]


async def test_an_order_with_the_callers_word_is_signed_anew(exchange: MockExchange) -> None:
    async with synchronized(exchange, retry=policy()) as (manager, _):
        await read(manager, exchange)
        exchange.clock_skew_s = HOUR_S
        await read(manager, exchange, method=RESTMethod.POST, idempotent=True)
    assert received(exchange, "/v1/echo/x") == [200, 400, 200]


async def test_many_refusals_share_one_measurement(exchange: MockExchange) -> None:
    async with synchronized(exchange, retry=policy(attempts=2)) as (manager, _):
        await read(manager, exchange)
        measured = len(received(exchange, "/v1/time"))
        exchange.clock_skew_s = HOUR_S
        await asyncio.gather(*(read(manager, exchange) for _ in range(10)))
        # A measurement is three samples, and up to three more while they contradict the old ones.
        assert 3 <= len(received(exchange, "/v1/time")) - measured <= 6
    refused = received(exchange, "/v1/echo/x").count(400)
    assert 1 <= refused <= 10
    assert received(exchange, "/v1/echo/x").count(200) == 11


async def test_a_clock_that_is_right_and_refused_again_is_not_measured_for_ever(
    exchange: MockExchange,
) -> None:
    def refuse(_: object) -> Answer:
        raise Refused(400, -1021, "Timestamp for this request is outside of the recvWindow.")

    exchange.add_endpoint("GET", "/v1/narrow", refuse, Access.SIGNED)
    async with synchronized(exchange, retry=policy(attempts=5)) as (manager, _):
        await read(manager, exchange)
        measured = len(received(exchange, "/v1/time"))
        for _ in range(5):
            with pytest.raises(HTTPAuthenticationError):
                await manager.execute_request(
                    f"{exchange.url}/v1/narrow", LIMIT_ID, is_auth_required=True
                )
        assert len(received(exchange, "/v1/time")) - measured <= 6
    assert len(received(exchange, "/v1/narrow")) == 5 + 1


async def test_a_call_is_signed_anew_once(
    exchange: MockExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Answer:
        raise Refused(400, -1021, "Timestamp for this request is outside of the recvWindow.")

    exchange.add_endpoint("GET", "/v1/narrow", refuse, Access.SIGNED)
    # Other calls may doubt the clock while this one is under way, again and again.
    monkeypatch.setattr(RefusedClock, "refused", lambda *_: True)
    async with synchronized(exchange, retry=policy(attempts=5)) as (manager, _):
        with pytest.raises(HTTPAuthenticationError):
            await manager.execute_request(
                f"{exchange.url}/v1/narrow", LIMIT_ID, is_auth_required=True
            )
    assert len(received(exchange, "/v1/narrow")) == 2


class Doubted:
    """A synchronizer as the room that doubts it sees it."""

    def __init__(self) -> None:
        self.initialized = True
        self.stale = self.in_measurement = False
        self.needs_sync = True
        self.time_provider = None
        self.distrusted = 0

    def distrust(self) -> None:
        self.distrusted += 1
        self.stale = True


def test_who_was_refused_later_than_the_measurement_does_not_ask_for_another() -> None:
    synchronizer = Doubted()
    clock = RefusedClock(synchronizer, in_time=True)  # type: ignore[arg-type]
    assert clock.refused(signed_at=9.0, now=10.0)
    assert clock.refused(signed_at=9.5, now=10.1)  # it is about to be measured
    synchronizer.stale = False  # it was
    assert clock.refused(signed_at=9.9, now=30.0)
    assert synchronizer.distrusted == 1
    assert not clock.refused(signed_at=11.0, now=14.9)
    assert synchronizer.distrusted == 1
    assert clock.refused(signed_at=11.0, now=15.0)
    assert synchronizer.distrusted == 2


def test_the_question_for_the_time_doubts_nothing() -> None:
    synchronizer = Doubted()
    synchronizer.in_measurement = True
    clock = RefusedClock(synchronizer, in_time=True)  # type: ignore[arg-type]
    assert not clock.refused(signed_at=9.0, now=10.0)
    assert synchronizer.distrusted == 0


def test_signing_anew_is_no_use_where_nothing_measures() -> None:
    synchronizer = Doubted()
    clock = RefusedClock(synchronizer, in_time=False)  # type: ignore[arg-type]
    assert not clock.refused(signed_at=9.0, now=10.0)
    assert synchronizer.distrusted == 1
    synchronizer.stale, synchronizer.needs_sync = True, False  # its source failed just now
    clock = RefusedClock(synchronizer, in_time=True)  # type: ignore[arg-type]
    assert not clock.refused(signed_at=9.0, now=10.0)


async def test_where_the_time_cannot_be_had_the_refusal_is_raised(exchange: MockExchange) -> None:
    async with synchronized(exchange, retry=policy()) as (manager, _):
        await read(manager, exchange)
        exchange.clock_skew_s = HOUR_S
        exchange.add_endpoint("GET", "/v1/time", _down)
        with pytest.raises(HTTPAuthenticationError):
            await read(manager, exchange)
    assert received(exchange, "/v1/echo/x") == [200, 400, 400]


def _down(_: object) -> Answer:
    return Answer({"msg": "down"}, 404)


async def test_a_clock_that_is_kept_in_the_background_is_measured_before_the_next_attempt(
    exchange: MockExchange,
) -> None:
    synchronizer = TimeSynchronizer()

    async def server_time() -> float:
        return float(exchange.time_ms())

    auth = HeaderHmac(exchange.api_key, exchange.api_secret)
    async with (
        ConnectionManagersFactory(
            free_throttler(), auth, time_synchronizer=synchronizer, retry=policy()
        ) as factory,
        synchronizer.refreshing(server_time),
    ):
        manager = await factory.get_rest_manager()
        await synchronizer.sync(server_time)
        exchange.clock_skew_s = HOUR_S
        await read(manager, exchange)
    assert received(exchange, "/v1/echo/x") == [400, 200]


async def test_a_refusal_with_status_200_is_answered_alike(exchange: MockExchange) -> None:
    answered: list[int] = []

    def late_once(_: object) -> Answer:
        answered.append(1)
        late = len(answered) % 2 == 1
        return Answer({"retCode": 10002 if late else 0, "retMsg": "time exceeds the window"})

    exchange.add_endpoint("*", "/v5/order", late_once, Access.PUBLIC)
    async with synchronized(exchange, retry=policy()) as (manager, synchronizer):
        await read(manager, exchange)
        url = f"{exchange.url}/v5/order"
        read_back = await manager.execute_request(url, LIMIT_ID, is_auth_required=True)
        assert (read_back["retCode"], len(answered)) == (0, 2)
        # The body of an order is the caller's, as that of every other refusal with status 200.
        synchronizer.add_time_offset_ms_sample(0.0)
        placed = await manager.execute_request(
            url, LIMIT_ID, method=RESTMethod.POST, is_auth_required=True
        )
        assert (placed["retCode"], len(answered)) == (10002, 3)


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', True),
        (b'{"retCode":10002,"retMsg":"The request time exceeds the time window range."}', True),
        (b'{"msg":"Timestamp request expired","code":"50102"}', True),
        (b'{"msg":"Invalid OK-ACCESS-TIMESTAMP","code":"50112"}', True),
        (b'{"code":"400002","msg":"Invalid KC-API-TIMESTAMP"}', True),
        (b'{"code":"40008","msg":"Request timestamp expired"}', True),
        (b'{"code":700003,"msg":"Timestamp for this request is outside"}', True),
        (b'{"id":1,"code":40102,"message":"INVALID_NONCE"}', True),
        (b'{"label":"REQUEST_EXPIRED","message":"gap between request Timestamp"}', True),
        (b'{"error":["EAPI:Invalid nonce"]}', False),
        (b'{"code":-1022,"msg":"Signature for this request is not valid."}', False),
        (b'{"code":10002,"msg":"another exchange"}', False),
        (b'{"code":0,"data":{"code":-1021}}', False),
        (b'["code",-1021]', False),
        (b'{"code":-1021', False),
        (b'{"code":-1021,"x":"' + b"a" * 2000 + b'"}', False),
        (b"", False),
    ],
)
def test_which_answers_refuse_a_timestamp(body: bytes, refused: bool) -> None:
    assert is_timestamp_refusal(400, body) is refused
    assert is_timestamp_refusal(200, body) is refused


async def test_other_answers_are_known_by_a_function_of_the_users(exchange: MockExchange) -> None:
    def refuse(_: object) -> Answer:
        raise Refused(400, 4010, "Expired request")

    exchange.add_endpoint("GET", "/v2/order", refuse, Access.SIGNED)
    auth = HeaderHmac(exchange.api_key, exchange.api_secret)
    async with ConnectionManagersFactory(
        free_throttler(), auth, timestamp_refused=lambda status, body: b'"code":4010' in body
    ) as factory:
        manager = await factory.get_rest_manager()
        with pytest.raises(HTTPAuthenticationError) as caught:
            await manager.execute_request(
                f"{exchange.url}/v2/order", LIMIT_ID, is_auth_required=True
            )
    assert caught.value.reason is AuthenticationFailure.TIMESTAMP
