"""Whatever happens in whatever order: what is subscribed is what is wanted, asked for once."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from networkpype.websocket.answers import Answers
from networkpype.websocket.dialects import JSONRPCSubscribe, MethodSubscribe, OpSubscribe
from networkpype.websocket.session.asked import Asked
from networkpype.websocket.session.intents import OnWire, State
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.subscriptions import Dialect, Subscription

by_id = MethodSubscribe(batch=3)
by_channel = OpSubscribe(batch=2, answer=Answers(kind=("event",), id=None, channel="arg"))
in_part = JSONRPCSubscribe(batch=2)
unanswered = OpSubscribe(op_field="cmd", answer=None)


class Endless(OpSubscribe):
    """Knows no unsubscribe."""

    def unsubscribe(self, channels: Any, id: int) -> None:
        return None


endless = Endless(op_field="do", answer=Answers(kind=("event",), id=None, channel="arg"))

TOPICS = [
    *(Subscription(f"id{n}", by_id) for n in range(4)),
    *(Subscription(f"ch{n}", by_channel) for n in range(3)),
    *(Subscription(f"part{n}", in_part) for n in range(2)),
    *(Subscription(f"no{n}", unanswered) for n in range(2)),
    Subscription("endless", endless),
    *(Subscription(f"my-id{n}", by_id, private=True) for n in range(2)),
    *(Subscription(f"my-ch{n}", by_channel, private=True) for n in range(2)),
    *(Subscription(f"my-part{n}", in_part, private=True) for n in range(2)),
]
BY_KEY = {str(topic.key): topic for topic in TOPICS}

keys = st.sampled_from(sorted(BY_KEY))
answered = st.sampled_from(sorted(key for key in BY_KEY if not key.startswith("no")))
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["id0", "error", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "error", "code", "arg", "args", "params", "op", "channels"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@dataclass
class Exchange:
    """One connection as the exchange sees it: frames come in order, answers leave in any."""

    refused: set[str]
    sticky: set[str]
    frames: list[Any] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    did_refuse: set[str] = field(default_factory=set)
    did_keep: set[str] = field(default_factory=set)
    knows_us: bool = False
    by_channel: list[Any] = field(default_factory=list)
    by_id: list[Any] = field(default_factory=list)

    def take_next(self) -> None:
        frame = self.frames.pop(0)
        if "jsonrpc" in frame:
            self._in_part(frame)
        elif "id" in frame:
            self._whole(frame)
        else:
            self._one_by_one(frame)

    def forget_us(self) -> None:
        self.knows_us = False
        self.subscribed -= {channel for channel in self.subscribed if BY_KEY[channel].private}

    def _takes(self, channel: str) -> bool:
        is_taken = channel not in self.refused and (self.knows_us or not BY_KEY[channel].private)
        if not is_taken:
            self.did_refuse.add(channel)
        return is_taken

    def _lets_go(self, channel: str) -> bool:
        if channel in self.sticky:
            self.did_keep.add(channel)
        return channel not in self.sticky

    def _whole(self, frame: Any) -> None:
        channels, id = frame["params"], frame["id"]
        answer = {"id": id, "result": None}
        if frame["method"] == "SUBSCRIBE":
            if all(map(self._takes, channels)):
                self.subscribed |= set(channels)
            else:
                self.did_refuse |= set(channels)
                answer = {"id": id, "error": {"code": 2, "msg": "invalid"}}
        elif all(map(self._lets_go, channels)):
            self.subscribed -= set(channels)
        else:
            self.did_keep |= set(channels)
            answer = {"id": id, "error": {"code": 3, "msg": "cannot end that"}}
        self.by_id.append(answer)

    def _in_part(self, frame: Any) -> None:
        channels = frame["params"]["channels"]
        if frame["method"].endswith("/subscribe"):
            taken = [channel for channel in channels if self._takes(channel)]
            self.subscribed |= set(taken)
        else:
            taken = [channel for channel in channels if self._lets_go(channel)]
            self.subscribed -= set(taken)
        self.by_id.append({"jsonrpc": "2.0", "id": frame["id"], "result": taken})

    def _one_by_one(self, frame: Any) -> None:
        word = next(frame[name] for name in ("op", "cmd", "do") if name in frame)
        for channel in frame["args"]:
            event = word
            if word == "subscribe":
                if self._takes(channel):
                    self.subscribed.add(channel)
                else:
                    event = "error"
            elif self._lets_go(channel):
                self.subscribed.discard(channel)
            else:
                event = "error"
            if "cmd" not in frame:
                self.by_channel.append({"event": event, "arg": channel})


class Intents(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.wanted = Wanted()
        self.holders: dict[Any, int] = {}
        self.ids = itertools.count(100_001)
        self.epoch = 0
        self.now = 0.0
        self.stale_answers: list[Any] = []
        self.connect(set(), set())

    def connect(self, refused: set[str], sticky: set[str]) -> None:
        self.epoch += 1
        self.exchange = Exchange(refused, sticky)
        self.on_wire = OnWire(self.wanted, self.epoch, lambda: next(self.ids))
        self.pending: Asked | None = None
        self.may_ask = dict.fromkeys(BY_KEY, 1)
        self.was_refused: set[str] = set()

    # -- what the user does -----------------------------------------------------------------------

    @rule(key=keys)
    def add(self, key: str) -> None:
        topic = BY_KEY[key]
        count = self.holders.get(topic.key, 0)
        assert self.wanted.add(topic) is (count == 0)
        self.holders[topic.key] = count + 1
        if not count:
            self.was_refused.discard(key)
            self.may_ask[str(topic.key)] += 1
            self.on_wire.changed()

    @rule(key=keys)
    def remove(self, key: str) -> None:
        topic = BY_KEY[key]
        count = self.holders.pop(topic.key, 0)
        assert self.wanted.remove(topic) is (count == 1)
        if count > 1:
            self.holders[topic.key] = count - 1
        elif count:
            self.on_wire.changed()

    # -- what the connection does -----------------------------------------------------------------

    @rule()
    def write(self) -> None:
        if self.pending is not None:
            return
        self.pending = asked = self.on_wire.next_frame()
        if asked is None:
            return
        assert 1 <= len(asked.topics) <= asked.dialect.batch
        json.dumps(asked.payload)
        for topic in asked.topics:
            assert (topic.private, topic.dialect) == (asked.private, asked.dialect)
            assert self.on_wire.admitted or not topic.private
            if asked.leaves:
                continue
            assert topic.key in self.wanted
            self.may_ask[str(topic.key)] -= 1
            assert self.may_ask[str(topic.key)] >= 0, f"{topic.key} is asked for once too often"

    @precondition(lambda self: self.pending is not None)
    @rule()
    def send(self) -> None:
        assert self.pending is not None
        self.exchange.frames.append(self.pending.payload)
        self.on_wire.sent(self.pending, self.now)
        self.pending = None

    @precondition(lambda self: self.pending is not None and not self.pending.leaves)
    @rule()
    def cannot_send(self) -> None:
        assert self.pending is not None
        told = self.on_wire.failed(self.pending, "it cannot be signed")
        assert [event.key for event in told] == [topic.key for topic in self.pending.named]
        self.exchange.did_refuse |= {str(event.key) for event in told}
        self.was_refused |= {str(event.key) for event in told}
        self.pending = None

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        told = self.on_wire.tick(self.now)
        assert bool(told) <= self.on_wire.is_unsure
        assert not any(event.definite for event in told)
        if self.on_wire.is_unsure:
            self.drop(set(), set())

    @rule(refused=st.sets(answered, max_size=3), sticky=st.sets(answered, max_size=2))
    def drop(self, refused: set[str], sticky: set[str]) -> None:
        self.stale_answers = [*self.exchange.by_id, *self.stale_answers][:5]
        self.connect(refused, sticky)

    # -- what the exchange does -------------------------------------------------------------------

    @precondition(lambda self: self.exchange.frames)
    @rule()
    def process(self) -> None:
        self.exchange.take_next()

    @precondition(lambda self: self.exchange.by_id)
    @rule(data=st.data(), fate=st.sampled_from(["once", "twice", "lost"]))
    def answer_by_id(self, data: st.DataObject, fate: str) -> None:
        which = data.draw(st.integers(0, len(self.exchange.by_id) - 1))
        answer = self.exchange.by_id[which]
        if fate != "twice":
            del self.exchange.by_id[which]
        if fate != "lost":
            assert self.hear(answer)

    @precondition(lambda self: self.exchange.by_channel)
    @rule(is_lost=st.booleans())
    def answer_by_channel(self, is_lost: bool) -> None:
        answer = self.exchange.by_channel.pop(0)
        if not is_lost:
            assert self.hear(answer)

    @precondition(lambda self: not self.exchange.knows_us)
    @rule()
    def log_in(self) -> None:
        """The login's frame is behind all that was sent, and its answer behind their answers."""
        while self.exchange.frames:
            self.exchange.take_next()
        while self.exchange.by_channel:
            self.hear(self.exchange.by_channel.pop(0))
        self.exchange.knows_us = True
        if self.on_wire.admitted:
            self.on_wire.recover()
            for topic in TOPICS:
                self.may_ask[str(topic.key)] += topic.private
            self.was_refused = {key for key in self.was_refused if not BY_KEY[key].private}
        self.on_wire.admitted = True
        self.on_wire.changed()

    @precondition(lambda self: self.exchange.knows_us)
    @rule()
    def log_out(self) -> None:
        self.exchange.forget_us()

    @precondition(lambda self: self.stale_answers)
    @rule()
    def answer_of_an_earlier_connection(self) -> None:
        before = self.snapshot()
        assert self.on_wire.received(self.stale_answers.pop()) == (False, [])
        assert self.snapshot() == before

    @rule(message=junk)
    def say_junk(self, message: Any) -> None:
        before = self.snapshot()
        assert self.on_wire.received(message) == (False, [])
        assert self.snapshot() == before

    # -- what holds -------------------------------------------------------------------------------

    def hear(self, answer: Any) -> bool:
        is_answer, told = self.on_wire.received(answer)
        for event in told:
            assert event.definite
            assert event.epoch == self.epoch
            assert event.key in self.exchange.did_refuse
            self.was_refused.add(str(event.key))
        return is_answer

    def snapshot(self) -> Any:
        return {key: self.on_wire.state(key) for key in BY_KEY}, len(self.on_wire.waiting)

    def is_quiet(self) -> bool:
        return self.pending is None and not self.exchange.frames and self.on_wire.is_settled

    @invariant()
    def subscribed_is_what_is_wanted(self) -> None:
        if not hasattr(self, "exchange") or not self.is_quiet():
            return
        stuck = {key for key in BY_KEY if self.on_wire.state(key) is State.STUCK}
        refused = {key for key in BY_KEY if self.on_wire.state(key) is State.REFUSED}
        assert stuck <= self.exchange.did_keep | {"endless"}
        assert refused <= self.was_refused
        expected = {str(topic.key) for topic in self.wanted} - refused | stuck
        if not self.on_wire.admitted:
            assert not any(BY_KEY[key].private for key in self.exchange.subscribed)
        if not self.exchange.knows_us:  # or it forgot what is private, and nobody was told yet
            expected = {key for key in expected if not BY_KEY[key].private}
        else:
            assert self.on_wire.live == expected
        assert self.exchange.subscribed == expected

    def teardown(self) -> None:
        """Let everything come to rest: it does, and then it is right."""
        if not hasattr(self, "exchange"):
            return
        for _ in range(3):
            if not self.exchange.knows_us:
                self.log_in()
            for _ in range(200):
                if self.pending is None:
                    self.write()
                if self.pending is not None:
                    self.send()
                elif self.exchange.frames:
                    self.process()
                elif self.exchange.by_channel or self.exchange.by_id:
                    first = (self.exchange.by_channel or self.exchange.by_id).pop(0)
                    assert self.hear(first)
                elif self.on_wire.waiting:
                    self.wait(11.0)  # its answer was lost
                else:
                    break
            if self.is_quiet():
                break
        assert self.is_quiet()
        self.subscribed_is_what_is_wanted()


Intents.TestCase.settings = settings(
    max_examples=settings().max_examples * 3 // 2, stateful_step_count=60, deadline=None
)
TestIntents = Intents.TestCase


def test_dialects_of_the_model_are_all_different() -> None:
    dialects: set[Dialect] = {topic.dialect for topic in TOPICS}
    assert len(dialects) == 5
