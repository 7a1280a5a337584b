"""BitMart: a memo in every signature, and two sockets with a login each."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.credentials import Credentials
from networkpype.errors import MissingCredentialsError
from networkpype.exchanges import exchange_auth
from tests.support.logins import (
    auth_of,
    derived,
    frame_of,
    outcome_of,
    pattern_of,
    published,
    sent,
    told,
)

SPOT: list[tuple[Any, str, str]] = [
    ({"event": "login"}, "accepted", ""),
    (
        {"event": "error", "message": "Invalid sign", "errorCode": 30013},
        "rejected",
        "Invalid sign",
    ),
    ({"event": "login", "errorCode": "30013", "errorMessage": "sign"}, "rejected", "sign"),
    ({"event": "error", "message": "Unrecognized request", "errorCode": 30039}, "not mine", ""),
    ({"event": "subscribe", "topic": "spot/user/balance"}, "not mine", ""),
    ({"table": "spot/user/balance", "data": []}, "not mine", ""),
    ("pong", "not mine", ""),
]
CONTRACT: list[tuple[Any, str, str]] = [
    ({"action": "access", "success": True}, "accepted", ""),
    ({"action": "access"}, "accepted", ""),
    ({"action": "access", "success": False, "error": "Invalid sign"}, "rejected", "Invalid sign"),
    ({"action": "subscribe", "group": "futures/asset:USDT", "success": True}, "not mine", ""),
    ({"action": "subscribe", "success": False, "error": "topic"}, "not mine", ""),
    ({"group": "futures/asset:USDT", "data": {}}, "not mine", ""),
]
FRAMES = [("bitmart", *row) for row in SPOT] + [("bitmart-contract", *row) for row in CONTRACT]


@pytest.mark.parametrize(("name", "frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(name: str, frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of(name))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_rate_limit_passes() -> None:
    refusal = {"event": "error", "message": "too many", "errorCode": 30014}
    outcome = outcome_of(pattern_of(auth_of("bitmart")), refusal)
    assert (outcome.reason, outcome.definite) == ("too many", False)


def test_the_pages_login_frame() -> None:
    sample = published("bitmart-ws-login")
    auth = auth_of("bitmart", key=sample["api_key"], secret=sample["secret"], memo=sample["memo"])
    assert frame_of(pattern_of(auth), sample["timestamp"]) == sample["frame"]
    assert told(pattern_of(auth), sample["ack"]) == ("accepted", "")


def test_the_two_login_frames() -> None:
    wanted = derived("bitmart-login")["frame"]
    assert frame_of(pattern_of(auth_of("bitmart"))) == wanted
    assert frame_of(pattern_of(auth_of("bitmart-contract"))) == {
        "action": "access",
        "args": [*wanted["args"], "web"],
    }


def test_delete_has_its_arguments_in_the_query_and_post_in_the_body() -> None:
    auth, url = auth_of("bitmart"), "https://api-cloud.bitmart.com/spot/v1/x"
    assert sent(auth, "DELETE", url, data={"a": 1}).path_qs == "/spot/v1/x?a=1"
    assert sent(auth, "POST", url, params={"a": 1}).body_bytes == b'{"a":1}'
    for request in (
        sent(auth, "DELETE", url, {"a": 1}),
        sent(auth, "DELETE", url, data={"a": 1}),
    ):
        assert request.body_bytes == b""


def test_contracts_may_be_called_with_the_keys_of_spot() -> None:
    url = "https://api-cloud-v2.bitmart.com/contract/private/position"
    assert sent(auth_of("bitmart"), "GET", url).headers == (
        sent(auth_of("bitmart-contract"), "GET", url).headers
    )


def test_there_is_no_signature_without_a_memo() -> None:
    with pytest.raises(MissingCredentialsError, match="bitmart needs memo"):
        exchange_auth("bitmart", Credentials(key="k", secret="s"))
