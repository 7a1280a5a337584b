"""What there is to see of the demo at any moment, for every screen."""

from __future__ import annotations

from examples.demo.faults import FAULTS
from examples.demo.ledger import counted
from examples.demo.story import SKEW_S, Story

__all__ = ["rows"]

_BAR_WIDTH = 30


def rows(story: Story) -> list[tuple[str, str]]:
    """Return what there is to see now, as (label, text)."""
    tally, trader, coinex, ethgas = story.tally, story.trader, story.coinex, story.ethgas
    clock = "not asked yet"
    if tally.offset_ms is not None:
        clock = f"{tally.offset_ms:+.1f} ms (truly {SKEW_S * 1000:+.0f})"
    used, capacity = story.limit_use()
    full = round(_BAR_WIDTH * used / capacity) if capacity else 0
    placed, cancelled = (trader.placed, trader.cancelled) if trader else (0, 0)
    return [
        ("now", story.step),
        ("CoinEx", f"{coinex.line}; {coinex.messages} messages"),
        ("book", f"{coinex.book}, last {coinex.price}"),
        (
            "updates",
            f"{coinex.ledger.arrived} of orders arrived, {counted(coinex.ledger.gaps, 'gap')} told",
        ),
        ("ETHGas", f"{ethgas.line}; {ethgas.messages} messages, last {ethgas.price}"),
        ("REST", f"{tally.requests} sent, {placed} placed, {cancelled} cancelled"),
        ("limit", f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {used} of {capacity} in this second"),
        ("clock", clock),
        *((fault.name, _recovery(story.recovered[fault.name])) for fault in FAULTS),
    ]


def _recovery(seconds: float | None) -> str:
    return "-" if seconds is None else f"ready again after {seconds:.2f} s"
