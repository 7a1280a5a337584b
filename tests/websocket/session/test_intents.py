"""Single situations of what is subscribed; that all together come out right, the model shows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from networkpype.websocket.answers import Answers
from networkpype.websocket.dialects import (
    EventSubscribe,
    JSONRPCSubscribe,
    MethodParams,
    MethodSubscribe,
    OpSubscribe,
)
from networkpype.websocket.session.asked import Asked
from networkpype.websocket.session.events import SubscribeFailed
from networkpype.websocket.session.intents import OnWire, State
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.spoken import spoken_by
from networkpype.websocket.subscriptions import Ack, Dialect, Subscription

BY_CHANNEL = Answers(kind=("event",), id=None, channel="arg")


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


# -- who wants what --------------------------------------------------------------------------------


def test_what_two_want_goes_with_the_second() -> None:
    topic, same = (Subscription("a", MethodSubscribe()) for _ in range(2))
    wanted = Wanted([topic])
    assert wanted.add(same) is False
    assert wanted.remove(topic) is False
    assert "a" in wanted
    assert wanted.remove(same) is True
    assert len(wanted) == 0
    assert wanted.remove(same) is False  # an unknown one is no error


def test_first_come_is_first_asked_for_but_private_ones_lead() -> None:
    dialect = MethodSubscribe()
    topics = [Subscription("a", dialect), Subscription("b", dialect, private=True)]
    _, wire = on_wire(*topics, Subscription("c", dialect))
    assert [ask(wire).payload["params"] for _ in range(3)] == [["b"], ["a"], ["c"]]
    assert wire.next_frame() is None


def test_channels_of_one_dialect_share_a_message_up_to_its_batch() -> None:
    mine, other = MethodSubscribe(batch=2), MethodSubscribe(batch=2)
    topics = [Subscription(n, other if n == "b" else mine) for n in "abcd"]
    _, wire = on_wire(*topics)
    assert [ask(wire).payload["params"] for _ in range(3)] == [["a", "c"], ["d"], ["b"]]


def test_private_ones_wait_for_the_login() -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe(), private=True), admitted=False)
    assert wire.next_frame() is None
    assert wire.lacks_login
    wire.admitted = True
    wire.changed()
    assert not wire.lacks_login
    assert ask(wire).private


# -- answers ---------------------------------------------------------------------------------------


def test_each_is_live_once_it_is_answered_in_any_order() -> None:
    dialect = MethodSubscribe()
    _, wire = on_wire(Subscription("a", dialect), Subscription("b", dialect))
    first, second = ask(wire), ask(wire)
    assert wire.received({"id": second.id, "result": None}) == (True, [])
    assert wire.live == {"b"}
    assert not wire.is_settled
    assert wire.received({"id": str(first.id), "result": None}) == (True, [])  # text does as well
    assert wire.live == {"a", "b"}
    assert wire.is_settled


def test_an_answer_may_come_before_the_send_returned() -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe()))
    asked = wire.next_frame()
    assert asked is not None
    wire.received({"id": asked.id, "result": None})
    wire.sent(asked, 5.0)
    assert wire.next_deadline is None
    assert wire.live == {"a"}
    assert wire.failed(asked, "too late to fail") == []
    assert wire.live == {"a"}


def test_where_no_answer_comes_what_is_sent_is_live() -> None:
    _, wire = on_wire(Subscription("a", OpSubscribe()))
    asked = wire.next_frame()
    assert asked is not None
    assert wire.live == frozenset()
    wire.sent(asked, 0.0)
    assert wire.live == {"a"}
    assert wire.is_settled


def test_an_answer_goes_to_its_own_dialect_where_two_have_the_same_words() -> None:
    public, private = MethodSubscribe(), MethodSubscribe()
    _, wire = on_wire(Subscription("a", public), Subscription("b", private))
    first, second = ask(wire), ask(wire)
    assert wire.received({"id": second.id, "result": None}) == (True, [])
    assert wire.live == {"b"}
    assert wire.received({"id": first.id, "result": None}) == (True, [])
    assert wire.live == {"a", "b"}


def test_an_answer_by_channel_goes_to_its_own_dialect_too() -> None:
    one, other = OpSubscribe(answer=BY_CHANNEL), OpSubscribe(answer=BY_CHANNEL)
    _, wire = on_wire(Subscription("a", one), Subscription("b", other))
    ask(wire), ask(wire)
    assert wire.received({"event": "subscribe", "arg": "b"}) == (True, [])
    assert wire.live == {"b"}


def test_a_message_with_an_id_of_its_own_is_the_consumers() -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe()))
    asked = ask(wire)
    trade = {"e": "trade", "id": asked.id, "p": "1"}  # holds no verdict
    assert wire.received(trade) == (False, [])
    assert wire.live == frozenset()


def test_a_refusal_is_told_and_not_asked_for_again() -> None:
    wanted, wire = on_wire(Subscription("a", MethodSubscribe()))
    asked = ask(wire)
    refusal = {"id": asked.id, "error": {"code": 2, "msg": "no such stream"}}
    assert wire.received(refusal) == (True, [SubscribeFailed(7, "a", "no such stream", True)])
    assert wire.state("a") is State.REFUSED
    assert wire.is_settled
    assert wire.next_frame() is None
    assert len(wanted) == 1  # the next connection asks again


@pytest.mark.parametrize("removed_at", ["asked", "refused"])
def test_a_refused_one_is_asked_for_anew_when_it_is_added_anew(removed_at: str) -> None:
    topic = Subscription("a", MethodSubscribe())
    wanted, wire = on_wire(topic)
    asked = ask(wire)
    if removed_at == "asked":
        wanted.remove(topic)
        wire.changed()
    wire.received({"id": asked.id, "error": "no"})
    if removed_at == "refused":
        wanted.remove(topic)
        wire.changed()
    assert wire.next_frame() is None
    wanted.add(topic)
    wire.changed()
    assert ask(wire).payload["params"] == ["a"]


def test_one_channel_of_a_batch_is_refused_by_name() -> None:
    dialect = OpSubscribe(batch=2, answer=BY_CHANNEL)
    _, wire = on_wire(Subscription("a", dialect), Subscription("b", dialect))
    ask(wire)
    told = wire.received({"event": "error", "arg": "a", "code": 30001, "msg": "unknown"})
    assert told == (True, [SubscribeFailed(7, "a", "unknown", True)])
    assert wire.received({"event": "subscribe", "arg": "b"}) == (True, [])
    assert wire.live == {"b"}
    assert wire.is_settled


def test_what_an_acceptance_leaves_out_is_refused() -> None:
    dialect = JSONRPCSubscribe()
    _, wire = on_wire(Subscription("a", dialect), Subscription("b", dialect))
    asked = ask(wire)
    _, told = wire.received({"jsonrpc": "2.0", "id": asked.id, "result": ["b"]})
    assert [(event.key, event.definite) for event in told] == [("a", True)]
    assert wire.live == {"b"}


def test_a_refusal_without_a_name_is_of_the_oldest_and_mended_by_what_comes_later() -> None:
    dialect = OpSubscribe(batch=2, answer=BY_CHANNEL)
    _, wire = on_wire(Subscription("a", dialect), Subscription("b", dialect))
    ask(wire)
    _, told = wire.received({"event": "error", "msg": "one of them is wrong"})
    assert {event.key for event in told} == {"a", "b"}
    wire.received({"event": "subscribe", "arg": "b"})  # so it was not this one
    assert wire.live == {"b"}
    assert wire.state("a") is State.REFUSED


def test_of_a_refused_message_only_what_is_named_later_was_taken() -> None:
    dialect = spoken_by("okx", batch=3)
    a, b, c = ({"channel": "tickers", "instId": name} for name in "ABC")
    _, wire = on_wire(*(Subscription(each, dialect, key=each["instId"]) for each in (a, b, c)))
    id = ask(wire).payload["id"]
    _, told = wire.received({"id": id, "event": "error", "code": "60018", "msg": "wrong"})
    assert len(told) == 3  # it does not say which
    for each in (a, c):
        assert wire.received({"id": id, "event": "subscribe", "arg": each}) == (True, [])
    assert wire.live == {"A", "C"}
    assert wire.state("B") is State.REFUSED


@pytest.mark.parametrize("refused_first", [False, True])
def test_each_symbol_of_a_message_is_answered_and_a_refused_one_is_told(
    refused_first: bool,
) -> None:
    dialect = spoken_by("kraken")
    channel = {"channel": "book", "symbol": ["BTC/USD", "NO/SUCH"]}
    _, wire = on_wire(Subscription(channel, dialect, key="books"))
    asked = ask(wire)
    answers = [
        {
            "method": "subscribe",
            "success": True,
            "req_id": asked.id,
            "result": {"channel": "book", "symbol": "BTC/USD"},
        },
        {
            "method": "subscribe",
            "success": False,
            "req_id": asked.id,
            "error": "Currency pair not supported NO/SUCH",
            "symbol": "NO/SUCH",
        },
    ]
    told: list[SubscribeFailed] = []
    for answer in reversed(answers) if refused_first else answers:
        is_answer, events = wire.received(answer)
        assert is_answer
        told += events
    assert [event.reason for event in told] == ["Currency pair not supported NO/SUCH"]
    assert wire.live == {"books"}


def test_a_name_that_the_exchange_filled_in_is_the_same_channel() -> None:
    dialect = spoken_by("hyperliquid")
    mine = {"type": "l2Book", "coin": "BTC"}
    finer = {"type": "l2Book", "coin": "BTC", "nSigFigs": 5}
    _, wire = on_wire(Subscription(mine, dialect, key="l2"), Subscription(finer, dialect, key="f"))
    ask(wire), ask(wire)
    told = {"method": "subscribe", "subscription": {**finer, "mantissa": None}}
    wire.received({"channel": "subscriptionResponse", "data": told})
    assert wire.live == {"f"}  # both fit, this one better


def test_an_id_is_enough_whatever_the_exchange_calls_the_channel() -> None:
    answers = Answers(kind=("event",), channel="channel")
    dialect = EventSubscribe(id_field="id", answer=answers)
    _, wire = on_wire(Subscription({"channel": "Ticker"}, dialect, key="t"))
    asked = ask(wire)
    wire.received({"event": "subscribe", "id": asked.id, "channel": "ticker.v2"})
    assert wire.live == {"t"}


@pytest.mark.parametrize(
    "junk", [None, 5, "pong", [], [0, "hb"], {}, {"id": None}, {"id": []}, {"id": {}, "error": 1}]
)
def test_what_is_no_answer_is_not_taken(junk: Any) -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe()))
    ask(wire)
    assert wire.received(junk) == (False, [])


# -- ends ------------------------------------------------------------------------------------------


def test_what_nobody_wants_is_ended_once_it_is_answered() -> None:
    topic = Subscription("a", MethodSubscribe())
    wanted, wire = on_wire(topic)
    begun = ask(wire)
    wanted.remove(topic)
    wire.changed()
    assert wire.next_frame() is None  # first the exchange has to say what became of it
    wire.received({"id": begun.id, "result": None})
    ended = ask(wire)
    assert ended.payload == {"method": "UNSUBSCRIBE", "params": ["a"], "id": ended.id}
    assert wire.live == {"a"}
    wire.received({"id": ended.id, "result": None})
    assert wire.live == frozenset()
    assert wire.is_settled


def test_answers_after_the_end_change_nothing() -> None:
    topic = Subscription("a", MethodSubscribe())
    wanted, wire = on_wire(topic)
    begun = ask(wire)
    wire.received({"id": begun.id, "result": None})
    wanted.remove(topic)
    wire.changed()
    ended = ask(wire)
    assert wire.received({"id": begun.id, "result": None}) == (True, [])
    assert wire.state("a") is State.LEAVING
    wire.received({"id": ended.id, "result": None})
    for late in (begun, ended):
        for answer in ({"result": None}, {"error": "no"}):
            assert wire.received({"id": late.id, **answer}) == (True, [])
    assert wire.state("a") is State.ABSENT
    assert wire.next_frame() is None


def test_a_late_answer_to_the_end_is_none_to_the_new_beginning() -> None:
    topic = Subscription("a", OpSubscribe(answer=BY_CHANNEL))
    wanted, wire = on_wire(topic)
    ask(wire)
    wire.received({"event": "subscribe", "arg": "a"})
    wanted.remove(topic)
    wire.changed()
    ask(wire)
    assert wire.tick(10.0) == []  # TCP carried it; only its answer is missing
    assert not wire.is_unsure
    wanted.add(topic)
    wire.changed()
    ask(wire, 10.0)
    assert wire.received({"event": "unsubscribe", "arg": "a"}) == (True, [])
    assert wire.state("a") is State.ASKED
    wire.received({"event": "subscribe", "arg": "a"})
    assert wire.live == {"a"}


def test_an_end_that_is_refused_is_no_failed_subscription() -> None:
    topic = Subscription("a", MethodSubscribe())
    wanted, wire = on_wire(topic)
    subscribed(wire)
    wanted.remove(topic)
    wire.changed()
    ended = ask(wire)
    assert wire.received({"id": ended.id, "error": "not now"}) == (True, [])
    assert wire.state("a") is State.STUCK
    assert wire.live == {"a"}
    assert wire.is_settled
    wanted.add(topic)
    wire.changed()
    assert wire.next_frame() is None  # it is there already


def test_a_thousand_without_a_way_to_end_them_are_left_alone() -> None:
    topics = [Subscription.of_frames(n, {"sub": n}) for n in range(2000)]
    wanted, wire = on_wire(*topics)
    while (asked := wire.next_frame()) is not None:
        wire.sent(asked, 0.0)
    for topic in topics:
        wanted.remove(topic)
    wire.changed()
    assert wire.next_frame() is None
    assert len(wire.live) == 2000
    assert wire.is_settled


def test_the_name_on_this_connection_ends_it() -> None:
    dialect = spoken_by("bitfinex")
    topic = Subscription({"channel": "trades", "symbol": "tBTCUSD"}, dialect, key="trades")
    other = Subscription({"channel": "ticker", "symbol": "tBTCUSD"}, dialect, key="ticker")
    wanted, wire = on_wire(topic, other)
    for chan_id, asked in ((17470, ask(wire)), (4, ask(wire))):
        named = asked.named[0].channel
        answer = {"event": "subscribed", "chanId": chan_id, "pair": "BTCUSD", **named}
        assert wire.received(answer) == (True, [])
    wanted.remove(topic)
    wire.changed()
    ended = ask(wire)
    assert ended.payload == {"event": "unsubscribe", "chanId": 17470, "subId": str(ended.id)}
    answer = {"event": "unsubscribed", "status": "OK", "chanId": 17470}
    assert wire.received(answer) == (True, [])
    assert wire.live == {"ticker"}


# -- time ------------------------------------------------------------------------------------------


def test_without_an_answer_in_time_nothing_is_sure() -> None:
    dialect = MethodSubscribe(ack_timeout_s=3.0)
    _, wire = on_wire(Subscription("a", dialect))
    assert wire.next_deadline is None
    ask(wire, 100.0)
    assert wire.next_deadline == 103.0
    assert wire.tick(102.9) == []
    assert wire.tick(103.0) == [SubscribeFailed(7, "a", "no answer within 3 s", False)]
    assert wire.is_unsure


def test_what_is_not_sent_yet_is_not_late() -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe()))
    assert wire.next_frame() is not None  # the throttler has it
    assert wire.tick(1e9) == []
    assert not wire.is_unsure


def test_what_cannot_be_made_is_refused_for_this_connection() -> None:
    _, wire = on_wire(Subscription("a", MethodSubscribe()))
    asked = wire.next_frame()
    assert asked is not None
    assert wire.failed(asked, "no key") == [SubscribeFailed(7, "a", "no key", True)]
    assert wire.is_settled


# -- a login that came back ------------------------------------------------------------------------


def recovering() -> tuple[Wanted, OnWire]:
    dialect = MethodSubscribe()
    return on_wire(Subscription("mine", dialect, private=True), Subscription("all", dialect))


def test_a_new_login_asks_for_what_is_private_again() -> None:
    _, wire = recovering()
    subscribed(wire)
    wire.recover()
    assert wire.live == {"all"}
    assert ask(wire).payload["params"] == ["mine"]


def test_answers_from_before_the_new_login_are_not_waited_for() -> None:
    _, wire = recovering()
    before = ask(wire)
    wire.recover()
    after = ask(wire, 5.0)
    assert after.payload["params"] == ["mine"]
    subscribed(wire)
    assert wire.tick(10.0) == []  # the first one is not late: it is forgotten
    assert not wire.is_unsure
    assert wire.received({"id": before.id, "error": "not logged in"}) == (True, [])
    assert wire.state("mine") is State.ASKED
    wire.received({"id": after.id, "result": None})
    assert wire.live == {"all", "mine"}
    # However late it comes, what was asked for since is not in doubt.
    assert wire.received({"id": before.id, "error": "not logged in"}) == (True, [])


def test_what_waits_to_be_sent_is_sent_under_the_new_login() -> None:
    _, wire = recovering()
    waiting = wire.next_frame()
    assert waiting is not None
    wire.recover()
    assert ask(wire).payload["params"] == ["all"]
    assert wire.state("mine") is State.ASKED
    wire.sent(waiting, 1.0)
    wire.received({"id": waiting.id, "result": None})
    assert "mine" in wire.live
    assert wire.next_frame() is None


# -- many ------------------------------------------------------------------------------------------


def test_what_is_looked_at_again_is_not_sorted_again_for_every_message() -> None:
    class Counted(Wanted):
        walks = 0

        def __iter__(self) -> Any:
            self.walks += 1
            return super().__iter__()

    dialect = MethodParams()
    wanted = Counted([Subscription(str(n), dialect) for n in range(500)])
    wire = OnWire(wanted, 1, itertools.count(1).__next__)
    subscribed(wire)
    assert len(wire.live) == 500
    assert wanted.walks <= 2


def test_a_dialect_of_ones_own_is_two_methods_and_a_judge() -> None:
    class Loud(Dialect):
        def subscribe(self, channels: Any, id: int) -> Any:
            return f"GIVE {channels[0]}"

        def judge(self, data: Any) -> Ack | None:
            return Ack(data == "HAVE") if data in ("HAVE", "NO") else None

    _, wire = on_wire(Subscription("a", Loud()))
    assert ask(wire).payload == "GIVE a"
    assert wire.received("HAVE") == (True, [])
    assert wire.live == {"a"}
