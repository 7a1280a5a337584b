"""What should be subscribed, what is on this connection, and the next message in between.

Decided without a clock or a socket. `Wanted` outlives connections; an `OnWire` is one connection.

```text
           next_frame            ack                      next_frame          ack
   ABSENT ------------> ASKED ---------> LIVE, unwanted ------------> LEAVING -----> ABSENT
                          | refused
                          v
                       REFUSED      (until the next connection, or until it is removed)
```
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.websocket.session.asked import Asked
from networkpype.websocket.session.events import SubscribeFailed
from networkpype.websocket.session.wanted import Wanted
from networkpype.websocket.subscriptions import Ack, Dialect, Subscription, fit

__all__ = ["OnWire", "State"]

# Of what is over, so much is remembered, for an answer may come late or twice.
_MOST_DIALECTS = 8
_MOST_TOPICS = 100
_MOST_MESSAGES = 500


class State(Enum):
    """How one subscription stands on one connection."""

    ABSENT = "absent"
    ASKED = "asked for"
    LIVE = "live"
    REFUSED = "refused"
    LEAVING = "being ended"
    STUCK = "live, and cannot be ended"


class OnWire:
    """What one connection is subscribed to. Each subscription is asked for once a connection.

    Ask `next_frame` what to send; then tell `sent`, or `failed` where it could not be; tell every
    message that came to `received`, and `tick` at `next_deadline`. Tell `changed` when something
    else is wanted, or `admitted` was set. `most` is how many the exchange takes, None for any.
    """

    def __init__(
        self, wanted: Wanted, epoch: int, new_id: Callable[[], int], most: int | None = None
    ) -> None:
        self._wanted = wanted
        self._most = most
        self._is_held_back = False  # the plan leaves out what there is no place for yet
        self._epoch = epoch
        self._new_id = new_id
        self._state: dict[Hashable, State] = {}
        self._here: dict[Hashable, Subscription] = {}  # all that was ever asked for here
        self._names: dict[Hashable, Any] = {}  # what the exchange calls them on this connection
        self._gone: dict[Hashable, None] = {}  # absent and not wanted, the oldest first
        self._issued: dict[str, Asked] = {}
        self._recent: dict[Dialect, None] = {}  # whose messages were waited for last
        self._last: dict[Hashable, Asked] = {}
        self._plan: list[list[Subscription]] | None = None
        self.waiting: list[Asked] = []
        """The same object as long as this lives, for the reader looks at it every time."""
        self.secrets: Collection[str] = ()
        """Of the address and the headers of this connection, which an exchange may echo."""
        self.stuck: set[Hashable] = set()
        """What was to be ended and could not be: the exchange goes on to deliver it."""
        self.admitted = False
        """Whether private subscriptions may be asked for."""
        self.is_unsure = False
        """Whether a subscribe was not answered: what is subscribed cannot be known any more."""
        self.is_owed = False
        """Whether an answer may still come late, which is not the consumer's."""

    def state(self, key: Hashable) -> State:
        return self._state.get(key, State.ABSENT)

    @property
    def live(self) -> frozenset[Hashable]:
        """Return the keys that deliver as far as is known."""
        there = (State.LIVE, State.LEAVING, State.STUCK)
        return frozenset(key for key, state in self._state.items() if state in there)

    @property
    def is_settled(self) -> bool:
        """Tell whether all that is wanted is live or refused, and nothing else is."""
        return not self.waiting and not self._planned()

    @property
    def lacks_login(self) -> bool:
        """Tell whether something private is wanted and may not be asked for yet."""
        return not self.admitted and any(each.private for each in self._wanted)

    @property
    def next_deadline(self) -> float | None:
        """Return when `tick` is due, None for never."""
        times = (asked.answer_by for asked in self.waiting)
        return min((at for at in times if at is not None), default=None)

    def changed(self) -> None:
        """Note that what is wanted changed."""
        self._plan = None
        for key in [key for key, state in self._state.items() if state is State.REFUSED]:
            if key not in self._wanted:
                self._set(key, State.ABSENT)  # asked for anew where it is added anew

    def next_frame(self) -> Asked | None:
        """Return the next message to send, private ones first; None where there is none now."""
        while plan := self._planned():
            group = plan[0]
            dialect, private = group[0].dialect, group[0].private
            leaves = self.state(group[0].key) is State.LIVE
            batch = max(1, dialect.batch)
            asked = Asked(self._new_id(), dialect, tuple(group[:batch]), leaves, private)
            del group[:batch]
            if not group:
                del plan[0]
            asked.payload = self._write(asked)
            if asked.payload is None and not leaves:
                raise ConfigurationError(
                    f"{dialect!r} returned no message to subscribe with; only unsubscribe() may "
                    "return None"
                )
            if asked.payload is None:  # there is no way to end it
                self._settle(asked, asked.named, accepted=False)
                continue
            self._note(asked)
            return asked
        return None

    def sent(self, asked: Asked, now: float) -> None:
        """Note that the message is on its way; where no answer comes, that is all."""
        if asked not in self.waiting:
            return  # answered already
        if asked.dialect.ack_timeout_s is None:
            self._settle_all(asked, accepted=True)
        else:
            asked.answer_by = now + asked.dialect.ack_timeout_s

    def failed(self, asked: Asked, reason: str) -> list[SubscribeFailed]:
        """Note that the message could not be made or signed, and never will on this connection."""
        asked.parts.clear()
        return self._refuse(asked, asked.topics[:], reason, definite=True)

    def received(self, data: Any) -> tuple[bool, list[SubscribeFailed]]:
        """Return whether the message was an answer to what was asked here, and what to announce."""
        is_answer = False
        # Those that wait for nothing are not asked, for there may be thousands.
        for dialect in {**self._recent, **dict.fromkeys(each.dialect for each in self.waiting)}:
            ack = dialect.judge(data)
            if ack is None:
                continue
            found = self._answered(dialect, ack)
            if found is not None:
                asked, topics = found
                if ack.accepted:
                    return True, self._accept(asked, topics, ack)
                return True, self._refuse(asked, topics, ack.reason, definite=ack.definite)
            if ack.id is None:
                named = self._named(self._here.values(), ack) if ack.channels else []
                self._correct(named, ack)
                # Late, or of another dialect that has the same words. A refusal that names nothing
                # of this may be that of a message of the consumer's own.
                is_answer = is_answer or ack.accepted or bool(named)
            elif (earlier := self._issue(dialect, ack.id)) is not None:
                return True, self._second_answer(earlier, ack)
        return is_answer, []

    def tick(self, now: float) -> list[SubscribeFailed]:
        """Give up what was not answered in time."""
        events: list[SubscribeFailed] = []
        for asked in list(self.waiting):
            if asked.answer_by is None or asked.answer_by > now:
                continue
            if asked.leaves:
                # TCP carried it: it is over, and only the answer is missing.
                self.is_owed = True
                self._settle_all(asked, accepted=True)
                continue
            for topic in [topic for topic in asked.topics if asked.parts.get(topic.key)]:
                verdicts = asked.parts.pop(topic.key)  # fewer than were expected, but some
                self._settle(asked, [topic], accepted=any(verdicts))
            if not asked.topics:
                continue
            self.is_unsure = True
            self.waiting.remove(asked)
            late = f"no answer within {asked.dialect.ack_timeout_s:g} s"
            events += [
                SubscribeFailed(self._epoch, topic.key, late, definite=False)
                for topic in asked.topics
            ]
        return events

    def recover(self) -> None:
        """Note that the exchange forgot who we are: what is private has to be asked for again.

        What was asked for and not sent yet, will be sent under the new login.
        """
        for asked in self.waiting:
            self._remember(asked.dialect)  # of what is not waited for an answer may come still
        self.waiting[:] = [a for a in self.waiting if not a.private or a.answer_by is None]
        unsent = {topic.key for asked in self.waiting if asked.private for topic in asked.topics}
        for key, topic in list(self._here.items()):
            if topic.private and key not in unsent:
                self._set(key, State.ABSENT)
        self._plan = None

    # -- what to send -----------------------------------------------------------------------------

    def _planned(self) -> list[list[Subscription]]:
        """Return what is to be sent, in the order of sending; a group fits one message's form."""
        if self._plan is None:
            leaving = [
                self._here[key]
                for key, state in self._state.items()
                if state is State.LIVE and key not in self._wanted
            ]
            absent = [
                topic
                for topic in self._wanted
                if self.state(topic.key) is State.ABSENT and (self.admitted or not topic.private)
            ]
            absent.sort(key=lambda topic: not topic.private)
            self._is_held_back = self._most is not None and any(self._doomed())
            if self._most is not None and self._is_held_back:
                taken = sum(
                    state is State.ASKED or (state is State.LIVE and key in self._wanted)
                    for key, state in self._state.items()
                )
                del absent[max(0, self._most - taken) :]
            self._plan = [*_alike(leaving), *_alike(absent)]
        return self._plan

    def _doomed(self) -> Iterator[Hashable]:
        """Yield what is asked for and no longer wanted: it has a place until it can be ended."""
        for key, state in self._state.items():
            if state is State.ASKED and key not in self._wanted:
                yield key

    def _note(self, asked: Asked) -> None:
        if asked.dialect.ack_timeout_s is not None:
            self._issued[str(asked.id)] = asked
            if len(self._issued) > _MOST_MESSAGES:
                oldest = self._issued.pop(next(iter(self._issued)))
                if oldest in self.waiting:
                    self._issued[str(oldest.id)] = oldest
        self.waiting.append(asked)
        for topic in asked.named:
            self._here[topic.key] = topic
            self._last[topic.key] = asked
            self._state[topic.key] = State.LEAVING if asked.leaves else State.ASKED
            self._gone.pop(topic.key, None)
            if asked.dialect.parts(topic.channel) > 1:
                asked.parts[topic.key] = []

    def _write(self, asked: Asked) -> Any:
        if not asked.leaves:
            return asked.dialect.subscribe([topic.channel for topic in asked.topics], asked.id)
        names = [self._names.get(topic.key, topic.channel) for topic in asked.topics]
        return asked.dialect.unsubscribe(names, asked.id)

    # -- what the answers mean --------------------------------------------------------------------

    def _issue(self, dialect: Dialect, id: int | str) -> Asked | None:
        known = self._issued.get(str(id))
        return known if known is not None and known.dialect is dialect else None

    def _answered(self, dialect: Dialect, ack: Ack) -> tuple[Asked, list[Subscription]] | None:
        """Return the message that this answers, and the topics of it."""
        waiting = self.waiting
        if ack.id is not None:
            known = self._issue(dialect, ack.id)
            waiting = [known] if known in waiting and known is not None else []
        waiting = [
            asked
            for asked in waiting
            if asked.dialect is dialect and ack.leaves in (None, asked.leaves)
        ]
        if ack.channels is None:
            return (waiting[0], waiting[0].topics[:]) if waiting else None
        named = self._named((topic for asked in waiting for topic in asked.topics), ack)
        for asked in waiting:
            if here := [topic for topic in asked.topics if topic in named]:
                return asked, here
        if ack.id is not None and len(waiting) == 1 and len(waiting[0].topics) == 1:
            return waiting[0], waiting[0].topics[:]  # whatever it is called there
        return None

    def _named(self, topics: Iterable[Subscription], ack: Ack) -> list[Subscription]:
        """Return those of the topics that the answer names, by the name they fit best."""
        found: dict[Subscription, None] = {}
        topics = list(topics)
        for told in ack.channels or ():
            fits = {topic: self._fit(topic, told) for topic in topics}
            best = max(fits, key=fits.__getitem__, default=None)
            if best is not None and fits[best]:
                found[best] = None
        return list(found)

    def _fit(self, topic: Subscription, told: Any) -> float:
        name = self._names.get(topic.key, topic.channel)
        return max(fit(topic.channel, told), 0 if name is topic.channel else fit(name, told))

    def _settle(self, asked: Asked, topics: Sequence[Subscription], *, accepted: bool) -> None:
        for topic in topics:
            verdicts = asked.parts.get(topic.key)
            if verdicts is not None:
                verdicts.append(accepted)
                if len(verdicts) < asked.dialect.parts(topic.channel):
                    continue
            taken = accepted or any(verdicts or ())
            asked.topics.remove(topic)
            if asked.leaves:
                self._set(topic.key, State.ABSENT if taken else State.STUCK)
            else:
                self._set(topic.key, State.LIVE if taken else State.REFUSED)
        if not asked.topics and asked in self.waiting:
            self.waiting.remove(asked)
            self._remember(asked.dialect)

    def _remember(self, dialect: Dialect) -> None:
        self._recent.pop(dialect, None)
        self._recent[dialect] = None
        if len(self._recent) > _MOST_DIALECTS:
            del self._recent[next(iter(self._recent))]

    def _settle_all(self, asked: Asked, *, accepted: bool) -> None:
        asked.parts.clear()
        self._settle(asked, asked.topics[:], accepted=accepted)

    def _set(self, key: Hashable, after: State) -> None:
        is_wanted = key in self._wanted
        if after is State.REFUSED and not is_wanted:
            after = State.ABSENT  # asked for anew where it is added anew
        self._state[key] = after
        if after is State.STUCK:
            self.stuck.add(key)
        else:
            self.stuck.discard(key)
        if self._is_held_back or after is (State.ABSENT if is_wanted else State.LIVE):
            self._plan = None
        if after is State.ABSENT and not is_wanted:
            self._gone[key] = None
            if len(self._gone) > _MOST_TOPICS:
                self._forget(next(iter(self._gone)))

    def _forget(self, key: Hashable) -> None:
        del self._gone[key]
        if self.state(key) is State.ABSENT and key not in self._wanted:
            for known in (self._state, self._here, self._last, self._names):
                known.pop(key, None)

    def _accept(self, asked: Asked, topics: list[Subscription], ack: Ack) -> list[SubscribeFailed]:
        left_out = [] if ack.only is None else [t for t in topics if t.channel not in ack.only]
        taken = [topic for topic in topics if topic not in left_out]
        if ack.name is not None and not asked.leaves:
            self._names.update((topic.key, ack.name) for topic in taken)
        self._settle(asked, taken, accepted=True)
        reason = ack.reason or "the exchange did not take it"
        return self._refuse(asked, left_out, reason, definite=True)

    def _refuse(
        self, asked: Asked, topics: list[Subscription], reason: str, *, definite: bool
    ) -> list[SubscribeFailed]:
        self._settle(asked, topics, accepted=False)
        if asked.leaves or not topics:
            return []  # it goes on delivering, which is no failure of what is wanted
        told = asked.told(reason, self.secrets)
        return [SubscribeFailed(self._epoch, topic.key, told, definite) for topic in topics]

    def _correct(self, topics: Iterable[Subscription], ack: Ack) -> None:
        """Believe an acceptance that comes after a refusal, which was another's or of a part."""
        for topic in topics:
            if ack.accepted and not ack.leaves and self.state(topic.key) is State.REFUSED:
                self._set(topic.key, State.LIVE)

    def _second_answer(self, asked: Asked, ack: Ack) -> list[SubscribeFailed]:
        """Take an answer to what was answered: Kraken answers each symbol of a message."""
        if asked.leaves:
            return []
        topics = [topic for topic in asked.named if self._last.get(topic.key) is asked]
        if ack.channels is not None and len(topics) > 1:
            topics = self._named(topics, ack)
        self._correct(topics, ack)
        if ack.accepted:
            return []
        told = asked.told(ack.reason, self.secrets)
        return [
            SubscribeFailed(self._epoch, topic.key, told, ack.definite)
            for topic in topics
            if self.state(topic.key) is State.LIVE and topic.key in self._wanted
        ]


def _alike(topics: Iterable[Subscription]) -> list[list[Subscription]]:
    groups: dict[tuple[Dialect, bool], list[Subscription]] = {}
    for topic in topics:
        groups.setdefault((topic.dialect, topic.private), []).append(topic)
    return list(groups.values())
