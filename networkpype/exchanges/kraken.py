"""Kraken spot, REST and WebSocket v2.

Sources (read 2026-07): https://docs.kraken.com/exchange/guides/rest/authentication,
https://docs.kraken.com/api-reference/trading/get-websockets-token,
https://docs.kraken.com/exchange/guides/websockets/authentication,
https://support.kraken.com/articles/360034664311.

All private calls are POST in its reference, and others are refused before they are signed.

There is no sandbox: the beta addresses trade on the production engine.
"""

from __future__ import annotations

from networkpype.auth.patterns.rest_token import RestToken
from networkpype.auth.patterns.rules import Containing, accepted, rejected
from networkpype.auth.schemes.kraken import KrakenSignature
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange

__all__ = ["KRAKEN"]

KRAKEN = Exchange(
    name="kraken",
    rest_url="https://api.kraken.com",
    scheme=KrakenSignature(),
    pattern=RestToken(
        url="wss://ws-auth.kraken.com/v2",
        token_url="https://api.kraken.com/0/private/GetWebSocketsToken",  # noqa: S106
        token_at="result.token",  # noqa: S106
        # 900 s until it is first used; kept alive by a private subscription from then on.
        lifetime_at="result.expires",
        reasons=("error.0",),
        # Others pass: EAPI:Invalid nonce, EAPI:Rate limit exceeded, EService:Unavailable, ...
        refusals=("EAPI:Invalid key", "EAPI:Invalid signature", "EGeneral:Permission denied"),
        message_at="params.token",
        rules=(
            # This address serves private channels and orders only.
            accepted({"method": "subscribe", "success": True}),
            # A token that ended: a new one helps, which every dial brings.
            rejected(
                {"success": False, "error": Containing("ESession:", "EAPI:Invalid session")},
                "error",
                failure=AuthenticationFailure.EXPIRED,
                definite=False,
            ),
            rejected(
                {"success": False, "error": Containing("EAPI:Rate limit", "EGeneral:Temporary")},
                "error",
                definite=False,
            ),
            rejected(
                {"success": False, "error": Containing("EAPI:Invalid nonce")},
                "error",
                failure=AuthenticationFailure.NONCE,
                definite=False,
            ),
            rejected(
                {"success": False, "error": Containing("Permission denied")},
                "error",
                failure=AuthenticationFailure.PERMISSION,
            ),
            rejected({"success": False, "error": Containing("EAPI:Invalid", "token")}, "error"),
        ),
    ),
    sources=(
        "https://docs.kraken.com/exchange/guides/rest/authentication",
        "https://docs.kraken.com/exchange/guides/websockets/authentication",
    ),
)
