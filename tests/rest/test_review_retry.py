"""What a review found: outcomes that were too good, keys that changed, windows that were missed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConnectionManagersFactory,
    Event,
    HTTPStatusError,
    Outcome,
    RateLimit,
    RequestTimeoutError,
    RESTMethod,
    RESTPostProcessor,
    RESTPreProcessor,
    RESTRequest,
    RESTResponse,
    RetryScheduled,
    ThrottleTimeoutError,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
    TransportError,
)
from networkpype.auth.base import Auth
from networkpype.circuit import CircuitBreaker, CircuitState
from networkpype.contrib._measurements import Measurements
from networkpype.rest import attempts
from networkpype.retry import RetryPolicy
from networkpype.testing.virtual_time import virtual_time
from networkpype.websocket.request import WebSocketRequest
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.retrying import GONE, OK, answers, hits, policy, waits
from tests.support.signing import LIMIT_ID, rest_manager

ORDER: dict[str, Any] = {"method": RESTMethod.POST, "data": {"a": 1}, "idempotent": True}


class Unsigned(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


async def test_no_capacity_for_what_comes_after_an_answer_does_not_unsend_the_order() -> None:
    """The first attempt reaches nobody; the second is executed, and a post-processor raises."""

    class Elsewhere(RESTPreProcessor):
        was_asked = False

        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            if not self.was_asked:
                request.url = "http://127.0.0.1:1/order"  # where nobody listens
            self.was_asked = True
            return request

    class Looking(RESTPostProcessor):
        async def post_process(self, response: RESTResponse) -> RESTResponse:
            raise ThrottleTimeoutError("no room", limit_id="queries", forecast_s=1.0)

    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(
            AsyncThrottler([RateLimit(LIMIT_ID, 100, 1.0)]),
            rest_pre_processors=[Elsewhere()],
            rest_post_processors=[Looking()],
            retry=policy(),
        ) as factory,
    ):
        manager = await factory.get_rest_manager()
        with pytest.raises(ThrottleTimeoutError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, method=RESTMethod.POST, data={})
        assert hits(server) == 1
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("return_err", [False, True])
async def test_a_refusal_with_status_200_does_not_hide_an_earlier_order(return_err: bool) -> None:
    late = answer(b'{"retCode":10002,"retMsg":"timestamp"}')
    async with (
        RawServer(answers(GONE, late)) as server,
        rest_manager(
            Unsigned(), retry=policy(attempts=2), time_synchronizer=TimeSynchronizer()
        ) as manager,
    ):
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(
                server.url, LIMIT_ID, is_auth_required=True, return_err=return_err, **ORDER
            )
        assert (hits(server), caught.value.outcome) == (2, Outcome.UNKNOWN)
        # Where no attempt is in doubt, it is the body that the exchange's own code is read from.
        body = await manager.execute_request(
            server.url, LIMIT_ID, is_auth_required=True, return_err=return_err, **ORDER
        )
        assert (hits(server), body["retCode"]) == (3, 10002)


async def test_a_body_is_returned_too_where_the_next_attempt_has_no_capacity() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 100, 1000.0)])
    slow_down = answer(b'{"msg":"slow down"}', "429 Slow")  # the throttler waits for the interval
    async with (
        RawServer(answers(slow_down)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        body = await manager.execute_request(server.url, LIMIT_ID, return_err=True)
        assert (hits(server), body) == (1, {"msg": "slow down"})


async def test_the_key_has_the_managers_header_where_one_call_is_not_to_be_repeated() -> None:
    """Else the caller who repeats by hand would have two orders under one key."""
    async with (
        RawServer(answers(OK)) as server,
        rest_manager(retry=policy(idempotency_header="X-Client-Key")) as manager,
    ):
        for retry in (None, False):
            await manager.execute_request(
                server.url, LIMIT_ID, method=RESTMethod.POST, idempotency_key="k1", retry=retry
            )
        assert [request.count(b"X-Client-Key: k1\r\n") for request in server.requests] == [1, 1]
        assert b"Idempotency-Key" not in server.requests[1]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_wait_is_kept_that_comes_with_any_status(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(attempts, "sleep", sleep)
    events: list[Event] = []
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 100, 0.01)])
    async with (
        RawServer(answers(answer(b"{}", f"{status} Down", "Retry-After: 0.2"), OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy(), hook=events.append) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID)
        assert hits(server) == 2
    assert slept == waits(events) == [0.2]


def test_a_wait_that_is_told_and_too_long_ends_the_call() -> None:
    error = HTTPStatusError("", status=502, headers={"Retry-After": "31"}, outcome=Outcome.UNKNOWN)
    decision = RetryPolicy(longest_wait_s=30.0).decide(error, 1)
    assert decision.wait_s is None
    assert "31 s" in decision.reason


async def test_a_wait_for_capacity_says_nothing_about_the_host() -> None:
    """The charge expired while the call was prepared, and it timed out waiting for another."""

    class Slow(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            await asyncio.sleep(0.1)
            throttler.block(60)
            return request

    breaker = CircuitBreaker(failures=1)
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 0.05)])
    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(
            throttler, circuit_breaker=breaker, rest_pre_processors=[Slow()]
        ) as factory,
    ):
        manager = await factory.get_rest_manager()
        with pytest.raises(RequestTimeoutError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, timeout=0.2)
        assert (hits(server), caught.value.outcome) == (0, Outcome.NOT_SENT)
        assert breaker.state(server.url.partition("//")[2]) is CircuitState.CLOSED


async def test_a_retry_is_counted_with_its_host() -> None:
    events: list[Event] = []
    async with (
        RawServer(answers(GONE, OK)) as server,
        rest_manager(retry=policy(), base_url=server.url, hook=events.append) as manager,
    ):
        await manager.execute_request(endpoint_url="/v1/time", throttler_limit_id=LIMIT_ID)
        (retry,) = [event for event in events if isinstance(event, RetryScheduled)]
        assert retry.url == f"{server.url}/v1/time"
        (counted,) = Measurements()(retry)
        assert counted.labels[0] == server.url.partition("//")[2]


@virtual_time
async def test_a_throttler_of_the_users_own_cannot_outlast_the_call() -> None:
    class Entry:
        async def __aenter__(self) -> None:
            entered.append(asyncio.get_running_loop().time())
            if len(entered) > 1:
                await asyncio.sleep(3600)

        async def __aexit__(self, *_: object) -> None:
            pass

    class Own:
        def execute_task(self, limit_id: str) -> Entry:
            return Entry()

    entered: list[float] = []
    own: Any = Own()
    async with ConnectionManagersFactory(own, retry=policy(max_elapsed_s=5.0)) as factory:
        manager = await factory.get_rest_manager()
        with pytest.raises(TransportError) as caught:
            await manager.execute_request("http://127.0.0.1:1/", LIMIT_ID)
        assert "no capacity in time" in caught.value.__notes__[0]
        assert asyncio.get_running_loop().time() - entered[0] == pytest.approx(5.0, abs=0.1)


class Timed(Auth):
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        request.params = {"ts": str(int(self.time_provider.time() * 1000))}
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


async def test_the_time_may_be_asked_under_the_one_place_of_a_key() -> None:
    """What needs the time must not hold the place that the question for it waits for."""
    ahead_s, counted = 0.0, {"time": 0, "refused": 0, "ok": 0}

    async def play(peer: Peer) -> None:
        while True:
            line = (await peer.request()).partition(b"\r\n")[0]
            now_ms = (time.time() + ahead_s) * 1000
            kind, reply = "ok", OK
            if b"/time" in line:
                kind, reply = "time", answer(b'{"t":%d}' % now_ms)
            elif abs(int(line.partition(b"ts=")[2].split()[0]) - now_ms) > 1000:
                kind, reply = "refused", answer(b'{"code":-1021}', "400 Bad")
            counted[kind] += 1
            await peer.send(reply)

    async def ask() -> float:
        told: dict[str, float] = await manager.execute_request(f"{server.url}/time", "key")
        return told["t"]

    synchronizer = TimeSynchronizer()
    throttler = AsyncThrottler([RateLimit.concurrent("key", 1)])
    async with (
        RawServer(play) as server,
        ConnectionManagersFactory(
            throttler,
            Timed(),
            [TimeSynchronizerRESTPreProcessor(synchronizer, ask, samples=1)],
            retry=policy(attempts=2),
            time_synchronizer=synchronizer,
        ) as factory,
    ):
        manager = await factory.get_rest_manager()

        async def order() -> Any:
            return await manager.execute_request(server.url, "key", is_auth_required=True)

        async with asyncio.timeout(3):  # a place that is not used is lost after 5 s
            await order()
            assert counted == {"time": 1, "refused": 0, "ok": 1}
            ahead_s = 3600.0
            # Those that stand in line when the first is refused are not refused as well.
            assert await asyncio.gather(*(order() for _ in range(20))) == [{"ok": 1}] * 20
        assert (counted["refused"], counted["ok"]) == (1, 21)
        usage = throttler.snapshot()["key"]
        assert (usage.used, usage.held, usage.waiting) == (0, 0, 0)
