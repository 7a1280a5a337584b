"""KuCoin: the passphrase is signed too, and a token by REST opens the socket."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.errors import AuthenticationError, ConfigurationError, DecodeError
from networkpype.exchanges import exchange
from tests.support.by_hand import Answers, mac
from tests.support.logins import auth_of, derived, pattern_of, published, sent, told

FRAMES: list[tuple[Any, str, str]] = [
    ({"id": "private", "type": "welcome"}, "accepted", ""),
    (
        {"id": "1", "type": "error", "code": 401, "data": "token is invalid"},
        "rejected",
        "token is invalid",
    ),
    ({"id": "1", "type": "error", "code": 404, "data": "topic is not found"}, "not mine", ""),
    ({"id": "1", "type": "ack"}, "not mine", ""),
    ({"id": "1", "type": "pong"}, "not mine", ""),
    ({"type": "message", "topic": "/account/balance", "data": {"code": 401}}, "not mine", ""),
]


@pytest.mark.parametrize(("frame", "status", "reason"), FRAMES)
def test_every_frame_is_what_it_is(frame: Any, status: str, reason: str) -> None:
    for name in ("kucoin", "kucoin-futures"):
        assert told(pattern_of(auth_of(name)), frame) == (status, reason)


def answer(endpoint: str, token: str = "a+b/c==") -> dict[str, Any]:
    server = {"endpoint": endpoint, "pingInterval": 18000, "pingTimeout": 10000}
    return {"code": "200000", "data": {"token": token, "instanceServers": [server]}}


async def test_a_signed_post_tells_where_to_dial() -> None:
    pattern = pattern_of(auth_of("kucoin-futures", new_id=lambda: "my id"))
    rest = Answers(answer("wss://ws-api-futures.kucoin.com/endpoint"))
    dialed = await pattern.pre_auth(rest)
    assert dialed.url == (
        "wss://ws-api-futures.kucoin.com/endpoint"
        "?token=a%2Bb%2Fc%3D%3D&privateChannel=true&connectId=my%20id"
    )
    assert rest.calls == [
        {
            "url": "https://api-futures.kucoin.com/api/v1/bullet-private",
            "params": None,
            "data": None,
            "method": "POST",
            "signed": True,
        }
    ]


async def test_every_dial_has_its_own_token_and_id() -> None:
    pattern = pattern_of(auth_of("kucoin"))
    rest = Answers(answer("wss://x.kucoin.com/", "one"), answer("wss://x.kucoin.com/", "two"))
    first, second = await pattern.pre_auth(rest), await pattern.renew(rest)
    assert "token=one&" in first.url
    assert "token=two&" in second.url
    assert first.url.partition("connectId=")[2] != second.url.partition("connectId=")[2]


@pytest.mark.parametrize(
    "endpoint",
    [
        "wss://evil.example/",
        "wss://kucoin.com.evil.example/",
        "wss://notkucoin.com/",
        "wss://push.kucoin.com.evil.example:443/",
    ],
)
async def test_the_token_goes_to_kucoin_alone(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no host of kucoin\.com") as caught:
        await pattern_of(auth_of("kucoin")).pre_auth(Answers(answer(endpoint, "t0ken-secret")))
    assert "t0ken-secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["ws://push.kucoin.com/", "https://push.kucoin.com/", None])
async def test_the_socket_is_encrypted(endpoint: Any) -> None:
    with pytest.raises(DecodeError, match="wss://"):
        await pattern_of(auth_of("kucoin")).pre_auth(Answers(answer(endpoint)))


async def test_a_refusal_tells_kucoins_words() -> None:
    refusal = {"code": "400005", "msg": "Invalid KC-API-SIGN"}
    with pytest.raises(AuthenticationError, match="Invalid KC-API-SIGN"):
        await pattern_of(auth_of("kucoin")).pre_auth(Answers(refusal))


async def test_without_rest_nothing_can_be_dialed() -> None:
    with pytest.raises(ConfigurationError, match="RESTManager"):
        await pattern_of(auth_of("kucoin")).pre_auth(None)


def test_a_private_subscribe_says_so() -> None:
    pattern = pattern_of(auth_of("kucoin"))
    frame = {"id": "1", "type": "subscribe", "topic": "/account/balance"}
    assert pattern.sign_message(frame) == {**frame, "privateChannel": True}
    assert pattern.build_auth_message(0.0) is None


def test_the_printed_signature_and_the_signed_passphrase() -> None:
    sample = published("kucoin-rest-post")
    auth = auth_of("kucoin", ms=1547015186532, key=sample["api_key"], secret=sample["secret"])
    url = "https://api.kucoin.com/api/v1/deposit-addresses"
    request = sent(auth, "POST", url, data={"currency": "BTC"})
    assert request.headers["KC-API-SIGN"] == sample["expected"]
    assert request.headers["KC-API-PASSPHRASE"] == mac(
        sample["secret"], "test_passphrase", "sha256", "base64"
    )
    other = sent(auth_of("kucoin"), "GET", "https://api.kucoin.com/api/v1/accounts")
    wanted = derived("kucoin-signed-passphrase")["frame"]["headers"]["KC-API-PASSPHRASE"]
    assert other.headers["KC-API-PASSPHRASE"] == wanted
    assert other.headers["KC-API-KEY-VERSION"] == "2"


def test_the_query_is_signed_as_it_was_and_sent_escaped() -> None:
    url = "https://api.kucoin.com/api/v1/fills"
    request = sent(auth_of("kucoin"), "GET", url, params={"symbols": "A-B,C-D", "x": "a b+%c:d"})
    # Commas and colons may stand in a query, and do, for nobody can decode them wrongly.
    assert request.path_qs == "/api/v1/fills?symbols=A-B,C-D&x=a%20b%2B%25c:d"
    assert request.headers["KC-API-SIGN"] == mac(
        "test_api_secret",
        "1700000000000GET/api/v1/fills?symbols=A-B,C-D&x=a b+%c:d",
        "sha256",
        "base64",
    )


@pytest.mark.parametrize("data", [None, {}])
def test_a_post_without_arguments_has_neither_body_nor_type(data: Any) -> None:
    url = "https://api.kucoin.com/api/v1/bullet-private"
    request = sent(auth_of("kucoin"), "POST", url, data=data)
    assert request.body_bytes == b""
    assert "Content-Type" not in request.headers


def test_each_account_has_its_own_passphrase() -> None:
    url = "https://api.kucoin.com/api/v1/accounts"
    seen = {
        sent(auth_of("kucoin", passphrase=each), "GET", url).headers["KC-API-PASSPHRASE"]
        for each in ("one", "two", "one")
    }
    assert len(seen) == 2


def test_the_sandbox_was_closed() -> None:
    with pytest.raises(ConfigurationError, match="no sandbox"):
        exchange("kucoin", sandbox=True)
