"""What arrived at the mock exchange, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "ReceivedFrame", "ReceivedRequest", "Refused"]


@dataclass(slots=True, repr=False)
class ReceivedRequest:
    """One REST request or WebSocket handshake, recorded when its headers arrived.

    `raw_path` is the target of the request line as it came, still percent-encoded, with the query.
    `headers` is read case-insensitively. `body` is raw, still compressed if it was, and empty until
    its last byte came. `arrived_at` is in seconds on the exchange's monotonic clock. `status` is
    None until answered; `refusal` says why an answer is an error. The repr leaves out the query,
    headers and body, for they carry signatures.
    """

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes
    arrived_at: float
    status: int | None = None
    refusal: str | None = None

    @property
    def path(self) -> str:
        """The raw path without the query."""
        return self.raw_path.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """The query as it came, without the question mark."""
        return self.raw_path.partition("?")[2]

    def __repr__(self) -> str:
        refusal = f", refusal={self.refusal!r}" if self.refusal else ""
        return f"<ReceivedRequest {self.method} {self.path} -> {self.status}{refusal}>"


@dataclass(frozen=True, slots=True, repr=False)
class ReceivedFrame:
    """One WebSocket data frame from a client: `data` is str for text, bytes for binary.

    `connection` counts the WebSockets from 1; `arrived_at` is in seconds on the exchange's
    monotonic clock. The repr leaves the data out, for a login carries a signature.
    """

    connection: int
    data: str | bytes
    arrived_at: float

    def __repr__(self) -> str:
        kind = type(self.data).__name__
        return f"<ReceivedFrame {kind} of {len(self.data)} on connection {self.connection}>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers: `data` as JSON, or no body at all where it is None."""

    data: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Raised by an endpoint to refuse: answered as ``{"code": code, "msg": message}``.

    `fields` are further members of that object.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.answer = Answer({"code": code, "msg": message, **fields}, status, dict(headers or {}))
