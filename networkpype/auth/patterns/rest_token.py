"""A token by REST on every dial: it goes into the private messages, or into the dialed URL."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.rules import Rule, judge, seconds_at, value_at
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    DecodeError,
    NetworkpypeError,
)
from networkpype.redact import escape
from networkpype.rest.method import RESTMethod
from networkpype.websocket.decoding import Compression
from networkpype.websocket.response import WebSocketResponse
from networkpype.wire import encode_pairs, split_url

__all__ = ["RestToken"]

_TOKEN, _ID = "{token}", "{id}"


@dataclass(kw_only=True, eq=False, repr=False)
class RestToken(WebSocketAuthPattern):
    """Call `token_url` before every dial; paths into its answer and into messages are dotted.

    `token_at` is where the token stands in the answer, `lifetime_at` how many seconds it is good
    for, `reasons` where the exchange tells why there is none. That is an AuthenticationError,
    unless there are `refusals` and none of these texts stands in the reason: then it may pass.

    With `message_at`, such as ``params.token``, the token goes into each private message. With
    `query` it goes into the URL: its values are texts, ``{token}`` and ``{id}``, an id that is new
    on every dial. `endpoint_at` is where the answer names the URL to dial, in place of `url`.

    There is no login frame; `rules` judge what comes, and may ask for that id.
    """

    token_url: str
    url: str = ""
    throttler_limit_id: str = ""
    compression: Compression | None = None
    method: RESTMethod = RESTMethod.POST
    data: Mapping[str, Any] | None = None
    token_at: str = "token"  # noqa: S105
    lifetime_at: str = ""
    endpoint_at: str = ""
    reasons: Sequence[str] = ()
    refusals: Sequence[str] = ()
    message_at: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Rule] = ()

    def reset(self) -> None:
        self._token: SecretStr | None = None
        self._id = ""

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        if rest is None:
            raise ConfigurationError(
                f"{type(self).__name__} gets a token by REST before it dials; pass the RESTManager"
            )
        answer = await rest.execute_request(
            url=self.token_url,
            throttler_limit_id=self.throttler_limit_id,
            data=None if self.data is None else dict(self.data),
            method=self.method,
            is_auth_required=True,
        )
        token, url = value_at(answer, self.token_at), self._address(answer)
        if not isinstance(token, str) or not token:
            refused = self._refused(answer)
            answer = token = None  # a traceback that prints local variables would print them
            raise refused
        if not url:
            answer = token = None
            raise DecodeError("the answer with the token names no wss:// URL to dial")
        self._token = SecretStr(token)
        self.answered(answer)
        given = self.identity.new_id() if self.query else None
        self._id = uuid.uuid4().hex if given is None else str(given)
        if self.query:
            values = {_TOKEN: token, _ID: self._id}
            query = encode_pairs({name: values.get(v, v) for name, v in self.query.items()})
            url = f"{url}{'&' if '?' in url else '?'}{query}"
        return PreAuth(url, lifetime_s=seconds_at(answer, self.lifetime_at))

    def answered(self, answer: Any) -> None:
        """Take from the answer what else a subclass needs of it."""

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return judge(response.data, self.rules, self._id or None)

    def build_subscribe_auth(
        self, channel: str | None = None, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Any] | None:
        if not self.message_at:
            return None
        if self._token is None:
            raise ConfigurationError("there is no token yet; run pre_auth before private messages")
        fields: Any = self._token.get_secret_value()
        for name in reversed(self.message_at.split(".")):
            fields = {name: fields}
        return dict(fields)

    def _address(self, answer: Any) -> str:
        """Return the URL to dial, empty where the answer names none that a token may go to."""
        if not self.endpoint_at:
            return self.url
        url = value_at(answer, self.endpoint_at)
        secure = self.token_url.startswith("https:")
        if not isinstance(url, str) or not url.startswith("wss://" if secure else "ws://"):
            return ""
        return url

    def _refused(self, answer: Any) -> NetworkpypeError:
        said = (value_at(answer, path) for path in self.reasons)
        reason = str(next((each for each in said if each not in (None, "", [])), ""))
        told = escape(self.identity.hidden(reason), limit=300) or "it told no reason"
        message = f"{split_url(self.token_url).host} gave no token: {told}"
        if self.refusals and not any(each in reason for each in self.refusals):
            return NetworkpypeError(message)
        return AuthenticationError(message)
