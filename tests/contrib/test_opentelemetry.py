"""What the SDK of OpenTelemetry collects, in its own words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from networkpype import hooks
from networkpype.contrib._metrics import EVENT_METRICS, LIMIT_METRICS, READABLE
from networkpype.contrib.opentelemetry import OpenTelemetryCollector
from networkpype.errors import HTTPStatusError, Outcome
from networkpype.factory import ConnectionManagersFactory
from networkpype.hooks import Event, emit
from networkpype.testing import MockExchange
from networkpype.throttler.rate_limit import LimitUsage, RateLimit
from networkpype.throttler.throttler import AsyncThrottler
from tests.contrib.stage import ALL, planted
from tests.support.canary import PLANTED, found_in

Attributes = frozenset[tuple[str, Any]]
REQUESTS = "http.client.request.duration"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-21)
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Collected:
    """A collector on a meter of its own, and what a reader finds there."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.collector = OpenTelemetryCollector(self.provider.get_meter("test"))

    def raw(self) -> list[dict[str, Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        [resource] = json.loads(data.to_json())["resource_metrics"]
        [scope] = resource["scope_metrics"]
        found: list[dict[str, Any]] = scope["metrics"]
        return found

    def points(self) -> dict[str, dict[Attributes, dict[str, Any]]]:
        return {
            metric["name"]: {
                frozenset(point["attributes"].items()): point
                for point in metric["data"]["data_points"]
            }
            for metric in self.raw()
        }

    def values(self, name: str) -> dict[Attributes, float]:
        return {
            attributes: point["value"] for attributes, point in self.points().get(name, {}).items()
        }


@pytest.fixture
def collected() -> Iterator[Collected]:
    collected = Collected()
    yield collected
    collected.provider.shutdown()


def only(points: Mapping[Attributes, Any]) -> dict[str, Any]:
    [attributes] = points
    return dict(attributes)


async def test_every_event_and_every_limit_is_told(collected: Collected) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 100, 60)], safety_margin_pct=0)
    await throttler.acquire("ip")
    collected.collector.watch(throttler, "okx")
    hook = collected.collector.named("okx")
    for event in ALL:
        emit(hook, event)
    told = {metric["name"]: metric for metric in await asyncio.to_thread(collected.raw)}
    every = [*(each for each in EVENT_METRICS if each.opentelemetry), *LIMIT_METRICS, READABLE]
    assert set(told) == {each.opentelemetry for each in every}
    for each in every:
        metric = told[each.opentelemetry]
        assert (metric["unit"], metric["description"]) == (each.unit, each.help)
        for point in metric["data"]["data_points"]:
            assert point["attributes"]["networkpype.name"] == "okx"


@pytest.mark.parametrize(
    ("event", "attributes"),
    [
        (
            hooks.RequestFinished("GET", "https://api.example.com/v3/order/7?s=1", 200, 0.03),
            {"http.response.status_code": 200, "networkpype.outcome": "ok"},
        ),
        (
            hooks.RequestFinished(
                "GET",
                "https://api.example.com/v3/order/7?s=1",
                429,
                0.03,
                "RateLimitedError",
                Outcome.REJECTED,
            ),
            {
                "http.response.status_code": 429,
                "error.type": "RateLimitedError",
                "networkpype.outcome": "rejected",
            },
        ),
        (
            hooks.RequestFinished(
                "GET", "https://api.example.com", None, 0.03, "TLSError", Outcome.NOT_SENT
            ),
            {"error.type": "TLSError", "networkpype.outcome": "not_sent"},
        ),
        (
            hooks.RequestFinished(
                "GET", "https://api.example.com", 503, 0.03, "DecodeError", Outcome.UNKNOWN
            ),
            {
                "http.response.status_code": 503,
                "error.type": "DecodeError",
                "networkpype.outcome": "unknown",
            },
        ),
    ],
)
def test_a_request_is_told_in_the_words_of_the_convention(
    collected: Collected, event: Event, attributes: dict[str, Any]
) -> None:
    collected.collector(event)
    points = collected.points()[REQUESTS]
    assert only(points) == {
        "http.request.method": "GET",
        "server.address": "api.example.com",
        "server.port": 443,
        **attributes,
    }
    [point] = points.values()
    assert tuple(point["explicit_bounds"]) == BOUNDS
    assert (point["count"], point["sum"]) == (1, 0.03)


def test_numbers_are_numbers_and_what_is_unknown_is_left_out(collected: Collected) -> None:
    collected.collector(hooks.LimitBlocked(("ip",), 1.0, 418))
    collected.collector(hooks.WebSocketClosed("ws://[::1]:8080/x", 99, "", expected=True))
    assert only(collected.points()["networkpype.limit.blocks"]) == {
        "networkpype.limit.id": "ip",
        "http.response.status_code": 418,
    }
    assert only(collected.points()["networkpype.websocket.closed"]) == {
        "server.address": "::1",
        "server.port": 8080,
        "networkpype.websocket.expected": "true",
    }


