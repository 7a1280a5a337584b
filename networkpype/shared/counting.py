"""One throttler's way to the limits in Redis: what it tells, and what it is told."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from networkpype.shared.bell import Bell
from networkpype.shared.clock import ServerClock
from networkpype.shared.link import Prepared, RedisLink, RedisLostError, Script
from networkpype.shared.telling import Known, Subject, Telling
from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.store.base import Capacity
from networkpype.throttler.store.shared import Batch, Correction, Reply, SharedUsage

if TYPE_CHECKING:
    from networkpype.shared.limits import RedisLimitStore

__all__ = ["SOURCE", "RedisLimits"]

_log = logging.getLogger(__name__)
_PARTS = ("short", "counts", "told", "asks")
SOURCE = "\n".join(
    files("networkpype.shared").joinpath(f"limits_{part}.lua").read_text(encoding="utf-8")
    for part in _PARTS
)
"""The script that counts: one run decides about all that it is told."""

_GRANTED = (0.0,)
_LISTENS_S = 1.0
_LEAST_GUARD_S = 0.25
_POLL_S = 0.02
"""POLL of the script: when to ask again where nobody knows."""
_GRACE_S = 2.0
"""After a restart of Redis, for all who share it to come back: the longest wait between two tries
to reach it, and the time that one takes."""


class RedisLimits:
    """One throttler's way to the counts in Redis: what it knows of them, and runs of the script."""

    script = Script(SOURCE)
    clock = Script("return redis.call('TIME')")

    def __init__(self, store: RedisLimitStore, link: RedisLink, bell_link: RedisLink) -> None:
        self.lease_s, self.guard_s = store.lease_s, max(store.timeout_s, _LEAST_GUARD_S)
        self.before_close: Callable[[], Awaitable[None]] | None = None
        self.hear: Callable[[], Awaitable[None]] | None = None
        self.wake: Callable[[], None] | None = None
        self._link = link
        self._bell = Bell(bell_link, self._woken)
        self._most_paused_s = store.most_paused_s
        self._clock = ServerClock()
        self._store = store
        self._limits: Mapping[str, Capacity] = {}
        self._be_someone()
        self._paused_s = 0.0
        self._born = ""
        self._at_us = 0
        self._server = ""
        self._known_until = -math.inf
        self._made_at = 0.0

    def _be_someone(self) -> None:
        store = self._store
        self._pid = os.getpid()
        self._telling = Telling(
            self.script,
            f"{{networkpype:{store.name}}}",
            store.lease_s,
            self.guard_s,
            _GRACE_S + store.timeout_s,
            store.most_paused_s,
            self._clock.estimate,
        )
        self._process = self._telling.process.encode()

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        self._limits = limits
        self._telling.configure(limits)
        longest_s = max(map(_pause_s, limits.values()), default=0.0) + self.guard_s
        self._paused_s = min(longest_s, self._most_paused_s)

    async def run(self, batch: Batch, now: Callable[[], float]) -> Reply:
        link = self._link
        if os.getpid() != self._pid:
            # Forked: calls of two processes must not be counted under the same numbers.
            self._be_someone()
            self._telling.configure(self._limits)
        was_connected, self._made_at = link.connected, now()
        try:
            if was_connected:
                short = self._short(batch, now)
                if short is not None:
                    return await self._run_short(short, batch, now)
            return await self._exchange(batch, now)
        except RedisLostError as error:
            if error.late or not was_connected:
                raise self._store.missed(error) from None
        # A connection that nobody used for a while is often dead; that is not yet a loss.
        asks = [ask._replace(again=True) for ask in batch.asks]
        try:
            return await self._exchange(replace(batch, asks=asks), now)
        except RedisLostError as error:
            raise self._store.missed(error) from None

    async def close(self) -> None:
        """Tell Redis what is to be told and close the connection, each within the deadline."""
        try:
            if self.before_close is not None:
                await self.before_close()
        finally:
            try:
                await self._bell.close()
            finally:
                await self._link.close()

    def _known(self, now: float) -> Known:
        if now > self._known_until:  # what is that old, Redis itself forgets
            self._born, self._at_us = "", 0
        server = self._link.server
        return Known(self._born, self._at_us, server, self._server not in ("", server))

    def _short(self, batch: Batch, now: Callable[[], float]) -> Prepared | None:
        """Return the short form of a batch that is one ask, for the first time, and no more."""
        asks = batch.asks
        if len(asks) != 1 or asks[0].again or asks[0].waited_s or not batch.is_lone:
            return None
        known = self._known(now())
        return self._telling.short(asks[0], known) if known.born and not known.moved else None

    async def _run_short(self, short: Prepared, batch: Batch, now: Callable[[], float]) -> Reply:
        call = b"%b.%d" % (self._process, batch.asks[0].call_id)
        sent_at = now()
        told = await self._link.run_prepared(short, call, b"%d" % self._at_us)
        if told[:1] in (b"[", "["):
            return self._read(told, batch, self._telling.subject(batch), sent_at, now())
        seconds, us, *used = told.split()
        usage = {
            charge.limit_id: self._usage_of(charge.limit_id, units)
            for charge, units in zip(batch.asks[0].charges, used, strict=True)
        }
        at_us = int(seconds) * 1_000_000 + int(us)
        return self._note(at_us, sent_at, now(), False) or Reply(False, _GRANTED, usage)

    async def _exchange(self, batch: Batch, now: Callable[[], float]) -> Reply:
        telling, link = self._telling, self._link
        if not link.connected:
            await link.connect()
        if telling.has_fixed and self._clock.unknown:
            sent_at = now()
            seconds, us = await link.run(self.clock, telling.everything.keys[:1], ())
            self._clock.sample(int(seconds) + int(us) / 1e6, sent_at, now())
        return await self._tell(batch, telling.subject(batch), now)

    async def _tell(self, batch: Batch, subject: Subject, now: Callable[[], float]) -> Reply:
        sent_at = now()
        known = self._known(sent_at)
        self._telling.listens = self._bell.is_heard
        text = self._telling.text(batch, subject, known, sent_at, self._made_at)
        told = await self._link.run(self.script, subject.keys, (text,))
        return self._read(told, batch, subject, sent_at, now())

    def _read(
        self, told: bytes | str, batch: Batch, subject: Subject, sent_at: float, came_at: float
    ) -> Reply:
        status, at, *rest = json.loads(told)
        if status == "forgot":
            self._clock.sample(int(at) / 1e6, sent_at, came_at)
            self._born, self._at_us = "", 0
            return Reply(True)
        self._born, waits, usage, corrections, quiet_us, forgot, *more = rest
        ended, otherwise, lasts_us = more
        self._telling.unchecked.difference_update(subject.names)
        for index, said in otherwise:
            name = subject.names[index - 1]
            _log.warning(
                'limit "%s" is a %s here and a %s in another process that shares "%s": no count is '
                "right before they agree",
                *(name, self._telling.said(name), said, self._store.name),
            )
        if min(waits, default=0) < 0:  # for the end of a call, which another process may tell first
            loop = asyncio.get_running_loop()
            self._bell.listen(self._telling.bell, loop.time() + _LISTENS_S)
        self._known_until = sent_at + lasts_us / 1e6
        return self._note(int(at), sent_at, came_at, batch.reset) or Reply(
            False,
            [wait / 1e6 for wait in waits],
            {
                name: SharedUsage(units, blocked_us / 1e6, sum(free_us) / 1e6)
                for name, (units, blocked_us, *free_us) in zip(subject.names, usage, strict=True)
            },
            [
                Correction(seen.limit_id, before, after)
                for seen, (before, after) in zip(batch.seen, corrections, strict=True)
            ],
            max(quiet_us / 1e6, self._paused_s if batch.reset else 0.0),
            forgot,
            [(subject.names[index - 1], left_us / 1e6) for index, left_us in ended],
        )

    def _usage_of(self, limit_id: str, told: bytes | str) -> SharedUsage:
        """Read what the short way tells: the units used and, where that is all, till when.

        A call that is held may end at once.
        """
        try:
            return SharedUsage(float(told), 0.0)
        except ValueError:
            used, free_us = told.split(b":" if isinstance(told, bytes) else ":")  # type: ignore[arg-type]
        limit, units = self._limits[limit_id], float(used)
        if units < limit.units:  # full but for what is reserved
            return SharedUsage(units, 0.0)
        if limit.kind is LimitKind.CONCURRENT:
            return SharedUsage(units, 0.0, _POLL_S)
        free_s = min(float(free_us) / 1e6, limit.time_interval + limit.margin_s)
        return SharedUsage(units, 0.0, free_s)

    def _note(self, at_us: int, sent_at: float, came_at: float, reset: bool) -> Reply | None:
        """Note when it was done; where a clock was set anew since the last, all is in doubt."""
        stepped = self._clock.sample(at_us / 1e6, sent_at, came_at)
        self._store.heard()
        self._at_us, self._server = at_us, self._link.server
        self._known_until = max(self._known_until, sent_at + self._telling.life_s)
        return Reply(True) if stepped and not reset else None

    def _woken(self) -> None:
        if self.wake is not None:
            self.wake()

    def __repr__(self) -> str:
        return f"RedisLimits({self._link!r})"


def _pause_s(capacity: Capacity) -> float:
    """Return for how long the script keeps a limit quiet after a reset."""
    if capacity.per_second:
        return max(1.0, capacity.units / capacity.per_second)
    return 1.0 if capacity.kind is LimitKind.CONCURRENT else max(1.0, capacity.time_interval)
