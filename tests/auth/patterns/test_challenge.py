"""The exchange asks for a signature before private messages count."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import Credentials, SchemeAuth, WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.challenge import Challenge
from networkpype.auth.patterns.rules import Containing, rejected
from networkpype.errors import ConfigurationError
from networkpype.signing.methods import HMAC
from tests.support.vectors import load

[VECTOR] = [each for each in load("published")["vectors"] if "ws-challenge" in each["id"]]
ASKED, SIGNED = VECTOR["inputs"]["challenge"], VECTOR["expected"]


def bound() -> Challenge:
    pattern = Challenge(
        url="wss://ws.example.com",
        ask={"event": "challenge"},
        when={"event": "challenge"},
        challenge_at="message",
        signing=HMAC("sha512", "base64", secret="base64"),
        key_field="api_key",
        challenge_field="original_challenge",
        signature_field="signed_challenge",
        rules=(rejected({"event": "alert", "message": Containing("AUTHENTICATED")}, "message"),),
        unasked=(rejected({"event": "error"}, "message"),),
    )
    credentials = Credentials(key="a key", secret=VECTOR["inputs"]["secret"])
    found = SchemeAuth(credentials, pattern=pattern).ws_pattern
    assert isinstance(found, Challenge)
    return found


def hear(pattern: Challenge, frame: Any) -> AuthStatus:
    return pattern.handle_auth_response(WebSocketResponse(frame)).status


async def test_it_asks_then_signs_the_vector_of_the_manual() -> None:
    pattern = bound()
    assert (await pattern.pre_auth(None)).url == "wss://ws.example.com"
    request = pattern.build_auth_message(0.0)
    assert isinstance(request, WebSocketJSONRequest)
    assert request.payload == {"event": "challenge", "api_key": "a key"}
    assert hear(pattern, {"event": "challenge", "message": ASKED}) is AuthStatus.CHALLENGE
    assert pattern.sign_message({"event": "subscribe", "feed": "fills"}) == {
        "event": "subscribe",
        "feed": "fills",
        "api_key": "a key",
        "original_challenge": ASKED,
        "signed_challenge": SIGNED,
    }


def test_the_challenge_completes_the_login_without_an_answer() -> None:
    outcome = bound().handle_auth_response(
        WebSocketResponse({"event": "challenge", "message": ASKED})
    )
    assert outcome.answer is None


def test_before_the_challenge_a_private_message_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="after the login"):
        bound().sign_message({"feed": "fills"})


@pytest.mark.parametrize("forget", ["reset", "build_auth_message", "fresh"])
def test_a_challenge_belongs_to_one_connection(forget: str) -> None:
    pattern = bound()
    hear(pattern, {"event": "challenge", "message": ASKED})
    if forget == "fresh":
        pattern = pattern.fresh()
    elif forget == "reset":
        pattern.reset()
    else:
        pattern.build_auth_message(0.0)
    with pytest.raises(ConfigurationError, match="has not come"):
        pattern.build_subscribe_auth()


async def test_a_dial_forgets_the_challenge() -> None:
    pattern = bound()
    hear(pattern, {"event": "challenge", "message": ASKED})
    await pattern.pre_auth(None)
    with pytest.raises(ConfigurationError, match="has not come"):
        pattern.build_subscribe_auth()


def test_an_error_is_the_answer_only_while_the_challenge_is_awaited() -> None:
    pattern = bound()
    error = {"event": "error", "message": "Json Error"}
    assert hear(pattern, error) is AuthStatus.REJECTED
    hear(pattern, {"event": "challenge", "message": ASKED})
    assert hear(pattern, error) is AuthStatus.NOT_MINE


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_refusal_of_a_private_message(asked_before: bool) -> None:
    pattern = bound()
    if asked_before:
        hear(pattern, {"event": "challenge", "message": ASKED})
    alert = {"event": "alert", "message": "Failed to subscribe to authenticated feed"}
    outcome = pattern.handle_auth_response(WebSocketResponse(alert))
    assert outcome.status is AuthStatus.REJECTED
    assert outcome.reason == "Failed to subscribe to authenticated feed"


@pytest.mark.parametrize(
    "frame",
    [
        {"event": "challenge"},
        {"event": "challenge", "message": ""},
        {"event": "challenge", "message": 5},
        {"event": "info", "version": 1},
        {"feed": "heartbeat"},
        {"event": "alert", "message": "Bad websocket message"},
        [1],
        "pong",
        None,
    ],
)
def test_other_frames_are_not_mine(frame: Any) -> None:
    assert hear(bound(), frame) is AuthStatus.NOT_MINE
