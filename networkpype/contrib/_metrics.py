"""Every metric that the collectors keep: its names, unit, labels and meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from networkpype.errors import AuthenticationFailure

__all__ = [
    "EVENT_METRICS",
    "LIMIT_METRICS",
    "READABLE",
    "THROTTLE_REFUSALS",
    "Kind",
    "Metric",
    "word",
]


class Kind(Enum):
    """How measurements add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. `opentelemetry` is empty where that has it in another one already.

    `field` is that of a `LimitUsage`, for what no event tells.

    `unit` is UCUM's, as OpenTelemetry wants it. `brief` are the labels that Prometheus gets, where
    a series for each combination of all `labels` and buckets would be too many.

    `known` are values of the labels (but for `limit_id`) whose series begin at 0, before any event:
    one that begins at 1 has not increased for Prometheus, and no alert would tell of it.
    https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics (read 2026-11-21)
    """

    prometheus: str
    opentelemetry: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    brief: tuple[str, ...] | None = None
    buckets: tuple[float, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()
    field: str = ""


# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-21)
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# Limits count by the second, ten seconds or the minute.
_WAIT_S = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_BLOCKED_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_DIRECTIONS = (("up",), ("down",))
_EITHER = (("true",), ("false",))
LOGIN_EVENTS = ("logged_in", "failed", "renewed", "expired", "renewal_failed")


def word(value: Enum) -> str:
    """Return the value of an enum of words as a label has it."""
    return str(value.value).replace(" ", "_")


def _counter(
    name: str, unit: str, help: str, *labels: str, known: tuple[tuple[str, ...], ...] = ()
) -> Metric:
    prometheus = _prometheus(name) + "_total"
    if labels in ((), ("limit_id",)):
        known = ((),)
    return Metric(prometheus, name, Kind.COUNTER, unit, help, labels, known=known)


def _gauge(name: str, unit: str, help: str, *labels: str) -> Metric:
    suffix = "_seconds" if unit == "s" else ""
    return Metric(_prometheus(name) + suffix, name, Kind.GAUGE, unit, help, labels)


def _histogram(name: str, buckets: tuple[float, ...], help: str, *labels: str) -> Metric:
    prometheus = _prometheus(name) + "_seconds"
    return Metric(prometheus, name, Kind.HISTOGRAM, "s", help, labels, buckets=buckets)


def _prometheus(name: str) -> str:
    return name.replace(".", "_")


# -- requests -------------------------------------------------------------------------------------

REQUEST_DURATION = Metric(
    "networkpype_request_duration_seconds",
    "http.client.request.duration",
    Kind.HISTOGRAM,
    "s",
    "Duration of REST requests, from the granted capacity to the end of the answer.",
    ("host", "method", "status", "outcome", "error"),
    ("host", "method", "outcome"),
    _REQUEST_S,
)
REQUESTS = Metric(
    "networkpype_requests_total",
    "",
    Kind.COUNTER,
    "{request}",
    "REST requests that ended, by what became of them.",
    ("host", "method", "status", "outcome", "error"),
)
RETRIES = _counter(
    "networkpype.retries",
    "{retry}",
    "Requests that are sent again, by what the attempt before failed with.",
    "host",
    "method",
    "error",
)
CIRCUITS_OPENED = _counter(
    "networkpype.circuit.opened", "{time}", "Times that a failing host was left alone.", "host"
)
CIRCUIT_OPEN = _gauge(
    "networkpype.circuit.open", "1", "1 while a failing host is left alone, 0 after it.", "host"
)

# -- limits ---------------------------------------------------------------------------------------

THROTTLE_WAIT = _histogram(
    "networkpype.throttle.wait",
    _WAIT_S,
    "How long the calls waited for capacity that had to wait.",
    "limit_id",
    "bottleneck",
)
THROTTLE_REFUSALS = _counter(
    "networkpype.throttle.refusals",
    "{call}",
    "Calls that were not sent because max_wait could not be kept.",
    "limit_id",
    "bottleneck",
)
LIMIT_BLOCKS = _counter(
    "networkpype.limit.blocks",
    "{block}",
    "Times that the exchange said to slow down, for each limit that it holds for.",
    "limit_id",
    "status",
    known=(("429",), ("418",), ("503",)),
)
LIMIT_UNBLOCKS = _counter(
    "networkpype.limit.unblocks",
    "{unblock}",
    "Times that unblock() ended such a pause early, for each limit.",
    "limit_id",
)
LIMIT_CORRECTIONS = _counter(
    "networkpype.limit.corrections",
    "{correction}",
    "Times that the exchange had counted more (up) or less (down) than was counted here.",
    "limit_id",
    "direction",
    known=_DIRECTIONS,
)
LIMIT_CORRECTED_UNITS = _counter(
    "networkpype.limit.corrected_units",
    "{unit}",
    "Units that counts were corrected by.",
    "limit_id",
    "direction",
    known=_DIRECTIONS,
)
STORE_LOST = _counter(
    "networkpype.limit_store.lost",
    "{time}",
    "Times that the store that processes share was lost.",
    "error",
)
STORE_RESTORED = _counter(
    "networkpype.limit_store.restored",
    "{time}",
    "Times that it came back, with its counts or having forgotten them.",
    "forgot",
    known=_EITHER,
)
STORE_UP = _gauge("networkpype.limit_store.up", "1", "0 while the shared store is lost.")

# -- clock ----------------------------------------------------------------------------------------

CLOCK_OFFSET = _gauge(
    "networkpype.clock.offset", "s", "How far the exchange's clock is ahead of this machine's."
)
CLOCK_UNCERTAINTY = _gauge(
    "networkpype.clock.uncertainty", "s", "How far the true offset may be from the estimate."
)
CLOCK_SAMPLES = _counter(
    "networkpype.clock.samples", "{sample}", "Samples of the exchange's clock."
)
CLOCK_FAILURES = _counter(
    "networkpype.clock.failures",
    "{failure}",
    "Times that the exchange's clock could not be read.",
    "error",
)
CLOCK_STEPS = _counter(
    "networkpype.clock.steps", "{step}", "Times that this machine's clock jumped, or it slept."
)

# -- WebSockets -----------------------------------------------------------------------------------

SOCKETS_OPENED = _counter(
    "networkpype.websocket.opened", "{connection}", "WebSockets that were opened.", "host"
)
SOCKETS_CLOSED = _counter(
    "networkpype.websocket.closed",
    "{connection}",
    "WebSockets that ended, by close code and whether this side asked for it.",
    "host",
    "code",
    "expected",
)
CONNECTED = _counter(
    "networkpype.session.connected", "{connection}", "Connections of sessions.", "host"
)
RECONNECTED = _counter(
    "networkpype.session.reconnected",
    "{connection}",
    "Those of them that were not the session's first dial.",
    "host",
)
DISCONNECTED = _counter(
    "networkpype.session.disconnected",
    "{connection}",
    "Connections of sessions that ended or could not be made; final where no dial follows.",
    "code",
    "planned",
    "final",
)
READY = _counter(
    "networkpype.session.ready", "{time}", "Times that all that is wanted was subscribed."
)
GAPS = _counter(
    "networkpype.session.gaps",
    "{gap}",
    "Gaps in streams; lost tells whether the number of missing messages is known.",
    "lost",
    known=(("known",), ("unknown",)),
)
LOST_MESSAGES = _counter(
    "networkpype.session.lost_messages",
    "{message}",
    "Missing messages, in the gaps whose number is known.",
)
SUBSCRIBE_FAILURES = _counter(
    "networkpype.session.subscribe_failures",
    "{subscription}",
    "Subscriptions that were refused (definite) or not answered.",
    "definite",
    known=_EITHER,
)
STALE = _counter("networkpype.session.stale", "{time}", "Times that a subscription went silent.")
LOOP_BLOCKED = _histogram(
    "networkpype.loop.blocked",
    _BLOCKED_S,
    "How long the event loop stood still, as each session saw it.",
)
LOGINS = _counter(
    "networkpype.logins",
    "{event}",
    "What became of logins and their renewals; failure is why they were refused.",
    "event",
    "failure",
    known=tuple((event, "") for event in LOGIN_EVENTS)
    + tuple(("rejected", word(failure)) for failure in AuthenticationFailure),
)

EVENT_METRICS: tuple[Metric, ...] = tuple(
    each for each in list(globals().values()) if isinstance(each, Metric)
)
"""What is measured by events; Prometheus and OpenTelemetry put `name` before the labels."""


def _limit(name: str, unit: str, help: str, field: str) -> Metric:
    return replace(_gauge(name, unit, help, "limit_id"), field=field)


LIMIT_METRICS = (
    _limit("networkpype.limit.used", "{unit}", "Units of the limit that are in use.", "used"),
    _limit("networkpype.limit.capacity", "{unit}", "Units that may be in use at once.", "capacity"),
    _limit("networkpype.limit.held", "{unit}", "Units in use by calls that are under way.", "held"),
    _limit(
        "networkpype.limit.waiting", "{call}", "Calls that wait in line under this id.", "waiting"
    ),
    _limit("networkpype.limit.next_free", "s", "Time until one more unit is free.", "next_free_s"),
    _limit(
        "networkpype.limit.blocked", "s", "For how long the exchange wants no call.", "blocked_s"
    ),
)
"""What is read of every limit, under the labels `name` and `limit_id`."""

READABLE = _gauge(
    "networkpype.throttler.readable",
    "1",
    "0 where a throttler's event loop stands still or has ended; its limits are left out then.",
)
