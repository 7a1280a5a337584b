"""No login frame: the headers of the opening handshake are signed, and the upgrade is the ack."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from networkpype.auth.identity import Identity
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.frame import LOGIN_FIELDS, LoginDraft
from networkpype.auth.patterns.rules import Rule, judge
from networkpype.auth.schemes.draft import Template
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import TimeFormat, time_writer
from networkpype.websocket.decoding import Compression
from networkpype.websocket.response import WebSocketResponse

__all__ = ["HandshakeLogin"]


class _HandshakeDraft(LoginDraft):
    __slots__ = ("payload",)

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.payload = ""


def _payload(draft: LoginDraft) -> str:
    return draft.payload if isinstance(draft, _HandshakeDraft) else ""


_FIELDS = {**LOGIN_FIELDS, "payload": _payload}


@dataclass(kw_only=True, eq=False, repr=False)
class HandshakeLogin(WebSocketAuthPattern):
    """Sign `message` and dial with `headers`, made anew for every dial.

    `message`, `headers` and `payload` are templates over the fields of a login frame. `payload`, if
    any, becomes ``{payload}`` in base64. A refusal is the status 401 of the handshake; `rules`
    judge what an exchange says about the login later on.
    """

    url: str
    compression: Compression | None = None
    headers: Mapping[str, str]
    message: str
    payload: str = ""
    signing: SigningMethod = field(default_factory=HMAC)
    timestamp: TimeFormat = "ms"
    expires_in_s: float = 0.0
    nonce: Literal["source", "timestamp"] = "timestamp"
    lifetime_s: float | None = None
    rules: Sequence[Rule] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._write_payload = Template(self.payload, _FIELDS, place="payload")
        self._write_message = Template(self.message, _FIELDS, place="message")
        self._headers = {
            name: Template(text, _FIELDS, place=f'headers["{name}"]')
            for name, text in self.headers.items()
        }
        self._write_time = time_writer(self.timestamp)

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        if self.nonce == "source":
            headers = await self.identity.signed(self._headers_now)
        else:
            headers = self._headers_now()
        return PreAuth(self.url, headers, self.lifetime_s)

    def _headers_now(self) -> dict[str, str]:
        return self.signed_headers(self.identity.time())

    def signed_headers(self, now: float) -> dict[str, str]:
        """Return the headers of a handshake at this time, in Unix seconds."""
        identity = self.identity
        draft = _HandshakeDraft(identity)
        draft.timestamp = self._write_time(now)
        draft.expires = self._write_time(now + self.expires_in_s)
        draft.nonce = draft.timestamp if self.nonce == "timestamp" else str(identity.nonce())
        if self.payload:
            text = self._write_payload(draft)
            draft.payload = b2a_base64(text.encode(), newline=False).decode()
        draft.signature = identity.sign(self.signing, self._write_message(draft))
        return {name: write(draft) for name, write in self._headers.items()}

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules)
