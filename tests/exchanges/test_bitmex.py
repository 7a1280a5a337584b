"""BitMEX: the page's own samples, to the byte, and an expiry in seconds."""

from __future__ import annotations

from typing import Any

import pytest

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

BASE = "https://www.bitmex.com"

# The samples' payloads: method, path and query, what stands between path and body, body.
SAMPLES = [
    ("bitmex-rest-get", "GET", "/api/v1/instrument", None, 1518064236),
    (
        "bitmex-rest-get-query",
        "GET",
        "/api/v1/instrument?filter=%7B%22symbol%22%3A+%22XBTM15%22%7D",
        None,
        1518064237,
    ),
    (
        "bitmex-rest-post",
        "POST",
        "/api/v1/order",
        '{"symbol":"XBTM15","price":219.0,"clOrdID":"mm_bitmex_1a/oemUeQ4CAJZgP3fjHsA",'
        '"orderQty":98}',
        1518064238,
    ),
]


@pytest.mark.parametrize(("name", "method", "path", "data", "expires"), SAMPLES)
@pytest.mark.parametrize("apart", [False, True], ids=["url", "params"])
def test_the_pages_samples(
    name: str, method: str, path: str, data: str | None, expires: int, apart: bool
) -> None:
    sample = published(name)
    auth = auth_of(
        "bitmex", ms=(expires - 60) * 1000, key=sample["api_key"], secret=sample["secret"]
    )
    bare, _, query = path.partition("?")
    url, params = (BASE + bare, query or None) if apart else (BASE + path, None)
    request = sent(auth, method, url, params, data)
    assert request.headers == {
        "api-expires": str(expires),
        "api-key": sample["api_key"],
        "api-signature": sample["expected"],
        "Content-Type": "application/json",
    }
    assert (
        method + request.path_qs + str(expires) + request.body_bytes.decode() == (sample["payload"])
    )


def test_a_body_from_a_mapping_is_the_one_that_is_signed() -> None:
    order = {"symbol": "XBTM15", "price": 219.0, "orderQty": 98}
    request = sent(auth_of("bitmex"), "DELETE", f"{BASE}/api/v1/order", data=order)
    assert request.body_bytes == b'{"symbol":"XBTM15","price":219.0,"orderQty":98}'
    as_text = sent(
        auth_of("bitmex"), "DELETE", f"{BASE}/api/v1/order", data=request.body_bytes.decode()
    )
    assert as_text.headers == request.headers


REQUEST = {"op": "authKeyExpires", "args": ["key", 1700000060, "0" * 64]}
FRAMES: list[tuple[Any, str, str]] = [
    ({"success": True, "request": REQUEST}, "accepted", ""),
    (
        {"status": 401, "error": "Signature not valid.", "meta": {}, "request": REQUEST},
        "rejected",
        "Signature not valid.",
    ),
    ({"success": False, "request": REQUEST}, "rejected", "refused without a reason"),
    ({"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0"}, "not mine", ""),
    ({"success": True, "subscribe": "order", "request": {"op": "subscribe"}}, "not mine", ""),
    ({"status": 400, "error": "Unknown table", "request": {"op": "subscribe"}}, "not mine", ""),
    ({"table": "order", "action": "partial", "data": []}, "not mine", ""),
    ("pong", "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of("bitmex"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_a_rate_limit_passes() -> None:
    pattern = pattern_of(auth_of("bitmex"))
    refusal = {"status": 429, "error": "Rate limit exceeded", "request": REQUEST}
    assert (told(pattern, refusal)[0], outcome_of(pattern, refusal).definite) == ("rejected", False)


def test_the_login_frame_expires_in_seconds() -> None:
    frame = frame_of(pattern_of(auth_of("bitmex")))
    assert frame == derived("bitmex-authKeyExpires-seconds")["frame"]
