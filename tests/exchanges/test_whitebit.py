"""WhiteBIT: the payload is the body as well, and a token by REST is the login."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from networkpype.errors import AuthenticationError, ConfigurationError
from networkpype.exchanges import exchange
from tests.support.by_hand import Answers, mac
from tests.support.logins import auth_of, frame_of, outcome_of, pattern_of, sent, told

FRAMES: list[tuple[Any, str, str]] = [
    ({"error": None, "result": {"status": "success"}, "id": 1}, "accepted", ""),
    (
        {"error": {"code": 6, "message": "token expired"}, "result": None, "id": 1},
        "rejected",
        "token expired",
    ),
    ({"error": None, "result": {"status": "success"}, "id": 2}, "not mine", ""),
    ({"error": {"code": 1, "message": "invalid argument"}, "id": 2}, "not mine", ""),
    ({"error": None, "result": "pong", "id": 0}, "not mine", ""),
    ({"id": None, "method": "balanceSpot_update", "params": []}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
async def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("whitebit"))
    await pattern.pre_auth(Answers({"websocket_token": "t"}))
    assert told(pattern, frame) == ("not mine", "")  # nothing was sent that it could answer
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


async def test_a_token_by_rest_is_the_login() -> None:
    pattern = pattern_of(auth_of("whitebit"))
    rest = Answers({"websocket_token": "$2y$10$lx"}, {"websocket_token": "second"})
    assert (await pattern.pre_auth(rest)).url == "wss://api.whitebit.com/ws"
    assert frame_of(pattern) == {"id": 1, "method": "authorize", "params": ["$2y$10$lx", "public"]}
    assert rest.calls[0]["url"] == "https://whitebit.com/api/v4/profile/websocket_token"
    assert rest.calls[0]["method"] == "POST"
    assert rest.calls[0]["signed"]
    await pattern.pre_auth(rest)
    assert frame_of(pattern)["params"] == ["second", "public"]


async def test_the_callers_ids_go_first() -> None:
    pattern = pattern_of(auth_of("whitebit", new_id=lambda: 77))
    await pattern.pre_auth(Answers({"websocket_token": "t"}))
    assert frame_of(pattern)["id"] == 77
    assert told(pattern, {"id": 77, "result": {"status": "success"}, "error": None})[0] == (
        "accepted"
    )


async def test_a_refused_token_is_worth_another() -> None:
    pattern = pattern_of(auth_of("whitebit"))
    await pattern.pre_auth(Answers({"websocket_token": "t"}))
    frame_of(pattern)
    assert not outcome_of(pattern, {"id": 1, "error": {"message": "x"}}).definite


async def test_no_token_is_no_login() -> None:
    pattern = pattern_of(auth_of("whitebit"))
    with pytest.raises(ConfigurationError, match="pre_auth"):
        frame_of(pattern)
    with pytest.raises(AuthenticationError, match="Too many requests"):
        await pattern.pre_auth(Answers({"message": "Too many requests."}))


@pytest.mark.parametrize("place", ["params", "data"])
def test_arguments_of_either_place_are_body_and_payload(place: str) -> None:
    request = sent(
        auth_of("whitebit"),
        "POST",
        "https://whitebit.com/api/v4/order/cancel",
        **{place: {"market": "BTC_USDT", "orderId": 1}},
    )
    body = (
        '{"request":"/api/v4/order/cancel","nonce":"1700000000000","nonceWindow":false,'
        '"market":"BTC_USDT","orderId":1}'
    )
    payload = base64.b64encode(body.encode()).decode()
    assert request.path_qs == "/api/v4/order/cancel"
    assert request.body_bytes == body.encode()
    assert request.headers == {
        "X-TXC-APIKEY": "test_api_key",
        "X-TXC-PAYLOAD": payload,
        "X-TXC-SIGNATURE": mac("test_api_secret", payload, "sha512"),
        "Content-Type": "application/json",
    }


def test_there_is_no_sandbox() -> None:
    with pytest.raises(ConfigurationError, match="no sandbox"):
        exchange("whitebit", sandbox=True)
