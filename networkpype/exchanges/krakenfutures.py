"""Kraken Futures: REST v3 and history, WebSocket v1, and the demo of both.

Sources (read 2026-07): https://docs.kraken.com/api/docs/guides/futures-rest (the arguments are
hashed as they are sent, percent-encoded, since 2024-02-20; the nonce is optional),
https://support.kraken.com/hc/en-us/articles/360022635572 (arguments of POST in the URL),
https://docs.kraken.com/api/docs/guides/futures-websockets,
https://docs.kraken.com/api/docs/futures-api/websocket/challenge.
"""

from __future__ import annotations

from networkpype.auth.patterns.challenge import Challenge
from networkpype.auth.patterns.rules import Containing, Seen, rejected
from networkpype.auth.schemes.kraken import KrakenFuturesSignature
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["KRAKEN_FUTURES"]

_SCHEME = KrakenFuturesSignature()
_ABOUT_US = Containing("authenticat", "api key", "api_key", "apikey", "challenge", "signature")
_SOURCES = (
    "https://docs.kraken.com/api/docs/guides/futures-rest",
    "https://docs.kraken.com/api/docs/guides/futures-websockets",
)


def _pattern(url: str) -> Challenge:
    return Challenge(
        url=url,
        ask={"event": "challenge"},
        when={"event": "challenge"},
        challenge_at="message",
        signing=HMAC("sha512", "base64", secret="base64"),  # noqa: S106
        key_field="api_key",
        challenge_field="original_challenge",
        signature_field="signed_challenge",
        rules=(
            rejected({"event": ("alert", "error"), "message": _ABOUT_US}, "message"),
            rejected(
                {"event": ("alert", "error"), "message": Containing("permission")},
                "message",
                failure=AuthenticationFailure.PERMISSION,
            ),
            # The answer to a private subscribe, which is told from a public one by the challenge.
            rejected(
                {"event": "subscribed_failed", "original_challenge": Seen.ANY},
                "message",
                "feed",
                definite=False,
            ),
        ),
        unasked=(rejected({"event": "error", "message": "Json Error"}, "message"),),
    )


KRAKEN_FUTURES = Exchange(
    name="krakenfutures",
    rest_url="https://futures.kraken.com",
    scheme=_SCHEME,
    pattern=_pattern("wss://futures.kraken.com/ws/v1"),
    sandbox=Exchange(
        name="krakenfutures demo",
        rest_url="https://demo-futures.kraken.com",
        scheme=_SCHEME,
        pattern=_pattern("wss://demo-futures.kraken.com/ws/v1"),
        sources=_SOURCES,
    ),
    sources=_SOURCES,
)
