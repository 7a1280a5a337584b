"""From events to measurements: numbers, with labels that are few and hold nothing secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from networkpype import hooks
from networkpype.contrib import _metrics as metrics
from networkpype.contrib._metrics import Metric
from networkpype.hooks import Event
from networkpype.websocket.session import events

__all__ = ["OTHER", "Measurement", "Measurements", "split_host"]

OTHER = "other"
"""Stands for a label's values that are too many, or not what they should be."""

_MOST = 100  # values of one label
_MOST_LIMITS = 1000
# Those that the convention knows, and its word for all others:
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-21)
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
_OTHER_METHOD = "_OTHER"
_END_OF_AUTHORITY = re.compile(r"[/?#\\]")
_HOST = re.compile(r"([\w.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,5}))?")
# No key in hexadecimal passes for one.
_CLASS_NAME = re.compile(r"_?[A-Z][A-Za-z0-9_]{0,79}|[a-z_]{1,80}")
_PLAIN = ("http", "ws")


class Measurement(NamedTuple):
    """A number to count, observe or set; `labels` are the values of `metric.labels`, in order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


Measure: TypeAlias = Callable[[Any], Iterable[Measurement]]


def split_host(host: str) -> tuple[str, int]:
    """Return address and port of a label `host`, which leaves out 443 alone."""
    match = _HOST.fullmatch(host)
    if match is None or host == OTHER:
        return host, 443
    return match[1].strip("[]"), int(match[2] or 443)


class Measurements:
    """Tell what an event measures; nothing for an event that is not known.

    A subclass measures what its base does. Of each label's values no more than 100 are told apart
    (1000 of limits), so that no server and no mistake can make series without end.
    """

    def __init__(self) -> None:
        self._hosts: dict[tuple[str, str], str] = {}
        self._seen: dict[str, set[str]] = {}
        self._by_type: dict[type, Measure] = {
            hooks.RequestFinished: self._request,
            hooks.RetryScheduled: self._retry,
            hooks.CircuitOpened: self._circuit_opened,
            hooks.CircuitClosed: self._circuit_closed,
            hooks.ThrottleWaited: self._waited,
            hooks.ThrottleRefused: self._refused,
            hooks.LimitBlocked: self._blocked,
            hooks.LimitUnblocked: self._unblocked,
            hooks.LimitCorrected: self._corrected,
            hooks.LimitStoreLost: self._store_lost,
            hooks.LimitStoreRestored: _store_restored,
            hooks.ClockSynchronized: _synchronized,
            hooks.ClockSyncFailed: self._sync_failed,
            hooks.ClockStepped: _always(Measurement(metrics.CLOCK_STEPS, 1)),
            hooks.WebSocketOpened: self._opened,
            hooks.WebSocketClosed: self._closed,
            hooks.LoggedIn: _login("logged_in"),
            hooks.LoginFailed: _login("failed"),
            hooks.LoginRenewed: _login("renewed"),
            hooks.LoginExpired: _login("expired"),
            hooks.RenewalFailed: _login("renewal_failed"),
            hooks.LoginRejected: _rejected,
            events.Connected: self._connected,
            events.Disconnected: self._disconnected,
            events.Ready: _always(Measurement(metrics.READY, 1)),
            events.Gap: _gap,
            events.SubscribeFailed: _subscribe_failed,
            events.Stale: _always(Measurement(metrics.STALE, 1)),
            events.LoopBlocked: _loop_blocked,
        }

    def __call__(self, event: Event) -> Iterable[Measurement]:
        measure = self._by_type.get(type(event))
        if measure is None:
            bases = (self._by_type.get(base) for base in type(event).__mro__)
            measure = next((base for base in bases if base is not None), _always())
            self._by_type[type(event)] = measure
        return measure(event)

    # -- requests ---------------------------------------------------------------------------------

    def _request(self, event: hooks.RequestFinished) -> Iterable[Measurement]:
        status = event.status
        host, method = self._host_of(event.url), _method(event.method)
        outcome = "ok" if event.outcome is None else metrics.word(event.outcome)
        error = self._error(event.error)
        code = "" if status is None else _status(status)
        family = f"{code[0]}xx" if code[:1].isdigit() else code
        return (
            Measurement(
                metrics.REQUEST_DURATION, event.elapsed_s, (host, method, code, outcome, error)
            ),
            Measurement(metrics.REQUESTS, 1, (host, method, family, outcome, error)),
        )

    def _retry(self, event: hooks.RetryScheduled) -> Iterable[Measurement]:
        labels = (self._host_of(event.url), _method(event.method), self._error(event.error))
        return (Measurement(metrics.RETRIES, 1, labels),)

    def _circuit_opened(self, event: hooks.CircuitOpened) -> Iterable[Measurement]:
        host = (self._host(event.host),)
        return (
            Measurement(metrics.CIRCUITS_OPENED, 1, host),
            Measurement(metrics.CIRCUIT_OPEN, 1, host),
        )

    def _circuit_closed(self, event: hooks.CircuitClosed) -> Iterable[Measurement]:
        return (Measurement(metrics.CIRCUIT_OPEN, 0, (self._host(event.host),)),)

    # -- limits -----------------------------------------------------------------------------------

    def _waited(self, event: hooks.ThrottleWaited) -> Iterable[Measurement]:
        # A clock's grain or correction may leave a hair below zero, which a sum must not have.
        waited_s = max(0.0, event.waited_s)
        labels = (self._limit(event.limit_id), self._limit(event.bottleneck))
        return (Measurement(metrics.THROTTLE_WAIT, waited_s, labels),)

    def _refused(self, event: hooks.ThrottleRefused) -> Iterable[Measurement]:
        labels = (self._limit(event.limit_id), self._limit(event.bottleneck))
        return (Measurement(metrics.THROTTLE_REFUSALS, 1, labels),)

    def _blocked(self, event: hooks.LimitBlocked) -> Iterable[Measurement]:
        status = _status(event.status)
        return [
            Measurement(metrics.LIMIT_BLOCKS, 1, (self._limit(limit_id), status))
            for limit_id in event.limit_ids
        ]

    def _unblocked(self, event: hooks.LimitUnblocked) -> Iterable[Measurement]:
        return [
            Measurement(metrics.LIMIT_UNBLOCKS, 1, (self._limit(limit_id),))
            for limit_id in event.limit_ids
        ]

    def _corrected(self, event: hooks.LimitCorrected) -> Iterable[Measurement]:
        more = event.after - event.before
        labels = (self._limit(event.limit_id), "up" if more > 0 else "down")
        return (
            Measurement(metrics.LIMIT_CORRECTIONS, 1, labels),
            Measurement(metrics.LIMIT_CORRECTED_UNITS, abs(more), labels),
        )

    def _store_lost(self, event: hooks.LimitStoreLost) -> Iterable[Measurement]:
        return (
            Measurement(metrics.STORE_LOST, 1, (self._error(event.error),)),
            Measurement(metrics.STORE_UP, 0),
        )

    def _sync_failed(self, event: hooks.ClockSyncFailed) -> Iterable[Measurement]:
        return (Measurement(metrics.CLOCK_FAILURES, 1, (self._error(event.error),)),)

    # -- WebSockets -------------------------------------------------------------------------------

    def _opened(self, event: hooks.WebSocketOpened) -> Iterable[Measurement]:
        return (Measurement(metrics.SOCKETS_OPENED, 1, (self._host_of(event.url),)),)

    def _closed(self, event: hooks.WebSocketClosed) -> Iterable[Measurement]:
        labels = (self._host_of(event.url), self._code(event.code), _word(event.expected))
        return (Measurement(metrics.SOCKETS_CLOSED, 1, labels),)

    def _connected(self, event: events.Connected) -> Iterable[Measurement]:
        host = (self._host_of(event.url),)
        first = Measurement(metrics.CONNECTED, 1, host)
        return (first,) if event.epoch == 1 else (first, Measurement(metrics.RECONNECTED, 1, host))

    def _disconnected(self, event: events.Disconnected) -> Iterable[Measurement]:
        final = event.retry_in_s is None and not event.planned
        labels = (self._code(event.code), _word(event.planned), _word(final))
        return (Measurement(metrics.DISCONNECTED, 1, labels),)

    # -- labels -----------------------------------------------------------------------------------

    def _host_of(self, url: str) -> str:
        """Return host and port of a URL, and nothing else of it; empty where it has none."""
        scheme, _, rest = url.partition("://")
        authority = _END_OF_AUTHORITY.split(rest, 1)[0]
        host = self._hosts.get((scheme, authority))
        if host is None:
            port = 80 if scheme.lower() in _PLAIN else 443
            host = self._host(authority.rpartition("@")[2], port)
            if "@" not in authority and len(self._hosts) < _MOST:
                self._hosts[scheme, authority] = host
        return host

    def _host(self, authority: str, default_port: int = 443) -> str:
        match = _HOST.fullmatch(authority)
        if match is None:
            return OTHER if authority else ""
        port = int(match[2] or default_port)
        return self._few("host", match[1].lower() + ("" if port == 443 else f":{port}"))

    def _error(self, error: str | None) -> str:
        if not error:
            return ""
        # It is a class's name; whatever else came here might tell anything.
        return self._few("error", error) if _CLASS_NAME.fullmatch(error) else OTHER

    def _limit(self, limit_id: str) -> str:
        return self._few("limit_id", limit_id, _MOST_LIMITS) if limit_id else ""

    def _code(self, code: int) -> str:
        return self._few("code", str(code)) if 1000 <= code < 5000 else OTHER

    def _few(self, label: str, value: str, most: int = _MOST) -> str:
        seen = self._seen.get(label)
        if seen is None:
            seen = self._seen.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= most:
            return OTHER
        seen.add(value)
        return value


def _always(*measurements: Measurement) -> Measure:
    return lambda _: measurements


def _login(event: str) -> Measure:
    return _always(Measurement(metrics.LOGINS, 1, (event, "")))


def _rejected(event: hooks.LoginRejected) -> Iterable[Measurement]:
    return (Measurement(metrics.LOGINS, 1, ("rejected", metrics.word(event.failure))),)


def _store_restored(event: hooks.LimitStoreRestored) -> Iterable[Measurement]:
    return (
        Measurement(metrics.STORE_RESTORED, 1, (_word(event.forgot),)),
        Measurement(metrics.STORE_UP, 1),
    )


def _synchronized(event: hooks.ClockSynchronized) -> Iterable[Measurement]:
    measured = [
        Measurement(metrics.CLOCK_SAMPLES, 1),
        Measurement(metrics.CLOCK_OFFSET, event.offset_ms / 1000),
    ]
    if event.uncertainty_ms is not None:
        measured.append(Measurement(metrics.CLOCK_UNCERTAINTY, event.uncertainty_ms / 1000))
    return measured


def _gap(event: events.Gap) -> Iterable[Measurement]:
    if event.lost is None:
        return (Measurement(metrics.GAPS, 1, ("unknown",)),)
    return (
        Measurement(metrics.GAPS, 1, ("known",)),
        Measurement(metrics.LOST_MESSAGES, event.lost),
    )


def _subscribe_failed(event: events.SubscribeFailed) -> Iterable[Measurement]:
    return (Measurement(metrics.SUBSCRIBE_FAILURES, 1, (_word(event.definite),)),)


def _loop_blocked(event: events.LoopBlocked) -> Iterable[Measurement]:
    return (Measurement(metrics.LOOP_BLOCKED, max(0.0, event.blocked_s)),)


def _method(method: str) -> str:
    return method if method in _METHODS else _OTHER_METHOD


def _status(status: int) -> str:
    return str(status) if 100 <= status < 600 else OTHER


def _word(value: bool) -> str:
    return "true" if value else "false"
