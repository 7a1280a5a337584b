"""crypto.com: an envelope by REST, and a login frame with numbers in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from networkpype.errors import AuthenticationFailure
from networkpype.exchanges import exchange
from tests.support.by_hand import mac
from tests.support.logins import auth_of, derived, frame_of, outcome_of, pattern_of, sent, told

FRAMES: list[tuple[Any, str, str]] = [
    ({"id": 1700000000000, "method": "public/auth", "code": 0}, "accepted", ""),
    ({"id": 1, "method": "public/auth", "code": "0"}, "accepted", ""),
    ({"method": "public/auth", "code": 40101, "message": "no"}, "rejected", "no"),
    ({"method": "public/auth", "code": 40102}, "rejected", "40102"),
    ({"id": 1, "method": "public/heartbeat", "code": 0}, "not mine", ""),
    ({"id": 1, "method": "subscribe", "code": 0, "result": {}}, "not mine", ""),
    ({"id": 1, "method": "subscribe", "code": 40101}, "not mine", ""),
    ({"method": "public/auth"}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("cryptocom"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_clock_that_is_off_may_be_set_and_a_wrong_key_stays_wrong() -> None:
    pattern = pattern_of(auth_of("cryptocom"))
    off = outcome_of(pattern, {"method": "public/auth", "code": 40102})
    assert (off.failure, off.definite) == (AuthenticationFailure.TIMESTAMP, False)
    assert not outcome_of(pattern, {"method": "public/auth", "code": 42901}).definite
    assert outcome_of(pattern, {"method": "public/auth", "code": 40101}).definite


def test_the_login_frame_whatever_the_ids() -> None:
    for options in ({}, {"new_id": lambda: 5}):
        pattern = pattern_of(auth_of("cryptocom", **options))  # type: ignore[arg-type]
        assert frame_of(pattern) == derived("cryptocom-public/auth")["frame"]


async def test_the_sandbox_is_another_place() -> None:
    live = await pattern_of(auth_of("cryptocom")).pre_auth(None)
    uat = await pattern_of(auth_of("cryptocom", sandbox=True)).pre_auth(None)
    assert live.url == "wss://stream.crypto.com/exchange/v1/user"
    assert uat.url == "wss://uat-stream.3ona.co/exchange/v1/user"
    assert exchange("cryptocom", sandbox=True).rest_url == "https://uat-api.3ona.co"


def test_a_list_of_orders_is_flattened_in_its_order() -> None:
    arguments = {
        "order_list": [{"price": "1.5", "instrument_name": "B"}, {"a": None, "b": True}],
        "contingency_type": "LIST",
    }
    url = "https://uat-api.3ona.co/exchange/v1/private/create-order-list"
    request = sent(auth_of("cryptocom", sandbox=True), "POST", url, data=arguments)
    signed = (
        "private/create-order-list1700000000000test_api_key"
        "contingency_typeLISTorder_listinstrument_nameBprice1.5anullbtrue1700000000000"
    )
    body = json.loads(request.body_bytes)
    assert list(body) == ["id", "method", "params", "api_key", "sig", "nonce"]
    assert body["params"] == arguments
    assert body["sig"] == mac("test_api_secret", signed)
