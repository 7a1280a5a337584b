"""HTX's logins: a frame whose fields are also a query, which is signed with host and path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.patterns.rules import Rule, judge
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import time_writer
from networkpype.websocket.decoding import Compression
from networkpype.websocket.request import WebSocketJSONRequest, WebSocketRequest
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import encode_pairs, split_url

__all__ = ["SignedQueryLogin"]

_write_time = time_writer("iso s")


@dataclass(kw_only=True, eq=False, repr=False)
class SignedQueryLogin(WebSocketAuthPattern):
    """Sign ``GET\\nhost\\npath\\nquery`` and send the query's fields with the signature.

    Host and path are those of `url`. The four names say what the fields are called; `constants`
    stand before them in the frame, or in its member `within` where that is set, and what is in
    `frame` comes last.
    """

    url: str
    throttler_limit_id: str = ""
    compression: Compression | None = None
    key_name: str
    method_name: str
    version_name: str
    timestamp_name: str
    signature_name: str
    version: str
    rules: Sequence[Rule]
    constants: Mapping[str, Any] = field(default_factory=dict)
    within: str = ""
    frame: Mapping[str, Any] = field(default_factory=dict)
    signing: SigningMethod = field(default_factory=lambda: HMAC("sha256", "base64"))
    signature_method: str = "HmacSHA256"

    def build_auth_message(self, now: float) -> WebSocketRequest | None:
        fields = {
            self.key_name: self.identity.key,
            self.method_name: self.signature_method,
            self.version_name: self.version,
            self.timestamp_name: _write_time(now),
        }
        signature = self.identity.sign(self.signing, self._message(fields))
        login = {**self.constants, **fields, self.signature_name: signature}
        if self.within:
            login = {self.within: login}
        return WebSocketJSONRequest({**login, **self.frame})

    def _message(self, fields: Mapping[str, str]) -> str:
        target = split_url(self.url)
        return f"GET\n{target.host}\n{target.path}\n{encode_pairs(sorted(fields.items()))}"

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules)
