"""KuCoin, spot and futures.

Sources (read 2026-07): https://github.com/Kucoin/kucoin-api-docs (signing, bullet-private),
https://github.com/Kucoin/kucoin-universal-sdk (signs the query unencoded), and
https://github.com/Kucoin/kucoin-go-sdk/pull/119 on the same.

The page's sample has key version "2", the current SDK sends "3"; both sign the passphrase. ccxt
sends it plain with any version but "2". The sandbox was closed.

A token opens one connection. The server speaks first: ``welcome`` is the ack. The answer with the
token also tells how often to ping.
"""

from __future__ import annotations

from networkpype.auth.patterns.bullet import BulletToken
from networkpype.auth.patterns.rules import accepted, rejected
from networkpype.auth.schemes.kucoin import KuCoinSignature
from networkpype.auth.schemes.layout import LEGAL_IN_QUERY, Layout
from networkpype.exchanges.exchange import Exchange

__all__ = ["KUCOIN", "KUCOIN_FUTURES"]

# Colons and commas, of which a query may hold any number, are sent as they are signed.
_SCHEME = KuCoinSignature(layout=Layout(unescaped=LEGAL_IN_QUERY))
_NEEDS = ("key", "secret", "passphrase")
_SOURCES = (
    "https://github.com/Kucoin/kucoin-api-docs",
    "https://github.com/Kucoin/kucoin-universal-sdk",
)


def _tokens(host: str) -> BulletToken:
    return BulletToken(
        token_url=f"https://{host}/api/v1/bullet-private",
        token_at="data.token",  # noqa: S106
        endpoint_at="data.instanceServers.0.endpoint",
        query={"token": "{token}", "privateChannel": "true", "connectId": "{id}"},
        domain="kucoin.com",
        reasons=("msg", "code"),
        fields={"privateChannel": True},
        rules=[
            accepted({"type": "welcome"}),
            rejected({"type": "error", "code": 401}, "data"),
        ],
    )


KUCOIN = Exchange(
    name="kucoin",
    rest_url="https://api.kucoin.com",
    # One key serves spot and futures.
    hosts=("api-futures.kucoin.com", "api-broker.kucoin.com"),
    needs=_NEEDS,
    scheme=_SCHEME,
    pattern=_tokens("api.kucoin.com"),
    sources=_SOURCES,
)

KUCOIN_FUTURES = Exchange(
    name="kucoin-futures",
    rest_url="https://api-futures.kucoin.com",
    hosts=("api.kucoin.com", "api-broker.kucoin.com"),
    needs=_NEEDS,
    scheme=_SCHEME,
    pattern=_tokens("api-futures.kucoin.com"),
    sources=_SOURCES,
)
