"""The largest family: one signed frame after connecting, and an ack that is matched to it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import Rule, judge
from networkpype.auth.schemes.draft import Template
from networkpype.errors import MissingCredentialsError
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import TimeFormat, time_writer
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["LOGIN_FIELDS", "FrameLogin", "JSONText", "LoginDraft", "Whole", "filled"]


class LoginDraft:
    """One login frame in the making; its fields are what templates name."""

    __slots__ = ("expires", "id", "identity", "nonce", "signature", "timestamp")

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.timestamp = self.expires = self.nonce = self.id = self.signature = ""

    def __repr__(self) -> str:
        return "LoginDraft(***)"


LOGIN_FIELDS: dict[str, Callable[[LoginDraft], str]] = {
    "key": lambda draft: draft.identity.key,
    "passphrase": lambda draft: draft.identity.passphrase,
    "memo": lambda draft: draft.identity.memo,
    "timestamp": lambda draft: draft.timestamp,
    "expires": lambda draft: draft.expires,
    "nonce": lambda draft: draft.nonce,
    "id": lambda draft: draft.id,
    "signature": lambda draft: draft.signature,
}
"""What a login's templates may name in braces."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A place in a frame where the text of a template stands as a whole number."""

    text: str


@dataclass(frozen=True, slots=True)
class JSONText:
    """A place in a frame where another frame stands as a text of JSON."""

    frame: Any


def filled(frame: Any, draft: LoginDraft) -> Any:
    """Return the frame with every text in it read as a template."""
    if isinstance(frame, str):
        return Template(frame, LOGIN_FIELDS, place="frame")(draft) if "{" in frame else frame
    if isinstance(frame, Whole):
        text = Template(frame.text, LOGIN_FIELDS, place="frame")(draft)
        return int(text) if text.isdecimal() else text
    if isinstance(frame, JSONText):
        return codec.dumps_utf8(filled(frame.frame, draft))
    if isinstance(frame, Mapping):
        return {name: filled(value, draft) for name, value in frame.items()}
    if isinstance(frame, (list, tuple)):
        return [filled(value, draft) for value in frame]
    return frame


@dataclass(kw_only=True, eq=False, repr=False)
class FrameLogin(WebSocketAuthPattern):
    """Sign `message`, send `frame`, and let `rules` judge every frame that comes.

    `message` and the texts in `frame` are templates over `LOGIN_FIELDS`, numbers in it `Whole`;
    `url` may name `{memo}`, which some call an application id.
    `expires` is the timestamp `expires_in_s` later. ``nonce`` comes from the identity where
    `nonce` is "source"; with "timestamp" it is the timestamp. `ids` tells what the frame's id is:
    a rising number or a random text, unless the identity has a source of its own.
    """

    url: str = ""
    throttler_limit_id: str = ""
    compression: Compression | None = None
    message: str
    frame: Mapping[str, Any]
    rules: Sequence[Rule]
    signing: SigningMethod = field(default_factory=HMAC)
    timestamp: TimeFormat = "ms"
    expires_in_s: float = 0.0
    nonce: Literal["source", "timestamp", "text"] = "timestamp"
    ids: Literal["number", "text"] = "text"

    def reset(self) -> None:
        self._login_id: str | None = None
        self._numbers = itertools.count(1)

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        if "{memo}" not in self.url:
            return PreAuth(self.url)
        if not self.identity.memo:
            raise MissingCredentialsError(
                f"{self.url} has the application id of the account in it; pass "
                "Credentials(memo=...)"
            )
        return PreAuth(self.url.replace("{memo}", quote(self.identity.memo, safe="")))

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        return WebSocketJSONRequest(filled(self.frame, self.draft(now)))

    def draft(self, now: float) -> LoginDraft:
        """Make everything that the frame names, the signature last."""
        identity = self.identity
        write = time_writer(self.timestamp)
        draft = LoginDraft(identity)
        draft.timestamp = write(now)
        draft.expires = write(now + self.expires_in_s)
        draft.id = self._login_id = self.next_id()
        if self.nonce == "timestamp":
            draft.nonce = draft.timestamp
        elif self.nonce == "source":
            draft.nonce = str(identity.nonce())
        else:
            draft.nonce = identity.random_text()
        write_message = Template(self.message, LOGIN_FIELDS, place="message")
        draft.signature = identity.sign(self.signing, write_message(draft))
        return draft

    def next_id(self) -> str:
        """Return the id of the next message as text."""
        given = self.identity.new_id()
        if given is not None:
            return str(given)
        return str(next(self._numbers)) if self.ids == "number" else uuid.uuid4().hex

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules, self._login_id)
