"""The server's time is read before the first request, and never breaks one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from networkpype.auth.base import Auth
from networkpype.errors import ConfigurationError
from networkpype.factory import ConnectionManagersFactory
from networkpype.hooks import ClockSyncFailed, Event
from networkpype.rest.method import RESTMethod
from networkpype.rest.processor.base import RESTPreProcessor
from networkpype.rest.processor.time_synchronizer import TimeSynchronizerRESTPreProcessor
from networkpype.rest.request import RESTRequest
from networkpype.testing.clock import FakeClock
from networkpype.throttler.rate_limit import RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.websocket.request import WebSocketRequest

PUBLIC = RESTRequest(RESTMethod.GET, url="https://x.test/ticker")
PRIVATE = RESTRequest(RESTMethod.GET, url="https://x.test/orders", is_auth_required=True)


class Source:
    """A server's clock, ten seconds ahead."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked = 0
        self.failure: Exception | None = None
        self.unit_ms = 1.0

    async def ask(self) -> float:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return (self.clock.time() + 10) * 1e3 / self.unit_ms


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def synchronizer(clock: FakeClock, events: list[Event]) -> TimeSynchronizer:
    return TimeSynchronizer(clock=clock, hook=events.append)


@pytest.fixture
def source(clock: FakeClock) -> Source:
    return Source(clock)


@pytest.fixture
def processor(synchronizer: TimeSynchronizer, source: Source) -> TimeSynchronizerRESTPreProcessor:
    return TimeSynchronizerRESTPreProcessor(synchronizer, source.ask)


async def test_the_first_request_takes_a_few_samples_and_the_others_none(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    source: Source,
) -> None:
    assert isinstance(processor, RESTPreProcessor)
    assert await processor.pre_process(PUBLIC) is PUBLIC
    assert source.asked == 3
    assert synchronizer.time_offset_ms == pytest.approx(10_000)
    await processor.pre_process(PRIVATE)
    assert source.asked == 3


async def test_an_offset_given_by_hand_is_good_enough(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    source: Source,
) -> None:
    synchronizer.add_time_offset_ms_sample(0)
    await processor.pre_process(PRIVATE)
    assert source.asked == 0


async def test_requests_at_the_same_time_wait_for_one_measurement(
    processor: TimeSynchronizerRESTPreProcessor, source: Source
) -> None:
    await asyncio.gather(*(processor.pre_process(PRIVATE) for _ in range(20)))
    assert source.asked == 3


@pytest.mark.parametrize("moved", ["step_wall", "suspend"])
async def test_a_jump_of_the_local_clock_is_measured_anew(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    clock: FakeClock,
    source: Source,
    moved: str,
) -> None:
    await processor.pre_process(PRIVATE)
    getattr(clock, moved)(3600)
    await processor.pre_process(PRIVATE)
    assert source.asked == 6
    assert synchronizer.time() == pytest.approx(clock.time() + 10)


@pytest.mark.parametrize("request_", [PUBLIC, PRIVATE])
async def test_a_failing_source_breaks_no_request_and_is_announced(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    clock: FakeClock,
    source: Source,
    events: list[Event],
    caplog: pytest.LogCaptureFixture,
    request_: RESTRequest,
) -> None:
    source.failure = OSError("https://x.test/time?token=c0ffee1234 is down")
    with caplog.at_level(logging.WARNING):
        assert await processor.pre_process(request_) is request_
    assert events == [ClockSyncFailed("OSError", None)]
    assert synchronizer.time() == clock.time()
    assert "the local clock stays in use" in caplog.text
    assert "c0ffee" not in caplog.text


async def test_a_failing_source_is_not_asked_for_every_request(
    processor: TimeSynchronizerRESTPreProcessor, clock: FakeClock, source: Source
) -> None:
    source.failure = OSError("down")
    for _ in range(50):
        await processor.pre_process(PRIVATE)
    assert source.asked == 1
    clock.advance(1.01)
    for _ in range(50):
        await processor.pre_process(PUBLIC)
    assert source.asked == 2
    clock.advance(1.01)
    await processor.pre_process(PUBLIC)
    assert source.asked == 2
    clock.advance(1)
    source.failure = None
    await processor.pre_process(PUBLIC)
    assert source.asked == 5


async def test_the_last_good_offset_outlives_a_failing_refresh(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    clock: FakeClock,
    source: Source,
) -> None:
    await processor.pre_process(PRIVATE)
    clock.suspend(600)
    source.failure = OSError("down")
    await processor.pre_process(PRIVATE)
    assert source.asked == 4
    assert synchronizer.time() == pytest.approx(clock.time() + 10)


async def test_a_wrong_unit_is_told_to_private_requests_and_not_only_once(
    processor: TimeSynchronizerRESTPreProcessor, clock: FakeClock, source: Source
) -> None:
    source.unit_ms = 1e3
    assert await processor.pre_process(PUBLIC) is PUBLIC
    for _ in range(3):
        with pytest.raises(ConfigurationError, match='pass unit="s" to TimeSynchronizer'):
            await processor.pre_process(PRIVATE)
    assert source.asked == 1
    source.unit_ms = 1.0
    clock.advance(1.01)
    assert await processor.pre_process(PRIVATE) is PRIVATE


