"""A host that fails is left alone: counted at the server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    ConnectionsFactory,
    Event,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimit,
    RESTMethod,
    RESTRequest,
    TransportError,
)
from networkpype.circuit import CircuitBreaker, CircuitState
from networkpype.errors import CircuitOpenError, ConfigurationError
from networkpype.hooks import CircuitClosed, CircuitOpened
from networkpype.retry import RetryPolicy
from tests.support.raw_server import RawServer, answer
from tests.support.retrying import GONE, OK, answers, hits, policy
from tests.support.signing import LIMIT_ID, rest_manager

DOWN = answer(b"<html>", "500 Down")


async def fails(manager: object, url: str, **how: object) -> NetworkpypeError:
    with pytest.raises(NetworkpypeError) as caught:
        await manager.execute_request(url, LIMIT_ID, **how)  # type: ignore[attr-defined]
    return caught.value


@pytest.mark.parametrize("step", [GONE, DOWN])
async def test_it_opens_for_all_managers_and_costs_no_capacity(step: bytes | None) -> None:
    # Who would ask for capacity would wait for an hour.
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 3, 3600.0)], safety_margin_pct=0)
    breaker = CircuitBreaker(3, 60.0)
    async with (
        RawServer(answers(step)) as server,
        ConnectionManagersFactory(throttler, circuit_breaker=breaker) as factory,
    ):
        one, other = await factory.get_rest_manager(), await factory.get_rest_manager()
        for manager in (one, other, one):
            await fails(manager, server.url)
        for manager in (one, other):
            error = await fails(manager, f"{server.url}/other", method=RESTMethod.POST)
            assert isinstance(error, CircuitOpenError)
            assert error.outcome is Outcome.NOT_SENT
        with pytest.raises(CircuitOpenError):
            await one.call(RESTRequest(RESTMethod.GET, server.url))
        assert (hits(server), throttler.snapshot()[LIMIT_ID].used) == (3, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429])
async def test_what_the_host_refuses_shows_that_it_is_there(status: int) -> None:
    breaker = CircuitBreaker(2, 60.0)
    no = answer(b"no", f"{status} No")
    async with (
        RawServer(answers(DOWN, no, DOWN, no, DOWN, answer(b"not JSON"), DOWN, OK)) as server,
        rest_manager(circuit_breaker=breaker) as manager,
    ):
        for _ in range(7):
            await fails(manager, server.url)
        assert (hits(server), breaker.state(f"127.0.0.1:{server.port}").value) == (7, "closed")


async def test_a_redirect_and_a_body_that_is_too_large_show_that_it_is_there() -> None:
    breaker = CircuitBreaker(2, 60.0)
    moved = answer(b"", "302 Found", "Location: /x")
    large = answer(b"a" * 200)
    async with (
        RawServer(answers(DOWN, moved, DOWN, large, DOWN, OK)) as server,
        rest_manager(
            circuit_breaker=breaker, connections_factory=ConnectionsFactory(max_body_bytes=100)
        ) as manager,
    ):
        for _ in range(5):
            await fails(manager, server.url)
        assert hits(server) == 5
        assert breaker.state(f"127.0.0.1:{server.port}") is CircuitState.CLOSED


async def test_a_call_that_waited_while_it_opened_is_not_sent_and_pays_nothing() -> None:
    breaker = CircuitBreaker(1, 60.0)
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 0.2)])
    async with (
        RawServer(answers(DOWN)) as server,
        ConnectionManagersFactory(throttler, circuit_breaker=breaker) as factory,
    ):
        manager = await factory.get_rest_manager()
        first, *others = await asyncio.gather(
            *(manager.execute_request(server.url, LIMIT_ID) for _ in range(5)),
            return_exceptions=True,
        )
        assert isinstance(first, HTTPStatusError)
        assert [type(error) for error in others] == [CircuitOpenError] * 4
        assert hits(server) == 1
        assert throttler.snapshot()[LIMIT_ID].used == 0


async def test_after_the_cool_down_one_call_goes_out_and_closes_it() -> None:
    events: list[Event] = []
    breaker = CircuitBreaker(1, 0.05, hook=events.append)
    release = asyncio.Event()

    async def slowly(peer: object) -> None:
        await release.wait()
        await peer.send(OK)  # type: ignore[attr-defined]

    async with (
        RawServer(answers(DOWN, slowly, OK)) as server,
        rest_manager(circuit_breaker=breaker) as manager,
    ):
        await fails(manager, server.url)
        assert isinstance(await fails(manager, server.url), CircuitOpenError)
        await asyncio.sleep(0.06)
        trial = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
        await server.until(lambda: hits(server) == 2)
        assert isinstance(await fails(manager, server.url), CircuitOpenError)
        release.set()
        await trial
        await manager.execute_request(server.url, LIMIT_ID)
        assert hits(server) == 3
    host = f"127.0.0.1:{server_port(events)}"
    assert events == [CircuitOpened(host, 1, 0.05), CircuitClosed(host)]


def server_port(events: list[Event]) -> str:
    first = events[0]
    assert isinstance(first, CircuitOpened)
    return first.host.rpartition(":")[2]


async def test_a_trial_that_is_cancelled_does_not_leave_it_half_open() -> None:
    breaker = CircuitBreaker(1, 0.05)
    async with (
        RawServer(answers(DOWN, lambda peer: peer.silence(), OK)) as server,
        rest_manager(circuit_breaker=breaker) as manager,
    ):
        await fails(manager, server.url)
        await asyncio.sleep(0.06)
        trial = asyncio.create_task(manager.execute_request(server.url, LIMIT_ID))
        await server.until(lambda: hits(server) == 2)
        assert breaker.state(f"127.0.0.1:{server.port}") is CircuitState.HALF_OPEN
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        assert await manager.execute_request(server.url, LIMIT_ID) == {"ok": 1}


async def test_retries_stop_when_it_opens() -> None:
    breaker = CircuitBreaker(2, 60.0)
    async with (
        RawServer(answers(DOWN)) as server,
        rest_manager(retry=policy(attempts=5), circuit_breaker=breaker) as manager,
    ):
        error = await fails(manager, server.url)
        assert isinstance(error, HTTPStatusError)
        assert hits(server) == 2
    assert "2 attempts were made and no more: 127.0.0.1" in error.__notes__[0]
    assert "failed 2 times in a row" in error.__notes__[0]


async def test_a_retry_that_meets_an_open_circuit_raises_what_was_wrong_before() -> None:
    breaker = CircuitBreaker(3, 60.0)

    async with (
        RawServer(answers(GONE)) as server,
        rest_manager(retry=policy(attempts=2), circuit_breaker=breaker) as manager,
    ):
        errors = await asyncio.gather(
            *(manager.execute_request(server.url, LIMIT_ID) for _ in range(6)),
            return_exceptions=True,
        )
        # All six were under way when it opened; none of them was sent again.
        assert hits(server) <= 8
    assert all(isinstance(error, TransportError) for error in errors)


async def test_what_opens_and_closes_is_told_to_the_factorys_hook() -> None:
    events: list[Event] = []
    others: list[Event] = []
    breaker = CircuitBreaker(1, 0.05)
    async with (
        RawServer(answers(DOWN, OK)) as server,
        rest_manager(circuit_breaker=breaker, hook=events.append) as manager,
        rest_manager(circuit_breaker=breaker, hook=others.append) as other,
    ):
        # By whichever manager: a breaker has one hook, that of the first factory that has one.
        await fails(other, server.url)
        await asyncio.sleep(0.06)
        await manager.execute_request(server.url, LIMIT_ID)
        host = f"127.0.0.1:{server.port}"
    told = [each for each in events if isinstance(each, (CircuitOpened, CircuitClosed))]
    assert told == [CircuitOpened(host, 1, 0.05), CircuitClosed(host)]
    assert not [each for each in others if isinstance(each, (CircuitOpened, CircuitClosed))]


async def test_a_breaker_keeps_the_hook_that_it_was_given() -> None:
    own: list[Event] = []
    events: list[Event] = []
    breaker = CircuitBreaker(1, 60.0, hook=own.append)
    async with (
        RawServer(answers(DOWN)) as server,
        rest_manager(circuit_breaker=breaker, hook=events.append) as manager,
    ):
        await fails(manager, server.url)
    assert [type(each) for each in own] == [CircuitOpened]
    assert [type(each).__name__ for each in events] == ["RequestFinished"]


@pytest.mark.parametrize("retry", [None, policy()])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"throttler_limit_id": "tset"}, 'no rate limit "tset"'),
        ({"max_wait": -1}, "max_wait is seconds of at least 0"),
        ({"max_wait": "1"}, "max_wait is seconds of at least 0"),
        ({"priority": 1}, "priority is a Priority"),
        ({"retry": 3}, "pass a RetryPolicy"),
        ({"idempotent": 1}, "pass True or False"),
        ({"idempotency_key": "a b"}, "idempotency_key is a str"),
        ({"timeout": -1}, "pass seconds above zero"),
        ({"throttler_limit_id": "heavy"}, "heavy"),
    ],
)
async def test_an_open_circuit_hides_no_mistake(
    wrong: dict[str, object], said: str, retry: RetryPolicy | None
) -> None:
    breaker = CircuitBreaker(1, 60.0)
    throttler = AsyncThrottler(
        [
            RateLimit(LIMIT_ID, 9, 60.0),
            RateLimit("heavy", 9, 60.0, weight=lambda request: 10 + len(request.params or {})),
        ]
    )
    async with (
        RawServer(answers(DOWN)) as server,
        ConnectionManagersFactory(throttler, circuit_breaker=breaker, retry=retry) as factory,
    ):
        manager = await factory.get_rest_manager()
        await fails(manager, server.url, retry=False)
        assert breaker.state(server.url) is CircuitState.OPEN
        call: dict[str, Any] = {"url": server.url, "throttler_limit_id": LIMIT_ID, **wrong}
        with pytest.raises(ConfigurationError, match=said):
            await manager.execute_request(**call)
        with pytest.raises(CircuitOpenError):
            await manager.execute_request(server.url, LIMIT_ID, max_wait=1)
        assert (hits(server), throttler.snapshot()[LIMIT_ID].used) == (1, 1)


async def test_a_computed_weight_is_asked_once_a_call() -> None:
    asked: list[object] = []

    def weigh(request: object) -> int:
        asked.append(request)
        return 1

    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 9, 60.0, weight=weigh)])
    slot = throttler.in_flight(LIMIT_ID, departed=False, request=object())
    async with slot:
        by_hand = len(asked)
    asked.clear()
    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(throttler) as factory,
    ):
        await (await factory.get_rest_manager()).execute_request(server.url, LIMIT_ID)
    assert len(asked) == by_hand
