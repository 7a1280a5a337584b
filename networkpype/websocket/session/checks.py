"""What is wrong with the arguments of a session is told before anything is dialed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.websocket.dialing import PASSED_ON
from networkpype.websocket.subscriptions import Subscription

if TYPE_CHECKING:
    from networkpype.auth.patterns.base import WebSocketAuthPattern

__all__ = [
    "check_connect_options",
    "check_most",
    "check_subscription",
    "check_subscriptions",
    "logs_in",
]

_CONNECT_OPTIONS = PASSED_ON | {
    "auto_ping",
    "dial_timeout_s",
    "permessage_deflate",
    "subprotocols",
    "verify_ssl",
    "ws_headers",
}


def check_connect_options(given: Mapping[str, Any]) -> None:
    """Refuse options that `WebSocketConnection.connect` does not have, or not for a session."""
    for name in given:
        if name not in _CONNECT_OPTIONS:
            raise ConfigurationError(
                f"a session has no option {name}; silence is a matter of heartbeat=Heartbeat("
                "...) and of a Subscription with matches= and stale_after_s=, and what goes "
                f"to connect() is {', '.join(sorted(_CONNECT_OPTIONS))}"
            )


def check_subscriptions(given: Iterable[Subscription] | Subscription) -> None:
    """Refuse a single one where a list is wanted, an iterator, and what is none."""
    if isinstance(given, Subscription):
        raise ConfigurationError("subscriptions is one Subscription; pass a list")
    # An iterator would be empty when it is read again.
    if isinstance(given, (str, bytes, Iterator)) or not isinstance(given, Iterable):
        raise ConfigurationError(f"subscriptions is a {type(given).__name__}; pass a list")
    for each in given:
        check_subscription(each)


def check_subscription(given: object) -> None:
    """Refuse what is no Subscription, such as the name of a channel."""
    if not isinstance(given, Subscription):
        raise ConfigurationError(
            f"a subscription is a {type(given).__name__}; pass a Subscription(channel, dialect), "
            "with a dialect such as those in networkpype.websocket.dialects"
        )


def check_most(name: str, most: int | None) -> None:
    """Refuse a cap that is no whole number above zero; None is for no cap."""
    if most is not None and (type(most) is not int or most < 1):
        raise ConfigurationError(f"{name} is {most!r}; pass a whole number above zero")


def logs_in(
    wanted: bool | None,
    pattern: WebSocketAuthPattern | None,
    url: str,
    subscriptions: Sequence[Subscription],
) -> bool:
    """Return whether connections log in: as wanted, else where it is known how and has a use."""
    if wanted is None:
        is_private = any(each.private for each in subscriptions)
        wanted = pattern is not None and (not url or is_private)
    if wanted and pattern is None:
        raise MissingCredentialsError(
            "login=True needs an auth with a ws_pattern, such as exchange_auth(...)"
        )
    if not wanted and not url:
        raise ConfigurationError("pass url=, for there is no login that knows where to dial")
    return wanted
