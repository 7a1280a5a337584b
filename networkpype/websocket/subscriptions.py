"""What a session should be subscribed to, and in which words an exchange is asked for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from networkpype.errors import ConfigurationError

__all__ = ["Ack", "Dialect", "OwnFrames", "Subscription", "fit"]


@dataclass(frozen=True, slots=True)
class Ack:
    """The exchange's answer to a subscribe or unsubscribe message.

    `id` is that of the message it answers, or `channels` are those it speaks of; with neither it
    answers the oldest message that waits. `leaves` is True for the answer to an unsubscribe, None
    where it does not say. Of an accepted message, `only` names the channels that were taken, where
    the exchange left some out. `name` is what the exchange calls the channel on this connection:
    `Dialect.unsubscribe` gets it in the channel's place. `definite` is False for a refusal that may
    pass.
    """

    accepted: bool
    id: int | str | None = None
    channels: Sequence[Any] | None = None
    reason: str = ""
    definite: bool = True
    only: Sequence[Any] | None = None
    leaves: bool | None = None
    name: Any = None


class Dialect:
    """How an exchange wants to be asked. Subclass it; ready-made ones are in `dialects`, and
    `spoken` names them by exchange.

    `batch` is how many channels one message may name. The answer has to come within
    `ack_timeout_s`; None where the exchange never answers.
    """

    batch: int = 1
    ack_timeout_s: float | None = 10.0

    def subscribe(self, channels: Sequence[Any], id: int) -> Any:
        """Return the payload, or a WebSocketRequest, that asks for these channels."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to subscribe")

    def unsubscribe(self, channels: Sequence[Any], id: int) -> Any:
        """Return what ends them, None where the exchange knows no way."""
        return None

    def judge(self, data: Any) -> Ack | None:
        """Say what a message means for what was asked; None where it is no answer."""
        return None

    def parts(self, channel: Any) -> int:
        """Return how many answers this channel gets, such as one for each symbol that it names.

        Where fewer come in time, those that came decide.
        """
        return 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True, eq=False, slots=True)
class Subscription:
    """One channel that a session should be subscribed to: an intent, not a frame.

    `channel` is what the dialect puts into its message, a text or a mapping as the exchange names
    it. Two with the same `key` are the same subscription: added twice, it has to be removed twice.
    A `private` one is asked for after the login, and signed where the auth signs messages.

    `matches` tells from a message's data whether it belongs to this one. With it, `stale_after_s`
    seconds without such a message are announced by a `Stale` event.
    """

    channel: Any
    dialect: Dialect
    private: bool = False
    key: Hashable = None
    matches: Callable[[Any], bool] | None = field(default=None, repr=False)
    stale_after_s: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dialect, Dialect):
            raise ConfigurationError(
                f"dialect is a {type(self.dialect).__name__}; pass a Dialect instance, such as one "
                "of networkpype.websocket.dialects"
            )
        if self.key is None:
            object.__setattr__(self, "key", _key_of(self.channel))
        if self.stale_after_s is not None and self.matches is None:
            raise ConfigurationError("stale_after_s needs matches=, which tells whose a message is")

    @classmethod
    def of_frames(
        cls,
        key: Hashable,
        subscribe: Any,
        unsubscribe: Any = None,
        *,
        ack: Callable[[Any], Ack | bool | None] | None = None,
        ack_timeout_s: float = 10.0,
        **more: Any,
    ) -> Subscription:
        """Return one with messages of its own, payloads or WebSocketRequests.

        `ack` looks at a message's data: True or an `Ack` for the answer, None for any other.
        Without it no answer is awaited.
        """
        frames = OwnFrames(subscribe, unsubscribe, ack, ack_timeout_s)
        return cls(key, frames, key=key, **more)


class OwnFrames(Dialect):
    """One subscription in its own words."""

    def __init__(
        self,
        subscribe: Any,
        unsubscribe: Any = None,
        ack: Callable[[Any], Ack | bool | None] | None = None,
        ack_timeout_s: float = 10.0,
    ) -> None:
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._ack = ack
        self.ack_timeout_s = None if ack is None else ack_timeout_s

    def subscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._subscribe

    def unsubscribe(self, channels: Sequence[Any], id: int) -> Any:
        return self._unsubscribe

    def judge(self, data: Any) -> Ack | None:
        answer = None if self._ack is None else self._ack(data)
        return Ack(accepted=answer) if isinstance(answer, bool) else answer


def fit(channel: Any, told: Any) -> float:
    """Return how well an exchange's name for a channel fits: 0 not at all, inf exactly.

    An exchange that names all fields of a channel fills in those that were left to it, and may
    write a number as text or an address in lower case.
    """
    if channel == told:
        return math.inf
    if not isinstance(channel, Mapping) or not isinstance(told, Mapping):
        return 0
    for name, value in channel.items():
        if name not in told or str(told[name]).casefold() != str(value).casefold():
            return 0
    return len(channel)


def _key_of(channel: Any) -> Hashable:
    try:
        if isinstance(channel, (str, int, tuple)):
            hash(channel)
            return channel
    except TypeError:
        pass  # a tuple with a mapping in it, such as a name and its params
    try:
        return json.dumps(channel, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError):
        message = f"channel is a {type(channel).__name__}; pass text or JSON, or name it by key="
    raise ConfigurationError(message)
