"""The server's time is read before the first request, and never breaks one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from networkpype.auth.base import Auth
from networkpype.errors import ConfigurationError, RequestTimeoutError
from networkpype.factory import ConnectionManagersFactory
from networkpype.hooks import ClockSyncFailed, Event
from networkpype.rest.method import RESTMethod
from networkpype.rest.processor.base import RESTPreProcessor
from networkpype.rest.processor.time_synchronizer import TimeSynchronizerRESTPreProcessor
from networkpype.rest.request import RESTRequest
from networkpype.testing.clock import FakeClock
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.rate_limit import RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.websocket.request import WebSocketRequest

PATIENCE_S = 0.05  # of requests over real sockets
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
        ({"patience_s": 0}, "patience_s"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: dict[str, object], named: str) -> None:
    async def ask() -> float:
        return 0.0

    given = {"synchronizer": TimeSynchronizer(), "time_provider": ask, **arguments}
    with pytest.raises(ConfigurationError, match=named):
        TimeSynchronizerRESTPreProcessor(**given)  # type: ignore[arg-type]


class LoopClock:
    """The machine's clocks, as fast as the loop's."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return 1_700_000_000 + self.monotonic()


class Stalled:
    """A source that never answers, and the processor that asks it."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.synchronizer = TimeSynchronizer(clock=LoopClock())
        self.processor = TimeSynchronizerRESTPreProcessor(self.synchronizer, self.ask)
        self.start = self.now

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def ask(self) -> float:
        self.asked_at.append(self.now - self.start)
        await asyncio.get_running_loop().create_future()
        return 0.0

    async def call(self, request: RESTRequest, timeout: float) -> float:
        """Return how long the request had to wait, or raise TimeoutError."""
        begun = self.now
        async with asyncio.timeout(timeout):
            await self.processor.pre_process(request)
        return self.now - begun


@virtual_time
async def test_a_stalled_source_holds_up_public_requests_half_a_second_in_all() -> None:
    stalled = Stalled()
    assert [await stalled.call(PUBLIC, 2) for _ in range(4)] == [pytest.approx(0.5), 0, 0, 0]
    assert stalled.asked_at == [0]
    await stalled.synchronizer.stop()


@virtual_time
async def test_requests_that_give_up_leave_the_measurement_to_fail_and_be_counted() -> None:
    stalled = Stalled()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await stalled.call(PRIVATE, 2)
    assert await stalled.call(PRIVATE, 2) == pytest.approx(1)  # 5 s after the question
    assert "did not answer within 5 s" in str(stalled.synchronizer.last_error)
    assert [await stalled.call(PRIVATE, 2) for _ in range(3)] == [0, 0, 0]
    assert stalled.asked_at == [0]
    await asyncio.sleep(1.01)
    assert await stalled.call(PRIVATE, 2) == pytest.approx(0.5)
    await asyncio.sleep(6.4)  # gave up after 5 s, and 2 s are not over
    await stalled.call(PRIVATE, 2)
    assert len(stalled.asked_at) == 2
    await asyncio.sleep(0.2)
    await stalled.call(PRIVATE, 2)
    assert len(stalled.asked_at) == 3
    await stalled.synchronizer.stop()


@virtual_time
async def test_even_impatient_requests_are_held_up_by_few_measurements_in_an_hour() -> None:
    stalled = Stalled()
    failed = 0
    while stalled.now - stalled.start < 3600:
        try:
            await stalled.call(PRIVATE, 0.1)
        except TimeoutError:
            failed += 1
        await asyncio.sleep(0.9)
    assert len(stalled.asked_at) < 70
    assert failed < 80
    await stalled.synchronizer.stop()


@virtual_time
async def test_a_private_request_falls_back_to_the_local_clock_when_its_timeout_allows() -> None:
    stalled = Stalled()
    assert await stalled.call(PRIVATE, 30) == pytest.approx(5)
    assert not stalled.synchronizer.initialized


@virtual_time
async def test_a_measurement_that_nobody_waits_for_ends_by_itself() -> None:
    stalled = Stalled()
    await stalled.call(PUBLIC, 2)
    assert len(asyncio.all_tasks()) == 2
    await asyncio.sleep(5)
    assert len(asyncio.all_tasks()) == 1


@virtual_time
async def test_stop_ends_a_measurement_that_nobody_waits_for() -> None:
    stalled = Stalled()
    await stalled.call(PUBLIC, 2)
    await stalled.synchronizer.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stalled.synchronizer.last_error is None


@virtual_time
async def test_stop_leaves_the_measurement_to_a_caller_of_sync() -> None:
    stalled = Stalled()
    await stalled.call(PUBLIC, 2)
    caller = asyncio.create_task(stalled.synchronizer.sync(stalled.ask))
    await asyncio.sleep(0)
    await stalled.synchronizer.stop()
    with pytest.raises(RequestTimeoutError):
        await caller
    assert stalled.asked_at == [0]


@virtual_time
async def test_a_caller_of_sync_that_leaves_does_not_end_it_for_waiting_requests() -> None:
    stalled = Stalled()
    caller = asyncio.create_task(stalled.synchronizer.sync(stalled.ask))
    await asyncio.sleep(0)
    request = asyncio.create_task(stalled.call(PRIVATE, 30))
    await asyncio.sleep(1)
    caller.cancel()
    assert await request == pytest.approx(5)
    assert stalled.asked_at == [0]


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
        self.hanging = False
        self.unit_ms = 1.0
        self.stamps: list[float] = []

    async def tell_time(self, request: web.Request) -> web.Response:
        self.times_told += 1
        if self.failing:
            raise web.HTTPServiceUnavailable(text="maintenance")
        if self.hanging:
            await asyncio.get_running_loop().create_future()
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
            rest_pre_processors=[
                TimeSynchronizerRESTPreProcessor(synchronizer, server_time, patience_s=PATIENCE_S)
            ],
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


async def test_a_time_endpoint_that_hangs_breaks_no_public_request(
    factory: ConnectionManagersFactory,
    exchange: Exchange,
    synchronizer: TimeSynchronizer,
) -> None:
    exchange.hanging = True
    manager = await factory.get_rest_manager()
    for _ in range(4):
        answer = await manager.execute_request(
            endpoint_url="/orders", throttler_limit_id="all", timeout=2
        )
        assert answer == []
    assert exchange.times_told == 1
    await synchronizer.stop()


async def test_a_time_endpoint_that_hangs_leaves_private_requests_the_local_clock(
    factory: ConnectionManagersFactory,
    exchange: Exchange,
    synchronizer: TimeSynchronizer,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(synchronizer, "_timeout_s", 0.02)
    exchange.hanging = True
    assert [await call(factory) for _ in range(4)] == [[]] * 4
    assert exchange.stamps == [clock.time()] * 4
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