async def test_limits_are_observed_as_they_are_now(collected: Collected) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 100, 60)], safety_margin_pct=0)
    collected.collector.watch(throttler)
    ip = frozenset({("networkpype.limit.id", "ip")})
    for used in range(3):
        points = await asyncio.to_thread(collected.points)
        assert points["networkpype.limit.used"][ip]["value"] == used
        assert points["networkpype.limit.capacity"][ip]["value"] == 100
        await throttler.acquire("ip")


async def test_a_collection_reads_each_throttler_once(collected: Collected) -> None:
    class Counting(AsyncThrottler):
        snapshots = 0

        def snapshot(self) -> dict[str, LimitUsage]:
            self.snapshots += 1
            return super().snapshot()

    throttler = Counting([RateLimit("ip", 100, 60)])
    collected.collector.watch(throttler)
    for number in range(1, 4):
        assert await asyncio.to_thread(collected.points)
        assert throttler.snapshots == number


async def test_what_is_infinite_is_left_out(
    collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    class Endless(AsyncThrottler):
        def snapshot(self) -> dict[str, LimitUsage]:
            return {"ip": LimitUsage(1, 1, 60.0, float("inf"), 0)}

    throttler = Endless([RateLimit("ip", 100, 60)])
    collected.collector.watch(throttler)
    points = await asyncio.to_thread(collected.points)
    assert "networkpype.limit.used" in points
    assert not points.get("networkpype.limit.next_free")
    assert [each for each in caplog.records if each.name.startswith("opentelemetry")] == []


def test_limits_that_cannot_be_read_are_left_out_and_told(collected: Collected) -> None:
    async def use() -> AsyncThrottler:
        throttler = AsyncThrottler([RateLimit("ip", 100, 60)])
        collected.collector.watch(throttler, "okx")
        return throttler

    throttler = asyncio.run(use())
    points = collected.points()
    [point] = points["networkpype.throttler.readable"].values()
    assert (point["value"], point["attributes"]) == (0, {"networkpype.name": "okx"})
    assert not points.get("networkpype.limit.used")
    assert "ip" in throttler.snapshot()


async def test_a_real_call_is_told(collected: Collected) -> None:
    secret = PLANTED["listen key 0"]
    throttler = AsyncThrottler([RateLimit("ip", 20, 60)], hook=collected.collector)
    collected.collector.watch(throttler)
    async with (
        MockExchange() as exchange,
        ConnectionManagersFactory(throttler, hook=collected.collector) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(
            f"{exchange.url}/v1/public/echo/{secret}", "ip", params={"signature": secret}
        )
        with pytest.raises(HTTPStatusError):
            await manager.execute_request(exchange.url + "/v1/nowhere", "ip")
        points = (await asyncio.to_thread(collected.points))[REQUESTS]
        port = int(exchange.url.rpartition(":")[2])
    found = {dict(attributes).get("http.response.status_code") for attributes in points}
    assert found == {200, 404}
    assert {dict(attributes)["server.port"] for attributes in points} == {port}
    assert [point["count"] for point in points.values()] == [1, 1]
    assert found_in(str(points)) is None


def test_no_secret_is_ever_told(collected: Collected) -> None:
    for secret in PLANTED.values():
        for event in planted(secret):
            emit(collected.collector, event)
    text = json.dumps(collected.raw())
    assert "api.example.com" in text
    assert found_in(text) is None
    assert found_in(repr(collected.collector)) is None


def test_an_event_of_a_user_disturbs_nobody(
    collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    class Filled(Event):
        pass

    emit(collected.collector, Filled())
    emit(collected.collector.named("okx"), Filled())
    assert collected.points() == {}
    assert caplog.records == []


async def test_collections_from_a_thread_while_a_loop_counts(collected: Collected) -> None:
    throttler = AsyncThrottler([RateLimit("ip", 50, 0.002)], hook=collected.collector)
    collected.collector.watch(throttler)
    ip = frozenset({("networkpype.limit.id", "ip")})
    used: list[float] = []
    is_over = threading.Event()

    def collect() -> None:
        while not is_over.is_set() or not used:
            used.append(collected.values("networkpype.limit.used")[ip])

    collecting = asyncio.create_task(asyncio.to_thread(collect))
    for number in range(2_000):
        await throttler.acquire("ip")
        emit(collected.collector, ALL[number % len(ALL)])
    is_over.set()
    await collecting
    assert all(0 <= each <= 47 for each in used)
    gaps = sum(type(ALL[number % len(ALL)]).__name__ == "Gap" for number in range(2_000))
    assert collected.values("networkpype.session.lost_messages") == {frozenset(): 7 * gaps}


def test_without_an_sdk_nothing_happens() -> None:
    collector = OpenTelemetryCollector(api.NoOpMeterProvider().get_meter("test"))
    for event in ALL:
        collector(event)
    assert "OpenTelemetryCollector(series=" in repr(collector)
