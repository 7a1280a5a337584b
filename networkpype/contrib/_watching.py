"""Read throttlers from any thread, each on the event loop that it belongs to."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple, TypeAlias

from networkpype.errors import ConfigurationError
from networkpype.throttler.rate_limit import LimitUsage
from networkpype.throttler.throttler import AsyncThrottler

__all__ = ["Reading", "Watched", "check_name"]

_log = logging.getLogger(__name__)

Usages: TypeAlias = Mapping[str, LimitUsage]


class Reading(NamedTuple):
    """What a throttler said; `usages` is None where it could not be asked."""

    name: str
    usages: Usages | None


class Watched:
    """The throttlers to read, by name; none is kept alive.

    A snapshot forgets what has expired, so taken in one thread while a call is charged in another
    it could count wrongly. It is taken on the throttler's loop, and waited for at most `timeout_s`
    for all together. A loop that stands still longer gives no reading rather than an old one.
    """

    def __init__(self, timeout_s: float) -> None:
        # Also false for what is no number.
        if isinstance(timeout_s, bool) or not (
            isinstance(timeout_s, (int, float)) and 0 < timeout_s <= threading.TIMEOUT_MAX
        ):
            raise ConfigurationError(f"read_timeout_s is seconds above 0, got {timeout_s!r}")
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def add(self, throttler: AsyncThrottler, name: str) -> None:
        """Watch the throttler, which serves the loop that runs now."""
        if isinstance(throttler, type) or not callable(getattr(throttler, "snapshot", None)):
            raise ConfigurationError(f"watch() takes an AsyncThrottler, got {throttler!r}")
        check_name(name)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "watch() is called within the event loop that the throttler serves, "
                "such as in your async main(): snapshots are taken there"
            ) from None
        with self._lock:
            for known, its in self._entries.items():
                # One that moved to another loop is read there from now on.
                if its.throttler() is throttler and (known != name or its.loop is loop):
                    raise ConfigurationError(
                        f'this throttler is watched already, as "{known}"; watch it once, under '
                        "the name that its hook has"
                    )
            entry = self._entries.get(name)
            other = None if entry is None else entry.throttler()
            if other is not None and other is not throttler:
                raise ConfigurationError(
                    f'a throttler named "{name}" is watched already; '
                    'pass another: watch(throttler, name="...")'
                )
            self._entries[name] = _Entry(throttler, loop)

    def read(self) -> list[Reading]:
        """Return a reading of every throttler that is still alive, in the order of their names."""
        with self._lock:
            for name in [name for name, entry in self._entries.items() if not entry.throttler()]:
                del self._entries[name]
            entries = sorted(self._entries.items())
        asked = [(name, entry.ask()) for name, entry in entries]
        until = time.monotonic() + self._timeout_s
        return [
            Reading(name, None if future is None else _result(future, until - time.monotonic()))
            for name, future in asked
        ]


class _Entry:
    """One throttler, the loop that it serves, and the snapshot that was asked for there."""

    def __init__(self, throttler: AsyncThrottler, loop: asyncio.AbstractEventLoop) -> None:
        self.throttler = weakref.ref(throttler)
        self.loop = loop
        self._lock = threading.Lock()
        self._asked: Future[Usages | None] | None = None

    def ask(self) -> Future[Usages | None] | None:
        """Ask for a snapshot; None where nobody could answer."""
        if asyncio._get_running_loop() is self.loop:
            future: Future[Usages | None] = Future()
            _take(self.throttler, future)
            return future
        with self._lock:
            # One that is not taken yet will be as fresh, and a loop that stands still for an hour
            # does not find hundreds.
            if self._asked is None or self._asked.done():
                if not self.loop.is_running():
                    return None
                future = Future()
                try:
                    self.loop.call_soon_threadsafe(_take, self.throttler, future)
                except RuntimeError:  # closed meanwhile
                    return None
                self._asked = future
            return self._asked


def check_name(name: object) -> None:
    """Raise ConfigurationError for what cannot be a label."""
    if not isinstance(name, str):
        raise ConfigurationError(f"name is text, such as the exchange's, got {name!r}")


def _take(throttler: weakref.ref[AsyncThrottler], future: Future[Usages | None]) -> None:
    usages: Usages | None = None
    try:
        alive = throttler()
        if alive is not None:
            usages = alive.snapshot()
    except Exception:
        _log.exception("a throttler could not be read")
    finally:
        future.set_result(usages)


def _result(future: Future[Usages | None], timeout_s: float) -> Usages | None:
    try:
        return future.result(max(0.0, timeout_s))
    except TimeoutError:
        return None
