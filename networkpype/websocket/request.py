"""What is sent on a WebSocket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, Self

from networkpype import codec
from networkpype.copying import copy_object
from networkpype.errors import ConfigurationError

__all__ = [
    "FrameSender",
    "WebSocketBinaryRequest",
    "WebSocketJSONRequest",
    "WebSocketPlainTextRequest",
    "WebSocketRequest",
    "check_request",
]


class FrameSender(Protocol):
    """The part of a WebSocket that a request writes to; aiohttp's client socket is one."""

    async def send_str(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...


@dataclass(repr=False)
class WebSocketRequest(ABC):
    """A message to send; `throttler_limit_id` makes it wait, `is_auth_required` has it signed."""

    payload: Any
    throttler_limit_id: str | None = None
    is_auth_required: bool = False

    @abstractmethod
    async def send_with_connection(self, connection: FrameSender) -> None:
        """Write the frame."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy_object(self)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} does not pickle: it may hold a signature; "
            "send its fields and build it on the other side"
        )

    def __repr__(self) -> str:
        # A login frame is all secret, so no payload is shown.
        shown = type(self.payload).__name__
        if self.throttler_limit_id is not None:
            shown += f", throttler_limit_id={self.throttler_limit_id!r}"
        if self.is_auth_required:
            shown += ", is_auth_required"
        return f"{type(self).__name__}({shown})"


class WebSocketJSONRequest(WebSocketRequest):
    """A text frame of compact JSON: `payload` is a mapping, a list, or any JSON value."""

    async def send_with_connection(self, connection: FrameSender) -> None:
        await connection.send_str(codec.dumps(self.payload))


class WebSocketPlainTextRequest(WebSocketRequest):
    """A text frame of `payload`, a str, as it is."""

    async def send_with_connection(self, connection: FrameSender) -> None:
        if not isinstance(self.payload, str):
            raise ConfigurationError(
                f"the payload is a {type(self.payload).__name__}; pass str, "
                "or use WebSocketJSONRequest or WebSocketBinaryRequest"
            )
        await connection.send_str(self.payload)


class WebSocketBinaryRequest(WebSocketRequest):
    """A binary frame of `payload`, bytes, as they are."""

    async def send_with_connection(self, connection: FrameSender) -> None:
        if not isinstance(self.payload, (bytes, bytearray, memoryview)):
            raise ConfigurationError(f"the payload is a {type(self.payload).__name__}; pass bytes")
        await connection.send_bytes(bytes(self.payload))


def check_request(request: object) -> None:
    """Refuse what is no request, such as a bare dict."""
    if not isinstance(request, WebSocketRequest):
        raise ConfigurationError(
            f"the request is a {type(request).__name__}; pass a WebSocketJSONRequest, "
            "WebSocketPlainTextRequest or WebSocketBinaryRequest"
        )
