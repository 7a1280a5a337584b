"""WhiteBIT, API v4.

Sources (read 2026-07): https://docs.whitebit.com/api-reference/authentication,
https://docs.whitebit.com/websocket/authentication, https://docs.whitebit.com/websocket/overview.

There is no sandbox. A connection is closed after 60 s without a message from the client.
"""

from __future__ import annotations

from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.patterns.token_frame import TokenFrameLogin
from networkpype.auth.schemes.payload import PayloadSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["WHITEBIT"]

WHITEBIT = Exchange(
    name="whitebit",
    rest_url="https://whitebit.com",
    hosts=("whitebit.eu",),
    scheme=PayloadSignature(
        key_header="X-TXC-APIKEY",
        payload_header="X-TXC-PAYLOAD",
        signature_header="X-TXC-SIGNATURE",
        signing=HMAC("sha512"),
        # With true the nonce must be the time, within 5 s, and need not rise.
        extra={"nonceWindow": False},
        payload_is_body=True,
    ),
    pattern=TokenFrameLogin(
        url="wss://api.whitebit.com/ws",
        token_url="https://whitebit.com/api/v4/profile/websocket_token",  # noqa: S106
        token_at="websocket_token",  # noqa: S106
        reasons=("message", "errors"),
        rules=[
            accepted({"id": Seen.MY_ID, "result.status": "success"}),
            # The key was good enough for a token, so another token may do.
            rejected(
                {"id": Seen.MY_ID, "error": Seen.ANY}, "error.message", "error", definite=False
            ),
        ],
    ),
    sources=(
        "https://docs.whitebit.com/api-reference/authentication",
        "https://docs.whitebit.com/websocket/authentication",
    ),
)
