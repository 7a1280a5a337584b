"""OKX: what its frames mean, and its demo trading."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.errors import AuthenticationFailure
from tests.support.logins import auth_of, derived, frame_of, outcome_of, pattern_of, sent, told

ACCOUNT = "https://www.okx.com/api/v5/account/balance"

FRAMES: list[tuple[Any, str, str]] = [
    ({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"}, "accepted", ""),
    ({"event": "login", "code": 0}, "accepted", ""),
    ({"event": "login"}, "accepted", ""),
    (
        {"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a4d3ae55"},
        "rejected",
        "Login failed.",
    ),
    ({"event": "error", "code": "60005", "msg": ""}, "rejected", "60005"),
    ({"event": "error", "code": 60007, "msg": "Invalid sign"}, "rejected", "Invalid sign"),
    (
        {"event": "error", "code": "60024", "msg": "Wrong passphrase"},
        "rejected",
        "Wrong passphrase",
    ),
    ({"event": "login", "code": "60009", "msg": "Login failed."}, "rejected", "Login failed."),
    # Of a subscription, not of the login.
    ({"event": "error", "code": "60018", "msg": "Wrong URL or channel"}, "not mine", ""),
    ({"event": "subscribe", "arg": {"channel": "account"}, "connId": "a4d3ae55"}, "not mine", ""),
    (
        {"event": "notice", "code": "64008", "msg": "The connection will soon be closed"},
        "not mine",
        "",
    ),
    ({"arg": {"channel": "account", "uid": "1"}, "data": [{"code": "0"}]}, "not mine", ""),
    ("pong", "not mine", ""),
    (["login"], "not mine", ""),
    (None, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("okx"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_wrong_clock_is_no_wrong_key() -> None:
    pattern = pattern_of(auth_of("okx"))
    outcome = outcome_of(pattern, {"event": "error", "code": "60006", "msg": "Timestamp expired"})
    assert (outcome.failure, outcome.definite) == (AuthenticationFailure.TIMESTAMP, False)


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("okx"))) == derived("okx-login")["frame"]


async def test_demo_trading_has_a_socket_and_a_header_of_its_own() -> None:
    auth = auth_of("okx", sandbox=True)
    assert (await pattern_of(auth).pre_auth(None)).url == "wss://wspap.okx.com:8443/ws/v5/private"


def test_only_demo_trading_is_marked_as_such() -> None:
    assert sent(auth_of("okx", sandbox=True), "GET", ACCOUNT).headers["x-simulated-trading"] == "1"
    assert "x-simulated-trading" not in sent(auth_of("okx"), "GET", ACCOUNT).headers


@pytest.mark.parametrize("data", [None, {}])
def test_a_post_says_json_with_an_empty_body_too(data: Any) -> None:
    request = sent(auth_of("okx"), "POST", "https://www.okx.com/api/v5/trade/x", data=data)
    assert (request.headers["Content-Type"], request.body_bytes) == ("application/json", b"")


def test_a_get_has_no_content_type() -> None:
    assert "Content-Type" not in sent(auth_of("okx"), "GET", ACCOUNT).headers
