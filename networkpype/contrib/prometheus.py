"""Metrics for Prometheus: a hook that counts, and a collector that is scraped.

Needs the extra `prometheus` (prometheus-client).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import TypeAlias

from networkpype.contrib._measurements import Measurements
from networkpype.contrib._metrics import (
    EVENT_METRICS,
    LIMIT_METRICS,
    READABLE,
    THROTTLE_REFUSALS,
    Kind,
    Metric,
)
from networkpype.contrib._watching import Watched, check_name
from networkpype.errors import ConfigurationError, MissingExtraError
from networkpype.hooks import Event, Hook
from networkpype.throttler.throttler import AsyncThrottler

try:
    from prometheus_client import Counter, Gauge, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingExtraError(
        "metrics for Prometheus need prometheus-client, which is not installed; "
        'run: pip install "networkpype[prometheus]"'
    ) from error

__all__ = ["PrometheusCollector"]

Instrument: TypeAlias = Counter | Gauge | Histogram


class PrometheusCollector(Collector):
    """Count every event, and read the watched throttlers at each scrape.

    ::

        collector = PrometheusCollector()
        prometheus_client.REGISTRY.register(collector)
        throttler = AsyncThrottler(limits, hook=collector)
        factory = ConnectionManagersFactory(throttler, hook=collector)
        collector.watch(throttler)  # within the event loop

    It is a hook itself. Where one program has several exchanges, give each
    ``hook=collector.named("okx")``: that is the label `name` of all that it tells.

    May be scraped from any thread. Snapshots are taken on the throttlers' event loops, for which a
    scrape waits `read_timeout_s` at most; a throttler that gave none is left out, and its
    `networkpype_throttler_readable` is 0. `request_buckets_s` are the bounds of the histogram of
    requests, in seconds.

    Labels hold hosts, methods, statuses, codes, class names of errors and ids of limits; never a
    path, a query or words that came from a server.
    """

    def __init__(
        self,
        *,
        request_buckets_s: Iterable[float] | None = None,
        read_timeout_s: float = 1.0,
    ) -> None:
        self._watched = Watched(read_timeout_s)
        self._measure = Measurements()
        own = None if request_buckets_s is None else _bounds(request_buckets_s)
        self._instruments = {metric: _instrument(metric, own) for metric in EVENT_METRICS}
        # What `labels()` does at each event costs more than all else.
        self._series: dict[tuple[Metric, str, tuple[str, ...]], Callable[[float], object]] = {}
        self._is_begun = False

    def __call__(self, event: Event, /) -> None:
        if not self._is_begun:
            self.named("")
            self._is_begun = True
        self._record("", event)

    def named(self, name: str) -> Hook:
        """Return a hook whose measurements have the label `name`."""
        check_name(name)
        for metric in EVENT_METRICS:
            if "limit_id" not in metric.labels:
                for labels in metric.known:
                    self._add(metric, name, labels, 0)
        return partial(self._record, name)

    def watch(self, throttler: AsyncThrottler, name: str = "") -> None:
        """Read this throttler's limits at each scrape, for as long as it is in use elsewhere.

        Call it within the event loop that the throttler serves, and again where that is another.
        Raises ConfigurationError outside of a loop, where another throttler has that name, and for
        one that is watched already.
        """
        self._watched.add(throttler, name)
        for limit_id in throttler.snapshot():
            for metric in EVENT_METRICS:
                if "limit_id" in metric.labels:
                    for labels in metric.known:
                        self._add(metric, name, (limit_id, *labels), 0)
            for related, _ in throttler.get_related_limits(limit_id)[1]:
                self._add(THROTTLE_REFUSALS, name, (limit_id, related.limit_id), 0)

    def describe(self) -> Iterator[Family]:
        """Yield every metric without samples; what a registry asks for at registration."""
        for instrument in self._instruments.values():
            yield from instrument.describe()
        yield from _limit_families()

    def collect(self) -> Iterator[Family]:
        """Yield every metric with its samples; what a registry asks for at a scrape."""
        for instrument in self._instruments.values():
            yield from instrument.collect()
        readable, *families = _limit_families()
        for name, usages in self._watched.read():
            readable.add_metric([name], usages is not None)
            for limit_id, usage in (usages or {}).items():
                for metric, family in zip(LIMIT_METRICS, families, strict=True):
                    family.add_metric([name, limit_id], getattr(usage, metric.field))
        yield readable
        yield from families

    def _record(self, name: str, event: Event, /) -> None:
        for metric, value, labels in self._measure(event):
            self._add(metric, name, labels, value)

    def _add(self, metric: Metric, name: str, labels: tuple[str, ...], value: float) -> None:
        key = (metric, name, labels)
        count = self._series.get(key)
        if count is None:
            count = self._series[key] = self._begin(metric, name, labels)
        count(value)

    def _begin(
        self, metric: Metric, name: str, labels: tuple[str, ...]
    ) -> Callable[[float], object]:
        told = dict(zip(metric.labels, labels, strict=True))
        instrument = self._instruments[metric]
        series = instrument.labels(name, *(told[label] for label in _labels(metric)))
        if isinstance(series, Histogram):
            return series.observe
        return series.set if isinstance(series, Gauge) else series.inc

    def __repr__(self) -> str:
        return f"PrometheusCollector(series={len(self._series)})"


def _bounds(buckets_s: Iterable[float]) -> tuple[float, ...]:
    bounds = tuple(buckets_s)
    if not bounds or not all(a < b for a, b in pairwise((0, *bounds))):
        raise ConfigurationError(
            f"request_buckets_s are seconds above 0, each more than the last, got {bounds}"
        )
    return bounds


def _labels(metric: Metric) -> tuple[str, ...]:
    return metric.labels if metric.brief is None else metric.brief


def _instrument(metric: Metric, request_buckets_s: tuple[float, ...] | None) -> Instrument:
    labels = ("name", *_labels(metric))
    if metric.kind is Kind.COUNTER:
        return Counter(metric.prometheus, metric.help, labels, registry=None)
    if metric.kind is Kind.GAUGE:
        return Gauge(metric.prometheus, metric.help, labels, registry=None)
    buckets = metric.buckets
    if request_buckets_s is not None and metric.opentelemetry == "http.client.request.duration":
        buckets = request_buckets_s
    return Histogram(metric.prometheus, metric.help, labels, registry=None, buckets=buckets)


def _limit_families() -> list[GaugeMetricFamily]:
    return [
        GaugeMetricFamily(READABLE.prometheus, READABLE.help, labels=["name"]),
        *(
            GaugeMetricFamily(metric.prometheus, metric.help, labels=["name", "limit_id"])
            for metric in LIMIT_METRICS
        ),
    ]
