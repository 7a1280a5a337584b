"""Coinbase Exchange, and its sandbox.

Sources (read 2026-07): https://docs.cdp.coinbase.com/exchange/rest-api/authentication,
https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication,
https://docs.cdp.coinbase.com/exchange/introduction/sandbox.

Arguments stay where the caller put them. The page has those of DELETE in the query, ccxt puts them
into a body: moving a `product_id` to where it is not read would cancel the orders of all products.
"""

from __future__ import annotations

from networkpype.auth.patterns.inline import InlineSignature
from networkpype.auth.patterns.rules import Containing, accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["COINBASE_EXCHANGE"]

_NEEDS = ("key", "secret", "passphrase")
_SIGNING = HMAC("sha256", "base64", secret="base64")  # noqa: S106
_ABOUT_US = Containing(
    "authenticat", "api key", "signature", "passphrase", "timestamp", "unauthorized"
)
_SOURCES = (
    "https://docs.cdp.coinbase.com/exchange/rest-api/authentication",
    "https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication",
    "https://docs.cdp.coinbase.com/exchange/introduction/sandbox",
)

_SCHEME = HeaderSignature(
    message="{timestamp}{method}{path_qs}{body}",
    headers={
        "CB-ACCESS-KEY": "{key}",
        "CB-ACCESS-SIGN": "{signature}",
        "CB-ACCESS-TIMESTAMP": "{timestamp}",
        "CB-ACCESS-PASSPHRASE": "{passphrase}",
    },
    signing=_SIGNING,
    timestamp="s",
    content_type="application/json",
)


def _pattern(url: str) -> InlineSignature:
    return InlineSignature(
        url=url,
        message="{timestamp}GET/users/self/verify",
        fields={
            "signature": "{signature}",
            "key": "{key}",
            "passphrase": "{passphrase}",
            "timestamp": "{timestamp}",
        },
        signing=_SIGNING,
        channel_at="channels",
        event_at="type",
        symbols_at="product_ids",
        rules=(
            accepted({"type": "subscriptions"}),
            rejected({"type": "error", "message": _ABOUT_US}, "reason", "message"),
            rejected({"type": "error", "reason": _ABOUT_US}, "reason", "message"),
        ),
    )


COINBASE_EXCHANGE = Exchange(
    name="coinbaseexchange",
    rest_url="https://api.exchange.coinbase.com",
    needs=_NEEDS,
    scheme=_SCHEME,
    pattern=_pattern("wss://ws-feed.exchange.coinbase.com"),
    sandbox=Exchange(
        name="coinbaseexchange sandbox",
        rest_url="https://api-public.sandbox.exchange.coinbase.com",
        needs=_NEEDS,
        scheme=_SCHEME,
        pattern=_pattern("wss://ws-feed-public.sandbox.exchange.coinbase.com"),
        sources=_SOURCES,
    ),
    sources=_SOURCES,
)
