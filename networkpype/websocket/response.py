"""What is received on a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["WebSocketResponse"]


@dataclass(slots=True, repr=False)
class WebSocketResponse:
    """One message: JSON text parsed, other text as str, binary as bytes."""

    data: Any

    def __repr__(self) -> str:
        # The answer to a login has a token in it, so no message is shown.
        return f"WebSocketResponse({type(self.data).__name__})"
