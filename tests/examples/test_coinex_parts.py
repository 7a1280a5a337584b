"""The book and the messages of the CoinEx connector, without a socket."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import pytest

from examples.coinex.book import OrderBook
from examples.coinex.messages import Depth, Ticker, Trade, read
from examples.demo.ledger import Ledger

FULL: dict[str, Any] = {
    "bids": [["9.5", "1"], ["9", "2"]],
    "asks": [["10", "3"], ["10.5", "4"]],
}


def book_of(depth: dict[str, Any]) -> OrderBook:
    book = OrderBook("BTCUSDT")
    assert book.apply(depth, is_full=True)
    return book


def test_changes_replace_remove_and_add_levels() -> None:
    book = book_of(FULL)
    change = {"bids": [["9.5", "0"], ["8", "7"]], "asks": [["10", "5"]]}
    assert book.apply(change, is_full=False)
    assert book.bids == [["9", "2"], ["8", "7"]]
    assert book.asks == [["10", "5"], ["10.5", "4"]]


def test_the_checksum_covers_bids_then_asks_as_they_were_written() -> None:
    expected = zlib.crc32(b"9.5:1:9:2:10:3:10.5:4")
    assert book_of(FULL).checksum == expected
    assert book_of({**FULL, "checksum": expected}).is_whole
    signed = expected - 2**32
    assert book_of({**FULL, "checksum": signed}).is_whole  # the page calls it a signed number


def test_a_wrong_checksum_or_a_change_without_a_snapshot_is_not_believed() -> None:
    book = book_of(FULL)
    assert not book.apply({"bids": [["9", "1"]], "checksum": book.checksum}, is_full=False)
    assert not book.is_whole
    assert book.bids == []
    assert not book.apply({"bids": [["9", "1"]]}, is_full=False)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            {
                "method": "state.update",
                "params": [{"market": "BTCUSDT", "last": "50000.00", "volume": "1234.56"}],
            },
            [Ticker("BTCUSDT", Decimal(50000), Decimal("1234.56"))],
        ),
        (
            {"method": "depth.update", "params": [True, "BTCUSDT", FULL]},
            [Depth("BTCUSDT", True, FULL)],
        ),
        (
            {
                "method": "deals.update",
                "params": ["BTCUSDT", [{"price": "50000", "amount": "0.1", "type": "buy"}]],
            },
            [Trade("BTCUSDT", "buy", Decimal(50000), Decimal("0.1"))],
        ),
        ({"method": "state.update", "data": {"state_list": []}, "id": None}, []),
        ({"id": 1, "code": 0, "message": "OK"}, []),
        ({"method": "bbo.update", "data": {}}, []),
        ("pong", []),
    ],
)
def test_the_older_form_of_messages_is_read_too(frame: object, expected: list[object]) -> None:
    assert list(read(frame)) == expected


def test_the_ledger_tells_an_announced_gap_from_a_silent_one() -> None:
    ledger = Ledger()
    for number in (1, 2):
        ledger.update(number)
    ledger.gap()
    ledger.update(5)
    assert (ledger.arrived, ledger.announced, ledger.silent) == (3, 2, 0)
    assert ledger.is_complete
    ledger.update(7)
    assert ledger.silent == 1
    assert not ledger.is_complete


def test_the_ledger_counts_what_is_missing_at_the_end_and_what_came_twice() -> None:
    ledger = Ledger()
    ledger.update(1)
    ledger.update(1)
    ledger.finish(3)
    assert (ledger.repeated, ledger.silent) == (1, 2)
    assert str(ledger) == (
        "1 arrived + 0 in 0 announced gaps = 3 sent, 2 lost silently, 1 repeated"
    )