async def test_a_server_that_mixes_up_units_later_breaks_nothing(
    processor: TimeSynchronizerRESTPreProcessor,
    synchronizer: TimeSynchronizer,
    clock: FakeClock,
    source: Source,
) -> None:
    await processor.pre_process(PRIVATE)
    clock.suspend(600)
    source.unit_ms = 1e3
    await processor.pre_process(PRIVATE)
    assert synchronizer.time() == pytest.approx(clock.time() + 10)


async def test_a_cancelled_request_leaves_the_measurement_to_the_others(
    processor: TimeSynchronizerRESTPreProcessor, synchronizer: TimeSynchronizer, source: Source
) -> None:
    requests = [asyncio.create_task(processor.pre_process(PRIVATE)) for _ in range(3)]
    await asyncio.sleep(0)
    requests[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await requests[0]
    assert await asyncio.gather(*requests[1:]) == [PRIVATE, PRIVATE]
    assert synchronizer.initialized
    assert source.asked == 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"synchronizer": None}, "TimeSynchronizer"),
        ({"time_provider": 1_700_000_000_000}, "time_provider"),
        ({"samples": 0}, "samples"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: dict[str, object], named: str) -> None:
    async def ask() -> float:
        return 0.0

    given = {"synchronizer": TimeSynchronizer(), "time_provider": ask, **arguments}
    with pytest.raises(ConfigurationError, match=named):
        TimeSynchronizerRESTPreProcessor(**given)  # type: ignore[arg-type]


class Stamp(Auth):
    """Notes the time that it would sign."""

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        request.headers = {"X-Time": str(self.time_provider.time())}
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class Exchange:
    """A loopback server whose clock is ten seconds ahead."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.times_told = 0
        self.failing = False
        self.unit_ms = 1.0
        self.stamps: list[float] = []

    async def tell_time(self, request: web.Request) -> web.Response:
        self.times_told += 1
        if self.failing:
            raise web.HTTPServiceUnavailable(text="maintenance")
        return web.json_response({"serverTime": (self.clock.time() + 10) * 1e3 / self.unit_ms})

    async def list_orders(self, request: web.Request) -> web.Response:
        if "X-Time" in request.headers:
            self.stamps.append(float(request.headers["X-Time"]))
        return web.json_response([])


@pytest.fixture
def exchange(clock: FakeClock) -> Exchange:
    return Exchange(clock)


@pytest.fixture
async def factory(
    exchange: Exchange, synchronizer: TimeSynchronizer
) -> AsyncIterator[ConnectionManagersFactory]:
    """A factory whose time provider asks through that very factory, as 1.1.5 could not."""

    async def server_time() -> float:
        manager = await made[0].get_rest_manager()
        answer = await manager.execute_request(
            endpoint_url="/time", throttler_limit_id="all", is_auth_required=True
        )
        return float(answer["serverTime"])

    app = web.Application()
    app.router.add_get("/time", exchange.tell_time)
    app.router.add_get("/orders", exchange.list_orders)
    server = TestServer(app)
    await server.start_server()
    made = [
        ConnectionManagersFactory(
            AsyncThrottler([RateLimit("all", 1000, 1.0)]),
            auth=Stamp(),
            rest_pre_processors=[TimeSynchronizerRESTPreProcessor(synchronizer, server_time)],
            time_synchronizer=synchronizer,
            base_url=str(server.make_url("")),
            timeout_s=5,
        )
    ]
    async with made[0] as factory:
        yield factory
    await server.close()


async def call(factory: ConnectionManagersFactory, is_auth_required: bool = True) -> object:
    manager = await factory.get_rest_manager()
    return await manager.execute_request(
        endpoint_url="/orders", throttler_limit_id="all", is_auth_required=is_auth_required
    )


async def test_the_time_may_be_fetched_through_the_same_factory(
    factory: ConnectionManagersFactory, exchange: Exchange, clock: FakeClock
) -> None:
    assert await call(factory) == []
    assert exchange.times_told == 3
    assert exchange.stamps == [pytest.approx(clock.time() + 10, abs=0.001)]


async def test_fifty_first_requests_at_once_share_one_measurement_through_the_factory(
    factory: ConnectionManagersFactory, exchange: Exchange, clock: FakeClock
) -> None:
    await asyncio.gather(*(call(factory) for _ in range(50)))
    assert exchange.times_told == 3
    assert exchange.stamps == [pytest.approx(clock.time() + 10, abs=0.001)] * 50


@pytest.mark.parametrize("is_auth_required", [True, False])
async def test_a_time_endpoint_in_maintenance_breaks_no_request(
    factory: ConnectionManagersFactory, exchange: Exchange, is_auth_required: bool
) -> None:
    exchange.failing = True
    assert await call(factory, is_auth_required) == []
    assert exchange.times_told == 1


async def test_a_private_time_endpoint_is_asked_again_after_a_wrong_unit(
    factory: ConnectionManagersFactory, exchange: Exchange, clock: FakeClock
) -> None:
    exchange.unit_ms = 1e3
    with pytest.raises(ConfigurationError, match='unit="s"'):
        await call(factory)
    exchange.unit_ms = 1.0
    clock.advance(1.01)
    assert await call(factory) == []
