"""Which endpoint answers a request: looked up by method and raw path."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from networkpype.errors import ConfigurationError
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedRequest, Refused

__all__ = ["Endpoint", "Handler", "Routes", "failure_of"]

_log = logging.getLogger(__name__)

Handler = Callable[[ReceivedRequest], Answer | Awaitable[Answer]]
"""Answers a request, at once or later; it may raise `Refused`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A handler and what it asks of its caller."""

    handler: Handler
    access: Access

    async def answer(self, request: ReceivedRequest) -> Answer:
        """Return what the handler does; TypeError where that is no `Answer` that can be sent."""
        answer = self.handler(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if not isinstance(answer, Answer):
            raise TypeError(
                f"the handler returned a {type(answer).__name__}; return Answer(data, status=200)"
            )
        status = answer.status
        if type(status) is not int or not 200 <= status <= 599:
            raise TypeError(f"the Answer has status {status!r}; a status is from 200 to 599")
        return answer


def failure_of(request: ReceivedRequest, error: Exception) -> Answer:
    """Note what the mock's user did wrong, and return what the client is told of it."""
    request.refusal = (
        f"the mock's own code failed at {request.method} {request.path}: "
        f"{type(error).__name__}: {error}; see failures of the mock"
    )
    _log.error("%s", request.refusal, exc_info=error)
    return Answer({"code": -1, "msg": request.refusal}, 500)


class Routes:
    """A table of endpoints; a path that ends with ``*`` stands for all that begin so.

    aiohttp's own router is passed by because it decodes and normalises paths, and the point here is
    what the client really sent.
    """

    def __init__(self) -> None:
        self._endpoints: dict[str, dict[str, Endpoint]] = {}

    def add(self, method: str, path: str, handler: Handler, access: Access) -> None:
        """Set the endpoint of a method (``*``: any) and a raw path; the last one set holds."""
        if not path.startswith("/") or "?" in path:
            raise ConfigurationError(f"path {path!r} must start with / and hold no query")
        if not method or method != method.upper():
            raise ConfigurationError(f"method {method!r} must be an upper-case verb or *")
        if not callable(handler):
            raise ConfigurationError(f"handler {handler!r} is not callable")
        self._endpoints.setdefault(path, {})[method] = Endpoint(handler, access)

    def find(self, method: str, path: str) -> Endpoint:
        """Return the endpoint; raise `Refused` with 404 or 405 where there is none."""
        methods = self._methods_at(path)
        if methods is None:
            known = ", ".join(sorted(self._endpoints))
            raise Refused(404, -1, f"no endpoint {path}; known: {known}")
        endpoint = methods.get(method) or methods.get("*")
        if endpoint is None:
            allow = ", ".join(sorted(methods))
            raise Refused(
                405, -1, f"{path} does not take {method}, only {allow}", headers={"Allow": allow}
            )
        return endpoint

    def _methods_at(self, path: str) -> dict[str, Endpoint] | None:
        if path in self._endpoints:
            return self._endpoints[path]
        prefixes = [
            pattern
            for pattern in self._endpoints
            if pattern.endswith("*") and path.startswith(pattern[:-1])
        ]
        return self._endpoints[max(prefixes, key=len)] if prefixes else None
