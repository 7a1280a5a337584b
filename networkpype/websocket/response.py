"""What is received on a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["WebSocketResponse"]


@dataclass(slots=True)
class WebSocketResponse:
    """One message: JSON text parsed, other text as str, binary as bytes."""

    data: Any
