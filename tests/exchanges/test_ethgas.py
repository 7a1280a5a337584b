"""ETHGas: one access token for REST and WebSocket, refreshed, or made by a wallet."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from networkpype.auth.access_tokens import AccessTokens
from networkpype.auth.login import Login
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.standing import LoginState
from networkpype.credentials import Credentials
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    MissingCredentialsError,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.rest.request import RESTRequest
from networkpype.websocket.response import WebSocketResponse
from tests.support.by_hand import Answers
from tests.support.logins import frame_of, outcome_of, pattern_of, told
from tests.support.vectors import Clock, time_provider

NOW = 1_700_000_000.0
WALLET_KEY = "0x" + "46" * 32
WALLET = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"

FRAMES: list[tuple[Any, str, str]] = [
    ({"cmd": "login", "status": "success", "data": {"userId": "user_123"}}, "accepted", ""),
    (
        {"cmd": "login", "status": "error", "error": {"code": 403, "message": "no"}},
        "rejected",
        "no",
    ),
    (
        {"cmd": "login", "status": "error", "error": {"code": 429, "message": "slow"}},
        "rejected",
        "slow",
    ),
    (
        {"cmd": "login", "status": "error", "error": {"code": 401, "message": "Invalid token"}},
        "expired",
        "Invalid token",
    ),
    (
        {"cmd": "login", "status": "error", "error": {"code": 500}},
        "rejected",
        "500",
    ),
    (
        {"cmd": "token_expired", "data": {"message": "Access token has expired"}},
        "expired",
        "Access token has expired",
    ),
    ({"cmd": "subscribe", "status": "success", "data": {}}, "not mine", ""),
    ({"cmd": "subscribe", "status": "error", "error": {"code": 401}}, "not mine", ""),
    ({"cmd": "login", "status": "pending"}, "not mine", ""),
    ({"e": "ticker", "status": "success"}, "not mine", ""),
    ("pong", "not mine", ""),
]


def jwt(exp: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJFUzI1NiJ9.{claims}.c2ln"


def auth(clock: Clock | None = None, *, sandbox: bool = False, **fields: Any) -> SchemeAuth:
    source: Any = clock or time_provider(int(NOW * 1000))
    return exchange_auth("ethgas", Credentials(**fields), time_provider=source, sandbox=sandbox)


def refreshed(token: Any, **more: Any) -> dict[str, Any]:
    return {"data": {"accessToken": token, **more}}


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    pattern = pattern_of(auth(key="first", secret="refresh"))
    frame_of(pattern)
    assert told(pattern, frame) == (status, reason)


def test_what_helps_against_a_refusal() -> None:
    pattern = pattern_of(auth(key="first", secret="refresh"))
    error = {"cmd": "login", "status": "error"}
    denied = outcome_of(pattern, {**error, "error": {"code": 403}})
    assert (denied.failure, denied.definite) == (AuthenticationFailure.PERMISSION, True)
    assert not outcome_of(pattern, {**error, "error": {"code": 429}}).definite


async def test_header_and_frame_have_the_token_that_was_given() -> None:
    pattern = pattern_of(auth(key="first"))
    dialed = await pattern.pre_auth(None)
    assert dialed.url == "wss://ws.ethgas.com"
    assert dialed.headers == {"Authorization": "Bearer first"}
    assert frame_of(pattern) == {"cmd": "login", "data": {"accessToken": "first"}}
    assert "first" not in f"{dialed!r}{pattern!r}"


async def test_either_way_can_be_turned_off() -> None:
    login = exchange("ethgas").pattern
    assert isinstance(login, AccessTokenLogin)
    for own, headers in (
        (replace(login, login_frame=False), {"Authorization": "Bearer t"}),
        (replace(login, bearer_header=False), {}),
    ):
        pattern = pattern_of(SchemeAuth(Credentials(key="t"), pattern=own))
        assert (await pattern.pre_auth(None)).headers == headers
        assert (pattern.build_auth_message(NOW) is None) == bool(headers)


@pytest.mark.parametrize("token", ["fresh", {"token": "fresh"}])
async def test_both_answers_of_a_refresh_are_understood(token: Any) -> None:
    pattern = pattern_of(auth(secret="refresh-1"))
    rest = Answers(refreshed(token, refreshToken="refresh-2"), refreshed("later", expiresIn=100))
    dialed = await pattern.pre_auth(rest)
    assert dialed.headers == {"Authorization": "Bearer fresh"}
    assert dialed.lifetime_s == 3600
    assert rest.calls == [
        {
            "url": "https://api.ethgas.com/api/v1/user/login/refresh",
            "params": None,
            "data": {"refreshToken": "refresh-1"},
            "method": "POST",
            "signed": False,
        }
    ]
    frame_of(pattern)
    assert (await pattern.renew(rest)).lifetime_s == 100
    assert rest.calls[1]["data"] == {"refreshToken": "refresh-2"}
    assert frame_of(pattern)["data"] == {"accessToken": "later"}


async def test_rest_and_every_connection_share_the_token() -> None:
    both = auth(key="first", secret="refresh")
    one, two = pattern_of(both), pattern_of(both).fresh()
    rest = Answers(refreshed("second"))
    for pattern in (one, two):
        await pattern.pre_auth(rest)
        frame_of(pattern)
    await one.renew(rest)
    assert (await two.renew(rest)).headers == {"Authorization": "Bearer second"}
    assert len(rest.calls) == 1  # the second found a token that it had not used
    request = RESTRequest("GET", "https://api.ethgas.com/api/v1/user/info")  # type: ignore[arg-type]
    signed = await both.rest_authenticate(request)
    assert signed.headers == {"Authorization": "Bearer second"}


async def test_rest_without_a_token_says_how_to_get_one() -> None:
    request = RESTRequest("GET", "https://api.ethgas.com/api/v1/user/info")  # type: ignore[arg-type]
    with pytest.raises(MissingCredentialsError, match="renew"):
        await auth(secret="refresh").rest_authenticate(request)


async def test_a_jwt_tells_its_own_end() -> None:
    pattern = pattern_of(auth(key=jwt(NOW + 1800), secret="refresh"))
    assert (await pattern.pre_auth(None)).lifetime_s == 1800
    frame_of(pattern)
    ack = outcome_of(pattern, {"cmd": "login", "status": "success"})
    assert ack.lifetime_s == 1800


async def test_a_refreshed_jwt_is_believed_over_what_came_with_it() -> None:
    pattern = pattern_of(auth(secret="refresh"))
    rest = Answers(refreshed(jwt(NOW + 1234), expiresIn=3600))
    assert (await pattern.pre_auth(rest)).lifetime_s == 1234


async def test_an_old_token_is_refreshed_before_the_dial() -> None:
    rest = Answers(refreshed("fresh"))
    pattern = pattern_of(auth(key=jwt(NOW + 60), secret="refresh"))
    assert (await pattern.pre_auth(rest)).headers == {"Authorization": "Bearer fresh"}
    # Without a way to refresh, what is left of it is better than nothing.
    token = jwt(NOW + 60)
    assert (await pattern_of(auth(key=token)).pre_auth(None)).lifetime_s == 60
    with pytest.raises(ConfigurationError, match="cannot be refreshed"):
        await pattern_of(auth(key=jwt(NOW - 1))).pre_auth(rest)


async def test_a_refused_token_is_replaced_once_and_then_it_is_final() -> None:
    pattern = pattern_of(auth(key="first", secret="refresh"))
    refusal = {"cmd": "login", "status": "error", "error": {"code": 401, "message": "Invalid"}}
    rest = Answers(refreshed("second"))
    await pattern.pre_auth(rest)
    frame_of(pattern)
    assert told(pattern, refusal) == ("expired", "Invalid")
    await pattern.pre_auth(rest)
    assert frame_of(pattern)["data"] == {"accessToken": "second"}
    outcome = outcome_of(pattern, refusal)
    assert (outcome.status.value, outcome.definite) == ("rejected", True)


def test_a_refused_token_that_cannot_be_replaced_is_final() -> None:
    pattern = pattern_of(auth(key="only"))
    frame_of(pattern)
    outcome = outcome_of(pattern, {"cmd": "login", "status": "error", "error": {"code": 401}})
    assert (outcome.status.value, outcome.definite) == ("rejected", True)


async def test_token_expired_logs_in_again_on_the_same_connection() -> None:
    pattern = pattern_of(auth(key="first", secret="refresh"))
    login = Login(pattern, jitter=lambda: 0.0)
    rest = Answers(refreshed("second"))
    login.dial(0.0)
    login.prepared(await pattern.pre_auth(rest), 0.0, NOW, 1)
    login.connected(0.0, NOW, 1)
    login.received(WebSocketResponse({"cmd": "login", "status": "success"}), 0.0, 1)
    assert login.is_authenticated
    expiry = WebSocketResponse({"cmd": "token_expired", "data": {"message": "Access token"}})
    _, actions = login.received(expiry, 100.0, 1)
    assert "Prepare" in [type(action).__name__ for action in actions]
    sent = login.prepared(await pattern.pre_auth(rest), 100.0, NOW + 100, 2)
    assert [type(action).__name__ for action in sent] == ["Send"]
    assert sent[0].request.payload["data"] == {"accessToken": "second"}  # type: ignore[attr-defined]
    login.received(WebSocketResponse({"cmd": "login", "status": "success"}), 101.0, 1)
    assert (login.state, login.epoch) == (LoginState.AUTHENTICATED, 1)


async def test_an_answer_without_a_token_is_a_refusal() -> None:
    rest = Answers({"success": False, "data": {"errorMsg": "refresh token expired\n"}})
    with pytest.raises(AuthenticationError, match="refresh token expired") as caught:
        await pattern_of(auth(secret="refresh-secret")).pre_auth(rest)
    assert caught.value.reason is AuthenticationFailure.EXPIRED
    assert "refresh-secret" not in str(caught.value)


async def test_without_rest_a_token_cannot_be_got() -> None:
    with pytest.raises(ConfigurationError, match="RESTManager"):
        await pattern_of(auth(secret="refresh")).pre_auth(None)
    with pytest.raises(ConfigurationError, match="no access token"):
        pattern_of(auth(secret="refresh")).build_auth_message(NOW)


def test_tokens_show_nothing() -> None:
    tokens = AccessTokens("access-1", "refresh-1")
    assert repr(tokens) == "AccessTokens(***)"
    with pytest.raises(TypeError, match="do not pickle"):
        tokens.__reduce_ex__(2)
    tokens.spend("another")
    assert tokens.remaining_s(NOW) is None
    tokens.spend("access-1")
    assert tokens.remaining_s(NOW) == -NOW


@pytest.mark.parametrize("text", ["a.b.c", "a.e30.c", "a.b", "..", "a.W10.c", "a.é.c"])
def test_what_is_no_jwt_tells_no_end(text: str) -> None:
    assert AccessTokens(text).expires_at is None


def typed(**changes: Any) -> dict[str, Any]:
    message = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "data": [
                {"name": "hash", "type": "string"},
                {"name": "message", "type": "string"},
                {"name": "domain", "type": "string"},
            ],
        },
        "primaryType": "data",
        "message": {"hash": "52a90c73", "message": "Please sign", "domain": "ethgas.com"},
        "domain": {
            "name": "ETHGas Login",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0x" + "0" * 40,
        },
    }
    return message | changes


def asked(message: Any, nonce: str = "52a90c73") -> dict[str, Any]:
    data = {"status": "verify", "eip712Message": message, "nonceHash": nonce}
    return {"success": True, "data": data}


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_wallet_logs_in(as_text: bool) -> None:
    account = pytest.importorskip("eth_account").Account
    wallet = auth(wallet=WALLET, private_key=WALLET_KEY, sandbox=True)
    message = typed()
    rest = Answers(asked(json.dumps(message) if as_text else message), refreshed({"token": "mine"}))
    dialed = await pattern_of(wallet).pre_auth(rest)
    assert dialed.headers == {"Authorization": "Bearer mine"}
    assert dialed.url == "wss://testnet-ws.ethgas.com"
    signature = account.sign_typed_data(WALLET_KEY, full_message=message).signature.hex()
    base = "https://hoodi.app.ethgas.com/api/v1/user/login"
    assert [call["url"] for call in rest.calls] == [base, f"{base}/verify"]
    assert rest.calls[0]["params"] == {"addr": WALLET}
    assert rest.calls[1]["params"] == {
        "addr": WALLET,
        "nonceHash": "52a90c73",
        "signature": f"0x{signature.removeprefix('0x')}",
    }
    assert all(call["data"] is None and not call["signed"] for call in rest.calls)


@pytest.mark.parametrize(
    "message",
    [
        typed(domain={"name": "USD Coin", "version": "2", "chainId": 1}),
        typed(domain={"name": "ETHGas Login", "verifyingContract": "0x" + "1" * 40}),
        typed(message={"hash": "another", "message": "x", "domain": "y"}),
        typed(types="none"),
        "no JSON",
        None,
    ],
)
async def test_a_wallet_signs_nothing_else(message: Any) -> None:
    rest = Answers(asked(message))
    with pytest.raises(AuthenticationError, match="nothing was signed"):
        await pattern_of(auth(wallet=WALLET, private_key=WALLET_KEY)).pre_auth(rest)
    assert len(rest.calls) == 1


async def test_the_test_network_never_falls_back_to_the_live_one() -> None:
    request = RESTRequest("GET", "https://api.ethgas.com/api/v1/user/info")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="none of the origins"):
        await auth(key="t", sandbox=True).rest_authenticate(request)
