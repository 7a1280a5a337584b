"""One of every event, and readers of what the collectors tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace

from networkpype import hooks
from networkpype.errors import AuthenticationFailure, Outcome
from networkpype.hooks import Event
from networkpype.redact import mask_url
from networkpype.websocket.session import events

__all__ = ["ALL", "names_of", "planted", "samples_of"]

URL = "https://api.example.com/api/v3/order?symbol=BTCUSDT"
WS_URL = "wss://stream.example.com:9443/ws"

ALL: tuple[Event, ...] = (
    hooks.RequestFinished("GET", URL, 200, 0.03),
    hooks.RetryScheduled("GET", URL, 1, 0.2, "ConnectFailedError"),
    hooks.CircuitOpened("api.example.com", 5, 30.0),
    hooks.CircuitClosed("api.example.com"),
    hooks.ThrottleWaited("orders", 0.4, "ip"),
    hooks.ThrottleRefused("orders", 0.0, 3.0, "ip"),
    hooks.LimitBlocked(("ip", "orders"), 10.0, 429),
    hooks.LimitUnblocked(("ip", "orders"), 4.0),
    hooks.LimitCorrected("ip", 10.0, 14.0),
    hooks.LimitStoreLost("ConnectionError", None),
    hooks.LimitStoreRestored(2.0, False, 1.0),
    hooks.ClockSynchronized(-250.0, 20.0, 10.0),
    hooks.ClockSyncFailed("RequestTimeoutError", None),
    hooks.ClockStepped(1500.0),
    hooks.WebSocketOpened(WS_URL),
    hooks.WebSocketClosed(WS_URL, 1006, "went away", expected=False),
    hooks.LoggedIn(1, 3600.0),
    hooks.LoginRejected(1, "no such key", AuthenticationFailure.PERMISSION, None),
    hooks.LoginFailed(1, "no ack in time", 1.0),
    hooks.LoginRenewed(1, 3600.0),
    hooks.LoginExpired(1, "the listen key expired"),
    hooks.RenewalFailed(1, "no answer", 5.0),
    events.Connected(2, WS_URL),
    events.Ready(1),
    events.Gap(1, "the buffer was full", 7),
    events.Disconnected(1, 1006, "went away", 0.5),
    events.SubscribeFailed(1, "trades", "no such channel", True),
    events.Stale(1, "trades", 60.0),
    events.LoopBlocked(1, 0.3),
)


def names_of(base: type[Event]) -> set[str]:
    """Return the names of networkpype's event classes below the base.

    Names, for a dataclass with slots is made anew, and what it was made of is a subclass too.
    """
    own = {each for each in base.__subclasses__() if each.__module__.startswith("networkpype.")}
    return {each.__name__ for each in own}.union(*(names_of(each) for each in own))


def planted(secret: str) -> Iterator[Event]:
    """Yield every event with the secret in all words that came from elsewhere."""
    url = f"https://{secret}@api.example.com/ws/{secret}/x?signature={secret}&k={secret}#{secret}"
    bare = f"https://api.example.com/{secret}?{secret}"
    texts: dict[str, tuple[str, ...]] = {
        "url": (mask_url(url), bare),
        "reason": (secret,),
        "method": (secret,),
        "error": (secret, f"KeyError: {secret}"),
        "key": (secret,),
    }
    for event in ALL:
        for field in fields(event):
            for text in texts.get(field.name, ()):
                yield replace(event, **{field.name: text})
    yield hooks.RequestFinished(secret, bare, 401, 0.1, secret, Outcome.REJECTED)


_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def samples_of(exposition: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Read the text format; by name and labels, without those that are empty, as Prometheus."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for line in exposition.splitlines():
        if line.startswith("#") or "_created" in line:
            continue
        match = _SAMPLE.match(line)
        assert match is not None, line
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
        labels = frozenset((name, value) for name, value in pairs if value)
        series = found.setdefault(match[1], {})
        assert labels not in series, f"{line} is there twice"
        series[labels] = float(match[3])
    return found
