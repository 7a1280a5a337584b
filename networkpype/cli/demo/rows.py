"""What there is to see of the demo at any moment, for every screen."""

from __future__ import annotations

import asyncio

from networkpype.cli.demo.scenario import ROUND_TRIPS, SKEW_S, Scenario

__all__ = ["rows"]

_BAR_WIDTH = 30


def rows(scenario: Scenario) -> list[tuple[str, str]]:
    """Return what there is to see now, as (label, text)."""
    tally = scenario.tally
    now = asyncio.get_running_loop().time()
    clock = "not asked yet"
    if tally.offset_ms is not None:
        clock = f"{tally.offset_ms:+.1f} ms (truly {SKEW_S * 1000:+.0f})"
        if tally.uncertainty_ms is not None:
            clock += f", within {tally.uncertainty_ms:.1f} ms"
    used, capacity = scenario.limit_use()
    full = round(_BAR_WIDTH * used / capacity) if capacity else 0
    login = "logged in, " if tally.logged_in else ""
    return [
        ("step", scenario.step),
        (
            "REST",
            f"{sum(tally.requests.values())} sent, {len(scenario.placed)} placed and "
            f"{len(scenario.cancelled)} cancelled of {ROUND_TRIPS}, "
            f"{sum(tally.errors.values())} errors",
        ),
        ("last", tally.last_request or "-"),
        ("clock", clock),
        ("limit", f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {used} of {capacity} in this second"),
        ("waited", f"{tally.waits} times, {tally.waited_s:.1f} s in all"),
        (
            "WebSocket",
            f"{login}{tally.messages} messages, {tally.messages_a_second(now):.0f} a second, "
            f"{sum(tally.updates.values())} order updates",
        ),
    ]
