"""Deribit: login by JSON-RPC, renewed with the refresh token of the ack."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from networkpype import WebSocketJSONRequest
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.base import WebSocketAuthPattern
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

TOKENS = {"access_token": "AAA", "refresh_token": "RRR-one", "scope": "", "token_type": "bearer"}
FRAMES: list[tuple[Any, str, str]] = [
    ({"jsonrpc": "2.0", "id": 1, "result": TOKENS | {"expires_in": 31536000}}, "accepted", ""),
    (
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 13004, "message": "invalid_credentials"}},
        "rejected",
        "invalid_credentials",
    ),
    ({"jsonrpc": "2.0", "id": 1, "error": {"code": 13004}}, "rejected", "13004"),
    ({"jsonrpc": "2.0", "id": 2, "result": TOKENS}, "not mine", ""),
    (
        {"jsonrpc": "2.0", "id": 2, "error": {"code": 13009, "message": "unauthorized"}},
        "not mine",
        "",
    ),
    ({"jsonrpc": "2.0", "id": 1, "result": ["user.orders"]}, "not mine", ""),
    ({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}, "not mine", ""),
    (
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "user", "data": {}}},
        "not mine",
        "",
    ),
]


def logged_in(*, refresh_token: Any = "RRR-one") -> WebSocketAuthPattern:
    pattern = pattern_of(auth_of("deribit"))
    frame_of(pattern)
    ack = {"id": 1, "result": TOKENS | {"refresh_token": refresh_token, "expires_in": 900}}
    assert told(pattern, ack) == ("accepted", "")
    return pattern


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("deribit"))
    assert frame_of(pattern)["id"] == 1
    assert told(pattern, frame) == (status, reason)


@pytest.mark.parametrize(
    ("said", "lifetime_s"),
    [(900, 900), ("1800", 1800), (None, None), (0, None), (-100, None), ("never", None)],
)
def test_the_lifetime_is_what_the_ack_says(said: Any, lifetime_s: float | None) -> None:
    pattern = pattern_of(auth_of("deribit"))
    frame_of(pattern)
    outcome = outcome_of(pattern, {"id": 1, "result": TOKENS | {"expires_in": said}})
    assert (outcome.status, outcome.lifetime_s) == (AuthStatus.ACCEPTED, lifetime_s)


def test_a_rate_limit_passes() -> None:
    pattern = pattern_of(auth_of("deribit"))
    frame_of(pattern)
    refusal = {"id": 1, "error": {"code": 10028, "message": "too_many_requests"}}
    assert (told(pattern, refusal)[0], outcome_of(pattern, refusal).definite) == ("rejected", False)


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("deribit"))) == derived("deribit-client_signature")["frame"]


def test_the_pages_sample() -> None:
    sample = published("deribit-ws-client-signature")
    auth = auth_of(
        "deribit",
        key=sample["client_id"],
        secret=sample["secret"],
        nonce=lambda: sample["nonce"],
        new_id=lambda: 42,
    )
    assert frame_of(pattern_of(auth), sample["timestamp"]) == {
        "jsonrpc": "2.0",
        "id": 42,
        "method": "public/auth",
        "params": {
            "grant_type": "client_signature",
            "client_id": "AMANDA",
            "timestamp": sample["timestamp"],
            "signature": sample["expected"],
            "nonce": "1iqt2wls",
            "data": "",
        },
    }


async def test_a_renewal_goes_by_the_refresh_token() -> None:
    pattern = logged_in()
    dial = await pattern.renew(None)
    assert dial.url == (await pattern_of(auth_of("deribit")).pre_auth(None)).url
    assert frame_of(pattern) == {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "public/auth",
        "params": {"grant_type": "refresh_token", "refresh_token": "RRR-one"},
    }
    outcome = outcome_of(
        pattern, {"id": 2, "result": TOKENS | {"refresh_token": "RRR-two", "expires_in": 60}}
    )
    assert (outcome.status, outcome.lifetime_s) == (AuthStatus.ACCEPTED, 60)
    assert frame_of(pattern)["params"]["refresh_token"] == "RRR-two"


async def test_a_refused_refresh_token_leaves_the_signature() -> None:
    pattern = logged_in()
    await pattern.renew(None)
    frame_of(pattern)
    refusal = outcome_of(pattern, {"id": 2, "error": {"code": 13009, "message": "invalid_token"}})
    assert (refusal.status, refusal.definite) == (AuthStatus.REJECTED, False)
    assert frame_of(pattern)["params"]["grant_type"] == "client_signature"
    refusal = outcome_of(pattern, {"id": 3, "error": {"code": 13004, "message": "no"}})
    assert refusal.definite


async def test_a_new_connection_begins_with_the_signature() -> None:
    pattern = logged_in()
    await pattern.pre_auth(None)
    assert frame_of(pattern)["params"]["grant_type"] == "client_signature"


@pytest.mark.parametrize("refresh_token", [None, "", 5])
def test_without_a_refresh_token_a_renewal_is_signed(refresh_token: Any) -> None:
    pattern = logged_in(refresh_token=refresh_token)
    assert frame_of(pattern)["params"]["grant_type"] == "client_signature"


def test_the_refresh_token_shows_nowhere() -> None:
    pattern = logged_in()
    request = pattern.build_auth_message(0)
    assert isinstance(request, WebSocketJSONRequest)
    assert "RRR" not in f"{pattern!r} {vars(logged_in())} {request!r}"


def test_private_subscribes_need_no_token() -> None:
    subscribe = {"jsonrpc": "2.0", "method": "private/subscribe", "params": {"channels": ["x"]}}
    assert logged_in().sign_message(subscribe) == subscribe


def test_a_call_by_post_signs_its_body() -> None:
    data = {"jsonrpc": "2.0", "id": 1, "method": "private/buy", "params": {"amount": 10}}
    request = sent(auth_of("deribit"), "POST", "https://www.deribit.com/api/v2", data=data)
    body = '{"jsonrpc":"2.0","id":1,"method":"private/buy","params":{"amount":10}}'
    text = f"1700000000000\n1700000000000\nPOST\n/api/v2\n{body}\n"
    digest = hmac.new(b"test_api_secret", text.encode(), hashlib.sha256).hexdigest()
    assert request.body_bytes == body.encode()
    assert request.headers["Authorization"] == (
        f"deri-hmac-sha256 id=test_api_key,ts=1700000000000,sig={digest},nonce=1700000000000"
    )


def test_no_nonce_comes_twice_in_one_millisecond() -> None:
    auth = auth_of("deribit")
    url = "https://www.deribit.com/api/v2/private/get_positions"
    nonces = [sent(auth, "GET", url).headers["Authorization"].rpartition("=")[2] for _ in range(3)]
    assert nonces == ["1700000000000", "1700000000001", "1700000000002"]
