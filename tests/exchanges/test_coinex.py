"""CoinEx: v2 by the page, v1 by its path, and an ack that is known by its id."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.signing.methods import Hash
from tests.support.logins import auth_of, derived, frame_of, pattern_of, published, sent, told
from tests.support.vectors import arguments, auth_for, load, request_of

BASE = "https://api.coinex.com"
CONFLICTS = {
    vector["id"]: vector
    for vector in load("rest")["vectors"]
    if "docs_expected_X-COINEX-SIGN" in vector and "flags" not in vector
}

FRAMES: list[tuple[Any, str, str]] = [
    ({"id": 1, "code": 0, "message": "OK"}, "accepted", ""),
    ({"id": 1, "code": 21002, "message": "Signature Incorrect"}, "rejected", "Signature Incorrect"),
    ({"id": 1, "code": 21002, "message": ""}, "rejected", "21002"),
    ({"id": 2, "code": 0, "message": "OK"}, "not mine", ""),
    ({"id": 2, "code": 21002, "message": "Signature Incorrect"}, "not mine", ""),
    ({"id": None, "method": "balance.update", "data": {}}, "not mine", ""),
    ({"method": "state.update", "data": {"code": 0}}, "not mine", ""),
    ("pong", "not mine", ""),
]


@pytest.mark.parametrize("name", ["coinex", "coinex-futures"])
@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(name: str, frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth_of(name))
    assert frame_of(pattern)["id"] == 1
    assert told(pattern, frame) == (status, reason)


def test_an_id_of_the_callers_is_waited_for() -> None:
    pattern = pattern_of(auth_of("coinex", new_id=lambda: 77))
    assert frame_of(pattern)["id"] == 77
    assert told(pattern, {"id": 1, "code": 0}) == ("not mine", "")
    assert told(pattern, {"id": 77, "code": 0}) == ("accepted", "")


def test_the_login_frame() -> None:
    assert frame_of(pattern_of(auth_of("coinex"))) == derived("coinex-server.sign")["frame"]


async def test_spot_and_futures_have_a_socket_each() -> None:
    dials = [
        await pattern_of(auth_of(name)).pre_auth(None) for name in ("coinex", "coinex-futures")
    ]
    assert [dial.url for dial in dials] == [
        "wss://socket.coinex.com/v2/spot/",
        "wss://socket.coinex.com/v2/futures/",
    ]


@pytest.mark.parametrize("name", CONFLICTS)
async def test_v2_is_signed_as_the_page_says(name: str) -> None:
    vector = CONFLICTS[name]
    request = await auth_for(vector).rest_authenticate(request_of(vector, *arguments(vector)))
    signature = vector["docs_expected_X-COINEX-SIGN"]
    assert request.headers == vector["expected"]["headers"] | {"X-COINEX-SIGN": signature}
    assert BASE + request.path_qs == vector["expected"]["url"]
    assert request.body_bytes == (vector["expected"]["body"] or "").encode()


def test_v1_counts_key_and_time_among_the_arguments() -> None:
    text = "access_id=test_api_key&amount=1&market=BTCUSDT&tonce=1700000000000"
    digest = hashlib.md5(f"{text}&secret_key=test_api_secret".encode(), usedforsecurity=False)
    for method, place in (("GET", "params"), ("DELETE", "params"), ("DELETE", "data")):
        request = sent(
            auth_of("coinex"),
            method,
            f"{BASE}/v1/order",
            **{place: {"market": "BTCUSDT", "amount": 1}},
        )
        assert request.path_qs == f"/v1/order?{text}"
        assert request.headers["Authorization"] == digest.hexdigest().upper()
        assert request.body_bytes == b""
    for place in ("params", "data"):
        request = sent(
            auth_of("coinex"),
            "POST",
            f"{BASE}/v1/order",
            **{place: {"market": "BTCUSDT", "amount": 1}},
        )
        assert request.body_bytes == (
            b'{"access_id":"test_api_key","amount":1,"market":"BTCUSDT","tonce":"1700000000000"}'
        )
        assert request.headers["Authorization"] == digest.hexdigest().upper()
        assert request.path_qs == "/v1/order"


def test_v1_signs_what_stands_there_unescaped() -> None:
    request = sent(auth_of("coinex"), "GET", f"{BASE}/v1/order", {"x": "a b&c"})
    assert request.query_string == "access_id=test_api_key&tonce=1700000000000&x=a%20b%26c"
    text = "access_id=test_api_key&tonce=1700000000000&x=a b&c&secret_key=test_api_secret"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    assert request.headers["Authorization"] == digest.upper()


def test_v1_reads_a_body_that_is_json_already() -> None:
    url = f"{BASE}/v1/order"
    by_text = sent(auth_of("coinex"), "POST", url, data='{"market": "BTCUSDT"}')
    by_mapping = sent(auth_of("coinex"), "POST", url, data={"market": "BTCUSDT"})
    assert by_text.headers == by_mapping.headers
    assert by_text.body_bytes == by_mapping.body_bytes


@pytest.mark.parametrize(
    "arguments", [{"data": "market=BTCUSDT"}, {"data": ["x"]}, {"params": [("a", 1), ("a", 2)]}]
)
def test_v1_refuses_what_has_no_names_or_one_twice(arguments: Any) -> None:
    with pytest.raises(ConfigurationError):
        sent(auth_of("coinex"), "POST", f"{BASE}/v1/order", **arguments)


def test_v1_futures_are_a_form_with_a_plain_hash() -> None:
    request = sent(auth_of("coinex"), "POST", f"{BASE}/perpetual/v1/order", data={"market": "X"})
    text = "access_id=test_api_key&market=X&timestamp=1700000000000"
    digest = hashlib.sha256(f"{text}&secret_key=test_api_secret".encode()).hexdigest()
    assert request.body_bytes == text.encode()
    assert request.headers == {
        "Authorization": digest,
        "AccessId": "test_api_key",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_the_pages_hash_of_v1_futures() -> None:
    sample = published("coinex-v1-futures")
    text, _, secret = sample["inputs"]["payload"].partition("&secret_key=")
    sign = Hash("sha256", separator="&secret_key=").signer(secret)
    assert sign(text.encode()) == sample["expected"]
