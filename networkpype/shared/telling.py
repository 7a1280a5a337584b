"""What the script of the limits is told: the text of a batch."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from networkpype.shared.link import Prepared, Script
from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Call, Hold

__all__ = ["Known", "Subject", "Telling", "micros"]

_KINDS = {
    LimitKind.ROLLING_WINDOW: 1,
    LimitKind.FIXED_WINDOW: 2,
    LimitKind.TOKEN_BUCKET: 3,
    LimitKind.DECAYING_COUNTER: 3,
    LimitKind.CONCURRENT: 4,
}
_MOST_SUBJECTS = 1_024
_Key = TypeVar("_Key")


class Known(NamedTuple):
    """What is known of the counts: their name, when they were asked last, and whose server it was.

    Empty and 0 where nothing is. `moved` tells that the server is another one since then.
    """

    born: str
    at_us: int
    server: str
    moved: bool


class Subject:
    """The limits that a batch is about, and where they are kept."""

    __slots__ = ("_texts", "index", "keys", "limits", "names")

    def __init__(self, names: Sequence[str], prefix: str, limits: str | None) -> None:
        self.names = tuple(names)
        self.keys = [f"{prefix}:state", *(f"{prefix}:calls:{name}" for name in names)]
        self.index = {name: number for number, name in enumerate(names, 1)}
        self.limits = limits
        """The limits as JSON; None where they have to be told anew each time."""
        self._texts: dict[tuple[Charge, ...], str] = {}

    def charges(self, charges: tuple[Charge, ...]) -> str:
        """Return what an ask costs, as JSON."""
        text = self._texts.get(charges)
        if text is None:
            text = ",".join(
                [f"{self.index[name]},{weight},{free}" for name, weight, free in charges]
            )
            self._texts[charges] = text
        return text


class Telling:
    """Writes batches of one process (one throttler of it) for the script.

    `offset` tells how many seconds the clock of Redis is ahead of ours at a time, and how far off
    that may be.
    """

    def __init__(
        self,
        script: Script,
        prefix: str,
        lease_s: float,
        guard_s: float,
        grace_s: float,
        most_paused_s: float,
        offset: Callable[[float], tuple[float, float]],
    ) -> None:
        self.process = secrets.token_hex(6)
        self.bell = f"{prefix}:state:bell:{self.process}"
        """Where the script leaves word for this process, while it `listens`."""
        self.listens = False
        self._script = script
        self._prefix = prefix
        self._lease_s, self._guard_s = lease_s, guard_s
        self._offset = offset
        spans = (lease_s, guard_s, grace_s, min(most_paused_s, 1e9))
        self._head = f'["{self.process}",{",".join([str(micros(each)) for each in spans])}'
        self.configure({})

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        self._limits = dict(limits)
        self._subjects: dict[tuple[str, ...], Subject] = {}
        self._lone: dict[tuple[Charge, ...], Subject] = {}
        self._short: dict[object, Prepared | None] = {}
        # Where a fixed window begins depends on clocks, and is told anew each time.
        self._texts = {
            name: self._tell(name, 0.0)
            for name, limit in limits.items()
            if limit.kind is not LimitKind.FIXED_WINDOW
        }
        self.unchecked = set(limits)
        """Limits of which Redis was not told yet what they are."""
        self.everything = self._about(tuple(limits))
        self.has_fixed = self.everything.limits is None
        self.life_s = min(map(self._life, limits.values()), default=1.0)
        """For how long Redis keeps the least of what it was told."""

    def subject(self, batch: Batch) -> Subject:
        """Return what the batch is about; all limits where it is a reset or asks for them."""
        if batch.reset or batch.everything:
            return self.everything
        if len(batch.asks) == 1 and batch.is_lone:
            charges = batch.asks[0].charges
            subject = self._lone.get(charges)
            if subject is None:
                names = tuple(charge.limit_id for charge in charges)
                subject = _kept(self._lone, charges, self._about(names))
            return subject
        calls = [call for each in (batch.renewals, batch.settled, batch.refunds) for call in each]
        told = {*(call.charges for call in calls), *(ask.charges for ask in batch.asks)}
        ids = {*batch.blocks, *batch.unblocks, *(seen.limit_id for seen in batch.seen)}
        ids.update(charge.limit_id for charges in told for charge in charges)
        return self._about(tuple(sorted(ids & self._limits.keys())))

    def short(self, ask: Ask, known: Known) -> Prepared | None:
        """Return the command of a lone ask, but for the call and `known.at_us` at its end.

        None where it has to be told in full: limits of other kinds, an ask that came late.
        """
        if self.unchecked and not self.unchecked.isdisjoint(name for name, *_ in ask.charges):
            return None
        key = (ask.charges, ask.hold, ask.rank, known.born, known.server)
        if key not in self._short:
            if len(self._short) >= _MOST_SUBJECTS:
                self._short.clear()
            self._short[key] = self._prepare(ask, known)
        return self._short[key]

    def _prepare(self, ask: Ask, known: Known) -> Prepared | None:
        limits = [self._limits[charge.limit_id] for charge in ask.charges]
        if any(
            limit.kind not in (LimitKind.ROLLING_WINDOW, LimitKind.CONCURRENT) for limit in limits
        ):
            return None
        batch = Batch(asks=(ask,))
        subject = self.subject(batch)
        words = [self.text(batch, subject, known, 0.0), known.born, known.server]
        for limit, (name, weight, reserve) in zip(limits, ask.charges, strict=True):
            words += [f"l:{name}", f"b:{name}:{self.process}", str(weight)]
            words += [str(limit.units - weight - reserve)]
            words += [str(micros(self._counts_s(limit, ask.hold))), str(micros(self._life(limit)))]
        return Prepared(self._script, subject.keys, words, 2)

    def _counts_s(self, limit: Capacity, hold: Hold) -> float:
        """Return for how long a call counts if nothing more is heard of it."""
        is_flight = limit.kind is LimitKind.CONCURRENT
        if hold is Hold.UNTIL_SETTLED:
            return self._lease_s + (0.0 if is_flight else limit.time_interval + limit.margin_s)
        interval_s = limit.time_interval + (0.0 if is_flight else limit.margin_s)
        return interval_s + (0.0 if hold is Hold.FINAL else self._guard_s)

    def text(
        self, batch: Batch, subject: Subject, known: Known, now: float, made_at: float = 0.0
    ) -> str:
        """Return the argument of the script; `made_at` is when the ages in the batch were true."""
        limits = subject.limits
        if limits is None:
            texts = self._texts
            limits = ",".join([texts.get(each) or self._tell(each, now) for each in subject.names])
        asks = ",".join([self._ask(ask, subject) for ask in batch.asks])
        more = self._more(batch, subject, known, made_at, now)
        return (
            f'{self._head},"{known.server}","{known.born}",{known.at_us},[{limits}],[{asks}]{more}]'
        )

    def said(self, limit_id: str) -> str:
        """Return what all processes have to agree on."""
        limit = self._limits[limit_id]
        kind = limit.kind.name.lower().replace("_", " ")
        is_window = limit.kind in (LimitKind.ROLLING_WINDOW, LimitKind.FIXED_WINDOW)
        return f"{kind} of {limit.time_interval:g} s" if is_window else kind

    def _made_us(self, made_at: float, margin_s: float) -> int:
        """Return when it was at the earliest on the clock of Redis; 0 where nobody knows."""
        offset_s, unsure_s = self._offset(made_at)
        if unsure_s == math.inf:
            return 0
        return _age(made_at + offset_s - unsure_s - margin_s)

    def _more(
        self, batch: Batch, subject: Subject, known: Known, made_at: float, now: float
    ) -> str:
        index, since_s = subject.index, max(0.0, now - made_at)
        parts = []
        if batch.reset or not known.born:
            # Another one each time: a second loss must not look like the first.
            parts.append(f'"new":"{secrets.token_hex(8)}"')
        if known.moved:
            parts.append('"moved":true')
        if batch.reset:
            parts.append('"reset":true')
        if not self.unchecked.isdisjoint(subject.names):
            parts.append(f'"check":{json.dumps([self.said(each) for each in subject.names])}')
        if self.listens:
            parts.append('"bell":true')
        lists = (
            (
                "block",
                [f"[{index[n]},{micros(s)}]" for n, s in batch.blocks.items() if n in index],
            ),
            (
                "unblock",
                [
                    f"[{index[n]},{_age(s + since_s)}]"
                    for n, s in batch.unblocks.items()
                    if n in index
                ],
            ),
            (
                "observe",
                [
                    f"[{index[name]},{used},{micros(age_s)},{counted:.6f},{own},{spare},"
                    f"{self._made_us(made_at, self._limits[name].margin_s)}]"
                    for name, used, age_s, counted, own, spare in batch.seen
                ],
            ),
            ("renew", [self._call(call, index) for call in batch.renewals]),
            ("settle", [self._call(call, index) for call in batch.settled]),
            ("refund", [self._call(call, index) for call in batch.refunds]),
        )
        parts += [f'"{name}":[{",".join(items)}]' for name, items in lists if items]
        return f",{{{','.join(parts)}}}" if parts else ""

    def _ask(self, ask: Ask, subject: Subject) -> str:
        call_id, hold, rank, line, waited_s, again, waiting, charges = ask
        return (
            f'["{self.process}.{call_id}",{hold:d},{rank:d},{line},{_age(waited_s)},{again:d},'
            f"{waiting},{subject.charges(charges)}]"
        )

    def _call(self, call: Call, index: Mapping[str, int]) -> str:
        charges = [f",{index[name]},{weight}" for name, weight, _ in call.charges if name in index]
        return f'["{self.process}.{call.call_id}",{_age(call.age_s)}{"".join(charges)}]'

    def _about(self, names: tuple[str, ...]) -> Subject:
        subject = self._subjects.get(names)
        if subject is None:
            texts = [self._texts.get(name, "") for name in names]
            limits = ",".join(texts) if all(texts) else None
            subject = _kept(self._subjects, names, Subject(names, self._prefix, limits))
        return subject

    def _tell(self, limit_id: str, now: float) -> str:
        units, interval_s, kind, per_second, margin_s, *clock = capacity = self._limits[limit_id]
        ahead_s = slack_s = 0.0
        if kind is LimitKind.ROLLING_WINDOW:
            interval_s += margin_s
        elif kind is LimitKind.FIXED_WINDOW:
            offset_s, unsure_s = self._offset(now)
            ahead, doubt = clock
            ahead_s = (0.0 if ahead is None else ahead()) - offset_s
            slack_s = margin_s + unsure_s + (0.0 if doubt is None else doubt())
        told = [
            f"l:{limit_id}",
            f"b:{limit_id}:{self.process}",
            _KINDS[kind],
            units,
            micros(interval_s),
            per_second / 1e6,
            round(ahead_s * 1e6),
            micros(slack_s),
            micros(margin_s) if _KINDS[kind] == 3 else 0,
            micros(self._life(capacity)),
        ]
        return json.dumps(told, separators=(",", ":"))

    def _life(self, capacity: Capacity) -> float:
        interval_s = capacity.time_interval + capacity.margin_s
        if capacity.per_second:
            interval_s = max(interval_s, capacity.units / capacity.per_second)
        return self._lease_s + self._guard_s + 2 * interval_s + 1.0


def micros(seconds: float) -> int:
    """Return whole microseconds, no fewer."""
    return math.ceil(seconds * 1e6)


def _age(seconds: float) -> int:
    # No more: what is older stops counting sooner.
    return max(0, int(seconds * 1e6))


def _kept(cache: dict[_Key, Subject], key: _Key, subject: Subject) -> Subject:
    if len(cache) >= _MOST_SUBJECTS:  # weights may be computed, a new one for each call
        cache.clear()
    cache[key] = subject
    return subject
