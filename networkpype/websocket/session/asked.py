"""One message that asks for subscriptions, or ends them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype.redact import body_pairs, escape, scrub, secret_values
from networkpype.websocket.subscriptions import Dialect, Subscription

__all__ = ["Asked", "secrets_of"]

# Their values are the words of the dialect.
_PLAIN_FIELDS = frozenset({"action", "event", "method", "op", "reqType"})


@dataclass(slots=True, eq=False)
class Asked:
    """A message that is sent, or about to be, in the dialect's words.

    `named` is all that it names, `topics` what of that is not answered yet. `parts` holds, for what
    is answered in parts, the verdicts that came.
    """

    id: int
    dialect: Dialect
    named: tuple[Subscription, ...]
    leaves: bool
    private: bool
    topics: list[Subscription] = field(init=False)
    parts: dict[Hashable, list[bool]] = field(init=False)
    payload: Any = field(default=None, repr=False)
    answer_by: float | None = None
    """None as long as it is not sent."""

    def __post_init__(self) -> None:
        self.topics = list(self.named)
        self.parts = {}

    def told(self, reason: str, secrets: Collection[str]) -> str:
        """Return the exchange's words, fit to be shown: without what this message holds."""
        payload = getattr(self.payload, "payload", self.payload)
        pairs = [pair for pair in body_pairs(payload) if pair[0] not in _PLAIN_FIELDS]
        # Events show the keys anyway, and what a channel is called is no secret but for a token.
        shown = [str(topic.key) for topic in self.named]
        names = [topic.channel for topic in self.named if isinstance(topic.channel, str)]
        shown += [name for name in names if not secret_values((), {}, f"/{name}")]
        own = [s for s in secret_values(pairs, {}) if not any(s in text for text in shown)]
        return escape(scrub(reason, [*own, *secrets]), limit=200)


def secrets_of(url: str, headers: Mapping[str, str]) -> set[str]:
    """Return what of a connection may not be shown, and an exchange may echo."""
    bare, _, query = url.partition("?")
    path = bare.partition("://")[2].partition("/")[2]
    return secret_values((), headers, f"/{path}", query)
