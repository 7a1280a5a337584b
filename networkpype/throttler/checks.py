"""Refuse what a throttler cannot be made of, or asked for."""

from __future__ import annotations

import inspect
import math

from networkpype.errors import ConfigurationError
from networkpype.throttler.store.base import LimitStore
from networkpype.throttler.store.shared import SharedLimitStore

__all__ = ["check_hook", "check_max_wait", "check_methods", "check_seconds"]


def check_seconds(name: str, seconds: object, what: str) -> None:
    """Refuse what is no number of seconds; `what` goes on after "of at least 0"."""
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if number and 0 <= seconds < math.inf:  # type: ignore[operator]
        return
    raise ConfigurationError(f"{name} is seconds of at least 0, {what}; got {seconds!r}")


def check_max_wait(max_wait: object) -> None:
    """Refuse what is no longest wait: infinity is one that never ends."""
    if max_wait != math.inf:
        check_seconds("max_wait", max_wait, "or math.inf for no bound")


def check_hook(hook: object) -> None:
    """Refuse what cannot be called with an event, or would have to be awaited; a class, too."""
    if hook is None:
        return
    if isinstance(hook, type):  # it can be called, and each event would make an object of it
        raise ConfigurationError(
            f"hook is the class {hook.__name__}; pass one of its objects, {hook.__name__}(...)"
        )
    if not callable(hook) or inspect.iscoroutinefunction(hook):
        raise ConfigurationError(
            f"hook is a function that takes one event and is not awaited, got {hook!r}"
        )


def check_methods(clock: object, store: object, time_provider: object) -> None:
    """Refuse what has not the methods that are called."""
    if clock is not None and not callable(getattr(clock, "monotonic", None)):
        raise ConfigurationError(f"clock needs time() and monotonic(), got {clock!r}")
    if isinstance(store, str):
        raise ConfigurationError("store is a text; write RedisLimitStore(url, name=...)")
    if store is not None and not isinstance(store, (LimitStore, SharedLimitStore)):
        raise ConfigurationError(
            f"store needs the methods of LimitStore, got a {type(store).__name__}"
        )
    if time_provider is not None and not callable(getattr(time_provider, "time", None)):
        raise ConfigurationError(f"time_provider needs time(), got {time_provider!r}")
