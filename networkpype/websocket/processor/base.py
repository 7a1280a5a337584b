"""Hooks around WebSocket messages; they run in list order, outgoing ones before the signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from networkpype.websocket.request import WebSocketRequest
    from networkpype.websocket.response import WebSocketResponse

__all__ = ["WebSocketPostProcessor", "WebSocketPreProcessor"]


class WebSocketPreProcessor(ABC):
    """Change or replace an outgoing message."""

    @abstractmethod
    async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
        """Return the message to sign and send; the argument is a copy of the caller's."""


class WebSocketPostProcessor(ABC):
    """Change or replace an incoming message."""

    @abstractmethod
    async def post_process(self, response: WebSocketResponse) -> WebSocketResponse:
        """Return the message to deliver."""
