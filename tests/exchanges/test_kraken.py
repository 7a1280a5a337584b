"""Kraken spot: what its frames mean, and how its tokens come."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import Credentials, WebSocketResponse
from networkpype.auth.outcome import AuthOutcome, AuthStatus
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    NetworkpypeError,
)
from networkpype.exchanges import exchange, exchange_auth

NOT_MINE, ACCEPTED, REJECTED = AuthStatus.NOT_MINE, AuthStatus.ACCEPTED, AuthStatus.REJECTED


def pattern() -> WebSocketAuthPattern:
    auth = exchange_auth("kraken", Credentials(key="k", secret="c2VjcmV0"))
    assert auth.ws_pattern is not None
    return auth.ws_pattern


def heard(frame: Any) -> AuthOutcome:
    return pattern().handle_auth_response(WebSocketResponse(frame))


@pytest.mark.parametrize(
    ("status", "frame"),
    [
        (
            ACCEPTED,
            {
                "method": "subscribe",
                "req_id": 1,
                "result": {"channel": "executions", "snapshot": True},
                "success": True,
                "time_in": "x",
            },
        ),
        (REJECTED, {"method": "subscribe", "success": False, "error": "ESession:Invalid session"}),
        (REJECTED, {"method": "add_order", "success": False, "error": "ESession:Invalid session"}),
        (REJECTED, {"method": "subscribe", "success": False, "error": "EAPI:Invalid key"}),
        (REJECTED, {"method": "subscribe", "success": False, "error": "Token(s) not found"}),
        (NOT_MINE, {"method": "subscribe", "success": False, "error": "Currency pair not found"}),
        (NOT_MINE, {"method": "add_order", "success": False, "error": "EOrder:Insufficient funds"}),
        (NOT_MINE, {"method": "add_order", "success": True, "result": {"order_id": "A"}}),
        (NOT_MINE, {"method": "unsubscribe", "success": True}),
        (NOT_MINE, {"method": "pong", "time_in": "x"}),
        (NOT_MINE, {"channel": "heartbeat"}),
        (NOT_MINE, {"channel": "status", "type": "update", "data": [{"system": "online"}]}),
        (NOT_MINE, {"channel": "executions", "type": "snapshot", "data": []}),
        (NOT_MINE, ["list"]),
        (NOT_MINE, "text"),
    ],
)
def test_what_a_frame_means(status: AuthStatus, frame: Any) -> None:
    assert heard(frame).status is status


@pytest.mark.parametrize(
    ("error", "failure", "definite"),
    [
        ("ESession:Invalid session", AuthenticationFailure.EXPIRED, False),
        ("EAPI:Invalid nonce", AuthenticationFailure.NONCE, False),
        ("EAPI:Rate limit exceeded", AuthenticationFailure.REJECTED, False),
        ("EGeneral:Permission denied", AuthenticationFailure.PERMISSION, True),
        ("EAPI:Invalid signature", AuthenticationFailure.REJECTED, True),
    ],
)
def test_what_a_refusal_says(error: str, failure: AuthenticationFailure, definite: bool) -> None:
    outcome = heard({"method": "subscribe", "success": False, "error": error})
    assert (outcome.failure, outcome.definite, outcome.reason) == (failure, definite, error)


class Answer:
    """A REST caller with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def execute_request(self, *args: Any, **more: Any) -> Any:
        return self.answer


async def test_a_token_is_good_for_a_quarter_of_an_hour() -> None:
    bound = pattern()
    pre_auth = await bound.pre_auth(Answer({"error": [], "result": {"token": "t", "expires": 900}}))
    assert (pre_auth.url, pre_auth.lifetime_s) == ("wss://ws-auth.kraken.com/v2", 900.0)
    message = {"method": "add_order", "params": {"side": "buy"}}
    assert bound.sign_message(message)["params"] == {"side": "buy", "token": "t"}


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        ("EAPI:Invalid key", True),
        ("EGeneral:Permission denied", True),
        ("EAPI:Invalid nonce", False),
        ("EService:Unavailable", False),
    ],
)
async def test_a_refused_token_stops_where_it_is_the_key_s_fault(
    error: str, is_final: bool
) -> None:
    with pytest.raises(NetworkpypeError, match=error) as caught:
        await pattern().pre_auth(Answer({"error": [error]}))
    assert isinstance(caught.value, AuthenticationError) is is_final


def test_there_is_no_sandbox() -> None:
    with pytest.raises(ConfigurationError, match="no sandbox"):
        exchange("kraken", sandbox=True)
