"""Kraken Futures: what its frames mean, and its demo."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import Credentials, RESTRequest, WebSocketResponse
from networkpype.auth.outcome import AuthOutcome, AuthStatus
from networkpype.errors import AuthenticationFailure, ConfigurationError
from networkpype.exchanges import exchange, exchange_auth

NOT_MINE, REJECTED = AuthStatus.NOT_MINE, AuthStatus.REJECTED
CREDENTIALS = Credentials(key="k", secret="c2VjcmV0")
CHALLENGE = {"event": "challenge", "message": "226aee50-88fc-4618-a42a-34f7709570b2"}
REFUSED = {"event": "alert", "message": "Failed to subscribe to authenticated feed"}
FAILED = {"event": "subscribed_failed", "feed": "fills", "original_challenge": "226aee50"}


def heard(frame: Any, *before: Any) -> AuthOutcome:
    pattern = exchange_auth("krakenfutures", CREDENTIALS).ws_pattern
    assert pattern is not None
    pattern.build_auth_message(0.0)
    for each in before:
        pattern.handle_auth_response(WebSocketResponse(each))
    return pattern.handle_auth_response(WebSocketResponse(frame))


@pytest.mark.parametrize(
    ("status", "frame"),
    [
        (AuthStatus.CHALLENGE, CHALLENGE),
        (REJECTED, REFUSED),
        (REJECTED, {"event": "error", "message": "Invalid API key"}),
        (REJECTED, {"event": "error", "message": "Invalid challenge"}),
        (REJECTED, {"event": "error", "message": "Json Error"}),
        (REJECTED, FAILED),
        (NOT_MINE, {"event": "error", "message": "Invalid feed"}),
        (NOT_MINE, {"event": "alert", "message": "Bad websocket message"}),
        (NOT_MINE, {"event": "subscribed_failed", "feed": "ticker"}),
        (NOT_MINE, {"event": "info", "version": 1}),
        (NOT_MINE, {"event": "subscribed", "feed": "fills", "original_challenge": "226aee50"}),
        (NOT_MINE, {"event": "subscribed", "feed": "heartbeat"}),
        (NOT_MINE, {"feed": "heartbeat", "time": 1}),
        (NOT_MINE, {"feed": "fills_snapshot", "account": "a", "fills": []}),
        (NOT_MINE, {"event": "challenge"}),
        (NOT_MINE, ["list"]),
        (NOT_MINE, "text"),
    ],
)
def test_what_a_frame_means(status: AuthStatus, frame: Any) -> None:
    assert heard(frame).status is status


def test_an_error_of_another_message_is_not_mine_after_the_challenge() -> None:
    assert heard({"event": "error", "message": "Json Error"}, CHALLENGE).status is NOT_MINE
    assert heard(REFUSED, CHALLENGE).status is REJECTED


def test_what_a_refusal_says() -> None:
    outcome = heard(REFUSED)
    assert (outcome.definite, outcome.reason) == (True, REFUSED["message"])
    assert heard(FAILED).definite is False
    permission = heard({"event": "error", "message": "No permission for this"})
    assert permission.failure is AuthenticationFailure.PERMISSION


async def test_the_demo_is_another_world() -> None:
    live, demo = (exchange("krakenfutures", sandbox=each) for each in (False, True))
    assert demo.rest_url == "https://demo-futures.kraken.com"
    assert demo.pattern is not None
    assert demo.pattern.url == "wss://demo-futures.kraken.com/ws/v1"
    assert not live.origins & demo.origins
    auth = exchange_auth("krakenfutures", CREDENTIALS, sandbox=True)
    with pytest.raises(ConfigurationError, match="origin"):
        await auth.rest_authenticate(
            RESTRequest("GET", f"{live.rest_url}/derivatives/api/v3/accounts")  # type: ignore[arg-type]
        )
