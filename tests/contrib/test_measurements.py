"""What an event measures, before any package of metrics is asked."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest

from networkpype import hooks
from networkpype.contrib import _metrics as metrics
from networkpype.contrib._measurements import OTHER, Measurements, split_host
from networkpype.errors import Outcome
from networkpype.hooks import Event
from networkpype.throttler.rate_limit import LimitUsage
from networkpype.websocket.session import events
from tests.contrib.stage import ALL, names_of, planted
from tests.support.canary import PLANTED, found_in


def measured(event: Event) -> dict[str, tuple[float, tuple[str, ...]]]:
    return {metric.prometheus: (value, labels) for metric, value, labels in Measurements()(event)}


def request(**changes: object) -> hooks.RequestFinished:
    given = {"method": "GET", "url": "https://h/x", "status": 200, "elapsed_s": 0.1, **changes}
    return hooks.RequestFinished(**given)  # type: ignore[arg-type]


def labels_of_request(**changes: object) -> tuple[str, ...]:
    return measured(request(**changes))["networkpype_request_duration_seconds"][1]


def test_every_event_of_networkpype_is_measured() -> None:
    told = {type(event).__name__ for event in ALL}
    assert names_of(Event) - {"SessionEvent"} == told
    assert {type(event) for event in ALL if not measured(event)} == set()


def test_every_metric_is_measured_by_some_event() -> None:
    names = {name for event in ALL for name in measured(event)}
    assert {each.prometheus for each in metrics.EVENT_METRICS} == names


def test_every_measurement_has_a_value_for_each_label() -> None:
    for event in ALL:
        for metric, _, labels in Measurements()(event):
            assert len(labels) == len(metric.labels), metric.prometheus
    for metric in metrics.EVENT_METRICS:
        own = [label for label in metric.labels if label != "limit_id"]
        assert {len(labels) for labels in metric.known} <= {len(own)}, metric.prometheus


def test_series_that_begin_at_zero_are_those_that_events_go_on_with() -> None:
    measure = Measurements()
    counted = {
        (metric, labels[1:] if "limit_id" in metric.labels else labels)
        for event in ALL
        for metric, _, labels in measure(event)
    }
    for metric in metrics.EVENT_METRICS:
        own = {labels for each, labels in counted if each is metric}
        assert not metric.known or own <= set(metric.known), metric.prometheus


def test_names_follow_the_conventions() -> None:
    every = [*metrics.EVENT_METRICS, *metrics.LIMIT_METRICS, metrics.READABLE]
    assert len({each.prometheus for each in every}) == len(every)
    for each in every:
        assert re.fullmatch(r"networkpype(_[a-z]+)+", each.prometheus)
        assert each.prometheus.endswith("_total") == (each.kind is metrics.Kind.COUNTER)
        assert each.prometheus.endswith("_seconds") == (each.unit == "s")
        assert each.help.endswith(".")
    own = {each.opentelemetry for each in every} - {"", "http.client.request.duration"}
    assert len(own) == len(every) - 2
    assert all(re.fullmatch(r"networkpype(\.[a-z_]+)+", name) for name in own)


def test_every_field_of_a_limit_that_is_read_exists() -> None:
    assert {each.field for each in metrics.LIMIT_METRICS} <= set(LimitUsage.__slots__)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ("h", "GET", "200", "ok", "")),
        ({"status": 302}, ("h", "GET", "302", "ok", "")),
        (
            {"status": 429, "error": "RateLimitedError", "outcome": Outcome.REJECTED},
            ("h", "GET", "429", "rejected", "RateLimitedError"),
        ),
        (
            {"status": 408, "error": "HTTPStatusError", "outcome": Outcome.UNKNOWN},
            ("h", "GET", "408", "unknown", "HTTPStatusError"),
        ),
        (
            {"status": 999, "error": "HTTPStatusError", "outcome": Outcome.UNKNOWN},
            ("h", "GET", OTHER, "unknown", "HTTPStatusError"),
        ),
        ({"method": "get"}, ("h", "_OTHER", "200", "ok", "")),
        (
            {"status": None, "error": "ConnectFailedError", "outcome": Outcome.NOT_SENT},
            ("h", "GET", "", "not_sent", "ConnectFailedError"),
        ),
        (
            {"error": "DecodeError", "outcome": Outcome.UNKNOWN},
            ("h", "GET", "200", "unknown", "DecodeError"),
        ),
    ],
)
def test_what_became_of_a_request(changes: dict[str, object], labels: tuple[str, ...]) -> None:
    assert labels_of_request(**changes) == labels


def test_the_counter_of_requests_has_the_class_of_the_status() -> None:
    event = request(status=418, outcome=Outcome.REJECTED)
    value, labels = measured(event)["networkpype_requests_total"]
    assert (value, labels) == (1, ("h", "GET", "4xx", "rejected", ""))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.Example.com/v3/order?id=1", "api.example.com"),
        ("https://api.example.com:443/", "api.example.com"),
        ("https://api.example.com:8443", "api.example.com:8443"),
        ("http://localhost/", "localhost:80"),
        ("ws://localhost:8080?x", "localhost:8080"),
        ("wss://user:word@h/", "h"),
        ("https://h#https://k/", "h"),
        ("https://h\\@k/", "h"),
        ("https://[::1]:8080/x", "[::1]:8080"),
        ("https://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de"),
        ("https://h:port/", OTHER),
        ("https://a b/", OTHER),
        ("/api/v3/time", ""),
        ("api/v3/time", ""),
        ("***", ""),
        ("https:///x", ""),
        ("", ""),
    ],
)
def test_of_a_url_nothing_is_told_but_the_host(url: str, host: str) -> None:
    assert labels_of_request(url=url)[0] == host


@pytest.mark.parametrize(
    ("label", "address"),
    [("h", ("h", 443)), ("h:80", ("h", 80)), ("[::1]:1", ("::1", 1)), (OTHER, (OTHER, 443))],
)
def test_a_host_is_an_address_and_a_port(label: str, address: tuple[str, int]) -> None:
    assert split_host(label) == address


@pytest.mark.parametrize(
    ("event", "name", "value", "labels"),
    [
        (hooks.LimitCorrected("ip", 10, 14), "limit_corrected_units_total", 4, ("ip", "up")),
        (hooks.LimitCorrected("ip", 14, 10), "limit_corrected_units_total", 4, ("ip", "down")),
        (hooks.LimitStoreLost("OSError", 50.0), "limit_store_up", 0, ()),
        (hooks.LimitStoreRestored(1, True, 0), "limit_store_up", 1, ()),
        (hooks.LimitStoreRestored(1, True, 0), "limit_store_restored_total", 1, ("true",)),
        (hooks.CircuitOpened("h:8080", 5, 30), "circuit_open", 1, ("h:8080",)),
        (hooks.CircuitClosed("h:8080"), "circuit_open", 0, ("h:8080",)),
        (hooks.ThrottleWaited("ip", -1e-9), "throttle_wait_seconds", 0, ("ip", "")),
        (hooks.ThrottleWaited("p", 2, "ip"), "throttle_wait_seconds", 2, ("p", "ip")),
        (hooks.ThrottleRefused("p", 0, 2, "ip"), "throttle_refusals_total", 1, ("p", "ip")),
        (hooks.ClockSynchronized(-250, None, 40), "clock_offset_seconds", -0.25, ()),
        (hooks.ClockSynchronized(-250, None, 40), "clock_uncertainty_seconds", 0.04, ()),
        (events.Gap(1, "x", 7), "session_lost_messages_total", 7, ()),
        (events.Gap(1, "x"), "session_gaps_total", 1, ("unknown",)),
        (
            events.Disconnected(1, 1000, "x", planned=True),
            "session_disconnected_total",
            1,
            ("1000", "true", "false"),
        ),
        (
            events.Disconnected(1, 4001, "x"),
            "session_disconnected_total",
            1,
            ("4001", "false", "true"),
        ),
        (
            hooks.WebSocketClosed("wss://h", 70000, "", expected=True),
            "websocket_closed_total",
            1,
            ("h", OTHER, "true"),
        ),
    ],
)
def test_what_an_event_measures(
    event: Event, name: str, value: float, labels: tuple[str, ...]
) -> None:
    assert measured(event)[f"networkpype_{name}"] == (value, labels)


def test_what_is_not_known_is_not_measured() -> None:
    assert "networkpype_clock_uncertainty_seconds" not in measured(
        hooks.ClockSynchronized(1, None, None)
    )
    assert "networkpype_session_lost_messages_total" not in measured(events.Gap(1, "x"))
    assert "networkpype_session_reconnected_total" not in measured(events.Connected(1, "wss://h"))
    assert "networkpype_session_reconnected_total" in measured(events.Connected(2, "wss://h"))


def test_a_block_is_told_for_each_limit() -> None:
    told = Measurements()(hooks.LimitBlocked(("ip", "orders"), 10, 418))
    assert [labels for _, _, labels in told] == [("ip", "418"), ("orders", "418")]


def test_an_event_of_a_user_is_none_of_ours() -> None:
    @dataclass(frozen=True)
    class Filled(Event):
        price: str

    @dataclass(frozen=True)
    class Slow(hooks.ThrottleWaited):
        pass

    measure = Measurements()
    for _ in range(2):
        assert list(measure(Filled("1"))) == []
        [told] = measure(Slow("ip", 2.0))
        assert (told.metric, told.value) == (metrics.THROTTLE_WAIT, 2.0)


def test_there_is_an_end_to_the_values_of_a_label() -> None:
    measure = Measurements()
    seen: Counter[tuple[str, ...]] = Counter()
    for number in range(3000):
        url = f"https://h{number}/"
        error = "E" + chr(ord("A") + number % 26) * (1 + number // 26 % 40)
        told = [
            hooks.RetryScheduled("GET", url, 1, 0, error),
            hooks.ThrottleWaited(f"l{number}", 0),
            hooks.WebSocketClosed(url, 1000 + number, "", expected=True),
        ]
        for event in told:
            seen.update((metric.prometheus, *labels) for metric, _, labels in measure(event))
    hosts = {labels[1] for labels in seen if labels[0].startswith("networkpype_re")}
    errors = {labels[3] for labels in seen if labels[0].startswith("networkpype_re")}
    limits = {labels[1] for labels in seen if labels[0].startswith("networkpype_th")}
    codes = {labels[2] for labels in seen if labels[0].startswith("networkpype_we")}
    assert [len(each) for each in (hosts, errors, limits, codes)] == [101, 101, 1001, 101]
    assert OTHER in hosts & errors & limits & codes


@pytest.mark.parametrize("name", PLANTED)
def test_no_label_shows_a_secret(name: str) -> None:
    measure = Measurements()
    told = [measurement for event in planted(PLANTED[name]) for measurement in measure(event)]
    assert len(told) > len(ALL)
    assert {labels for _, _, labels in told if found_in(" ".join(labels))} == set()
