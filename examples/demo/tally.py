"""What the connector's hook told, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from networkpype import ClockSynchronized, Event, RequestFinished, ThrottleWaited

__all__ = ["Promise", "Tally"]


@dataclass(slots=True)
class Promise:
    """One thing that the demo checks; `shown` is the figure that proves it."""

    text: str
    kept: bool
    shown: str


@dataclass(slots=True)
class Tally:
    """Counts for the screen; as a hook it receives every event of the connector."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    clock_samples: int = 0
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    waits: int = 0
    waited_s: float = 0.0
    last_request: str = ""

    def __call__(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, RequestFinished):
            self.requests += 1
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
