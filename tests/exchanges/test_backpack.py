"""Backpack: keys in base64, an instruction for each path, and a signature in each subscribe."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from networkpype import WebSocketJSONRequest
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange, exchange_auth
from networkpype.exchanges.backpack import INSTRUCTIONS
from tests.support.logins import auth_of, pattern_of, sent, told
from tests.support.vectors import load

OWN = next(each for each in load("rest")["vectors"] if each["exchange"] == "backpack")
KEY, SECRET = OWN["credentials"]["apiKey"], OWN["credentials"]["secret"]
BASE = "https://api.backpack.exchange"
MS = 1700000000123


def backpack() -> SchemeAuth:
    return auth_of("backpack", ms=MS, key=KEY, secret=SECRET)


def verify(signature: str, text: str) -> None:
    public = Ed25519PrivateKey.from_private_bytes(base64.b64decode(SECRET)).public_key()
    assert base64.b64encode(public.public_bytes_raw()).decode() == KEY
    public.verify(base64.b64decode(signature), text.encode())


@pytest.mark.parametrize("place", list(INSTRUCTIONS))
def test_every_path_is_signed_with_its_instruction(place: str) -> None:
    method, path = place.split()
    request = sent(backpack(), method, BASE + path, data={"symbol": "SOL_USDC"})
    verify(
        request.headers["X-Signature"],
        f"instruction={INSTRUCTIONS[place]}&symbol=SOL_USDC&timestamp={MS}&window=5000",
    )


def test_the_instructions_that_the_page_lists_are_there() -> None:
    # https://docs.backpack.exchange/#section/Authentication/Signing-requests (read 2026-07)
    listed = """accountQuery balanceQuery borrowLendExecute borrowHistoryQueryAll collateralQuery
        depositAddressQuery depositQueryAll fillHistoryQueryAll fundingHistoryQueryAll
        interestHistoryQueryAll orderCancel orderCancelAll orderExecute orderHistoryQueryAll
        orderQuery orderQueryAll pnlHistoryQueryAll positionQuery quoteSubmit strategyCancel
        strategyCancelAll strategyCreate strategyHistoryQueryAll strategyQuery strategyQueryAll
        withdraw withdrawalQueryAll"""
    assert set(listed.split()) <= set(INSTRUCTIONS.values())


def test_a_public_path_has_no_instruction() -> None:
    with pytest.raises(ConfigurationError, match="no instruction is known for GET /api/v1/ticker"):
        sent(backpack(), "GET", f"{BASE}/api/v1/ticker", params={"symbol": "SOL_USDC"})


def test_a_secret_of_seed_and_public_key_is_taken_too() -> None:
    both = base64.b64encode(base64.b64decode(SECRET) + base64.b64decode(KEY)).decode()
    request = sent(
        auth_of("backpack", ms=MS, key=KEY, secret=both), "GET", f"{BASE}/api/v1/capital"
    )
    assert request.headers == sent(backpack(), "GET", f"{BASE}/api/v1/capital").headers


async def test_a_private_subscribe_is_signed() -> None:
    auth = backpack()
    frame = {"method": "SUBSCRIBE", "params": ["account.orderUpdate"]}
    given = copy.deepcopy(frame)
    signed: Any = await auth.ws_authenticate(WebSocketJSONRequest(frame))
    assert frame == given
    assert list(signed.payload) == ["method", "params", "signature"]
    key, signature, timestamp, window = signed.payload["signature"]
    assert (key, timestamp, window) == (KEY, str(MS), "5000")
    verify(signature, f"instruction=subscribe&timestamp={MS}&window=5000")


async def test_a_connection_needs_no_login() -> None:
    pattern = pattern_of(backpack())
    assert (await pattern.pre_auth(None)).url == "wss://ws.backpack.exchange"
    assert pattern.build_auth_message(MS / 1000) is None


@pytest.mark.parametrize(
    ("frame", "status", "reason"),
    [
        (
            {"id": None, "error": {"code": 4002, "message": "Invalid signature"}},
            "rejected",
            "Invalid signature",
        ),
        ({"id": 1, "error": {"code": 4002}}, "rejected", "refused without a reason"),
        ({"id": None, "error": {"code": 4005, "message": "Invalid market"}}, "not mine", ""),
        ({"stream": "account.orderUpdate", "data": {"e": "orderAccepted"}}, "not mine", ""),
        ({"stream": "depth.SOL_USDC", "data": {"error": 4002}}, "not mine", ""),
        ({"id": 1, "result": None}, "not mine", ""),
    ],
)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    assert told(pattern_of(backpack()), frame) == (status, reason)


def test_there_is_no_sandbox() -> None:
    assert exchange("backpack").sandbox is None
    with pytest.raises(ConfigurationError, match="no sandbox"):
        auth_of("backpack", key=KEY, secret=SECRET, sandbox=True)


def test_key_and_secret_are_asked_for() -> None:
    with pytest.raises(MissingCredentialsError, match="secret"):
        exchange_auth("backpack", Credentials(key=KEY))
