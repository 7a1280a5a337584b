"""How many answers there are, whose they are, what of them is shown, and what is remembered."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.request import WebSocketJSONRequest
from networkpype.websocket.session.asked import Asked
from networkpype.websocket.session.intents import OnWire, State
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.spoken import spoken_by
from networkpype.websocket.subscriptions import Ack, Dialect, Subscription

KRAKEN = spoken_by("kraken")
PAIRS = {"channel": "ticker", "symbol": ["A/X", "B/X"]}


def on_wire(*topics: Subscription, admitted: bool = True) -> tuple[Wanted, OnWire]:
    wanted = Wanted(topics)
    wire = OnWire(wanted, 7, itertools.count(1).__next__)
    wire.admitted = admitted
    return wanted, wire


def ask(wire: OnWire, now: float = 0.0) -> Asked:
    asked = wire.next_frame()
    assert asked is not None
    wire.sent(asked, now)
    return asked


def subscribed(wire: OnWire) -> None:
    """Ask for everything, and be answered by id."""
    while (asked := wire.next_frame()) is not None:
        wire.sent(asked, 0.0)
        wire.received({"id": asked.id, "result": None})


def answer(asked: Asked, symbol: str, error: str = "") -> dict[str, Any]:
    word = asked.payload["method"]
    told = {"success": False, "error": f"{error} {symbol}"} if error else {"success": True}
    return {"method": word, "req_id": asked.id, **told, "result": {"symbol": symbol}}


@pytest.mark.parametrize("refused", ["A/X", "B/X", "both", "none"])
def test_it_is_settled_once_each_symbol_is_answered(refused: str) -> None:
    _, wire = on_wire(Subscription(PAIRS, KRAKEN, key="pairs"))
    asked = ask(wire)
    reasons = []
    for count, symbol in enumerate(PAIRS["symbol"]):
        assert wire.waiting == [asked], f"nothing is looked at any more after {count} answers"
        assert not wire.is_settled
        error = "not supported" if refused in (symbol, "both") else ""
        is_answer, events = wire.received(answer(asked, symbol, error))
        assert is_answer
        reasons += [(event.key, event.reason) for event in events]
    assert wire.is_settled
    names = PAIRS["symbol"] if refused == "both" else [refused] if refused != "none" else []
    assert reasons == [("pairs", f"not supported {name}") for name in names]
    assert wire.state("pairs") is (State.REFUSED if refused == "both" else State.LIVE)


def test_fewer_answers_than_symbols_decide_when_the_time_is_over() -> None:
    _, wire = on_wire(Subscription(PAIRS, KRAKEN, key="pairs"))
    wire.received(answer(ask(wire), "A/X"))
    assert wire.tick(9.9) == []
    assert not wire.is_settled
    assert wire.tick(10.0) == []
    assert not wire.is_unsure
    assert wire.is_settled
    assert wire.live == {"pairs"}


def test_without_any_answer_for_its_symbols_it_is_unsure() -> None:
    _, wire = on_wire(Subscription(PAIRS, KRAKEN, key="pairs"))
    ask(wire)
    assert [event.definite for event in wire.tick(10.0)] == [False]
    assert wire.is_unsure


def test_an_end_of_symbols_is_over_once_each_is_answered() -> None:
    topic = Subscription(PAIRS, KRAKEN, key="pairs")
    wanted, wire = on_wire(topic)
    begun = ask(wire)
    wire.received(answer(begun, "A/X")), wire.received(answer(begun, "B/X", "no"))
    wanted.remove(topic)
    wire.changed()
    ended = ask(wire)
    wire.received(answer(ended, "A/X"))
    assert wire.state("pairs") is State.LEAVING
    assert wire.received(answer(ended, "B/X", "not subscribed")) == (True, [])
    assert wire.state("pairs") is State.ABSENT
    assert wire.is_settled


def test_what_cannot_be_sent_waits_for_no_symbol() -> None:
    _, wire = on_wire(Subscription(PAIRS, KRAKEN, key="pairs"))
    asked = wire.next_frame()
    assert asked is not None
    assert len(wire.failed(asked, "no key")) == 1
    assert wire.is_settled


def test_a_refusal_that_belongs_to_nothing_asked_here_is_the_consumers() -> None:
    channel = {"channel": "tickers", "instId": "A"}
    _, wire = on_wire(Subscription(channel, spoken_by("okx"), key="a"))
    asked = ask(wire)
    wire.received({"event": "subscribe", "arg": channel, "id": str(asked.id)})
    assert wire.received({"event": "error", "msg": "Invalid request"}) == (False, [])
    other = {"channel": "tickers", "instId": "B"}
    assert wire.received({"event": "error", "arg": other, "msg": "no"}) == (False, [])
    assert wire.received({"event": "error", "arg": channel, "msg": "twice"}) == (True, [])
    assert wire.live == {"a"}


def test_a_reason_is_safe_to_show() -> None:
    frame = {"op": "sub", "token": "SECRETTOKEN123", "symbol": "BTCUSDT"}
    topic = Subscription.of_frames(
        "k", frame, ack=lambda data: Ack(False, reason=data["error"]) if "error" in data else None
    )
    _, wire = on_wire(topic)
    asked = ask(wire)
    assert "SECRETTOKEN123" not in repr(asked)
    told = "sub of BTCUSDT: bad token SECRETTOKEN123\nERROR a forged line " + "x" * 100_000
    _, events = wire.received({"error": told})
    assert events[0].reason.startswith("sub of BTCUSDT: bad token ***\\x0aERROR a forged line xxx")
    assert len(events[0].reason) < 250


def test_a_token_in_a_request_object_is_not_shown_either() -> None:
    request = WebSocketJSONRequest({"channel": "executions", "token": "SECRETTOKEN123"})
    topic = Subscription.of_frames("k", request, ack=lambda data: Ack(False, reason=data))
    _, wire = on_wire(topic)
    ask(wire)
    _, events = wire.received("EGeneral:Invalid token SECRETTOKEN123")
    assert events[0].reason == "EGeneral:Invalid token ***"


def test_a_dialect_that_returns_no_message_to_subscribe_with_is_wrong() -> None:
    class Forgetful(Dialect):
        def subscribe(self, channels: Any, id: int) -> Any:
            {"op": "sub", "args": list(channels)}

    _, wire = on_wire(Subscription("a", Forgetful()))
    with pytest.raises(ConfigurationError, match=r"Forgetful\(\) returned no message"):
        wire.next_frame()


# -- what is remembered ----------------------------------------------------------------------------


def test_what_waits_for_nothing_is_not_asked_about_every_message() -> None:
    asked_of = 0

    def acked(n: int, data: Any) -> bool | None:
        nonlocal asked_of
        asked_of += 1
        return True if data == n else None

    topics = [Subscription.of_frames(n, {"s": n}, ack=partial(acked, n)) for n in range(300)]
    _, wire = on_wire(*topics)
    for n in range(300):
        ask(wire)
        assert wire.received(n) == (True, [])
    asked_of = 0
    assert wire.received({"price": 1}) == (False, [])
    assert asked_of < 20
    assert wire.received(299) == (True, [])  # what came last may come twice


def test_what_comes_and_goes_is_forgotten() -> None:
    dialect = spoken_by("bitfinex")
    stays = Subscription({"channel": "book"}, dialect, key="stays")
    wanted, wire = on_wire(stays)

    def settle(word: str) -> None:
        asked = ask(wire)
        told = {"event": word, "chanId": asked.id, "subId": str(asked.id)}
        assert wire.received(told) == (True, [])

    settle("subscribed")
    for n in range(3000):
        topic = Subscription({"channel": "trades", "symbol": n}, dialect, key=n)
        wanted.add(topic)
        wire.changed()
        settle("subscribed")
        wanted.remove(topic)
        wire.changed()
        settle("unsubscribed")
    for kept in (wire._state, wire._here, wire._last, wire._names, wire._issued, wire._gone):
        assert len(kept) <= 501
    assert wire.live == {"stays"}
    wanted.remove(stays)
    wire.changed()
    assert ask(wire).payload["chanId"] == 1  # its name here is known still


def test_what_still_waits_is_not_forgotten_among_thousands() -> None:
    first, *rest = (Subscription(str(n), MethodSubscribe()) for n in range(3000))
    _, wire = on_wire(first, *rest)
    oldest = ask(wire)
    subscribed(wire)
    assert not wire.is_settled
    assert wire.received({"id": oldest.id, "result": None}) == (True, [])
    assert wire.is_settled
    assert len(wire.live) == 3000


def test_a_refused_one_that_nobody_wants_is_forgotten_too() -> None:
    dialect = MethodSubscribe()
    wanted, wire = on_wire()
    for n in range(1000):
        topic = Subscription(str(n), dialect)
        wanted.add(topic)
        wire.changed()
        wire.received({"id": ask(wire).id, "error": "no"})
        wanted.remove(topic)
        wire.changed()
    assert len(wire._here) == len(wire._last) == len(wire._state) <= 100
