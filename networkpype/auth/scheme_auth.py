"""Credentials, a REST scheme and a WebSocket pattern, put together to an `Auth`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from networkpype.auth.base import Auth
from networkpype.auth.identity import Identity
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.schemes.base import RESTScheme
from networkpype.copying import copy_value, shallow_copy
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.origins import is_loopback, origin_of
from networkpype.rest.request import RESTRequest
from networkpype.signing.nonces import NonceSource, NonceUnit, NoNonceReservedError
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.websocket.request import WebSocketRequest
from networkpype.wire import split_url

if TYPE_CHECKING:
    from networkpype.auth.access_tokens import TokenStore

__all__ = ["SchemeAuth"]


class SchemeAuth(Auth):
    """Sign REST requests by a scheme and log WebSockets in by a pattern.

    Both are any `RESTScheme` and `WebSocketAuthPattern`, yours among them; either may be left out.
    Requests to other origins than `origins` (or those of the credentials, which go first) are
    refused with a ConfigurationError and not signed; with neither given, any ``https://`` may be.
    A WebSocket is held to the origins of the credentials, ``wss://`` counting as ``https://``;
    where they have none, to `domains` such as ``okx.com`` and what is below them; with neither,
    any ``wss://`` may be, and ``ws://`` on this machine.

    `nonce` replaces the strictly increasing numbers in `nonce_unit`, `new_id` gives the ids of
    messages. Share one instance among all connections of an API key: two would repeat nonces.
    Several processes share nonces that are awaited (`RedisNonces`), and the access token where
    `token_store` keeps it (`RedisTokens`).
    `ws_pattern` is the pattern, bound; each connection has its own, by `for_connection`, which the
    factory calls for every WebSocket manager: that one's is ``manager.auth.ws_pattern``.
    `throttler_limit_id` is the rate limit of the REST calls by which the pattern gets its keys and
    tokens.
    """

    def __init__(
        self,
        credentials: Credentials,
        scheme: RESTScheme | None = None,
        pattern: WebSocketAuthPattern | None = None,
        *,
        time_provider: TimeSynchronizer | None = None,
        nonce: Callable[[], int | str] | NonceSource | None = None,
        new_id: Callable[[], int | str] | None = None,
        nonce_unit: NonceUnit = "ms",
        token_store: TokenStore | None = None,
        origins: Collection[str] = (),
        domains: Collection[str] = (),
        throttler_limit_id: str = "",
        name: str = "",
    ) -> None:
        super().__init__(time_provider)
        self._scheme, self._name = scheme, name  # before all that raises: a traceback asks for repr
        if scheme is not None and not isinstance(scheme, RESTScheme):
            raise ConfigurationError(f"scheme is a {_named(scheme)}; pass a RESTScheme instance")
        if pattern is not None and not isinstance(pattern, WebSocketAuthPattern):
            raise ConfigurationError(
                f"pattern is a {_named(pattern)}; pass a WebSocketAuthPattern instance"
            )
        self._identity = Identity(
            credentials,
            self.time_provider,
            nonce=nonce,
            new_id=new_id,
            nonce_unit=nonce_unit,
            token_store=token_store,
        )
        self.ws_pattern = None if pattern is None else pattern.bound_to(self._identity)
        if self.ws_pattern is not None and throttler_limit_id:
            # The user's own class may be frozen.
            object.__setattr__(self.ws_pattern, "throttler_limit_id", throttler_limit_id)
        # Through Credentials, which check them and write them as `origin_of` does.
        self._origins = frozenset(credentials.origins or Credentials(origins=origins).origins)
        self._beginnings = frozenset(f"{origin}/" for origin in self._origins)
        # Those of the exchange are where its REST is; its sockets have hosts of their own.
        self._socket_origins = frozenset(credentials.origins)
        self._domains = tuple(domain.lower() for domain in domains)

    @property
    def scheme(self) -> RESTScheme | None:
        """Return how REST requests are signed."""
        return self._scheme

    @property
    def identity(self) -> Identity:
        """Return who signs."""
        return self._identity

    def adopt_time_provider(self, synchronizer: TimeSynchronizer) -> None:
        super().adopt_time_provider(synchronizer)
        self._identity.use_clock(self.time_provider)

    def for_connection(self) -> Self:
        twin = shallow_copy(self)
        if twin.ws_pattern is not None:
            twin.ws_pattern = twin.ws_pattern.fresh()
        return twin

    def check_socket(self, url: str) -> None:
        """Refuse ``ws://`` to another machine, and hosts that are not the exchange's or allowed."""
        parts = split_url(url)
        if parts.scheme not in ("wss", "https") and not is_loopback(parts.host):
            raise ConfigurationError(
                f"{parts.scheme}://{parts.host} would show the login to the network; use wss://"
            )
        origin = origin_of(parts)
        if self._socket_origins:
            allowed, places = origin in self._socket_origins, sorted(self._socket_origins)
        else:
            allowed, places = self._is_known(parts.host), [*self._domains]
        if not allowed:
            raise ConfigurationError(
                f"{parts.scheme}://{parts.host} is none of the origins that these credentials may "
                f"go to ({', '.join(places)}); nothing was signed or sent; "
                f'pass Credentials(origins=[..., "{origin}"]) to allow it'
            )

    def _is_known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower().rstrip(".")
        below = (name == each or name.endswith(f".{each}") for each in self._domains)
        return not self._domains or any(below)

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        """Return the request signed; its path, query, headers and body are what is sent."""
        if self._scheme is None:
            raise ConfigurationError(f"{self!r} has no REST scheme; pass scheme=")
        # An allowed origin with a slash behind it can be followed by a path only.
        text = request.url
        if type(text) is not str or text[: text.find("/", 8) + 1] not in self._beginnings:
            self._check_origin(request)
        identity = self._identity
        try:
            if identity.awaited_nonces is None:
                return self._scheme.sign(request, identity)
            return await identity.signed(partial(self._scheme.sign, request, identity))
        except UnicodeError:
            pass  # raised below, for the repr of this error shows all that is signed
        raise ConfigurationError(
            f"{request!r} holds half of a surrogate pair, or bytes that are no UTF-8, which "
            "cannot be signed; decode the text properly before passing it"
        )

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        """Return the message with what the pattern puts into private ones."""
        if self.ws_pattern is None:
            return request
        sign, payload = self.ws_pattern.sign_message, request.payload
        if self._identity.awaited_nonces is None:
            request.payload = sign(payload)
            return request
        # Few messages take a nonce, and the others need not wait for one. The pattern may have
        # begun to write into what it was given.
        try:
            request.payload = sign(copy_value(payload))
        except NoNonceReservedError:
            pass
        else:
            return request
        request.payload = await self._identity.signed(partial(sign, payload))
        return request

    def _check_origin(self, request: RESTRequest) -> None:
        url = request.wire_url
        origin = origin_of(url)
        if origin in self._origins:
            return
        if self._origins:
            raise ConfigurationError(
                f"{origin} is none of the origins that these credentials may go to "
                f"({', '.join(sorted(self._origins))}); nothing was signed or sent; "
                "pass Credentials(origins=[...]) to allow it"
            )
        if url.scheme != "https":
            raise ConfigurationError(
                f"{origin} would show the signature to the network; use https://, or for this "
                "machine name it in Credentials(origins=[...])"
            )

    def __repr__(self) -> str:
        shown = "" if self._scheme is None else type(self._scheme).__name__
        return f"SchemeAuth({self._name or shown})"


def _named(value: Any) -> str:
    return f"class {value.__name__}" if isinstance(value, type) else type(value).__name__
