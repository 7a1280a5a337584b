"""What exchanges print in their own pages comes out of the exchange's own scheme or pattern."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest

from networkpype import RESTRequest, WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.typed_action import action_hash
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth, names
from tests.support.vectors import load, time_provider

VECTORS = {vector["id"]: vector for vector in load("published")["vectors"]}
LOGINS = {vector["id"]: vector for vector in load("published")["derived_ws_login_frames"]}


def auth_of(
    name: str,
    sample: dict[str, Any],
    ms: int,
    *,
    nonce: Any = None,
    new_id: Any = None,
    **more: Any,
) -> SchemeAuth:
    fields = {"key": sample.get("api_key", "key"), "secret": sample.get("secret", "secret"), **more}
    return exchange_auth(
        name,
        Credentials(**fields),
        time_provider=time_provider(ms),
        nonce=None if nonce is None else lambda: nonce,
        new_id=None if new_id is None else lambda: new_id,
    )


async def steps(auth: SchemeAuth, *request: Any, **arguments: Any) -> tuple[str, str]:
    """Return what is signed for a request, and the signature; it is in the request afterwards."""
    made = RESTRequest(*request, **arguments)
    assert auth.scheme is not None
    *_, (_, draft) = auth.scheme.steps(made, auth.identity)
    signed = draft.string_to_sign
    placed = f"{unquote(made.path_qs)} {made.headers} {unquote(made.body_bytes.decode())}"
    assert draft.signature in placed
    return signed if isinstance(signed, str) else signed.decode("latin-1"), draft.signature


# --- REST ----------------------------------------------------------------------------------------

ORDER = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"


async def binance(sample: dict[str, Any], name: str = "binance") -> tuple[str, str]:
    """The caller's own stamps stay where the caller puts them."""
    pairs = [pair.split("=", 1) for pair in sample["payload"].split("&")]
    arguments = {key: unquote(value) for key, value in pairs}
    base = exchange(name).rest_url
    auth = auth_of(name, sample, int(arguments["timestamp"]) + 999)
    return await steps(auth, "POST", f"{base}/api/v3/order", data=arguments)


async def binance_usdm(sample: dict[str, Any]) -> tuple[str, str]:
    return await binance(sample, "binance-usdm")


async def kraken(sample: dict[str, Any]) -> tuple[str, str]:
    given = sample["inputs"]
    auth = auth_of("kraken", given, 1, nonce=int(given["nonce"]))
    form = dict(pair.split("=") for pair in given["body"].split("&"))
    assert form.pop("nonce") == given["nonce"]
    request = RESTRequest("POST", f"https://api.kraken.com{given['path']}", data=form)  # type: ignore[arg-type]
    request = await auth.rest_authenticate(request)
    assert request.body_bytes.decode() == given["body"]
    return "", (request.headers or {})["API-Sign"]


async def bitmex(sample: dict[str, Any]) -> tuple[str, str]:
    text = sample["payload"]
    method = "GET" if text.startswith("GET") else "POST"
    rest, _, body = (
        text.removeprefix(method).partition("{") if method == "POST" else (text[3:], "", "")
    )
    size = 13 if sample["id"].startswith("bitmex-vba") else 10
    path_qs, expires = rest[:-size], int(rest[-size:])
    path, _, query = path_qs.partition("?")
    auth = auth_of("bitmex", sample, (expires - 60) * 1000)
    return await steps(
        auth,
        method,
        f"https://www.bitmex.com{path}",
        params=query or None,
        data="{" + body if body else None,
    )


async def gate(sample: dict[str, Any]) -> tuple[str, str]:
    method, path, query, _, seconds = sample["payload"].split("\n")
    auth = auth_of("gate", sample, int(seconds) * 1000)
    params = dict(pair.split("=") for pair in query.split("&")) if query else None
    url = f"https://api.gateio.ws{path}"
    return await steps(auth, method, url, params=params, data=sample.get("body"))


