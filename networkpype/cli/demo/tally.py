"""What happened in the demo, counted from the connector's events and messages."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from networkpype.hooks import ClockSynchronized, Event, RequestFinished, ThrottleWaited

__all__ = ["Promise", "Tally"]

RATE_WINDOW_S = 1.0


@dataclass(slots=True)
class Promise:
    """One thing that the demo checks; `shown` is the figure that proves it."""

    text: str
    kept: bool
    shown: str


@dataclass(slots=True)
class Tally:
    """Counts for the screen; as a hook it receives every event of the connector."""

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    clock_samples: int = 0
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    waits: int = 0
    waited_s: float = 0.0
    last_request: str = ""
    logged_in: bool = False
    login_answer: str = ""
    updates: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: int = 0
    arrivals: deque[float] = field(default_factory=deque)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, RequestFinished):
            self.requests[event.method] += 1
            if event.error is not None or (event.status or 0) >= 400:
                self.errors[event.error or f"HTTP {event.status}"] += 1
            path = event.url.partition("//")[2].partition("/")[2]
            self.last_request = (
                f"{event.method} /{path} -> {event.status or event.error} "
                f"in {event.elapsed_s * 1000:.1f} ms"
            )
        elif isinstance(event, ClockSynchronized):
            self.clock_samples += 1
            self.offset_ms, self.uncertainty_ms = event.offset_ms, event.uncertainty_ms
        elif isinstance(event, ThrottleWaited):
            self.waits += 1
            self.waited_s += event.waited_s

    def message(self, data: dict[str, Any], now: float) -> None:
        """Count one WebSocket message that came at `now`, monotonic seconds."""
        self.messages += 1
        self.arrivals.append(now)
        if data.get("op") == "login":
            self.logged_in = data["status"] == "success"
            self.login_answer = str(data["status"])
        elif data.get("stream") == "orders":
            order = data["data"]
            self.updates[order["orderId"], order["status"]] += 1

    def messages_a_second(self, now: float) -> float:
        """Return the rate of the last second."""
        while self.arrivals and self.arrivals[0] < now - RATE_WINDOW_S:
            self.arrivals.popleft()
        return len(self.arrivals) / RATE_WINDOW_S
