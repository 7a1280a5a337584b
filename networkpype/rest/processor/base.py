"""What happens to a request before it is signed, and to a response before the caller sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from networkpype.rest.request import RESTRequest
    from networkpype.rest.response import RESTResponse

__all__ = ["RESTPostProcessor", "RESTPreProcessor"]


class RESTPreProcessor(ABC):
    """Change requests before they are signed; the manager runs its list in order."""

    @abstractmethod
    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        """Return the request to send: the given copy, changed at will, or another one."""


class RESTPostProcessor(ABC):
    """Change responses, error responses too; the manager runs its list in order."""

    @abstractmethod
    async def post_process(self, response: RESTResponse) -> RESTResponse:
        """Return the response to hand on: the given one or another."""
