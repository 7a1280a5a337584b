"""Metrics through the API of OpenTelemetry: a hook that counts, and gauges that are observed.

Needs the extra `opentelemetry` (opentelemetry-api); without an SDK set up it does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

from networkpype._version import __version__
from networkpype.contrib._measurements import OTHER, Measurements, split_host
from networkpype.contrib._metrics import (
    EVENT_METRICS,
    LIMIT_METRICS,
    READABLE,
    Kind,
    Metric,
)
from networkpype.contrib._watching import Reading, Watched, check_name
from networkpype.errors import MissingExtraError
from networkpype.hooks import Event, Hook
from networkpype.throttler.throttler import AsyncThrottler

try:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter
except ImportError as error:
    raise MissingExtraError(
        "metrics for OpenTelemetry need opentelemetry-api, which is not installed; "
        'run: pip install "networkpype[opentelemetry]"'
    ) from error

__all__ = ["OpenTelemetryCollector"]

Attributes: TypeAlias = Mapping[str, str | int]
Record: TypeAlias = Callable[[float, Attributes], object]

# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-21); what it does not
# know is networkpype's own.
_ATTRIBUTES = {
    "method": "http.request.method",
    "status": "http.response.status_code",
    "error": "error.type",
    "name": "networkpype.name",
    "outcome": "networkpype.outcome",
    "limit_id": "networkpype.limit.id",
    "bottleneck": "networkpype.limit.bottleneck",
    "direction": "networkpype.limit.direction",
    "forgot": "networkpype.limit_store.forgot",
    "code": "networkpype.websocket.close_code",
    "expected": "networkpype.websocket.expected",
    "planned": "networkpype.session.planned",
    "final": "networkpype.session.final",
    "lost": "networkpype.session.lost",
    "definite": "networkpype.session.definite",
    "event": "networkpype.login.event",
    "failure": "networkpype.login.failure",
}
_NUMBERS = ("status", "code")


class OpenTelemetryCollector:
    """Record every event, and observe the watched throttlers at each collection.

    ::

        collector = OpenTelemetryCollector()
        throttler = AsyncThrottler(limits, hook=collector)
        factory = ConnectionManagersFactory(throttler, hook=collector)
        collector.watch(throttler)  # within the event loop

    It is a hook itself. Where one program has several exchanges, give each
    ``hook=collector.named("okx")``: that is the attribute `networkpype.name` of all that it tells.
    `meter` is that of the global meter provider by default, which may be set later. A meter takes
    one collector, for it would keep the gauges of each.

    May be collected from any thread. Snapshots are taken on the throttlers' event loops, for which
    a collection waits `read_timeout_s` at most; a throttler that gave none is left out, and its
    `networkpype.throttler.readable` is 0.

    Attributes hold hosts, methods, statuses, codes, class names of errors and ids of limits; never
    a path, a query or words that came from a server.
    """

    def __init__(self, meter: Meter | None = None, *, read_timeout_s: float = 1.0) -> None:
        self._watched = Watched(read_timeout_s)
        self._measure = Measurements()
        if meter is None:
            meter = get_meter("networkpype", __version__)
        self._records = {
            metric: _instrument(meter, metric) for metric in EVENT_METRICS if metric.opentelemetry
        }
        self._attributes: dict[tuple[Metric, str, tuple[str, ...]], Attributes] = {}
        self._last: tuple[list[Reading], set[Metric]] | None = None
        for gauge in (READABLE, *LIMIT_METRICS):
            meter.create_observable_gauge(
                gauge.opentelemetry, [partial(self._observe, gauge)], gauge.unit, gauge.help
            )

    def __call__(self, event: Event, /) -> None:
        self._record("", event)

    def named(self, name: str) -> Hook:
        """Return a hook whose measurements have the attribute `networkpype.name`."""
        check_name(name)
        return partial(self._record, name)

    def watch(self, throttler: AsyncThrottler, name: str = "") -> None:
        """Read this throttler's limits at each collection, for as long as it is in use elsewhere.

        Call it within the event loop that the throttler serves, and again where that is another.
        Raises ConfigurationError outside of a loop, where another throttler has that name, and for
        one that is watched already.
        """
        self._watched.add(throttler, name)

    def _record(self, name: str, event: Event, /) -> None:
        for metric, value, labels in self._measure(event):
            record = self._records.get(metric)
            if record is None:
                continue
            key = (metric, name, labels)
            attributes = self._attributes.get(key)
            if attributes is None:
                told = {"name": name, **dict(zip(metric.labels, labels, strict=True))}
                attributes = self._attributes[key] = _attributes(told)
            record(value, attributes)

    def _observe(self, gauge: Metric, _: CallbackOptions, /) -> Iterator[Observation]:
        for name, usages in self._readings(gauge):
            if gauge is READABLE:
                yield Observation(int(usages is not None), _attributes({"name": name}))
                continue
            for limit_id, usage in (usages or {}).items():
                value = getattr(usage, gauge.field)
                if math.isfinite(value):  # JSON, which many exporters speak, knows no infinity
                    yield Observation(value, _attributes({"name": name, "limit_id": limit_id}))

    def _readings(self, gauge: Metric) -> Iterable[Reading]:
        """Read the throttlers once a collection, which asks each gauge once, in any order."""
        last = self._last
        if last is None or gauge in last[1]:
            last = self._last = (self._watched.read(), set())
        last[1].add(gauge)
        return last[0]

    def __repr__(self) -> str:
        return f"OpenTelemetryCollector(series={len(self._attributes)})"


def _instrument(meter: Meter, metric: Metric) -> Record:
    name, unit, told = metric.opentelemetry, metric.unit, metric.help
    if metric.kind is Kind.COUNTER:
        return meter.create_counter(name, unit, told).add
    if metric.kind is Kind.GAUGE:
        return meter.create_gauge(name, unit, told).set
    return meter.create_histogram(
        name, unit, told, explicit_bucket_boundaries_advisory=metric.buckets
    ).record


def _attributes(labels: Mapping[str, str]) -> Attributes:
    attributes: dict[str, str | int] = {}
    for label, value in labels.items():
        if not value:
            continue
        if label == "host":
            attributes["server.address"], attributes["server.port"] = split_host(value)
        elif label not in _NUMBERS:
            attributes[_ATTRIBUTES[label]] = value
        elif value != OTHER:
            attributes[_ATTRIBUTES[label]] = int(value)
    return attributes
