"""The two methods that an exchange connector writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn, Self

from networkpype.time_synchronizer import TimeSynchronizer

if TYPE_CHECKING:
    from networkpype.auth.patterns.base import WebSocketAuthPattern
    from networkpype.rest.request import RESTRequest
    from networkpype.websocket.request import WebSocketRequest

__all__ = ["Auth"]


class Auth(ABC):
    """Sign requests. Subclass it and hand an instance to `ConnectionManagersFactory(auth=...)`.

    Both methods receive a deep copy of the caller's request, may change it or build another, and
    must return the one to send. They run for requests with `is_auth_required` and no others, once
    an attempt, so timestamps and nonces are fresh.

    `time_provider.time()` is the exchange's clock in seconds. An auth that was given none uses the
    factory's time synchronizer, or where that has none either, the local clock.
    """

    time_provider: TimeSynchronizer

    ws_pattern: WebSocketAuthPattern | None = None
    """How a connection logs in; None where a frame or header of `ws_authenticate` is all.

    That of a manager's connection, which remembers its login, is ``manager.auth.ws_pattern``.
    """

    def __init__(self, time_provider: TimeSynchronizer | None = None) -> None:
        self.time_provider = time_provider if time_provider is not None else TimeSynchronizer()
        self._has_own_time_provider = time_provider is not None

    def adopt_time_provider(self, synchronizer: TimeSynchronizer) -> None:
        """Use this synchronizer unless one was given; the factory calls it with its own."""
        if not getattr(self, "_has_own_time_provider", False):
            self.time_provider = synchronizer

    def for_connection(self) -> Self:
        """Return the auth of one more WebSocket: this one, unless it remembers a login.

        What it returns has the same identity, so nonces and tokens are shared, and a `ws_pattern`
        of its own. The factory calls it for each WebSocket manager.
        """
        return self

    def check_socket(self, url: str) -> None:  # noqa: B027  a hook that few need
        """Raise ConfigurationError where nothing of ours may go to the WebSocket at this URL.

        Asked before a login dials, with the whole URL, and before a private message is signed, with
        scheme and host of the one that was dialed. This one lets everything pass.
        """

    @abstractmethod
    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        """Return the request with its key, timestamp and signature placed."""

    @abstractmethod
    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        """Return the message with what the exchange wants in it; often the message as it is."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} does not pickle or copy: it holds secrets; "
            "build it anew where it is used"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
