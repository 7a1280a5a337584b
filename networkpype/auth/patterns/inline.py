"""No login: each private message brings its own signature, or its own token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern, merged
from networkpype.auth.patterns.frame import LOGIN_FIELDS, FrameLogin, LoginDraft, Whole
from networkpype.auth.patterns.rules import Rule, judge, value_at
from networkpype.auth.schemes.draft import Template
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import TimeFormat, time_writer
from networkpype.websocket.decoding import Compression
from networkpype.websocket.response import WebSocketResponse

__all__ = ["MESSAGE_FIELDS", "InlineSignature", "InlineToken", "KeyChoice", "SignedRequests"]


class MessageDraft(LoginDraft):
    """One private message in the making."""

    __slots__ = ("channel", "event", "params", "symbols")

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.channel = self.event = self.params = self.symbols = ""


MESSAGE_FIELDS: dict[str, Callable[[Any], str]] = {
    **LOGIN_FIELDS,
    "channel": lambda draft: draft.channel,
    "event": lambda draft: draft.event,
    "params": lambda draft: draft.params,
    "symbols": lambda draft: draft.symbols,
}
"""What templates of private messages may name: those of a login, and what the message is about.

`symbols` are joined by commas, `params` is the JSON of a request's parameters as it is sent.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class InlineSignature(WebSocketAuthPattern):
    """Sign `message` for every private message and merge `fields` into it.

    Both are templates over `MESSAGE_FIELDS`; numbers in `fields` are `Whole`. `channel_at`,
    `event_at` and `symbols_at` are where these stand in a message. `rules` judge every frame;
    `acks` only those about channels for which a message was signed on this connection.
    """

    url: str = ""
    throttler_limit_id: str = ""
    compression: Compression | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the handshake."""
    message: str
    fields: Mapping[str, Any]
    signing: SigningMethod = field(default_factory=HMAC)
    timestamp: TimeFormat = "s"
    channel_at: str = "channel"
    event_at: str = "event"
    symbols_at: str = "symbols"
    rules: Sequence[Rule] = ()
    acks: Sequence[Rule] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._message = Template(self.message, MESSAGE_FIELDS, place="message")
        self._fields = _prepared(self.fields)
        self._write_time = time_writer(self.timestamp)

    def reset(self) -> None:
        self._channels: set[str] = set()

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        return PreAuth(self.url, self.headers)

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        frame = response.data
        if self.acks and str(value_at(frame, self.channel_at)) in self._channels:
            outcome = judge(frame, self.acks)
            if outcome.status is not AuthStatus.NOT_MINE:
                return outcome
        return judge(frame, self.rules)

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        return self._signed(channel or "", symbols or (), "subscribe")

    def sign_message(self, payload: Any) -> Any:
        channel, symbols = self.subscribed(payload)
        event = value_at(payload, self.event_at)
        return merged(payload, self._signed(channel or "", symbols or (), str(event or "")))

    def subscribed(self, payload: Any) -> tuple[str | None, Sequence[str] | None]:
        channel, symbols = value_at(payload, self.channel_at), value_at(payload, self.symbols_at)
        return (
            channel if isinstance(channel, str) else None,
            [str(each) for each in symbols] if isinstance(symbols, (list, tuple)) else None,
        )

    def _signed(self, channel: str, symbols: Sequence[str], event: str) -> dict[str, Any]:
        identity = self.identity
        draft = MessageDraft(identity)
        draft.timestamp = self._write_time(identity.time())
        draft.channel, draft.event, draft.symbols = channel, event, ",".join(symbols)
        draft.signature = identity.sign(self.signing, self._message(draft))
        self._channels.add(channel)
        fields: dict[str, Any] = self._fields(draft)
        return fields


@dataclass(kw_only=True, eq=False, repr=False)
class InlineToken(WebSocketAuthPattern):
    """Put a new token into every private message: `token` makes one, `field_name` takes it."""

    url: str = ""
    throttler_limit_id: str = ""
    compression: Compression | None = None
    token: Callable[[Identity], str]
    field_name: str
    rules: Sequence[Rule] = ()

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules)

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        return {self.field_name: self.token(self.identity)}


@dataclass(kw_only=True, eq=False, repr=False)
class KeyChoice(WebSocketAuthPattern):
    """Log in as the credentials want it: `choose` tells which of `choices`.

    A bound one is no KeyChoice any more but the pattern that was chosen.
    """

    choose: Callable[[Identity], str]
    choices: Mapping[str, WebSocketAuthPattern]

    def bound_to(self, identity: Identity) -> Self:
        return cast("Self", self.choices[self.choose(identity)].bound_to(identity))


@dataclass(kw_only=True, eq=False, repr=False)
class SignedRequests(FrameLogin):
    """Log in by a frame, sign every request that follows, and subscribes as `subscribes` does.

    Gate's: a message whose event is ``api`` is a request; `request_message` is signed for it, with
    its `req_param` in ``{params}`` as the JSON that is sent, and `payload` completed.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    request_message: str
    subscribes: InlineSignature

    def __post_init__(self) -> None:
        super().__post_init__()
        self._request_message = Template(
            self.request_message, MESSAGE_FIELDS, place="request_message"
        )

    def reset(self) -> None:
        super().reset()
        self._subscribes = self.subscribes.bound_to(self.identity)

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        return PreAuth(self.url, self.headers)

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        return self._subscribes.build_subscribe_auth(channel, symbols)

    def sign_message(self, payload: Any) -> Any:
        if value_at(payload, "event") != "api":
            return self._subscribes.sign_message(payload)
        identity = self.identity
        params = value_at(payload, "payload.req_param")
        params = {} if params is None else params
        draft = MessageDraft(identity)
        draft.timestamp = time_writer(self.timestamp)(identity.time())
        draft.channel, draft.event = str(value_at(payload, "channel")), "api"
        draft.params = codec.dumps(params)
        draft.signature = identity.sign(self.signing, self._request_message(draft))
        given = value_at(payload, "payload.req_id") or value_at(payload, "id")
        own_id = self.next_id() if given is None else given
        fields = {
            "id": value_at(payload, "id") or own_id,
            "time": int(draft.timestamp),
            "payload": {
                "req_id": str(own_id),
                "timestamp": draft.timestamp,
                "api_key": identity.key,
                "signature": draft.signature,
                "req_param": params,
            },
        }
        return merged(payload, fields)


def _prepared(value: Any) -> Callable[[MessageDraft], Any]:
    """Return what fills the templates in a frame in, made ready once."""
    if isinstance(value, str):
        return Template(value, MESSAGE_FIELDS, place="fields") if "{" in value else lambda _: value
    if isinstance(value, Whole):
        text = Template(value.text, MESSAGE_FIELDS, place="fields")
        return lambda draft: int(text(draft))
    if isinstance(value, Mapping):
        named = [(name, _prepared(inner)) for name, inner in value.items()]
        return lambda draft: {name: fill(draft) for name, fill in named}
    if isinstance(value, (list, tuple)):
        parts = [_prepared(inner) for inner in value]
        return lambda draft: [fill(draft) for fill in parts]
    return lambda _: value
