"""What the demo promises, judged from what the mock exchanges saw."""

from __future__ import annotations

import json
import math
from itertools import pairwise

from examples.demo.faults import FAULTS
from examples.demo.story import ORDERS_A_SECOND, SKEW_S, Story
from examples.demo.tally import Promise
from networkpype.testing import MockCoinEx

__all__ = ["judge"]

_CLOCK_ERROR_MS = 50.0
_BUSY = 429


def judge(story: Story) -> list[Promise]:
    """Return every promise, and whether it was kept."""
    return [
        *_recoveries(story),
        _kept_updates("CoinEx", story.coinex.ledger.is_complete, str(story.coinex.ledger)),
        _kept_updates("ETHGas", story.ethgas.ledger.is_complete, str(story.ethgas.ledger)),
        _book(story),
        _waits(story.exchange),
        *_orders(story),
        _clock(story),
        Promise(
            "no key, secret or token in any log line",
            not story.overheard.leaks,
            f"{story.overheard.lines} lines at DEBUG, {story.overheard.leaks} with a secret",
        ),
        Promise(
            "nothing is left open", story.is_left_open == "0 sockets, 0 tasks", story.is_left_open
        ),
    ]


def _recoveries(story: Story) -> list[Promise]:
    promises = []
    for fault in FAULTS:
        took = story.recovered[fault.name]
        shown = "never" if took is None else f"{took:.2f} s until ready again"
        kept = took is not None and took < fault.within_s
        if fault.hits_ethgas:
            refreshed = story.token_refreshed_s
            told = "never" if refreshed is None else f"{refreshed * 1000:.0f} ms, connection kept"
            # Its login belongs to the connection, and CoinEx ends that; ETHGas's token does not.
            shown = f"CoinEx, which hangs up then: {shown}; ETHGas, a new token: {told}"
            kept = kept and refreshed is not None and story.ethgas.epoch == 1
        promises.append(Promise(f"the exchange {fault.name}", kept, shown))
    return promises


def _kept_updates(name: str, is_complete: bool, shown: str) -> Promise:
    return Promise(
        f"{name}: each order update arrived or was in an announced gap", is_complete, shown
    )


def _book(story: Story) -> Promise:
    gaps, rebuilt = story.coinex.ledger.gaps, story.coinex.rebuilt
    kept = rebuilt == gaps >= len(FAULTS)
    return Promise("the order book is rebuilt after every gap", kept, f"{rebuilt} of {gaps}")


def _waits(exchange: MockCoinEx) -> Promise:
    """Judge whether a dial that was refused was repeated before the time that was asked for."""
    dials = [each for each in exchange.received if "Upgrade" in each.headers]
    pauses = [
        later.arrived_at - dial.arrived_at
        for dial, later in pairwise(dials)
        if dial.status == _BUSY
    ]
    shown = (
        f"{len(dials)} dials arrived; {min(pauses, default=0):.2f} s after a 429 that asked for 1 s"
    )
    return Promise("a dial that is refused waits as it is told", min(pauses, default=0) >= 1, shown)


def _orders(story: Story) -> list[Promise]:
    exchange, trader = story.exchange, story.trader
    sent = [each for each in exchange.received if each.path == "/v2/spot/order"]
    ids = [json.loads(each.body)["client_id"] for each in sent if each.body]
    over = [text for each in exchange.received if "is exceeded" in (text := each.refusal or "")]
    busy = sum(each.status == _BUSY for each in sent)
    peak = exchange.peak_arrivals["place"]
    placed, unknown = (trader.placed, trader.unknown) if trader else (0, 0)
    return [
        Promise(
            "no order is sent twice",
            len(ids) == len(set(ids)) and placed > 0,
            f"{placed} placed, {unknown} calls with an unknown end, none repeated",
        ),
        Promise(
            "the exchange accepts every signature",
            not exchange.refusals,
            f"{len(sent)} orders arrived, {len(exchange.refusals)} signatures refused: {placed} "
            f"answered as placed, {busy} with a 429, {len(sent) - placed - busy} cut off before",
        ),
        Promise(
            "the order limit is kept, and used but for a 5 % safety margin",
            not over and 0.8 * ORDERS_A_SECOND <= peak <= ORDERS_A_SECOND,
            f"{peak} orders in the fullest second, of {ORDERS_A_SECOND} that are allowed",
        ),
    ]


def _clock(story: Story) -> Promise:
    offset_ms = math.inf if story.tally.offset_ms is None else story.tally.offset_ms
    error_ms = abs(offset_ms - SKEW_S * 1000)
    return Promise(
        f"the clock follows an exchange that is {SKEW_S:g} s ahead",
        error_ms < _CLOCK_ERROR_MS,
        f"{error_ms:.1f} ms off after {story.tally.clock_samples} samples",
    )
