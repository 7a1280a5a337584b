"""The exchange sends a text to sign, and the signature goes into each private message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import Rule, judge, value_at
from networkpype.errors import ConfigurationError
from networkpype.signing.methods import SigningMethod
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse

__all__ = ["Challenge"]


@dataclass(kw_only=True, eq=False, repr=False)
class Challenge(WebSocketAuthPattern):
    """Ask for a challenge, sign it, and put both into every private message.

    A frame that has all of `when` brings the challenge at `challenge_at`. What is signed is its
    SHA-256. The fields are named by `key_field`, `challenge_field` and `signature_field`. The login
    is complete with the challenge: there is no further ack. `rules` tell refusals, `unasked` those
    that count only while the challenge has not come.
    """

    url: str = ""
    throttler_limit_id: str = ""
    compression: Compression | None = None
    ask: Mapping[str, str]
    """The frame that asks; the key is put in as `key_field`."""
    when: Mapping[str, str]
    challenge_at: str
    signing: SigningMethod
    key_field: str
    challenge_field: str
    signature_field: str
    rules: Sequence[Rule] = ()
    unasked: Sequence[Rule] = ()

    def reset(self) -> None:
        self._challenge = ""

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        self.reset()
        return PreAuth(self.url)

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        self.reset()  # a challenge belongs to one connection
        return WebSocketJSONRequest({**self.ask, self.key_field: self.identity.key})

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        frame = response.data
        if isinstance(frame, Mapping) and all(frame.get(k) == v for k, v in self.when.items()):
            challenge = value_at(frame, self.challenge_at)
            if isinstance(challenge, str) and challenge:
                self._challenge = challenge
                return AuthOutcome.challenge()
        if not self._challenge:
            outcome = judge(frame, self.unasked)
            if outcome.status is not AuthStatus.NOT_MINE:
                return outcome
        return judge(frame, self.rules)

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        challenge = self._challenge
        if not challenge:
            raise ConfigurationError(
                "the challenge has not come yet; send private messages after the login"
            )
        identity = self.identity
        return {
            self.key_field: identity.key,
            self.challenge_field: challenge,
            self.signature_field: identity.sign(
                self.signing, hashlib.sha256(challenge.encode()).digest()
            ),
        }
