"""Logins to look at: an exchange's auth, its frame, and what it makes of other frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from networkpype import RESTRequest, TimeSynchronizer, WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.outcome import AuthOutcome
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange_auth
from tests.support.vectors import Clock, load

__all__ = [
    "auth_of",
    "derived",
    "frame_of",
    "outcome_of",
    "pattern_of",
    "published",
    "sent",
    "told",
]

Outcome = tuple[str, str]


def derived(name: str) -> dict[str, Any]:
    """Return a login frame of published.json by its id."""
    frames = load("published")["derived_ws_login_frames"]
    return next(frame for frame in frames if frame["id"] == name)


def published(name: str) -> dict[str, Any]:
    """Return a signature that an exchange printed, by its id."""
    return next(vector for vector in load("published")["vectors"] if vector["id"] == name)


def auth_of(
    name: str,
    *,
    ms: int = 1700000000000,
    sandbox: bool = False,
    nonce: Callable[[], int | str] | None = None,
    new_id: Callable[[], int | str] | None = None,
    **fields: str,
) -> SchemeAuth:
    own = {"key": "test_api_key", "secret": "test_api_secret", "passphrase": "test_passphrase"}
    own |= {"memo": "test_memo"}
    return exchange_auth(
        name,
        Credentials(**(own | fields)),
        time_provider=cast("TimeSynchronizer", Clock(ms)),
        nonce=nonce,
        new_id=new_id,
        sandbox=sandbox,
    )


def pattern_of(auth: SchemeAuth) -> WebSocketAuthPattern:
    pattern = auth.ws_pattern
    assert pattern is not None
    return pattern


def frame_of(pattern: WebSocketAuthPattern, ms: int = 1700000000000) -> Any:
    """Return the login frame, as the dictionary that becomes JSON."""
    request = pattern.build_auth_message(ms / 1000)
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


def outcome_of(pattern: WebSocketAuthPattern, frame: Any) -> AuthOutcome:
    return pattern.handle_auth_response(WebSocketResponse(frame))


def told(pattern: WebSocketAuthPattern, frame: Any) -> Outcome:
    """Return what a frame means, in the words of tables: status and the exchange's reason."""
    outcome = outcome_of(pattern, frame)
    return outcome.status.value, outcome.reason


def sent(auth: SchemeAuth, method: str, url: str, params: Any = None, data: Any = None) -> Any:
    """Return a signed request."""
    request = RESTRequest(method, url, params=params, data=data)  # type: ignore[arg-type]
    return asyncio.run(auth.rest_authenticate(request))
