"""Coinbase Advanced Trade, for keys of the developer platform (JWT) and legacy keys (HMAC).

Sources (read 2026-07):
https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication,
https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-authentication,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview.

What the secret is decides: a PEM key signs ES256, 64 bytes in base64 sign EdDSA, anything else is
a legacy secret. Two differences to ccxt, where the pages win: a token of ES256 is issued by "cdp"
and has no audience (ccxt: "coinbase-cloud" and "retail_rest_api_proxy", of the pages of 2023), and
EdDSA keys subscribe with a token as well (ccxt: by HMAC).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from networkpype.auth.identity import Identity
from networkpype.auth.patterns.inline import InlineSignature, InlineToken, KeyChoice
from networkpype.auth.patterns.rules import Containing, Seen, accepted, rejected
from networkpype.auth.schemes.bearer import JWTBearer
from networkpype.auth.schemes.by_key import ByKey
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.errors import MissingCredentialsError
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC
from networkpype.signing.tokens import TokenAlgorithm, token, token_algorithm, token_signing

__all__ = ["COINBASE"]

_JSON = "application/json"
_LIFETIME_S = 120
_SIGNING = {"ES256": token_signing("ES256"), "EdDSA": token_signing("EdDSA", key="base64")}


def _key_kind(identity: Identity) -> str:
    """Return ES256, EdDSA or HMAC; the secret is looked at once."""
    return identity.kept("coinbase key", _look)


def _look(identity: Identity) -> str:
    field = "private_key" if identity.has_private_key else "secret"
    if not identity.reveal(field):
        raise MissingCredentialsError("coinbase needs a secret; pass Credentials(secret=...)")
    if field == "secret" and not _is_private_key(identity.reveal("secret")):
        return "HMAC"
    return token_algorithm(identity.reveal(field), identity.reveal("private_key_password") or None)


def _is_private_key(secret: str) -> bool:
    if secret.lstrip().startswith("-----BEGIN "):
        return True
    try:
        return len(binascii.a2b_base64(secret.encode(), strict_mode=True)) == 64
    except ValueError:
        return False


def _parts(
    algorithm: TokenAlgorithm, identity: Identity, uri: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims; a token for a WebSocket message has no URI."""
    now, key, is_eddsa = int(identity.time()), identity.key, algorithm == "EdDSA"
    header = {"alg": algorithm, "typ": "JWT", "kid": key, "nonce": identity.random_text()}
    claims: dict[str, Any] = {"aud": ["cdp_service"]} if is_eddsa else {}
    claims |= {"iss": "cdp", "nbf": now, "exp": now + _LIFETIME_S, "sub": key, "iat": now}
    if uri:
        claims |= {"uris": [uri]} if is_eddsa else {"uri": uri}
    return header, claims


def _of_request(
    algorithm: TokenAlgorithm,
) -> Callable[[Draft], tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return lambda draft: _parts(
        algorithm, draft.identity, f"{draft.method} {draft.host}{draft.path}"
    )


def _of_message(algorithm: TokenAlgorithm) -> Callable[[Identity], str]:
    return lambda identity: token(
        *_parts(algorithm, identity), lambda text: identity.sign(_SIGNING[algorithm], text)
    )


def _jwt(algorithm: TokenAlgorithm) -> JWTBearer:
    return JWTBearer(parts=_of_request(algorithm), signing=_SIGNING[algorithm], content_type=_JSON)


def _legacy(path: str) -> HeaderSignature:
    return HeaderSignature(
        message=f"{{timestamp}}{{method}}{path}{{body}}",
        headers={
            "CB-ACCESS-KEY": "{key}",
            "CB-ACCESS-SIGN": "{signature}",
            "CB-ACCESS-TIMESTAMP": "{timestamp}",
        },
        signing=HMAC(),
        timestamp="s",
        content_type=_JSON,
    )


_SCHEME = ByKey(
    choose=_key_kind,
    schemes={
        "ES256": _jwt("ES256"),
        "EdDSA": _jwt("EdDSA"),
        # The query is signed in version 2 and is not in version 3.
        "HMAC": ByPath(prefixes={"/v2/": _legacy("{path_qs}")}, default=_legacy("{path}")),
    },
)

_RULES = (
    accepted({"channel": "subscriptions", "events.0.subscriptions.user": Seen.ANY}),
    accepted(
        {"channel": "subscriptions", "events.0.subscriptions.futures_balance_summary": Seen.ANY}
    ),
    rejected(
        {
            "type": "error",
            "message": Containing(
                "authenticat", "unauthorized", "jwt", "api key", "signature", "permission"
            ),
        },
        "message",
    ),
)


def _with_token(algorithm: TokenAlgorithm) -> InlineToken:
    return InlineToken(
        url="wss://advanced-trade-ws-user.coinbase.com",
        token=_of_message(algorithm),
        field_name="jwt",
        rules=_RULES,
    )


COINBASE = Exchange(
    name="coinbase",
    rest_url="https://api.coinbase.com",
    needs=("key", "secret|private_key"),
    scheme=_SCHEME,
    pattern=KeyChoice(
        choose=_key_kind,
        choices={
            "ES256": _with_token("ES256"),
            "EdDSA": _with_token("EdDSA"),
            "HMAC": InlineSignature(
                url="wss://advanced-trade-ws.coinbase.com",
                message="{timestamp}{channel}{symbols}",
                fields={
                    "api_key": "{key}",
                    "timestamp": "{timestamp}",
                    "signature": "{signature}",
                },
                event_at="type",
                symbols_at="product_ids",
                rules=_RULES,
            ),
        },
    ),
    # Answers a few endpoints with fixed data; it has no WebSocket.
    sandbox=Exchange(
        name="coinbase sandbox",
        rest_url="https://api-sandbox.coinbase.com",
        needs=("key", "secret|private_key"),
        scheme=_SCHEME,
        sources=("https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/sandbox",),
    ),
    sources=(
        "https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication",
        "https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-authentication",
    ),
)
