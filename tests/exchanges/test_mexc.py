"""MEXC: spot and contracts under one name, the printed samples, and both logins."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange
from tests.support.logins import (
    Outcome,
    auth_of,
    frame_of,
    outcome_of,
    pattern_of,
    published,
    sent,
    told,
)

MS = 1700000000123
ORDER = "https://api.mexc.com/api/v3/order"


def pairs(payload: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in payload.split("&"))


@pytest.mark.parametrize("place", ["params", "data"])
def test_the_printed_order(place: str) -> None:
    sample = published("mexc-rest-example2")
    auth = auth_of("mexc", key=sample["api_key"], secret=sample["secret"])
    request = sent(auth, "POST", ORDER, **{place: pairs(sample["payload"])})
    assert request.query_string == f"{sample['payload']}&signature={sample['expected']}"
    assert request.body_bytes == b""
    assert request.headers == {
        "X-MEXC-APIKEY": sample["api_key"],
        "Content-Type": "application/json",
    }


def test_the_printed_order_in_two_places() -> None:
    sample = published("mexc-rest-example3-mixed")
    body = "quantity=1&price=11&recvWindow=5000&timestamp=1644489390087"
    query = sample["payload"].removesuffix(body)
    auth = auth_of("mexc", key="k", secret=sample["secret"])
    request = sent(auth, "POST", ORDER, params=query, data=body)
    assert request.query_string == query
    assert request.body_bytes.decode() == f"{body}&signature={sample['expected']}"


def test_one_name_signs_spot_and_contracts() -> None:
    auth = auth_of("mexc", ms=MS)
    spot = sent(auth, "GET", "https://api.mexc.com/api/v3/account")
    assert spot.query_string.startswith(f"timestamp={MS}&recvWindow=5000&signature=")
    for host in ("api.mexc.com", "contract.mexc.com"):
        url = f"https://{host}/api/v1/private/account/assets"
        contract = sent(auth, "GET", url)
        assert contract.query_string == ""
        assert contract.headers == sent(auth_of("mexc-contract", ms=MS), "GET", url).headers
        assert set(contract.headers) == {"ApiKey", "Request-Time", "Signature", "Content-Type"}


CONTRACT = [
    ("GET", {"z": "a,b c", "a": "é"}, None, "a=%C3%A9&z=a%2Cb%20c", ""),
    ("POST", None, ["1", "2"], "", '["1","2"]'),
    ("POST", None, {"b": "é", "a": 0.5}, "", '{"b":"é","a":0.5}'),
    ("POST", None, None, "", "{}"),
]


@pytest.mark.parametrize(("method", "params", "data", "query", "body"), CONTRACT)
def test_contracts_sign_what_is_sent(
    method: str, params: Any, data: Any, query: str, body: str
) -> None:
    auth = auth_of("mexc-contract", ms=MS)
    url = "https://contract.mexc.com/api/v1/private/x"
    request = sent(auth, method, url, params, data)
    assert (request.query_string, request.body_bytes.decode()) == (query, body)
    message = f"test_api_key{MS}{query}{body}".encode()
    wanted = hmac.new(b"test_api_secret", message, hashlib.sha256).hexdigest()
    assert request.headers["Signature"] == wanted
    assert request.headers["Request-Time"] == str(MS)


def test_the_stream_of_spot_takes_a_listen_key_that_is_signed_for() -> None:
    own = pattern_of(auth_of("mexc"))
    assert isinstance(own, ListenKey)
    assert (own.lifetime_s, own.names_key) == (3600, True)
    request = sent(auth_of("mexc", ms=MS), "PUT", own.key_url, data={"listenKey": "a/b"})
    assert request.query_string.startswith(f"listenKey=a%2Fb&timestamp={MS}&recvWindow=5000&sig")


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        ({"channel": "rs.login", "data": "success", "ts": 1}, ("accepted", "")),
        ({"channel": "rs.login", "data": "denied"}, ("rejected", "denied")),
        ({"channel": "rs.error", "data": "signature bad"}, ("rejected", "signature bad")),
        ({"channel": "pong", "data": 1587453241453}, ("not mine", "")),
        ({"channel": "push.personal.asset", "data": {"currency": "X"}}, ("not mine", "")),
        ({"channel": "rs.sub.ticker", "data": "success"}, ("not mine", "")),
        (b"\x00", ("not mine", "")),
    ],
)
def test_what_frames_of_contracts_mean(frame: Any, meaning: Outcome) -> None:
    own = pattern_of(auth_of("mexc-contract", ms=MS))
    login = frame_of(own, MS)
    assert (login["method"], login["param"]["reqTime"]) == ("login", str(MS))
    assert told(own, frame) == meaning
    assert outcome_of(own, frame).lifetime_s is None


@pytest.mark.parametrize("name", ["mexc", "mexc-contract"])
def test_there_is_no_sandbox(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} has no sandbox"):
        exchange(name, sandbox=True)
