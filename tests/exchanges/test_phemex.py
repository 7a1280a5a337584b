"""Phemex: an expiry in each signature, and PUT and DELETE with their arguments in the query."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.logins import auth_of, derived, frame_of, pattern_of, sent, told

FRAMES: list[tuple[Any, str, str]] = [
    ({"error": None, "id": 1, "result": {"status": "success"}}, "accepted", ""),
    (
        {"error": {"code": 6012, "message": "invalid login token"}, "id": 1, "result": None},
        "rejected",
        "invalid login token",
    ),
    ({"error": "bad", "id": 1, "result": None}, "rejected", "bad"),
    ({"error": None, "id": 1, "result": {"status": "failed"}}, "rejected", "failed"),
    # A subscription's ack looks the same but for its id.
    ({"error": None, "id": 2, "result": {"status": "success"}}, "not mine", ""),
    ({"error": {"code": 6001, "message": "invalid argument"}, "id": 2}, "not mine", ""),
    ({"error": None, "id": 0, "result": "pong"}, "not mine", ""),
    ({"accounts": [], "orders": [], "sequence": 1, "type": "snapshot"}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("phemex"))
    assert frame_of(pattern)["id"] == 1
    assert told(pattern, frame) == (status, reason)


def test_an_ack_before_the_login_is_somebody_elses() -> None:
    assert told(pattern_of(auth_of("phemex")), FRAMES[0][0]) == ("not mine", "")


def test_an_earlier_logins_ack_is_not_the_next_ones() -> None:
    pattern = pattern_of(auth_of("phemex"))
    frame_of(pattern)
    assert frame_of(pattern)["id"] == 2
    assert told(pattern, FRAMES[0][0]) == ("not mine", "")


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("phemex"))) == derived("phemex-user.auth-rawkey")["frame"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("place", ["params", "data"])
def test_put_and_delete_are_read_in_the_query(method: str, place: str) -> None:
    url = "https://api.phemex.com/g-orders/replace"
    request = sent(auth_of("phemex"), method, url, **{place: {"symbol": "BTCUSDT", "a": [1, 2]}})
    assert request.path_qs == "/g-orders/replace?symbol=BTCUSDT&a=1&a=2"
    assert request.body_bytes == b""
    assert "Content-Type" not in request.headers


async def test_the_test_network_is_another_place() -> None:
    dial = await pattern_of(auth_of("phemex", sandbox=True)).pre_auth(None)
    assert dial.url == "wss://testnet-api.phemex.com/ws"
