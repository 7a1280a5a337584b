"""No login frame: a list of key, signature, time and window in each private subscribe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.patterns.rules import Rule, judge
from networkpype.signing.methods import SigningMethod
from networkpype.signing.timestamps import whole_ms
from networkpype.websocket.decoding import Compression
from networkpype.websocket.response import WebSocketResponse

__all__ = ["SignatureArray"]


@dataclass(kw_only=True, eq=False, repr=False)
class SignatureArray(WebSocketAuthPattern):
    """Sign ``instruction=...&timestamp=...&window=...`` and put the four texts into `field_name`.

    `window_ms` is how long the exchange takes the frame after its timestamp.
    """

    url: str = ""
    compression: Compression | None = None
    signing: SigningMethod
    rules: Sequence[Rule] = ()
    instruction: str = "subscribe"
    window_ms: int = 5000
    field_name: str = "signature"

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        identity = self.identity
        now = str(whole_ms(identity.time()))
        window = str(self.window_ms)
        text = f"instruction={self.instruction}&timestamp={now}&window={window}"
        return {self.field_name: [identity.key, identity.sign(self.signing, text), now, window]}

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules)
