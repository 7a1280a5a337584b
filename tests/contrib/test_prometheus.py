"""What Prometheus reads: the text of a real registry, scraped over HTTP while a loop runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest, start_http_server
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families

from networkpype import hooks
from networkpype.circuit import CircuitBreaker
from networkpype.contrib._metrics import EVENT_METRICS, LIMIT_METRICS
from networkpype.contrib.prometheus import PrometheusCollector
from networkpype.errors import ConfigurationError, HTTPStatusError
from networkpype.factory import ConnectionManagersFactory
from networkpype.hooks import Event, emit
from networkpype.retry import Backoff
from networkpype.testing import Answer, MockExchange
from networkpype.throttler.rate_limit import LinkedLimitWeightPair, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.websocket.session.events import Ready
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.spoken import spoken_by
from networkpype.websocket.subscriptions import Subscription
from tests.contrib.stage import ALL, planted, samples_of
from tests.support.canary import PLANTED, found_in

AT_ONCE = Reconnect(backoff=Backoff(initial_s=0.001, cap_s=0.001))
LIMITS = [RateLimit("ip", 100, 60), RateLimit("orders", 10, 60)]


class Scraped:
    """A collector in a registry of its own."""

    def __init__(self, collector: PrometheusCollector | None = None) -> None:
        self.collector = collector or PrometheusCollector()
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self.collector)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def value(self, metric: str, /, **labels: str) -> float:
        return samples_of(self.text())[f"networkpype_{metric}"][frozenset(labels.items())]


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


async def throttler_in_use() -> AsyncThrottler:
    throttler = AsyncThrottler(LIMITS, safety_margin_pct=0)
    for _ in range(3):
        await throttler.acquire("orders")
    return throttler


# Every sample but for buckets, creation times and what is still 0.
TOLD = """\
networkpype_circuit_opened_total{host="api.example.com",name="okx"} 1.0
networkpype_clock_failures_total{error="RequestTimeoutError",name="okx"} 1.0
networkpype_clock_offset_seconds{name="okx"} -0.25
networkpype_clock_samples_total{name="okx"} 1.0
networkpype_clock_steps_total{name="okx"} 1.0
networkpype_clock_uncertainty_seconds{name="okx"} 0.01
networkpype_limit_blocks_total{limit_id="ip",name="okx",status="429"} 1.0
networkpype_limit_blocks_total{limit_id="orders",name="okx",status="429"} 1.0
networkpype_limit_capacity{limit_id="ip",name="okx"} 100.0
networkpype_limit_capacity{limit_id="orders",name="okx"} 10.0
networkpype_limit_corrected_units_total{direction="up",limit_id="ip",name="okx"} 4.0
networkpype_limit_corrections_total{direction="up",limit_id="ip",name="okx"} 1.0
networkpype_limit_store_lost_total{error="ConnectionError",name="okx"} 1.0
networkpype_limit_store_restored_total{forgot="false",name="okx"} 1.0
networkpype_limit_store_up{name="okx"} 1.0
networkpype_limit_unblocks_total{limit_id="ip",name="okx"} 1.0
networkpype_limit_unblocks_total{limit_id="orders",name="okx"} 1.0
networkpype_limit_used{limit_id="orders",name="okx"} 3.0
networkpype_logins_total{event="expired",failure="",name="okx"} 1.0
networkpype_logins_total{event="failed",failure="",name="okx"} 1.0
networkpype_logins_total{event="logged_in",failure="",name="okx"} 1.0
networkpype_logins_total{event="rejected",failure="permission_denied",name="okx"} 1.0
networkpype_logins_total{event="renewal_failed",failure="",name="okx"} 1.0
networkpype_logins_total{event="renewed",failure="",name="okx"} 1.0
networkpype_loop_blocked_seconds_count{name="okx"} 1.0
networkpype_loop_blocked_seconds_sum{name="okx"} 0.3
networkpype_request_duration_seconds_count{host="api.example.com",method="GET",name="okx",\
outcome="ok"} 1.0
networkpype_request_duration_seconds_sum{host="api.example.com",method="GET",name="okx",\
outcome="ok"} 0.03
networkpype_requests_total{error="",host="api.example.com",method="GET",name="okx",outcome="ok",\
status="2xx"} 1.0
networkpype_retries_total{error="ConnectFailedError",host="api.example.com",method="GET",\
name="okx"} 1.0
networkpype_session_connected_total{host="stream.example.com:9443",name="okx"} 1.0
networkpype_session_disconnected_total{code="1006",final="false",name="okx",planned="false"} 1.0
networkpype_session_gaps_total{lost="known",name="okx"} 1.0
networkpype_session_lost_messages_total{name="okx"} 7.0
networkpype_session_ready_total{name="okx"} 1.0
networkpype_session_reconnected_total{host="stream.example.com:9443",name="okx"} 1.0
networkpype_session_stale_total{name="okx"} 1.0
networkpype_session_subscribe_failures_total{definite="true",name="okx"} 1.0
networkpype_throttle_refusals_total{bottleneck="ip",limit_id="orders",name="okx"} 1.0
networkpype_throttle_wait_seconds_count{bottleneck="ip",limit_id="orders",name="okx"} 1.0
networkpype_throttle_wait_seconds_sum{bottleneck="ip",limit_id="orders",name="okx"} 0.4
networkpype_throttler_readable{name="okx"} 1.0
networkpype_websocket_closed_total{code="1006",expected="false",host="stream.example.com:9443",\
name="okx"} 1.0
networkpype_websocket_opened_total{host="stream.example.com:9443",name="okx"} 1.0
"""


async def test_every_event_and_every_limit_is_told(scraped: Scraped) -> None:
    throttler = await throttler_in_use()
    scraped.collector.watch(throttler, "okx")
    hook = scraped.collector.named("okx")
    for event in ALL:
        emit(hook, event)
    lines = [
        line
        for line in (await asyncio.to_thread(scraped.text)).splitlines()
        if not line.startswith("#")
        and "_created{" not in line
        and "_bucket{" not in line
        and "next_free" not in line
        and not line.endswith(" 0.0")
    ]
    assert sorted(lines) == TOLD.splitlines()


async def test_the_text_is_what_prometheus_reads(scraped: Scraped) -> None:
    throttler = await throttler_in_use()
    scraped.collector.watch(throttler)
    for event in ALL:
        scraped.collector(event)
    families = {family.name: family for family in text_string_to_metric_families(scraped.text())}
    for metric in EVENT_METRICS:
        family = families[metric.prometheus.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)
    for limit_metric in LIMIT_METRICS:
        assert families[limit_metric.prometheus].type == "gauge"
    # The stricter format complains of units and suffixes that do not fit.
    generate: Any = exposition.generate_latest
    parse: Any = parser.text_string_to_metric_families
    every = list(parse(generate(scraped.registry).decode()))
    assert len(every) == len(EVENT_METRICS) + len(LIMIT_METRICS) + 1


def test_a_histogram_has_the_buckets_of_the_convention_or_ones_own() -> None:
    event = hooks.RequestFinished("GET", "https://h/x", 200, 0.0007)
    for collector, bounds in (
        (PrometheusCollector(), ["0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25"]),
        (PrometheusCollector(request_buckets_s=[0.0005, 0.001]), ["0.0005", "0.001", "+Inf"]),
    ):
        scraped = Scraped(collector)
        collector(event)
        series = samples_of(scraped.text())["networkpype_request_duration_seconds_bucket"]
        found = [dict(labels)["le"] for labels in series]
        assert found[: len(bounds)] == bounds
        below = [value for labels, value in series.items() if float(dict(labels)["le"]) < 0.0007]
        assert set(below) <= {0.0}
        assert series[frozenset({*next(iter(series)) - {("le", bounds[0])}, ("le", "+Inf")})] == 1


async def test_what_is_known_begins_at_zero(scraped: Scraped) -> None:
    throttler = await throttler_in_use()
    scraped.collector.named("okx")
    scraped.collector.watch(throttler, "okx")
    assert scraped.value("session_gaps_total", name="okx", lost="unknown") == 0
    assert scraped.value("session_lost_messages_total", name="okx") == 0
    linked = RateLimit("linked", 1, 1, linked_limits=[LinkedLimitWeightPair("orders")])
    throttler.rate_limits = [*throttler.rate_limits, linked]
    again = throttler.copy()
    scraped.collector.watch(again, "again")
    assert scraped.value("throttle_refusals_total", name="okx", limit_id="ip", bottleneck="ip") == 0
    for bottleneck in ("linked", "orders"):
        limits = {"limit_id": "linked", "bottleneck": bottleneck}
        assert scraped.value("throttle_refusals_total", name="again", **limits) == 0
    for status in ("429", "418"):
        labels = {"name": "okx", "limit_id": "ip", "status": status}
        assert scraped.value("limit_blocks_total", **labels) == 0
    gaps = samples_of(scraped.text())["networkpype_session_gaps_total"]
    assert all("name" in dict(labels) for labels in gaps)
    scraped.collector(hooks.ClockStepped(1.0))
    assert scraped.value("session_gaps_total", lost="unknown") == 0


async def test_two_exchanges_are_told_apart(scraped: Scraped) -> None:
    names = ("binance", "okx")
    throttlers = [await throttler_in_use() for _ in names]
    for name, throttler in zip(names, throttlers, strict=True):
        scraped.collector.watch(throttler, name)
    await throttlers[1].acquire("orders")
    scraped.collector.named("okx")(hooks.ThrottleWaited("orders", 1.0))
    found = [scraped.value("limit_used", name=name, limit_id="orders") for name in names]
    assert found == [3, 4]
    waits = samples_of(scraped.text())["networkpype_throttle_wait_seconds_count"]
    assert waits == {frozenset({("name", "okx"), ("limit_id", "orders")}): 1}


async def test_a_throttler_that_is_gone_is_told_no_more(scraped: Scraped) -> None:
    throttler = await throttler_in_use()
    scraped.collector.watch(throttler, "okx")
    assert "networkpype_limit_used{" in scraped.text()
    del throttler
    gc.collect()
    text = scraped.text()
    assert "networkpype_limit_used{" not in text
    assert "networkpype_throttler_readable{" not in text


def test_limits_that_cannot_be_read_are_left_out_and_told(scraped: Scraped) -> None:
    async def use() -> AsyncThrottler:
        throttler = await throttler_in_use()
        scraped.collector.watch(throttler, "okx")
        return throttler

    throttler = asyncio.run(use())
    assert "networkpype_limit_used{" not in scraped.text()
    assert scraped.value("throttler_readable", name="okx") == 0
    assert throttler.snapshot()["orders"].used == 3


def test_an_event_of_a_user_disturbs_nobody(
    scraped: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    class Filled(Event):
        pass

    before = scraped.text()
    emit(scraped.collector.named(""), Filled())
    emit(scraped.collector, Filled())
    assert caplog.records == []
    assert set(samples_of(before)) <= set(samples_of(scraped.text()))


@pytest.mark.parametrize("wrong", [[], [0], [-1, 1], [1, 1], [2, 1], [float("nan")]])
def test_buckets_grow(wrong: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="request_buckets_s are seconds above 0"):
        PrometheusCollector(request_buckets_s=wrong)


@pytest.mark.parametrize("name", [5, None, b"okx"])
def test_a_name_is_text(scraped: Scraped, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="name is text"):
        scraped.collector.named(name)


def test_no_secret_is_ever_told(scraped: Scraped) -> None:
    for secret in PLANTED.values():
        for event in planted(secret):
            emit(scraped.collector, event)
    text = scraped.text()
    assert 'host="api.example.com"' in text
    assert found_in(text) is None
    assert found_in(repr(scraped.collector)) is None


def test_a_registry_refuses_the_second_collector(scraped: Scraped) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        scraped.registry.register(PrometheusCollector())
    for name in (
        "networkpype_limit_used",
        "networkpype_throttler_readable",
        "networkpype_requests",
    ):
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            Gauge(name, "Another.", registry=scraped.registry)


# -- the whole way --------------------------------------------------------------------------------


@pytest.fixture
def scrape_url(scraped: Scraped) -> Iterator[str]:
    server, thread = start_http_server(0, addr="127.0.0.1", registry=scraped.registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


async def test_calls_over_the_wire_are_scraped_over_the_wire(
    scraped: Scraped, scrape_url: str
) -> None:
    secret = PLANTED["listen key 0"]
    throttler = AsyncThrottler(
        [RateLimit("ip", 20, 60), RateLimit("slow", 1, 0.05)], hook=scraped.collector
    )
    scraped.collector.watch(throttler)
    async with (
        MockExchange() as exchange,
        ConnectionManagersFactory(throttler, hook=scraped.collector) as factory,
    ):
        manager = await factory.get_rest_manager()
        for _ in range(2):
            await manager.execute_request(exchange.url + "/v1/time", "slow")
        await manager.execute_request(
            f"{exchange.url}/v1/public/echo/{secret}", "ip", params={"signature": secret}
        )
        with pytest.raises(HTTPStatusError):
            await manager.execute_request(exchange.url + "/v1/nowhere", "ip")
        text = await asyncio.to_thread(fetch, scrape_url)
        host = exchange.url.removeprefix("http://")
        assert len(exchange.received) == 4
    told = samples_of(text)
    own = {("host", host), ("method", "GET")}
    assert told["networkpype_requests_total"] == {
        frozenset(own | {("status", "2xx"), ("outcome", "ok")}): 3,
        frozenset(
            own | {("status", "4xx"), ("outcome", "rejected"), ("error", "HTTPStatusError")}
        ): 1,
    }
    times = told["networkpype_request_duration_seconds_count"]
    assert times[frozenset(own | {("outcome", "ok")})] == 3
    spent = told["networkpype_request_duration_seconds_sum"][frozenset(own | {("outcome", "ok")})]
    assert 0 < spent < 10
    [waited] = told["networkpype_throttle_wait_seconds_sum"].values()
    assert 0 < waited < 10
    assert told["networkpype_limit_used"][frozenset({("limit_id", "ip")})] == 2
    assert told["networkpype_limit_capacity"][frozenset({("limit_id", "ip")})] == 19
    assert found_in(text) is None


async def test_a_session_that_loses_its_connection_is_scraped(
    scraped: Scraped, scrape_url: str
) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 20, 60)])
    topic = Subscription("btcusdt@trade", spoken_by("binance"))
    async with (
        MockExchange() as exchange,
        ConnectionManagersFactory(throttler, hook=scraped.collector) as factory,
        factory.get_ws_session(
            exchange.ws_url, subscriptions=[topic], reconnect=AT_ONCE
        ) as session,
    ):
        times_ready = 0
        async for item in session:
            if isinstance(item, Ready):
                times_ready += 1
                if times_ready == 2:
                    break
                await exchange.drop_websockets()
        told = samples_of(await asyncio.to_thread(fetch, scrape_url))
        host = ("host", exchange.ws_url.removeprefix("ws://").removesuffix("/ws"))
    assert told["networkpype_websocket_opened_total"] == {frozenset({host}): 2}
    assert told["networkpype_session_connected_total"] == {frozenset({host}): 2}
    assert told["networkpype_session_reconnected_total"] == {frozenset({host}): 1}
    assert told["networkpype_session_gaps_total"][frozenset({("lost", "unknown")})] == 1
    assert told["networkpype_session_ready_total"][frozenset()] == 2
    [ended] = told["networkpype_session_disconnected_total"]
    assert {("planned", "false"), ("final", "false")} < ended


async def test_scrapes_from_a_thread_while_a_loop_counts(scraped: Scraped, scrape_url: str) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 50, 0.002)], hook=scraped.collector)
    scraped.collector.watch(throttler)
    texts: list[str] = []
    is_over = threading.Event()

    def scrape() -> None:
        while not is_over.is_set() or not texts:
            texts.append(fetch(scrape_url))

    scraping = asyncio.create_task(asyncio.to_thread(scrape))
    hook = scraped.collector.named("okx")
    for number in range(3_000):
        await throttler.acquire("ip")
        emit(hook, ALL[number % len(ALL)])
    is_over.set()
    await scraping
    counts = []
    for text in texts:
        told = samples_of(text)
        assert told["networkpype_throttler_readable"] == {frozenset(): 1}
        assert 0 <= told["networkpype_limit_used"][frozenset({("limit_id", "ip")})] <= 47
        counts.append(told["networkpype_session_lost_messages_total"][frozenset({("name", "okx")})])
    assert counts == sorted(counts)
    gaps = sum(type(ALL[number % len(ALL)]).__name__ == "Gap" for number in range(3_000))
    assert scraped.value("session_lost_messages_total", name="okx") == 7 * gaps


async def test_the_circuit_of_a_factory_moves_the_gauge(scraped: Scraped) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 20, 60)])
    breaker = CircuitBreaker(1, 0.05)
    async with (
        MockExchange() as exchange,
        ConnectionManagersFactory(
            throttler, hook=scraped.collector.named("okx"), circuit_breaker=breaker
        ) as factory,
    ):
        exchange.add_endpoint("GET", "/v1/down", lambda request: Answer({}, status=503))
        manager = await factory.get_rest_manager()
        own = frozenset({("host", exchange.url.removeprefix("http://")), ("name", "okx")})
        with pytest.raises(HTTPStatusError):
            await manager.execute_request(f"{exchange.url}/v1/down", "ip")
        assert samples_of(scraped.text())["networkpype_circuit_open"] == {own: 1}
        await asyncio.sleep(0.06)
        await manager.execute_request(f"{exchange.url}/v1/time", "ip")
    told = samples_of(scraped.text())
    assert told["networkpype_circuit_open"] == {own: 0}
    assert told["networkpype_circuit_opened_total"] == {own: 1}
