"""HTTP verbs."""

from __future__ import annotations

from enum import Enum

__all__ = ["RESTMethod"]


class RESTMethod(Enum):
    """An HTTP verb; `str()` and `repr()` give the bare word."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"
    PATCH = "PATCH"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return self.value
