"""Coinbase: three kinds of keys, tokens, and what its frames mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from networkpype import (
    Credentials,
    RESTRequest,
    SchemeAuth,
    TimeSynchronizer,
    WebSocketJSONRequest,
    WebSocketResponse,
)
from networkpype.auth.outcome import AuthOutcome, AuthStatus
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.exchanges import exchange, exchange_auth
from tests.support.vectors import Clock

NOT_MINE, ACCEPTED, REJECTED = AuthStatus.NOT_MINE, AuthStatus.ACCEPTED, AuthStatus.REJECTED
NAME = "organizations/1/apiKeys/2"
NONCE = "00112233445566778899aabbccddeeff"
NOW = 1_700_000_000
ACCOUNTS = "https://api.coinbase.com/api/v3/brokerage/accounts"

EC_KEY = ec.generate_private_key(ec.SECP256R1())
PEM = EC_KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
).decode()
ED_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEED_AND_PUBLIC = base64.b64encode(
    bytes(range(32)) + ED_KEY.public_key().public_bytes_raw()
).decode()
ED_PEM = ED_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
LEGACY = "2051feaf98d362900fae4de6aa70108f"

KEYS = {
    "PEM in secret": ("ES256", {"secret": PEM}),
    "PEM in private_key": ("ES256", {"private_key": PEM}),
    "PEM on one line": ("ES256", {"secret": PEM.strip().replace("\n", "\\n")}),
    "seed and public key": ("EdDSA", {"secret": SEED_AND_PUBLIC}),
    "seed and public key in private_key": ("EdDSA", {"private_key": SEED_AND_PUBLIC}),
    "Ed25519 PEM": ("EdDSA", {"secret": ED_PEM}),
}


def auth(**fields: Any) -> SchemeAuth:
    return exchange_auth(
        "coinbase",
        Credentials(key=NAME, **fields),
        time_provider=cast("TimeSynchronizer", Clock(NOW * 1000 + 123)),
        nonce=lambda: NONCE,
    )


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def checked(token: str, algorithm: str) -> dict[str, Any]:
    """Return the claims of a token after verifying header and signature by the public key."""
    header, claims, signature = token.split(".")
    assert json.loads(decoded(header)) == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": NAME,
        "nonce": NONCE,
    }
    text, raw = f"{header}.{claims}".encode(), decoded(signature)
    assert len(raw) == 64
    if algorithm == "EdDSA":
        ED_KEY.public_key().verify(raw, text)
    else:
        r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
        signed = utils.encode_dss_signature(r, s)
        EC_KEY.public_key().verify(signed, text, ec.ECDSA(hashes.SHA256()))
    return dict(json.loads(decoded(claims)))


def claims_of(algorithm: str) -> dict[str, Any]:
    audience = {"aud": ["cdp_service"]} if algorithm == "EdDSA" else {}
    return {**audience, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "sub": NAME, "iat": NOW}


@pytest.mark.parametrize("kind", KEYS)
async def test_a_request_carries_a_token_for_itself(kind: str) -> None:
    algorithm, fields = KEYS[kind]
    request = RESTRequest("POST", ACCOUNTS, params={"a": "b"}, data={"x": "é"})  # type: ignore[arg-type]
    request = await auth(**fields).rest_authenticate(request)
    assert (request.path_qs, request.body_bytes) == (
        "/api/v3/brokerage/accounts?a=b",
        '{"x":"é"}'.encode(),
    )
    headers = dict(request.headers or {})
    token = headers.pop("Authorization").removeprefix("Bearer ")
    assert headers == {"Content-Type": "application/json"}
    uri = "POST api.coinbase.com/api/v3/brokerage/accounts"
    place = {"uris": [uri]} if algorithm == "EdDSA" else {"uri": uri}
    claims = checked(token, algorithm)
    assert claims == {**claims_of(algorithm), **place}
    assert list(claims) == list({**claims_of(algorithm), **place})


@pytest.mark.parametrize("kind", KEYS)
async def test_a_message_carries_a_token_without_a_uri(kind: str) -> None:
    algorithm, fields = KEYS[kind]
    found = auth(**fields)
    assert found.ws_pattern is not None
    assert found.ws_pattern.url == "wss://advanced-trade-ws-user.coinbase.com"
    message = {"type": "subscribe", "channel": "user", "product_ids": ["BTC-USD"], "jwt": "stale"}
    sent = (await found.ws_authenticate(WebSocketJSONRequest(message))).payload
    assert checked(sent.pop("jwt"), algorithm) == claims_of(algorithm)
    assert sent == {"type": "subscribe", "channel": "user", "product_ids": ["BTC-USD"]}


async def test_no_two_tokens_have_one_nonce() -> None:
    found = exchange_auth("coinbase", Credentials(key=NAME, secret=SEED_AND_PUBLIC))
    assert found.ws_pattern is not None
    tokens = [found.ws_pattern.sign_message({})["jwt"] for _ in range(3)]
    nonces = {json.loads(decoded(each.partition(".")[0]))["nonce"] for each in tokens}
    assert len(nonces) == 3


def legacy_signature(text: str) -> str:
    return hmac.new(LEGACY.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("method", "path", "params", "data", "signed"),
    [
        ("GET", "/api/v3/brokerage/accounts", {"limit": 5}, None, "/api/v3/brokerage/accounts"),
        ("GET", "/v2/accounts", {"limit": 5, "x": "é"}, None, "/v2/accounts?limit=5&x=%C3%A9"),
        ("POST", "/v2/accounts", None, {"to": "é"}, '/v2/accounts{"to":"é"}'),
        ("POST", "/api/v3/brokerage/orders", None, {"a": 1}, '/api/v3/brokerage/orders{"a":1}'),
        ("DELETE", "/api/v3/brokerage/portfolios/1", None, None, "/api/v3/brokerage/portfolios/1"),
    ],
)
async def test_a_legacy_key_signs_the_query_in_version_2_only(
    method: str, path: str, params: Any, data: Any, signed: str
) -> None:
    url = f"https://api.coinbase.com{path}"
    request = RESTRequest(method, url, params=params, data=data)  # type: ignore[arg-type]
    request = await auth(secret=LEGACY).rest_authenticate(request)
    assert dict(request.headers or {}) == {
        "CB-ACCESS-KEY": NAME,
        "CB-ACCESS-SIGN": legacy_signature(f"{NOW}{method}{signed}"),
        "CB-ACCESS-TIMESTAMP": str(NOW),
        "Content-Type": "application/json",
    }


async def test_a_legacy_key_signs_channel_and_products() -> None:
    found = auth(secret=LEGACY)
    assert found.ws_pattern is not None
    assert (await found.ws_pattern.pre_auth(None)).url == "wss://advanced-trade-ws.coinbase.com"
    message = {"type": "subscribe", "channel": "user", "product_ids": ["BTC-USD", "ETH-USD"]}
    assert found.ws_pattern.sign_message(message) == {
        **message,
        "api_key": NAME,
        "timestamp": str(NOW),
        "signature": legacy_signature(f"{NOW}userBTC-USD,ETH-USD"),
    }
    fields = found.ws_pattern.build_subscribe_auth("user", ["BTC-USD"]) or {}
    assert fields["signature"] == legacy_signature(f"{NOW}userBTC-USD")


@pytest.mark.parametrize(
    "secret",
    [
        LEGACY,
        LEGACY + LEGACY,
        base64.b64encode(bytes(32)).decode(),
        base64.b64encode(bytes(63)).decode(),
        "x" * 88,
        "*" * 88,
    ],
)
async def test_what_is_no_private_key_is_a_legacy_secret(secret: str) -> None:
    request = RESTRequest("GET", ACCOUNTS)  # type: ignore[arg-type]
    request = await auth(secret=secret).rest_authenticate(request)
    assert "CB-ACCESS-SIGN" in (request.headers or {})


def test_a_key_of_another_curve_is_refused_without_being_shown() -> None:
    pem = (
        ec.generate_private_key(ec.SECP384R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
    with pytest.raises(ConfigurationError, match="secp384r1") as caught:
        auth(secret=pem)
    assert pem.splitlines()[1] not in str(caught.value)
    assert caught.value.__context__ is None


def test_without_any_secret_it_says_so_at_once() -> None:
    with pytest.raises(MissingCredentialsError, match="secret"):
        auth()


def heard(frame: Any, **fields: Any) -> AuthOutcome:
    pattern = auth(**(fields or {"secret": LEGACY})).ws_pattern
    assert pattern is not None
    return pattern.handle_auth_response(WebSocketResponse(frame))


@pytest.mark.parametrize("secret", [LEGACY, SEED_AND_PUBLIC])
@pytest.mark.parametrize(
    ("status", "frame"),
    [
        (ACCEPTED, {"channel": "subscriptions", "events": [{"subscriptions": {"user": ["1"]}}]}),
        (REJECTED, {"type": "error", "message": "authentication failure"}),
        (REJECTED, {"type": "error", "message": "Invalid JWT"}),
        (NOT_MINE, {"type": "error", "message": "rate limit exceeded"}),
        (NOT_MINE, {"type": "error", "message": "no channels provided"}),
        (NOT_MINE, {"channel": "subscriptions", "events": [{"subscriptions": {"ticker": ["A"]}}]}),
        (NOT_MINE, {"channel": "user", "events": [{"type": "snapshot", "orders": []}]}),
        (NOT_MINE, {"channel": "heartbeats", "events": [{"heartbeat_counter": 1}]}),
        (NOT_MINE, ["list"]),
        (NOT_MINE, "text"),
    ],
)
def test_what_a_frame_means(status: AuthStatus, frame: Any, secret: str) -> None:
    assert heard(frame, secret=secret).status is status


def test_a_refusal_has_its_reason() -> None:
    outcome = heard({"type": "error", "message": "authentication failure"})
    assert (outcome.reason, outcome.definite) == ("authentication failure", True)


async def test_the_sandbox_is_another_host_and_has_no_socket() -> None:
    sandbox = exchange("coinbase", sandbox=True)
    assert sandbox.pattern is None
    found = exchange_auth("coinbase", Credentials(key=NAME, secret=SEED_AND_PUBLIC), sandbox=True)
    with pytest.raises(ConfigurationError, match="origin"):
        await found.rest_authenticate(RESTRequest("GET", ACCOUNTS))  # type: ignore[arg-type]
    request = RESTRequest("GET", ACCOUNTS.replace("api.", "api-sandbox."))  # type: ignore[arg-type]
    token = (await found.rest_authenticate(request)).headers or {}
    claims = json.loads(decoded(token["Authorization"].split(".")[1]))
    assert claims["uris"] == ["GET api-sandbox.coinbase.com/api/v3/brokerage/accounts"]