async def kucoin(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("kucoin", sample, 1547015186532, passphrase="any")
    url = "https://api.kucoin.com/api/v1/deposit-addresses"
    return await steps(auth, "POST", url, data={"currency": "BTC"})


async def mexc(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("mexc", sample, 1644489390087)
    arguments = dict(pair.split("=") for pair in sample["payload"].split("&"))
    del arguments["timestamp"]
    return await steps(auth, "POST", "https://api.mexc.com/api/v3/order", params=arguments)


async def mexc_mixed(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("mexc", sample, 1)
    query, body = "symbol=BTCUSDT&side=BUY&type=LIMIT", sample["payload"].split("LIMIT")[1]
    url = "https://api.mexc.com/api/v3/order"
    return await steps(auth, "POST", url, params=query, data=body)


async def woo(sample: dict[str, Any]) -> tuple[str, str]:
    query, _, ms = sample["payload"].partition("|")
    auth = auth_of("woo", sample, int(ms), memo="application")
    # The caller's order is another; the scheme sorts.
    arguments = dict(pair.split("=") for pair in reversed(query.split("&")))
    return await steps(auth, "POST", "https://api.woox.io/v1/order", data=arguments)


async def coinex_v1(sample: dict[str, Any]) -> tuple[str, str]:
    """The page's sample has another order than its rule, which is to sort: the bare hash then."""
    payload, _, secret = sample["inputs"]["payload"].rpartition("&secret_key=")
    auth = auth_of("coinex", {"secret": secret}, 1)
    return payload, signed_alone(auth, payload, "/perpetual/v1/order/put_limit")


def signed_alone(auth: SchemeAuth, text: str, path: str = "/") -> str:
    """Sign a text that no request of ours leads to, by the scheme's own method."""
    scheme: Any = auth.scheme
    if isinstance(scheme, ByPath):
        scheme = scheme.of_path(path)
    return auth.identity.sign(scheme.signing, text)


async def kucoin_bare(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("kucoin", sample, 1, passphrase="any")
    return sample["payload"], signed_alone(auth, sample["payload"])


async def htx_bare(sample: dict[str, Any]) -> tuple[str, str]:
    """The SDK's test has a host and a time that are none."""
    return sample["payload"], signed_alone(auth_of("htx", sample, 1), sample["payload"])


async def gemini_bare(sample: dict[str, Any]) -> tuple[str, str]:
    """The page's payload is JSON with line breaks."""
    return sample["payload"], signed_alone(auth_of("gemini", sample, 1), sample["payload"])


# --- WebSockets ----------------------------------------------------------------------------------


async def ws_api_order(sample: dict[str, Any]) -> tuple[str, str]:
    params: dict[str, Any] = dict(pair.split("=") for pair in sample["payload"].split("&"))
    ms = int(params["timestamp"])
    auth = auth_of("binance-ws-api", {**sample, "api_key": params.pop("apiKey")}, ms)
    del params["timestamp"]
    frame = {"id": 1, "method": "order.place", "params": dict(reversed(params.items()))}
    sent = (await auth.ws_authenticate(WebSocketJSONRequest(frame))).payload
    return "", sent["params"]["signature"]


async def ws_api_logon(sample: dict[str, Any]) -> tuple[str, str]:
    frame = sample["frame"]
    keys = {"api_key": frame["params"]["apiKey"], "secret": sample["secret"]}
    ms = frame["params"]["timestamp"]
    auth = auth_of("binance-ws-api", keys, ms, new_id=frame["id"])
    assert login(auth, ms) == frame
    return sample["payload"], frame["params"]["signature"]


async def kraken_challenge(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("krakenfutures", sample["inputs"], 1)
    login(auth, 1)
    assert auth.ws_pattern is not None
    challenge = {"event": "challenge", "message": sample["inputs"]["challenge"]}
    outcome = auth.ws_pattern.handle_auth_response(WebSocketResponse(challenge))
    assert outcome.status is AuthStatus.CHALLENGE
    subscribe = WebSocketJSONRequest({"event": "subscribe", "feed": "balances"})
    return "", (await auth.ws_authenticate(subscribe)).payload["signed_challenge"]


async def deribit_signature(sample: dict[str, Any]) -> tuple[str, str]:
    keys = {"api_key": sample["client_id"], "secret": sample["secret"]}
    auth = auth_of("deribit", keys, sample["timestamp"], nonce=sample["nonce"])
    params = login(auth, sample["timestamp"])["params"]
    assert params["data"] == ""
    assert (params["timestamp"], params["nonce"]) == (sample["timestamp"], sample["nonce"])
    return "", params["signature"]


async def bitmart_login(sample: dict[str, Any]) -> tuple[str, str]:
    auth = auth_of("bitmart", sample, sample["timestamp"], memo=sample["memo"])
    assert login(auth, sample["timestamp"]) == sample["frame"]
    assert auth.ws_pattern is not None
    outcome = auth.ws_pattern.handle_auth_response(WebSocketResponse(sample["ack"]))
    assert outcome.status is AuthStatus.ACCEPTED
    return "", sample["frame"]["args"][2]


def login(auth: SchemeAuth, ms: int) -> Any:
    assert auth.ws_pattern is not None
    request = auth.ws_pattern.build_auth_message(ms / 1000)
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


CASES: dict[str, Callable[[dict[str, Any]], Awaitable[tuple[str, str]]]] = {
    "binance-rest-ascii": binance,
    "binance-rest-unicode": binance,
    "binance-usdm-rest": binance_usdm,
    "binance-wsapi-order-ascii": ws_api_order,
    "binance-wsapi-order-unicode": ws_api_order,
    "binance-wsapi-session-logon": ws_api_logon,
    "bitmart-ws-login": bitmart_login,
    "bitmex-rest-get": bitmex,
    "bitmex-rest-get-query": bitmex,
    "bitmex-rest-post": bitmex,
    "bitmex-vba-get": bitmex,
    "bitmex-vba-post": bitmex,
    "coinex-v1-futures": coinex_v1,
    "deribit-ws-client-signature": deribit_signature,
    "gate-rest-get": gate,
    "gate-rest-post": gate,
    "gemini-rest-legacy": gemini_bare,
    "htx-sdk-rest": htx_bare,
    "kraken-api-sign": kraken,
    "krakenfutures-ws-challenge": kraken_challenge,
    "kucoin-rest-post": kucoin,
    "kucoin-sdk-sign": kucoin_bare,
    "mexc-rest-example2": mexc,
    "mexc-rest-example3-mixed": mexc_mixed,
    "woox-rest": woo,
}


def test_every_sample_of_an_exchange_that_is_here_has_a_case() -> None:
    ours = {*names(), "binanceusdm"}
    assert {id for id, vector in VECTORS.items() if vector["exchange"] in ours} == set(CASES)


@pytest.mark.parametrize("id", CASES)
async def test_a_published_sample(id: str) -> None:
    sample = VECTORS[id]
    signed, signature = await CASES[id](sample)
    if signed:
        assert signed == sample.get("payload", signed)
    assert signature == sample["expected"]


async def test_the_samples_that_the_rest_vectors_quote() -> None:
    quoted = {vector["id"]: vector for vector in load("rest")["published"]}
    assert set(quoted) == {
        "published-binance-docs",
        "published-kraken-docs",
        "published-hyperliquid-sdk-phantom-agent",
    }
    assert (
        VECTORS["binance-rest-ascii"]["expected"]
        == (quoted["published-binance-docs"]["expected_signature"])
    )
    given = quoted["published-kraken-docs"]["given"]
    keys = {"api_key": given["creds"]["apiKey"], "secret": given["creds"]["secret"]}
    auth = auth_of("kraken", keys, given["ms"], nonce=given["ms"])
    url = "https://api.kraken.com/0/private/AddOrder"
    request = RESTRequest("POST", url, data=given["call"][3])  # type: ignore[arg-type]
    headers = (await auth.rest_authenticate(request)).headers or {}
    assert headers["API-Sign"] == quoted["published-kraken-docs"]["expected_signature"]


def test_the_hash_of_an_action_in_hyperliquid_s_sdk() -> None:
    vector = load("rest")["published"][2]
    given = vector["given"]
    hashed = action_hash(given["action"], given["nonce"])
    assert f"0x{hashed.hex()}" == vector["expected_signature"]


# --- logins that were computed apart -------------------------------------------------------------

# Which of an exchange's markets, ids and fields a login frame was made with.
MARKETS = {
    "htx-swap-v2": "htx-contract",
    "gate-spot.login-emptyobject": "gate-ws-api",
    "gate-spot.login-noparam": "gate-ws-api",
}
IDS: dict[str, Any] = {
    "gate-spot.login-emptyobject": "req-1",
    "gate-spot.login-noparam": "req-1",
    "binance-userDataStream.subscribe.signature": "1",
    "binance-userDataStream.subscribe.signature-recvWindow": "1",
    "coinex-server.sign": 1,
    "deribit-client_signature": 1,
    "phemex-user.auth-rawkey": 1,
    "woo-auth": "1",
}
MEMOS = {"bitmart-login": "test_memo", "woo-auth": "application"}
BASE64_SECRETS = ("coinbaseexchange-inline",)

OTHER_FORMS = {
    "bitmex-ccxt-ms": "the page wants seconds; bitmex-authKeyExpires-seconds has them",
    "gate-spot.login-noparam": "signs no parameters; ccxt signs and sends an empty object",
    "binance-userDataStream.subscribe.signature": "recvWindow is sent, as in its other frame",
}
"""Frames of another form of the same login than ours."""


def login_auth(id: str) -> SchemeAuth:
    frame = LOGINS[id]
    secret = frame["secret"]
    if id in BASE64_SECRETS:
        secret = base64.b64encode(secret.encode()).decode()
    more = {"passphrase": frame["passphrase"]}
    if id in MEMOS:
        more["memo"] = MEMOS[id]
    name = MARKETS.get(id, frame["exchange"])
    keys = {"api_key": frame["api_key"], "secret": secret}
    ms = frame["clock_ms"]
    return auth_of(name, keys, ms, nonce=ms, new_id=IDS.get(id), **more)


def own_logins() -> list[str]:
    return [id for id, frame in LOGINS.items() if frame["exchange"] in names()]


SUBSCRIBES = {
    "gate-subscribe-auth": ("auth",),
    "coinbaseexchange-inline": ("signature", "key", "passphrase", "timestamp"),
}
HANDSHAKES = ("gemini-ws-handshake",)
REST_ONLY = ("kucoin-signed-passphrase",)
NUMBERS_OR_TEXT = ("cryptocom-public/auth",)


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_text(each) for name, each in value.items()}
    return [as_text(each) for each in value] if isinstance(value, list) else str(value)


FRAMES = [
    id for id in own_logins() if id not in {*OTHER_FORMS, *SUBSCRIBES, *HANDSHAKES, *REST_ONLY}
]


@pytest.mark.parametrize("id", FRAMES)
async def test_a_login_frame(id: str) -> None:
    frame = LOGINS[id]
    sent = login(login_auth(id), frame["clock_ms"])
    if id in NUMBERS_OR_TEXT:  # both are seen
        assert as_text(sent) == as_text(frame["frame"])
    else:
        assert sent == frame["frame"]


@pytest.mark.parametrize("id", SUBSCRIBES)
async def test_a_signed_subscribe(id: str) -> None:
    wanted = LOGINS[id]["frame"]
    bare = {name: value for name, value in wanted.items() if name not in SUBSCRIBES[id]}
    sent = await login_auth(id).ws_authenticate(WebSocketJSONRequest(bare))
    assert sent.payload == wanted


@pytest.mark.parametrize("id", HANDSHAKES)
async def test_a_signed_handshake(id: str) -> None:
    pattern = login_auth(id).ws_pattern
    assert pattern is not None
    dial = await pattern.pre_auth(None)
    assert dict(dial.headers) == LOGINS[id]["frame"]["headers"]
    assert pattern.build_auth_message(1.0) is None


async def test_the_signed_passphrase_of_kucoin() -> None:
    wanted = LOGINS["kucoin-signed-passphrase"]["frame"]["headers"]
    request = RESTRequest("GET", "https://api.kucoin.com/api/v1/accounts")  # type: ignore[arg-type]
    auth = login_auth("kucoin-signed-passphrase")
    headers = (await auth.rest_authenticate(request)).headers or {}
    assert headers["KC-API-PASSPHRASE"] == wanted["KC-API-PASSPHRASE"]
    assert headers["KC-API-KEY-VERSION"] in wanted["KC-API-KEY-VERSION"]


@pytest.mark.parametrize("id", OTHER_FORMS)
async def test_another_form_of_a_login_is_not_what_is_sent(id: str) -> None:
    frame = LOGINS[id]
    assert login(login_auth(id), frame["clock_ms"]) != frame["frame"]
    assert OTHER_FORMS[id]


def test_every_login_of_an_exchange_that_is_here_is_in_a_test() -> None:
    tested = {*FRAMES, *SUBSCRIBES, *HANDSHAKES, *REST_ONLY, *OTHER_FORMS}
    assert set(own_logins()) == tested
    assert len(tested) == 22
