"""The steps by which a WebSocket logs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.copying import shallow_copy
from networkpype.errors import ConfigurationError
from networkpype.rest.method import RESTMethod
from networkpype.signing.methods import check_signing
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["RESTCaller", "WebSocketAuthPattern", "merged", "no_outcome"]


class RESTCaller(Protocol):
    """What `pre_auth` calls REST endpoints through; a `RESTManager` is one."""

    async def execute_request(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Any = None,
        data: Any = None,
        method: RESTMethod = ...,
        is_auth_required: bool = False,
    ) -> Any: ...


class WebSocketAuthPattern:
    """How a connection logs in: every step has a default that does nothing.

    A pattern is data until `bound_to` gives it an identity. A bound one belongs to one connection
    at a time: it remembers the ids, tokens and challenges of its last login, and `pre_auth` begins
    anew. `auth.ws_pattern` is bound; another connection takes that of ``auth.for_connection()``, as
    each `WebSocketManager` of the factory does: ``manager.auth.ws_pattern``.
    """

    url: str = ""
    """Where to dial, without what `pre_auth` adds."""

    throttler_limit_id: str = ""
    """The rate limit of the REST calls that this makes."""

    compression: Compression | None = None
    """How the exchange packs its binary frames; `connect` is told so, unless the caller says."""

    greets: bool = False
    """True where an ack comes without a frame before it, such as KuCoin's ``welcome``."""

    _identity: Identity | None = None

    @property
    def identity(self) -> Identity:
        """Return who logs in: key, clock, nonces, ids and `sign`."""
        if self._identity is None:
            raise ConfigurationError(
                f"{type(self).__name__} has no identity yet; hand it to a SchemeAuth and use "
                "auth.ws_pattern"
            )
        return self._identity

    def __post_init__(self) -> None:
        check_signing(self)  # of a dataclass; a str in its place would be told by the first login

    def bound_to(self, identity: Identity) -> Self:
        """Return a copy for this identity, as if no login had been."""
        twin = shallow_copy(self)
        object.__setattr__(twin, "_identity", identity)  # the user's own class may be frozen
        twin.reset()
        return twin

    def fresh(self) -> Self:
        """Return a copy for another connection of the same identity; `for_connection` does so."""
        return self.bound_to(self.identity)

    def reset(self) -> None:
        """Forget the login of an earlier connection."""

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        """Get what is needed before dialing; runs on every dial."""
        return PreAuth(self.url)

    async def renew(self, rest: RESTCaller | None) -> PreAuth:
        """Prolong what `pre_auth` got; a different URL asks for a new connection.

        Where `build_auth_message` returns a frame then, it is sent on the open connection.
        """
        return await self.pre_auth(rest)

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        """Return the login frame, None where there is none; `now` is the exchange's time in s."""
        return None

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        """Say what a frame means for the login; every frame is asked, before the ack and after."""
        return AuthOutcome.not_mine()

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        """Return what is merged into a private subscribe (in depth), None for nothing."""
        return None

    def sign_message(self, payload: Any) -> Any:
        """Return the payload of a private message with what the exchange wants in it.

        By default what `build_subscribe_auth` returns is merged into a mapping.
        """
        fields = self.build_subscribe_auth(*self.subscribed(payload))
        return payload if not fields else merged(payload, fields)

    def subscribed(self, payload: Any) -> tuple[str | None, Sequence[str] | None]:
        """Return channel and symbols of a subscribe frame, as far as the signature needs them."""
        return None, None

    def __reduce_ex__(self, protocol: object) -> Any:
        if self._identity is not None:
            raise TypeError(f"{type(self).__name__} does not pickle or copy: it holds secrets")
        return super().__reduce_ex__(protocol)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url})"


def no_outcome(pattern: WebSocketAuthPattern, returned: object) -> ConfigurationError:
    """Return what to say of a pattern that returned no AuthOutcome for a frame."""
    return ConfigurationError(
        f"{type(pattern).__name__}.handle_auth_response returned {type(returned).__name__}; it "
        "must return an AuthOutcome, AuthOutcome.not_mine() where the frame is none of the login's"
    )


def merged(payload: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping with the fields put in, mappings within it merged in their turn."""
    if not isinstance(payload, Mapping):
        raise ConfigurationError(
            f"a private message is a {type(payload).__name__}; its signature goes into a mapping, "
            "so pass a WebSocketJSONRequest with a dict"
        )
    out = dict(payload)
    for name, value in fields.items():
        inner = out.get(name)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        out[name] = merged(inner, value) if both else value
    return out
